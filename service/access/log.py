"""Reading the audit log: newest first, by who, action and time."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.sql import ColumnElement

from service import tables as t
from service.page import Page, before

C = t.audit_log.c


class Entry(msgspec.Struct, frozen=True):
    """One change: `who` made it, and what is known of it besides."""

    id: int
    at: datetime
    who: str
    action: str
    details: dict[str, Any]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries; `since` is in, `until` out."""

    who: str = ""
    action: str = ""
    since: datetime | None = None
    until: datetime | None = None


def list_entries(connection: sa.Connection, bot: str, wanted: Wanted, cursor: str | None, limit: int) -> Page[Entry]:
    """Newest first; BadInput for what is no cursor of this list."""
    query = sa.select(t.audit_log).where(C.bot == bot, *_conditions(wanted)).order_by(C.id.desc()).limit(limit + 1)
    if cursor is not None:
        query = query.where(C.id < before(cursor))
    rows = connection.execute(query).all()
    items = [msgspec.convert(row, Entry, from_attributes=True) for row in rows[:limit]]
    return Page(items, str(items[-1].id) if len(rows) > limit else None)


def _conditions(wanted: Wanted) -> Iterator[ColumnElement[bool]]:
    if wanted.who:
        yield C.who == wanted.who
    if wanted.action:
        yield C.action == wanted.action
    if wanted.since:
        yield C.at >= wanted.since
    if wanted.until:
        yield C.at < wanted.until
