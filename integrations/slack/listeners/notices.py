"""What an owner decides about a challenger that its gate held."""

from collections.abc import Callable, Mapping
from typing import Any

from slack_bolt import Ack

from integrations.slack import notices, people
from integrations.slack.blocks.names import notice_place_of
from integrations.slack.blocks.notices import Held
from integrations.slack.desk import Desk, reason
from integrations.slack.listeners.shown import NOT_COUNTED, tell
from integrations.slack.notices import Notice
from service import clock, database
from service.access import audit
from service.classifiers import operations, store
from service.classifiers.history import HELD_BY_HAND, by_hand
from service.classifiers.operations import Word
from service.context import Context
from service.errors import FencepostError

IN_SLACK = "decided in Slack, on how its trial ended"  # a button asks for no reason

Decide = Callable[[Context, Notice, Held, str], None]


def on_promote(ack: Ack, body: dict[str, Any], desk: Desk) -> None:
    ack()  # first: an encoder of the challenger's own may have to be loaded
    _decide(body, desk, _promote)


def on_hold(ack: Ack, body: dict[str, Any], desk: Desk) -> None:
    ack()
    _decide(body, desk, _hold)


def _decide(body: Mapping[str, Any], desk: Desk, decide: Decide) -> None:
    """Once: whoever comes later sees what was decided."""
    place, user = notice_place_of(body["actions"][0]["block_id"]), body["user"]["id"]
    channel, ts = body["container"]["channel_id"], body["container"]["message_ts"]
    try:
        with database.reading(desk.context.engine) as connection:
            owner = people.principal_of(connection, place.bot, user, "owner")
            found = notices.get(connection, place)
        if isinstance(found.news, Held) and not found.decision and not _is_over(desk.context, found, found.news):
            decide(desk.context, found, found.news, owner.name)
    except FencepostError as error:
        return tell(desk, user, channel, f"{NOT_COUNTED}: {reason(error)}.")
    if found.message_id is not None:
        desk.redrawer.redraw(found.message_id, ts)


def _is_over(context: Context, found: Notice, news: Held) -> bool:
    """Whether the champion is another than it was compared with: then that is what the notice says from now on."""
    with database.writing(context.engine) as connection:
        champion = store.champion_n(connection, found.bot)
        if champion == news.champion:
            return False
        done = by_hand(connection, found.bot, news.n) if champion == news.n else None
        notices.decide(connection, found.id, *(("promote", done.who) if done else ("late", "")))
        return True


def _promote(context: Context, found: Notice, news: Held, who: str) -> None:
    operations.promote(context, found.bot, news.n, clock.now(), Word(who, IN_SLACK, news.champion))
    with database.writing(context.engine) as connection:
        notices.decide(connection, found.id, "promote", who, is_final=True)


def _hold(context: Context, found: Notice, news: Held, who: str) -> None:
    with database.writing(context.engine) as connection:
        if notices.decide(connection, found.id, "hold", who):
            audit.record(connection, found.bot, HELD_BY_HAND, clock.now(), who, n=news.n, reason=IN_SLACK)
