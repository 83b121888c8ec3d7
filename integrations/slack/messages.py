"""Slack messages and what stands on them, in SQL: cards, or one notice.

A message is `sending` from before the request until its outcome is known, then `posted`, or `failed` when Slack will
not have it. One that was sent twice stays `sending`, with its `ts`, until the history was looked through for a twin. A
card's post says which message it stands on and what that shows of it."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

import msgspec
import sqlalchemy as sa

from integrations.slack import notices
from service import database, tables
from service.reviews.store import has_text

MESSAGE, POST, CARD, NOTICE = tables.message, tables.post, tables.card, tables.notice
CLAIM, CONTENT, TURN, VOTE = tables.claim, tables.turn_content, tables.turn, tables.vote
Status = Literal["sending", "posted", "failed"]
UNKNOWN_AFTER = timedelta(seconds=30)  # a request that was not answered by then never will be
UNDECIDED = ("open", "adjudicate")  # of a card
RECENT = timedelta(weeks=1)  # longer than Slack is away
GONE = "gone"  # what is shown of a card whose turn was forgotten


class Message(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    bot: str
    channel: str
    status: Status
    first_at: datetime
    attempted_at: datetime
    redraw_at: datetime
    ts: str = ""


class Shown(NamedTuple):
    """What a message shows of a card: its status, or GONE, and its newest vote."""

    status: str
    vote_id: int


def _messages(connection: sa.Connection, query: sa.Select[Any]) -> list[Message]:
    return [Message(**row._mapping) for row in connection.execute(query)]


def get(connection: sa.Connection, message_id: str) -> Message | None:
    return next(iter(_messages(connection, sa.select(MESSAGE).where(MESSAGE.c.id == message_id))), None)


def of_card(connection: sa.Connection, card_id: str) -> str | None:
    """The id of the message the card stands on."""
    found: str | None = connection.scalar(sa.select(POST.c.message_id).where(POST.c.card_id == card_id))
    return found


def standing(connection: sa.Connection, card_ids: Collection[str], channel: str, ts: str) -> set[str]:
    """Those of the cards that stand on the message at this `ts`, or on one in this channel that may be anywhere yet."""
    is_there = (MESSAGE.c.channel == channel) & ((MESSAGE.c.ts == ts) | (MESSAGE.c.status == "sending"))
    query = sa.select(POST.c.card_id).join(MESSAGE, MESSAGE.c.id == POST.c.message_id)
    return set(connection.scalars(query.where(POST.c.card_id.in_(card_ids), is_there)))


def cards_of(connection: sa.Connection, message_id: str) -> list[str]:
    """The most urgent first."""
    query = sa.select(POST.c.card_id).join(CARD, CARD.c.id == POST.c.card_id).where(POST.c.message_id == message_id)
    return list(connection.scalars(query.order_by(*_by_urgency())))


def _by_urgency() -> tuple[sa.ColumnElement[Any], ...]:
    return CARD.c.priority.desc(), CARD.c.created_at, CARD.c.id


def next_cards(connection: sa.Connection, bot: str, now: datetime, limit: int) -> list[str]:
    """Open cards that anybody may see and that stand on no message, the most urgent first; none that is on somebody's
    screen elsewhere."""
    is_posted = sa.exists().where(POST.c.card_id == CARD.c.id)
    is_claimed = sa.exists().where(CLAIM.c.card_id == CARD.c.id, CLAIM.c.until > now)
    return list(connection.scalars(open_cards(bot).where(~is_posted, ~is_claimed).limit(limit)))


def open_cards(bot: str) -> sa.Select[str]:
    """Ids of the open cards that anybody may see, the most urgent first."""
    wanted = (CARD.c.bot == bot, CARD.c.status == "open", CARD.c.purpose == "rank", CARD.c.is_blind.is_(False))
    return sa.select(CARD.c.id).where(*wanted, has_text()).order_by(*_by_urgency())


def count_waiting(connection: sa.Connection, bot: str) -> int:
    """Open cards in the channel, or on their way to it, that nobody has looked at. Those somebody was unsure about are
    not counted, nor forgotten ones: ten of them would keep every other card out."""
    looked_at = sa.exists().where(VOTE.c.card_id == CARD.c.id, VOTE.c.answer != "undo")
    in_channel = (
        sa.exists(sa.select(POST.c.card_id).join(MESSAGE, MESSAGE.c.id == POST.c.message_id))
        .where(POST.c.card_id == CARD.c.id, MESSAGE.c.status.in_(("sending", "posted")))
        .correlate(CARD)
    )
    wanted = (CARD.c.bot == bot, CARD.c.status == "open", has_text(), ~looked_at, in_channel)
    return connection.scalar(sa.select(sa.func.count()).select_from(CARD).where(*wanted)) or 0


def reserve(connection: sa.Connection, bot: str, channel: str, card_ids: Sequence[str], now: datetime) -> str | None:
    """A message of these cards, now `sending`; of those that another dispatcher has taken, not. None when it has taken
    all."""
    message_id = uuid.uuid4().hex
    rows = [{"card_id": card_id, "message_id": message_id} for card_id in sorted(card_ids)]  # in one order: no deadlock
    if not database.insert_new(connection, POST, rows):
        return None
    _add(connection, message_id, bot, channel, now)
    return message_id


def reserve_notice(connection: sa.Connection, bot: str, channel: str, notice_id: int, now: datetime) -> str | None:
    """A message of this notice, now `sending`; None when another dispatcher has taken it."""
    message_id = uuid.uuid4().hex
    where = (NOTICE.c.id == notice_id, NOTICE.c.message_id.is_(None))
    if not connection.execute(sa.update(NOTICE).where(*where).values(message_id=message_id)).rowcount:
        return None
    _add(connection, message_id, bot, channel, now)
    return message_id


def _add(connection: sa.Connection, message_id: str, bot: str, channel: str, now: datetime) -> None:
    times = dict.fromkeys(("first_at", "attempted_at", "redraw_at"), now)
    row = {"id": message_id, "bot": bot, "channel": channel, "status": "sending", "ts": ""} | times
    connection.execute(MESSAGE.insert(), row)


def unknown(connection: sa.Connection, bot: str, now: datetime) -> list[Message]:
    """Messages whose outcome is still unknown, oldest first."""
    where = (MESSAGE.c.bot == bot, MESSAGE.c.status == "sending", MESSAGE.c.attempted_at <= now - UNKNOWN_AFTER)
    return _messages(connection, sa.select(MESSAGE).where(*where).order_by(MESSAGE.c.first_at))


def take_up(connection: sa.Connection, message: Message, now: datetime) -> bool:
    """Begin to find out about an unknown message; False when another dispatcher has."""
    c = MESSAGE.c
    where = (c.id == message.id, c.status == "sending", c.attempted_at == message.attempted_at)
    return connection.execute(sa.update(MESSAGE).where(*where).values(attempted_at=now)).rowcount == 1


def settle(connection: sa.Connection, message_id: str, status: Status, ts: str = "") -> None:
    values = {"status": status} | ({"ts": ts} if ts else {})
    connection.execute(sa.update(MESSAGE).where(MESSAGE.c.id == message_id).values(values))


def drop(connection: sa.Connection, message_id: str) -> None:
    """What stood on it may be posted again."""
    connection.execute(sa.delete(MESSAGE).where(MESSAGE.c.id == message_id))
    connection.execute(sa.delete(POST).where(POST.c.message_id == message_id))
    connection.execute(sa.update(NOTICE).where(NOTICE.c.message_id == message_id).values(message_id=None))


def release(connection: sa.Connection, message_id: str) -> None:
    """The message is not in Slack: what stands on it may be posted at any time. One that was tried before stays, for an
    earlier one may yet turn up in the history."""
    where = (MESSAGE.c.status == "sending", MESSAGE.c.attempted_at == MESSAGE.c.first_at)
    if connection.scalar(sa.select(MESSAGE.c.id).where(MESSAGE.c.id == message_id, *where)):
        drop(connection, message_id)


def is_wanted(connection: sa.Connection, message_id: str) -> bool:
    """Whether any of its cards wants an answer, or it is a notice."""
    is_on_it = (POST.c.message_id == message_id) & (POST.c.card_id == CARD.c.id)
    is_card = sa.exists().where(is_on_it, CARD.c.status == "open")
    is_notice = sa.exists().where(NOTICE.c.message_id == message_id)
    return bool(connection.scalar(sa.select(is_card | is_notice)))


def claim(connection: sa.Connection, message_id: str, now: datetime, lease: timedelta) -> timedelta:
    """Be the one who redraws the message, for no longer than the lease: zero; else how long to wait. In any second one
    process does, and none while another's request is under way."""
    where = (MESSAGE.c.id == message_id, MESSAGE.c.redraw_at <= now)
    if connection.execute(sa.update(MESSAGE).where(*where).values(redraw_at=now + lease)).rowcount:
        return timedelta()
    redraw_at: datetime | None = connection.scalar(sa.select(MESSAGE.c.redraw_at).where(MESSAGE.c.id == message_id))
    return timedelta() if redraw_at is None else redraw_at - now


def redraw_from(connection: sa.Connection, message_id: str, at: datetime) -> None:
    """Free the message for the next redraw."""
    connection.execute(sa.update(MESSAGE).where(MESSAGE.c.id == message_id).values(redraw_at=at))


def shows(connection: sa.Connection, message_id: str, shown: Mapping[str, Shown]) -> None:
    """What the message shows of each card."""
    for card_id, (status, vote_id) in shown.items():
        where = (POST.c.message_id == message_id, POST.c.card_id == card_id)
        connection.execute(sa.update(POST).where(*where).values(shown=status, vote_id=vote_id))


def shows_nothing_known(connection: sa.Connection, message_id: str) -> None:
    """It will be redrawn."""
    connection.execute(sa.update(POST).where(POST.c.message_id == message_id).values(shown="", vote_id=0))
    connection.execute(sa.update(NOTICE).where(NOTICE.c.message_id == message_id).values(shown="?"))


def behind(connection: sa.Connection, bot: str, now: datetime, limit: int) -> list[str]:
    """Ids of messages that do not show what SQL says, and may be redrawn; the one that waits longest first. A
    correction, or a turn forgotten, that could not be shown for a week is not looked for any more."""
    touched = _touched(bot, now).subquery()
    query = _behind().join(touched, touched.c.message_id == MESSAGE.c.id)
    query = query.where(MESSAGE.c.bot == bot, MESSAGE.c.redraw_at <= now)
    return list(connection.scalars(query.order_by(MESSAGE.c.redraw_at, MESSAGE.c.id).limit(limit)))


def _touched(bot: str, now: datetime) -> sa.CompoundSelect[Any]:
    """Ids of the messages that may be behind, each way by an index: a channel's old messages are not looked at."""
    message_id, since = sa.select(POST.c.message_id), now - RECENT
    of_card = message_id.join(CARD, CARD.c.id == POST.c.card_id)
    is_unseen = (VOTE.c.card_id == POST.c.card_id) & (VOTE.c.id > POST.c.vote_id)
    return sa.union(
        message_id.where(POST.c.shown.in_(("", *UNDECIDED))),
        of_card.where(CARD.c.bot == bot, CARD.c.status.in_(UNDECIDED)),
        message_id.join(VOTE, is_unseen).where(VOTE.c.bot == bot, VOTE.c.at > since),
        of_card.join(TURN, TURN.c.id == CARD.c.turn_id).where(TURN.c.bot == bot, TURN.c.forgotten_at > since),
        sa.select(NOTICE.c.message_id).where(NOTICE.c.bot == bot, notices.is_behind()),
    )


def is_behind(connection: sa.Connection, message_id: str) -> bool:
    return connection.scalar(_behind().where(MESSAGE.c.id == message_id)) is not None


def _behind() -> sa.Select[Any]:
    """Only `posted` ones: of the others nobody knows what they show."""
    newest = (
        sa.select(sa.func.coalesce(sa.func.max(VOTE.c.id), 0))
        .where(VOTE.c.card_id == POST.c.card_id)
        .correlate(POST)
        .scalar_subquery()
    )
    status = sa.case((has_text(), CARD.c.status), else_=GONE)
    differs = (POST.c.shown != status) | ((status != GONE) & (POST.c.vote_id != newest))
    is_card_behind = (
        sa.exists(sa.select(POST.c.card_id).join(CARD, CARD.c.id == POST.c.card_id))
        .where(POST.c.message_id == MESSAGE.c.id, differs)
        .correlate(MESSAGE)
    )
    is_notice_behind = sa.exists().where(NOTICE.c.message_id == MESSAGE.c.id, notices.is_behind()).correlate(MESSAGE)
    return sa.select(MESSAGE.c.id).where(MESSAGE.c.status == "posted", is_card_behind | is_notice_behind)
