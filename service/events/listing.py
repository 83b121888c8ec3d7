"""Events as lists show them, and sending them again."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from service import database, tables
from service.access import audit
from service.bots.store import get_bot, live_bot
from service.errors import BadInput, Conflict, NotFound
from service.events import endpoints
from service.events.rules import KEPT
from service.events.schemas import EVENT_ID, EVENT_TYPES, Attempt, Endpoint, Event, EventType, EventView, Sending
from service.page import Page

EVENT, SENDING, ATTEMPT = tables.event, tables.sending, tables.attempt
CHUNK = 200  # sendings a transaction


class EventNotFound(NotFound):
    type = "event-not-found"

    def __init__(self, bot: str, event_id: str) -> None:
        super().__init__(f"bot {bot!r} has no event {event_id!r}", hint="`fencepost events list` names those kept")


class NobodyToTell(Conflict):
    type = "nobody-to-tell"

    def __init__(self, event_type: str) -> None:
        super().__init__(f"no endpoint that is enabled wants {event_type}", hint="name one with `endpoint`")


def list_events(
    connection: sa.Connection, bot: str, type: EventType | None, cursor: str | None, limit: int
) -> Page[Event]:
    """Newest first."""
    get_bot(connection, bot)
    query = sa.select(EVENT).where(EVENT.c.bot == bot).order_by(EVENT.c.id.desc()).limit(limit + 1)
    if type is not None:
        query = query.where(EVENT.c.type == type)
    if cursor is not None:
        query = query.where(EVENT.c.id < _cursor(cursor))
    rows = connection.execute(query).all()
    next_cursor = rows[limit - 1].id if len(rows) > limit else None
    sendings = _sendings(connection, [row.id for row in rows[:limit]])
    return Page([Event(**_plain(row), sendings=tuple(sendings[row.id])) for row in rows[:limit]], next_cursor)


def _cursor(cursor: str) -> str:
    if not EVENT_ID.fullmatch(cursor):
        raise BadInput("this is no cursor of this list", path="cursor", hint="take `next` of the page before")
    return cursor


def _plain(row: sa.Row[Any]) -> dict[str, Any]:
    return {"id": row.id, "type": row.type, "at": row.at, "data": row.data}


def _sendings(connection: sa.Connection, event_ids: Sequence[str]) -> defaultdict[str, list[Sending]]:
    found: defaultdict[str, list[Sending]] = defaultdict(list)
    query = sa.select(SENDING).where(SENDING.c.event_id.in_(event_ids)).order_by(SENDING.c.endpoint_id)
    for row in connection.execute(query):
        one = Sending(endpoint=row.endpoint_id, status=row.status, attempts=row.attempts, next_at=row.next_at)
        found[row.event_id].append(one)
    return found


def show(connection: sa.Connection, bot: str, event_id: str) -> EventView:
    """EventNotFound also for another bot's, and for one that is kept no more."""
    row = _row(connection, bot, event_id)
    made = sa.select(ATTEMPT).where(ATTEMPT.c.event_id == event_id).order_by(ATTEMPT.c.id)
    attempts = tuple(
        Attempt(endpoint=one.endpoint_id, at=one.at, ms=one.ms, status_code=one.status_code, error=one.error)
        for one in connection.execute(made)
    )
    sendings = tuple(_sendings(connection, [event_id])[event_id])
    return EventView(**_plain(row), sendings=sendings, attempts=attempts)


def _row(connection: sa.Connection, bot: str, event_id: str) -> sa.Row[Any]:
    query = sa.select(EVENT).where(EVENT.c.bot == bot, EVENT.c.id == event_id)
    row = connection.execute(query).one_or_none() if EVENT_ID.fullmatch(event_id) else None
    if row is None:
        raise EventNotFound(bot, event_id)
    return row


def replay(
    connection: sa.Connection, bot: str, event_id: str, endpoint_id: int | None, now: datetime, *, who: str
) -> int:
    """Put an event on its way again, delivered or not, with a schedule of its own; to how many endpoints."""
    live_bot(connection, bot)
    event_type = _row(connection, bot, event_id).type
    if endpoint_id is not None:
        told = [endpoints.get_enabled(connection, bot, endpoint_id)]
    else:
        told = [one for one in endpoints.list_endpoints(connection, bot) if _wants(one, event_type)]
    if not told:
        raise NobodyToTell(event_type)
    for one in told:
        _send_again(connection, bot, one.id, [event_id], now)
    audit.record(connection, bot, "event.replay", now, who, event=event_id, endpoints=[one.id for one in told])
    return len(told)


def _wants(endpoint: Endpoint, event_type: str) -> bool:
    is_wanted = event_type in (endpoint.events or EVENT_TYPES)
    return endpoint.disabled_at is None and is_wanted


def replay_missed(engine: sa.Engine, bot: str, endpoint_id: int, since: datetime, now: datetime, *, who: str) -> int:
    """Put on its way what happened since then, what the endpoint wants, and what neither reached it nor is going to;
    how many events. In transactions of CHUNK."""
    with database.writing(engine) as connection:
        live_bot(connection, bot)
        endpoints.get_enabled(connection, bot, endpoint_id)
        audit.record(connection, bot, "event.replay", now, who, endpoint=endpoint_id, since=since.isoformat())
    if since > now:
        return 0  # and no database could compare with every such date
    since, total = max(since, now - KEPT), 0
    while True:
        with database.writing(engine) as connection:
            found = _missed(connection, endpoints.get_enabled(connection, bot, endpoint_id), since)
            _send_again(connection, bot, endpoint_id, found, now)
        total += len(found)
        if len(found) < CHUNK:
            return total


def _missed(connection: sa.Connection, endpoint: Endpoint, since: datetime) -> list[str]:
    here = (SENDING.c.endpoint_id == endpoint.id, SENDING.c.event_id == EVENT.c.id)
    is_served = sa.exists().where(*here, SENDING.c.status != "failed")
    is_wanted = EVENT.c.type.in_(endpoint.events or EVENT_TYPES)
    query = sa.select(EVENT.c.id).where(EVENT.c.bot == endpoint.bot, EVENT.c.at >= since, is_wanted, ~is_served)
    return list(connection.scalars(query.order_by(EVENT.c.id).limit(CHUNK)))


def _send_again(connection: sa.Connection, bot: str, endpoint_id: int, event_ids: Sequence[str], now: datetime) -> None:
    fresh = {"endpoint_id": endpoint_id, "bot": bot, "status": "pending", "attempts": 0, "next_at": now}
    database.insert_new(connection, SENDING, [fresh | {"event_id": event_id} for event_id in event_ids])
    here = (SENDING.c.endpoint_id == endpoint_id, SENDING.c.event_id.in_(event_ids))
    connection.execute(sa.update(SENDING).where(*here).values(status="pending", attempts=0, next_at=now))
