"""Events on their way, in SQL. Who makes an attempt claims it first, by moving `next_at` from what was seen to the end
of a lease: so two at once send one, and what a killed process had claimed is due again when its lease ends."""

import random
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from service import tables
from service.database import reading, writing
from service.events import endpoints, rules
from service.events.rules import Answer

ENDPOINT, EVENT, SENDING, ATTEMPT = tables.endpoint, tables.event, tables.sending, tables.attempt
LEASE = timedelta(seconds=90)  # an attempt takes 20 s, and what the system needs to resolve a name
SWEPT = 100  # events a transaction


class Claimed(NamedTuple):
    """An attempt that is ours to make until `until`. `body` is what is signed and sent."""

    endpoint_id: int
    event_id: str
    attempts: int  # made before
    until: datetime
    url: str
    body: bytes


def busy_bots(connection: sa.Connection, now: datetime) -> set[str]:
    """Bots for which an attempt is due, or that keep events too old."""
    due = sa.select(SENDING.c.bot).join(ENDPOINT, _is_open()).where(SENDING.c.next_at <= now)
    old = sa.select(EVENT.c.bot).where(EVENT.c.at < now - rules.KEPT)
    return set(connection.scalars(sa.union(due, old)))


def claim(engine: sa.Engine, bot: str, now: datetime, *, but: Collection[int] = ()) -> Claimed | None:
    """The attempt that has been due for longest, leaving out some endpoints; None when none is."""
    while True:
        with reading(engine) as connection:
            seen = connection.execute(_due(bot, now, but)).one_or_none()
        if seen is None:
            return None
        with writing(engine) as connection:
            if _move(connection, seen.endpoint_id, seen.event_id, seen.next_at, next_at=now + LEASE):
                return Claimed(seen.endpoint_id, seen.event_id, seen.attempts, now + LEASE, seen.url, _body(seen))


def _due(bot: str, now: datetime, but: Collection[int]) -> sa.Select[Any]:
    return (
        sa.select(SENDING, ENDPOINT.c.url, EVENT.c.type, EVENT.c.at, EVENT.c.data)
        .join(ENDPOINT, _is_open())
        .join(EVENT, EVENT.c.id == SENDING.c.event_id)
        .where(SENDING.c.bot == bot, SENDING.c.next_at <= now, SENDING.c.endpoint_id.not_in(but))
        .order_by(SENDING.c.next_at)
        .limit(1)
    )


def _is_open() -> sa.ColumnElement[bool]:
    """The sending's endpoint is there and enabled: one may have been disabled while the event was written."""
    return (ENDPOINT.c.id == SENDING.c.endpoint_id) & ENDPOINT.c.disabled_at.is_(None)


def _body(seen: sa.Row[Any]) -> bytes:
    """The same bytes in every attempt."""
    return msgspec.json.encode({"type": seen.type, "timestamp": seen.at, "data": seen.data})


def _move(connection: sa.Connection, endpoint_id: int, event_id: str, seen: datetime, **values: Any) -> bool:
    """The fence; False: somebody was faster, and nothing changed."""
    here = (SENDING.c.endpoint_id == endpoint_id, SENDING.c.event_id == event_id, SENDING.c.next_at == seen)
    return connection.execute(sa.update(SENDING).where(*here).values(**values)).rowcount == 1


def settle(connection: sa.Connection, claimed: Claimed, answer: Answer, now: datetime, rng: random.Random) -> bool:
    """Note what came of the attempt, and when the next follows; False, and nothing noted, when the lease has passed to
    another."""
    attempts = claimed.attempts + 1
    wait = None if answer.is_delivered else rules.wait_s(attempts, answer, rng)
    ended = "delivered" if answer.is_delivered else "failed" if wait is None else "pending"
    next_at = None if wait is None else now + timedelta(seconds=wait)
    changed = {"status": ended, "attempts": attempts, "next_at": next_at}
    if not _move(connection, claimed.endpoint_id, claimed.event_id, claimed.until, **changed):
        return False
    row = {"endpoint_id": claimed.endpoint_id, "event_id": claimed.event_id, "at": now}
    row |= {"ms": answer.ms, "status_code": answer.status_code, "error": answer.error}
    connection.execute(ATTEMPT.insert(), row)
    _judge(connection, claimed.endpoint_id, answer, now)
    return True


def _judge(connection: sa.Connection, endpoint_id: int, answer: Answer, now: datetime) -> None:
    """What the answer says about the endpoint: fine, failing, or to be disabled."""
    here = sa.update(ENDPOINT).where(ENDPOINT.c.id == endpoint_id, ENDPOINT.c.disabled_at.is_(None))
    if answer.is_delivered:
        connection.execute(here.where(ENDPOINT.c.failing_since.is_not(None)).values(failing_since=None))
        return
    connection.execute(here.where(ENDPOINT.c.failing_since.is_(None)).values(failing_since=now))
    since = connection.scalar(sa.select(ENDPOINT.c.failing_since).where(ENDPOINT.c.id == endpoint_id))
    if answer.status_code == rules.GONE:
        endpoints.disable(connection, endpoint_id, "gone", now)
    elif since is not None and now - since >= rules.GIVE_UP:
        endpoints.disable(connection, endpoint_id, "failing", now)


def sweep(connection: sa.Connection, bot: str, now: datetime) -> int:
    """Drop events that are too old, and what was noted of them; how many, SWEPT at most."""
    old = sa.select(EVENT.c.id).where(EVENT.c.bot == bot, EVENT.c.at < now - rules.KEPT).order_by(EVENT.c.at)
    ids = list(connection.scalars(old.limit(SWEPT)))
    if ids:
        for column in (ATTEMPT.c.event_id, SENDING.c.event_id, EVENT.c.id):
            connection.execute(sa.delete(column.table).where(column.in_(ids)))
    return len(ids)
