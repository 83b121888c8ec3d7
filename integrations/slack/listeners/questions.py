"""The small views about a card: opened from its menu, submitted as one vote."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import sqlalchemy as sa
from slack_bolt import Ack

from integrations.slack import asking
from integrations.slack.blocks import Place, place_of
from integrations.slack.blocks.metadata import Asked, asked_of
from integrations.slack.desk import REFUSALS, Desk, reason
from integrations.slack.listeners.shown import InModal, OnMessage, Shown, bring_up, open_view, push_view, shown_of
from integrations.slack.listeners.votes import cast, follow_up, intent_name
from service.errors import FencepostError
from service.reviews import brackets, store
from service.reviews.schemas import Vote
from service.reviews.voting import redacted_why

Filled = Mapping[str, str]  # by field, "" where nothing was filled in
ERROR_TEXT = 300
FIELDS = {"spans": "entities"}  # where the form calls it otherwise


def on_more(ack: Ack, body: dict[str, Any], desk: Desk) -> None:
    """Open the view over the message, or on top of the review modal."""
    ack()
    action, user = body["actions"][0], body["user"]["id"]
    place, shown = place_of(action["block_id"]), shown_of(body)
    try:
        view = asking.draw(desk.context.engine, action["selected_option"]["value"], user, _asked(place, shown))
    except REFUSALS as error:
        bring_up(desk, place, user, shown, error)
        return
    if isinstance(shown, InModal):
        push_view(desk, body, shown, view)
    else:
        open_view(desk, body, view)


def _asked(place: Place, shown: Shown) -> Asked:
    if isinstance(shown, InModal):
        return Asked(*place, sitting=shown.sitting)
    return Asked(*place, channel=shown.channel, ts=shown.ts)


def on_answer(ack: Ack, body: dict[str, Any], desk: Desk) -> None:
    """Store the vote, ack, bring the message or the modal below up to date; what is wrong is said at its field."""
    view, user = body["view"], body["user"]["id"]
    asked, filled = asked_of(view["private_metadata"]), _filled(view)
    place = Place(asked.bot, asked.card)
    if refusal := _cast(desk, place, view, filled, user):
        ack(response_action="errors", errors={place.block_id(_field(refusal, filled)): _error(refusal)})
        return
    ack()
    bring_up(desk, place, user, _below(view, asked))
    follow_up(desk.context, place.bot)


def _cast(desk: Desk, place: Place, view: Mapping[str, Any], filled: Filled, user: str) -> FencepostError | None:
    try:
        why = redacted_why(desk.context.engine, place.bot, filled.get("why", ""))
    except REFUSALS as error:
        return error
    said = {**filled, "why": why}
    make = partial(VOTES[view["callback_id"]], place, said, f"slack:{user}:view:{view['id']}")
    return cast(desk, place, user, make)


def _below(view: Mapping[str, Any], asked: Asked) -> Shown:
    if asked.sitting is not None:
        return InModal(view["root_view_id"], "", asked.sitting)
    return OnMessage(asked.channel, asked.ts)


def _filled(view: Mapping[str, Any]) -> Filled:
    found = {}
    for block_id, actions in view["state"]["values"].items():
        for state in actions.values():
            option = state.get("selected_option") or {}
            found[block_id.rsplit(":", 1)[1]] = state.get("value") or option.get("value") or ""
    return found


def _field(refusal: FencepostError, filled: Filled) -> str:
    """The field that is wrong; the first when it is none of them."""
    name = refusal.path.partition("[")[0]
    name = FIELDS.get(name, name)
    return name if name in filled else next(iter(filled))


def _error(refusal: FencepostError) -> str:
    text = reason(refusal)
    return f"{text[0].upper()}{text[1:ERROR_TEXT]}."


def _two(place: Place, filled: Filled, click_id: str, connection: sa.Connection) -> Vote:
    first, second = (intent_name(connection, place.bot, filled[part]) for part in ("intent", "second"))
    return Vote(answer="two", intent=first, second=second, click_id=click_id)


def _new(_place: Place, filled: Filled, click_id: str, _connection: sa.Connection) -> Vote:
    return Vote(answer="new", proposed=filled["proposed"], why=filled["why"], click_id=click_id)


def _entities(place: Place, filled: Filled, click_id: str, connection: sa.Connection) -> Vote:
    spans = brackets.parse(store.text_of(connection, *place), filled["entities"])
    intent = intent_name(connection, place.bot, filled["intent"])
    return Vote(answer="intent", intent=intent, spans=spans, click_id=click_id)


VOTES: Mapping[str, Callable[[Place, Filled, str, sa.Connection], Vote]] = {
    "two": _two,
    "new": _new,
    "entities": _entities,
}
