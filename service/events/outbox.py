"""The outbox: an event is a row, written in the transaction of what happened, so that there is never one without the
other. Where nobody listens, none is written."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from service import tables
from service.events.schemas import EventType

ENDPOINT, EVENT, SENDING = tables.endpoint, tables.event, tables.sending


def record(connection: sa.Connection, bot: str, type: EventType, data: Mapping[str, Any], now: datetime) -> str | None:
    """The event's id; None when no endpoint of the bot wants the type. `data`: ids, numbers and names, for texts are
    forgotten and events are not.

    One that only disabled endpoints want is kept for them, and goes out when it is replayed."""
    wanting = _wanting(connection, bot, type)
    if not wanting:
        return None
    return add(connection, bot, type, data, now, [row.id for row in wanting if row.disabled_at is None])


def is_wanted(connection: sa.Connection, bot: str, type: EventType) -> bool:
    """For those to whom the event's data is work."""
    return bool(_wanting(connection, bot, type))


def add(
    connection: sa.Connection,
    bot: str,
    type: str,
    data: Mapping[str, Any],
    now: datetime,
    endpoint_ids: Sequence[int],
) -> str:
    """The event, on its way to these endpoints."""
    event_id = _new_id(now)
    row = {"id": event_id, "bot": bot, "type": type, "at": now, "data": {"bot": bot, **data}}
    connection.execute(EVENT.insert(), row)
    sending = {"event_id": event_id, "bot": bot, "next_at": now}
    if endpoint_ids:
        connection.execute(SENDING.insert(), [sending | {"endpoint_id": each} for each in endpoint_ids])
    return event_id


def _wanting(connection: sa.Connection, bot: str, type: EventType) -> list[sa.Row[Any, Any, Any]]:
    query = sa.select(ENDPOINT.c.id, ENDPOINT.c.events, ENDPOINT.c.disabled_at).where(ENDPOINT.c.bot == bot)
    return [row for row in connection.execute(query) if not row.events or type in row.events]


def _new_id(now: datetime) -> str:
    """Ids of later milliseconds are greater: a list is ordered by them."""
    return f"evt_{int(now.timestamp() * 1000):012x}{secrets.token_hex(10)}"
