"""How many turns of each day of event time a source brought, kept up in the transaction that stores them: the days of
service/turns/tally.py by source. Only new turns count, each for its own day; a forgotten one stays counted."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from service import database, tables

SOURCE_DAY = tables.source_day

COLUMNS = ("source", "at", "received_at")  # of a turn

Key = tuple[str, date]  # source, day


class Brought(NamedTuple):
    """What a source brought; `received_at`: when the newest of the turns came in."""

    turns: int
    received_at: datetime

    def __add__(self, other: "Brought") -> "Brought":  # type: ignore[override]  # of tuples
        return Brought(self.turns + other.turns, max(self.received_at, other.received_at))


def count(connection: sa.Connection, bot: str, turns: Iterable[Any]) -> None:
    """Turns that people said and that were not there before: rows with the columns COLUMNS."""
    found: dict[Key, Brought] = {}
    for turn in turns:
        key, one = (turn.source, turn.at.date()), Brought(1, turn.received_at)
        found[key] = found[key] + one if key in found else one
    add(connection, bot, found)


def add(connection: sa.Connection, bot: str, found: Mapping[Key, Brought]) -> None:
    """So many turns more of each, or fewer."""
    # In one order everywhere: two transactions that lock the same rows must not wait for each other.
    more = [(source, day, found[source, day]) for source, day in sorted(found)]
    rows = [{"bot": bot, "source": source, "day": day, **one._asdict(), "turns": 0} for source, day, one in more]
    database.insert_new(connection, SOURCE_DAY, rows)
    c, came_in = SOURCE_DAY.c, sa.bindparam("came_in", type_=SOURCE_DAY.c.received_at.type)
    update = (
        sa.update(SOURCE_DAY)
        .where(c.bot == bot, c.source == sa.bindparam("by"), c.day == sa.bindparam("on"))
        .values(
            turns=c.turns + sa.bindparam("more"),
            received_at=sa.case((c.received_at < came_in, came_in), else_=c.received_at),
        )
    )
    if more:
        told = [{"by": by, "on": on, "more": one.turns, "came_in": one.received_at} for by, on, one in more]
        connection.execute(update, told)


def by_day(connection: sa.Connection, bot: str, since: date) -> dict[tuple[str, date], int]:
    """Turns by source and day, from then on."""
    c = SOURCE_DAY.c
    query = sa.select(c.source, c.day, c.turns).where(c.bot == bot, c.day >= since)
    return {(row.source, row.day): row.turns for row in connection.execute(query)}


def in_all(connection: sa.Connection, bot: str) -> dict[str, Brought]:
    """By source, over all days."""
    c = SOURCE_DAY.c
    received_at = sa.func.max(c.received_at, type_=c.received_at.type)
    query = sa.select(c.source, sa.func.sum(c.turns).label("turns"), received_at.label("received_at"))
    rows = connection.execute(query.where(c.bot == bot).group_by(c.source))
    return {row.source: Brought(row.turns, row.received_at) for row in rows}


def read(connection: sa.Connection, bot: str) -> dict[Key, Brought]:
    """All that is kept."""
    rows = connection.execute(sa.select(SOURCE_DAY).where(SOURCE_DAY.c.bot == bot))
    return {(row.source, row.day): Brought(row.turns, row.received_at) for row in rows}


def counted(connection: sa.Connection, bot: str) -> dict[Key, Brought]:
    """What the log says: every row is read."""
    turn = tables.turn.c
    day = (
        sa.func.date(turn.at)
        if connection.dialect.name == "sqlite"
        else sa.cast(sa.func.timezone("UTC", turn.at), sa.Date)
    )
    received_at = sa.func.max(turn.received_at, type_=turn.received_at.type)
    query = sa.select(turn.source, sa.type_coerce(day, sa.Date), sa.func.count(), received_at)
    of_bot = (turn.bot == bot, turn.source.not_in(tables.NOT_SAID))
    rows = connection.execute(query.where(*of_bot).group_by(turn.source, day))
    return {(source, on): Brought(turns, came_in) for source, on, turns, came_in in rows}
