"""Cards as Slack messages, in SQL.

A post is `sending` from before the request until its outcome is known, then `posted`; `closed` once the message shows
an answered card; `failed` when Slack will not have it. One that was sent twice stays `sending`, with its `ts`, until
the history was looked through for a twin. Its key is the card: that keeps two dispatchers from posting a card twice.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from service import database, tables

POST, CARD, CLAIM, CONTENT = tables.post, tables.card, tables.claim, tables.turn_content
Status = Literal["sending", "posted", "closed", "failed"]
UNKNOWN_AFTER = timedelta(seconds=30)  # a request that was not answered by then never will be


class Post(msgspec.Struct, frozen=True, kw_only=True):
    card_id: str
    bot: str
    channel: str
    status: Status
    first_at: datetime
    attempted_at: datetime
    ts: str = ""


def _posts(connection: sa.Connection, query: sa.Select[Any]) -> list[Post]:
    return [Post(**row._mapping) for row in connection.execute(query)]


def reserve(connection: sa.Connection, bot: str, channel: str, now: datetime, *, at_once: int) -> str | None:
    """The next card to post, now `sending`; None when there is none or `at_once` of the bot's are shown."""
    card_id = _next(connection, bot, now) if count_shown(connection, bot) < at_once else None
    if card_id is None:
        return None
    row = {"card_id": card_id, "bot": bot, "channel": channel, "status": "sending"}
    taken = database.insert_new(connection, POST, [row | {"first_at": now, "attempted_at": now}])
    return card_id if taken else None


def _next(connection: sa.Connection, bot: str, now: datetime) -> str | None:
    """An open card that anybody may see, the most urgent first; not one on somebody's screen elsewhere."""
    wanted = (CARD.c.bot == bot, CARD.c.status == "open", CARD.c.purpose == "rank", CARD.c.is_blind.is_(False))
    is_posted = sa.exists().where(POST.c.card_id == CARD.c.id)
    is_claimed = sa.exists().where(CLAIM.c.card_id == CARD.c.id, CLAIM.c.until > now)
    has_text = sa.exists().where(CONTENT.c.turn_id == CARD.c.turn_id)
    query = sa.select(CARD.c.id).where(*wanted, ~is_posted, ~is_claimed, has_text)
    return connection.scalar(query.order_by(CARD.c.priority.desc(), CARD.c.created_at, CARD.c.id).limit(1))


def count_shown(connection: sa.Connection, bot: str) -> int:
    """Messages that wait for an answer, those on their way included."""
    where = (POST.c.bot == bot, POST.c.status.in_(("sending", "posted")))
    return connection.scalar(sa.select(sa.func.count()).select_from(POST).where(*where)) or 0


def last_attempt(connection: sa.Connection, channel: str) -> datetime | None:
    query = sa.select(POST.c.attempted_at).where(POST.c.channel == channel).order_by(POST.c.attempted_at.desc())
    found: datetime | None = connection.scalar(query.limit(1))
    return found


def unknown(connection: sa.Connection, bot: str, now: datetime) -> list[Post]:
    """Posts whose outcome is still unknown, oldest first."""
    where = (POST.c.bot == bot, POST.c.status == "sending", POST.c.attempted_at <= now - UNKNOWN_AFTER)
    return _posts(connection, sa.select(POST).where(*where).order_by(POST.c.first_at))


def take_up(connection: sa.Connection, post: Post, now: datetime) -> bool:
    """Begin to find out about an unknown post; False when another dispatcher has."""
    where = (POST.c.card_id == post.card_id, POST.c.status == "sending", POST.c.attempted_at == post.attempted_at)
    return connection.execute(sa.update(POST).where(*where).values(attempted_at=now)).rowcount == 1


def settle(connection: sa.Connection, card_id: str, status: Status, ts: str | None = None) -> None:
    values = {"status": status} | ({"ts": ts} if ts else {})
    connection.execute(sa.update(POST).where(POST.c.card_id == card_id).values(values))


def shows(connection: sa.Connection, card_id: str, status: Status) -> None:
    """The message was redrawn. One that is still `sending` stays so: there may be a twin, which only a look-up
    finds."""
    where = (POST.c.card_id == card_id, POST.c.status.in_(("posted", "closed")))
    connection.execute(sa.update(POST).where(*where).values(status=status))


def drop(connection: sa.Connection, card_id: str) -> None:
    connection.execute(sa.delete(POST).where(POST.c.card_id == card_id))


def release(connection: sa.Connection, card_id: str) -> None:
    """The message is not in Slack: the card may be posted at any time. One that was tried before stays, for an earlier
    message may yet turn up in the history."""
    where = (POST.c.card_id == card_id, POST.c.status == "sending", POST.c.attempted_at == POST.c.first_at)
    connection.execute(sa.delete(POST).where(*where))


def stale(connection: sa.Connection, bot: str, limit: int) -> Sequence[Post]:
    """Messages that offer buttons for a card which was answered elsewhere, and the other way round."""
    is_behind = ((POST.c.status == "posted") & (CARD.c.status != "open")) | (
        (POST.c.status == "closed") & (CARD.c.status == "open")
    )
    query = sa.select(POST).join(CARD, CARD.c.id == POST.c.card_id).where(POST.c.bot == bot, is_behind)
    return _posts(connection, query.order_by(POST.c.attempted_at).limit(limit))
