"""What an owner decides about a challenger that its gate held, and why."""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from slack_bolt import Ack

from integrations.slack import notices, people
from integrations.slack.blocks.deciding import WHY, deciding
from integrations.slack.blocks.names import HOLD, PROMOTE, NoticePlace, notice_place_of
from integrations.slack.blocks.notices import Held
from integrations.slack.desk import Desk, reason
from integrations.slack.listeners.shown import open_view, redraw_notice, refuse
from integrations.slack.notices import Notice
from service import clock, database
from service.access import audit
from service.bots.redacting import redacted_for
from service.classifiers import operations, store
from service.classifiers.history import HELD_BY_HAND, by_hand
from service.classifiers.operations import Word, checked_reason
from service.context import Context
from service.errors import BadInput, FencepostError


class Asked(msgspec.Struct, frozen=True):
    """The notice's message, as the view's metadata."""

    bot: str
    notice: int
    channel: str
    ts: str

    @property
    def place(self) -> NoticePlace:
        return NoticePlace(self.bot, self.notice)


def on_promote(ack: Ack, body: dict[str, Any], desk: Desk) -> None:
    ack()
    _ask(body, desk, PROMOTE)


def on_hold(ack: Ack, body: dict[str, Any], desk: Desk) -> None:
    ack()
    _ask(body, desk, HOLD)


def _ask(body: dict[str, Any], desk: Desk, what: str) -> None:
    """Why. Whoever comes too late sees what was decided."""
    place, shown = notice_place_of(body["actions"][0]["block_id"]), body["container"]
    asked = Asked(place.bot, place.notice, shown["channel_id"], shown["message_ts"])
    try:
        found = _open(desk, asked, body["user"]["id"])
    except FencepostError as error:
        return refuse(desk, body["user"]["id"], asked.channel, error)
    if found is None:
        return redraw_notice(desk, asked.place, asked.ts)
    open_view(desk, body, deciding(what, found.news.n, msgspec.json.encode(asked).decode()))


def on_promoted(ack: Ack, body: dict[str, Any], desk: Desk) -> None:
    _submit(ack, body, desk, _promote)


def on_held(ack: Ack, body: dict[str, Any], desk: Desk) -> None:
    _submit(ack, body, desk, _hold)


class Open(NamedTuple):
    """A held challenger that nobody has decided about, and the owner who may."""

    notice: Notice
    news: Held
    owner: str


Decide = Callable[[Context, Open, str], None]


def _submit(ack: Ack, body: dict[str, Any], desk: Desk, decide: Decide) -> None:
    try:
        why = checked_reason(body["view"]["state"]["values"][WHY][WHY].get("value") or "")
    except BadInput as error:
        ack(response_action="errors", errors={WHY: reason(error)})
        return
    ack()  # first: an encoder of the challenger's own may have to be loaded
    asked, user = msgspec.json.decode(body["view"]["private_metadata"], type=Asked), body["user"]["id"]
    try:
        if found := _open(desk, asked, user):
            decide(desk.context, found, why)
    except FencepostError as error:
        return refuse(desk, user, asked.channel, error)
    redraw_notice(desk, asked.place, asked.ts)


def _open(desk: Desk, asked: Asked, user: str) -> Open | None:
    """None once it is decided."""
    with database.reading(desk.context.engine) as connection:
        owner = people.principal_of(connection, asked.bot, user, "owner")
        found = notices.get(connection, asked.place)
    if not isinstance(found.news, Held) or found.decision or _is_over(desk.context, found, found.news):
        return None
    return Open(found, found.news, owner.name)


def _is_over(context: Context, found: Notice, news: Held) -> bool:
    """Whether the champion is another than it was compared with: then that is what the notice says from now on."""
    with database.writing(context.engine) as connection:
        champion = store.champion_n(connection, found.bot)
        if champion == news.champion:
            return False
        done = by_hand(connection, found.bot, news.n) if champion == news.n else None
        notices.decide(connection, found.id, *(("promote", done.who) if done else ("late", "")))
        return True


def _promote(context: Context, found: Open, why: str) -> None:
    bot, news = found.notice.bot, found.news
    operations.promote(context, bot, news.n, clock.now(), Word(found.owner, why, news.champion))
    with database.writing(context.engine) as connection:
        notices.decide(connection, found.notice.id, "promote", found.owner, is_final=True)


def _hold(context: Context, found: Open, why: str) -> None:
    bot = found.notice.bot
    said = redacted_for(context.engine, bot, why, "reason")
    with database.writing(context.engine) as connection:
        if notices.decide(connection, found.notice.id, "hold", found.owner):
            audit.record(connection, bot, HELD_BY_HAND, clock.now(), found.owner, n=found.news.n, reason=said)
