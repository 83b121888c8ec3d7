"""What each day of event time brought, kept up by whoever stores it, in the same transaction: no page counts the log.

Only what the database says it has inserted or deleted is counted, so a repeat counts nothing, and a late turn counts
for its own day. A forgotten turn was said all the same, and stays counted."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from service import database, tables

TALLY, TURN, MARK, REPORT = tables.tally, tables.turn, tables.mark, tables.report

COUNTED = ("at", "bot_version", "is_slot_fill", "is_fallback")  # columns of a turn

# Of people's turns: all; those that do not just answer a question of the bot's; the fallbacks among these.
TURNS, ASKED, FALLBACKS = "turn", "asked", "fallback"
REPORTS, INFERRED = "report", "inferred"  # that people filed, and that conversations gave away; by their own day
MARKED = "mark."  # before a mark's kind: turns that bear it
CHUNK = 10_000  # rows in memory


class Day(NamedTuple):
    """What a count is of."""

    day: date  # UTC's
    bot_version: str
    what: str


Turns = Iterable[Any]  # rows with the columns COUNTED
MarkKey = tuple[int, str]  # turn id, kind


def count_turns(connection: sa.Connection, bot: str, turns: Turns) -> None:
    """Turns that people said and that were not there before."""
    add(connection, bot, Counter(_of_turns(turns)))


def count_reports(connection: sa.Connection, bot: str, reports: Iterable[tuple[datetime, bool]]) -> None:
    """New reports by when they were made, and whether somebody filed them."""
    add(connection, bot, Counter(_of_report(at, is_explicit) for at, is_explicit in reports))


def count_marks(connection: sa.Connection, bot: str, added: Iterable[MarkKey], gone: Iterable[MarkKey]) -> None:
    more, fewer = Counter(added), Counter(gone)
    changed = {key: n for key in more.keys() | fewer.keys() if (n := more[key] - fewer[key])}
    query = sa.select(TURN.c.id, TURN.c.at, TURN.c.bot_version).where(
        TURN.c.id.in_({turn_id for turn_id, _ in changed})
    )
    stood = {row.id: row for row in connection.execute(query)} if changed else {}
    found: Counter[Day] = Counter()
    for (turn_id, kind), n in changed.items():
        found[_of_mark(stood[turn_id], kind)] += n
    add(connection, bot, found)


def counted(connection: sa.Connection, bot: str) -> dict[Day, int]:
    """What the log says: every row is read."""
    return Counter(_everything(connection, bot))


def _everything(connection: sa.Connection, bot: str) -> Iterator[Day]:
    said = sa.select(*(TURN.c[name] for name in COUNTED)).where(TURN.c.source.not_in(tables.NOT_SAID))
    yield from _of_turns(_read(connection, said.where(TURN.c.bot == bot)))
    marked = sa.select(TURN.c.at, TURN.c.bot_version, MARK.c.kind).join(MARK, MARK.c.turn_id == TURN.c.id)
    yield from (_of_mark(row, row.kind) for row in _read(connection, marked.where(TURN.c.bot == bot)))
    reported = sa.select(REPORT.c.at, REPORT.c.is_explicit).where(REPORT.c.bot == bot)
    yield from (_of_report(row.at, row.is_explicit) for row in _read(connection, reported))


def _read(connection: sa.Connection, query: sa.Select[Any]) -> Iterator[sa.Row[Any]]:
    yield from connection.execute(query, execution_options={"yield_per": CHUNK})


def _of_turns(turns: Turns) -> Iterator[Day]:
    for turn in turns:
        day = turn.at.date()
        yield Day(day, turn.bot_version, TURNS)
        if not turn.is_slot_fill:
            yield Day(day, turn.bot_version, ASKED)
            if turn.is_fallback:
                yield Day(day, turn.bot_version, FALLBACKS)


def _of_report(at: datetime, is_explicit: bool) -> Day:
    return Day(at.date(), "", REPORTS if is_explicit else INFERRED)


def _of_mark(turn: Any, kind: str) -> Day:
    return Day(turn.at.date(), turn.bot_version, MARKED + kind)


def add(connection: sa.Connection, bot: str, found: Mapping[Day, int]) -> None:
    """So much more of each, or less."""
    # In one order everywhere: two transactions that lock the same rows must not wait for each other.
    more = [(one, found[one]) for one in sorted(found) if found[one]]
    database.insert_new(connection, TALLY, [{"bot": bot, **one._asdict(), "n": 0} for one, _ in more])
    c = TALLY.c
    here = (c.bot == bot, c.day == sa.bindparam("on"), c.bot_version == sa.bindparam("v"), c.what == sa.bindparam("w"))
    update = sa.update(TALLY).where(*here).values(n=c.n + sa.bindparam("more"))
    if more:
        connection.execute(update, [{"on": d, "v": v, "w": w, "more": n} for (d, v, w), n in more])


def read(connection: sa.Connection, bot: str) -> dict[Day, int]:
    """All counts, but for those that are 0 again."""
    c = TALLY.c
    query = sa.select(c.day, c.bot_version, c.what, c.n).where(c.bot == bot, c.n != 0)
    return {Day(row.day, row.bot_version, row.what): row.n for row in connection.execute(query)}


def newest(counts: Mapping[Day, int]) -> date | None:
    """The newest day with a turn."""
    return max((one.day for one in counts if one.what == TURNS), default=None)


def total(connection: sa.Connection, bot: str, what: str) -> int:
    """Over all days."""
    return connection.scalar(sa.select(sa.func.sum(TALLY.c.n)).where(TALLY.c.bot == bot, TALLY.c.what == what)) or 0
