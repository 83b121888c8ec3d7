"""Measured windows in SQL: ids and numbers, no text of users."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from service import database, tables
from service.intents.store import list_intents
from service.windows.schemas import DriftWindow, Finding, Found, Measured

WINDOW = tables.drift_window

Names = Mapping[int, str]


def lock(connection: sa.Connection, bot: str) -> None:
    """Serialise changes to the bot's windows and alerts. SQLite's writers are alone anyway; Postgres locks the bot's
    row."""
    connection.execute(sa.select(tables.bot.c.name).where(tables.bot.c.name == bot).with_for_update())


def keep(connection: sa.Connection, bot: str, measured: Measured, read_at: datetime) -> bool:
    """In place of what was measured of that day before; False where the turns of that were read later: it stays."""
    is_earlier = sa.or_(WINDOW.c.read_at.is_(None), WINDOW.c.read_at <= read_at)
    connection.execute(sa.delete(WINDOW).where(WINDOW.c.bot == bot, WINDOW.c.day == measured.day, is_earlier))
    lists = {"findings": measured.findings, "likeliest": measured.likeliest, "versions": measured.versions}
    row = {"bot": bot, "read_at": read_at, **msgspec.structs.asdict(measured), **msgspec.to_builtins(lists)}
    return bool(database.insert_new(connection, WINDOW, [row]))


def read_at(connection: sa.Connection, bot: str, day: date) -> datetime | None:
    """When the turns of the day's window were."""
    return connection.scalar(sa.select(WINDOW.c.read_at).where(WINDOW.c.bot == bot, WINDOW.c.day == day))


def days(connection: sa.Connection, bot: str, since: date) -> set[date]:
    """With a window, from this one on."""
    return set(connection.scalars(sa.select(WINDOW.c.day).where(WINDOW.c.bot == bot, WINDOW.c.day >= since)))


def windows(connection: sa.Connection, bot: str, since: date, until: date) -> list[DriftWindow]:
    """Those of the days from `since` up to and with `until`."""
    query = sa.select(WINDOW).where(WINDOW.c.bot == bot, WINDOW.c.day.between(since, until)).order_by(WINDOW.c.day)
    names = intent_names(connection, bot)
    return [_window(row, names) for row in connection.execute(query).mappings()]


def newest(connection: sa.Connection, bot: str, *where: sa.ColumnElement[bool]) -> DriftWindow | None:
    """Of the windows that these hold of."""
    query = sa.select(WINDOW).where(WINDOW.c.bot == bot, *where).order_by(WINDOW.c.day.desc()).limit(1)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _window(row, intent_names(connection, bot))


def intent_names(connection: sa.Connection, bot: str) -> Names:
    return {intent.id: intent.name for intent in list_intents(connection, bot, archived=True)}


def named(subject: int | str | None, names: Names) -> str | None:
    return names[subject] if isinstance(subject, int) else subject


def _window(row: Mapping[Any, Any], names: Names) -> DriftWindow:
    found = msgspec.convert(row["findings"], list[Found])
    shown = {name: row[name] for name in DriftWindow.__struct_fields__}
    findings = tuple(Finding(**{**msgspec.structs.asdict(one), "subject": named(one.subject, names)}) for one in found)
    return DriftWindow(**{**shown, "findings": findings, "likeliest": tuple(row["likeliest"])})
