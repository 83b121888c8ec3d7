"""What a click does: one short write, then Slack's ack, then everything else.

A click that is not acked shows the person an error and is never sent again by Slack: so a vote that could not be
stored is not acked, and the person clicks again."""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import sqlalchemy as sa
from slack_bolt import Ack

from integrations.slack.blocks import Place, place_of
from integrations.slack.blocks.metadata import Sitting
from integrations.slack.blocks.names import BACK, OTHER
from integrations.slack.desk import Desk
from integrations.slack.listeners.shown import InModal, bring_up, shown_of, walk
from integrations.slack.listeners.votes import cast, follow_up, intent_name
from service import database
from service.access.roles import SLACK_USER
from service.reviews import store
from service.reviews.schemas import Answer, Vote

PLAIN: Mapping[str, Answer] = {"none": "none", "unsure": "unsure", "undo": "undo"}


class Click(NamedTuple):
    """A signed click, decoded: who chose what on which card."""

    place: Place
    user: str
    value: str
    is_intent_id: bool
    click_id: str


def click_of(body: Mapping[str, Any]) -> Click:
    """KeyError or ValueError when Slack sends something else than a click on a card."""
    action, user = body["actions"][0], body["user"]["id"]
    place, is_option = place_of(action["block_id"]), action["action_id"] == OTHER
    value = action["selected_option"]["value"] if is_option else action["value"]
    if action["action_id"] == BACK:
        place, value = Place(place.bot, value), "undo"
    click_id = f"slack:{user}:{action['block_id']}:{action['action_id']}:{action['action_ts']}"
    return Click(place, user, value, is_option, click_id)


def on_click(ack: Ack, body: dict[str, Any], desk: Desk) -> None:
    """Store the vote, ack, show what became of it."""
    click = click_of(body)
    refusal = cast(desk, click.place, click.user, partial(_answer, click))
    ack()
    bring_up(desk, click.place, click.user, shown_of(body), refusal)
    follow_up(desk.context, click.place.bot)


def _answer(click: Click, connection: sa.Connection) -> Vote:
    if click.is_intent_id:
        name = intent_name(connection, click.place.bot, click.value)
        return Vote(answer="intent", intent=name, click_id=click.click_id)
    if click.value.startswith("intent:"):
        return Vote(answer="intent", intent=click.value.removeprefix("intent:"), click_id=click.click_id)
    return Vote(answer=PLAIN[click.value], click_id=click.click_id)


def on_skip(ack: Ack, body: dict[str, Any], desk: Desk) -> None:
    """The card goes back to everybody, and does not come again while this modal is open."""
    ack()
    place, user = place_of(body["actions"][0]["block_id"]), body["user"]["id"]
    with database.writing(desk.context.engine) as connection:
        store.drop_claim(connection, place.card, SLACK_USER + user)
    modal = _modal(body)
    walk(desk, user, modal._replace(sitting=modal.sitting.skip(place.card)))


def on_again(ack: Ack, body: dict[str, Any], desk: Desk) -> None:
    """Look for cards once more, the skipped ones too."""
    ack()
    modal = _modal(body)
    walk(desk, body["user"]["id"], modal._replace(sitting=Sitting(modal.sitting.bot)))


def _modal(body: Mapping[str, Any]) -> InModal:
    shown = shown_of(body)
    if not isinstance(shown, InModal):
        raise TypeError("only the review modal has such buttons")
    return shown
