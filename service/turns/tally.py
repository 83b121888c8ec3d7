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
    _add(connection, bot, Counter(_of_turns(turns)))


def count_reports(connection: sa.Connection, bot: str, reports: Iterable[tuple[datetime, bool]]) -> None:
    """New reports by when they were made, and whether somebody filed them."""
    _add(connection, bot, Counter(_of_report(at, is_explicit) for at, is_explicit in reports))


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
    _add(connection, bot, found)


def recount(connection: sa.Connection) -> None:
    """Count everything from the start, for all bots, where nobody else writes: the migration that begins it."""
    counted: dict[str, Counter[Day]] = {}
    for bot, one in _everything(connection):
        counted.setdefault(bot, Counter())[one] += 1
    connection.execute(sa.delete(TALLY))
    for bot, found in counted.items():
        _add(connection, bot, found)


def _everything(connection: sa.Connection) -> Iterator[tuple[str, Day]]:
    columns = [TURN.c[name] for name in COUNTED]
    for row in _read(connection, sa.select(TURN.c.bot, *columns).where(TURN.c.source.not_in(tables.NOT_SAID))):
        yield from ((row.bot, one) for one in _of_turns([row]))
    marked = sa.select(TURN.c.bot, TURN.c.at, TURN.c.bot_version, MARK.c.kind).join(MARK, MARK.c.turn_id == TURN.c.id)
    yield from ((row.bot, _of_mark(row, row.kind)) for row in _read(connection, marked))
    reported = sa.select(REPORT.c.bot, REPORT.c.at, REPORT.c.is_explicit)
    yield from ((row.bot, _of_report(row.at, row.is_explicit)) for row in _read(connection, reported))


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


def _add(connection: sa.Connection, bot: str, found: Mapping[Day, int]) -> None:
    # In one order everywhere: two transactions that lock the same rows must not wait for each other.
    more = [(one, found[one]) for one in sorted(found) if found[one]]
    database.insert_new(connection, TALLY, [{"bot": bot, **one._asdict(), "n": 0} for one, _ in more])
    c = TALLY.c
    here = (c.bot == bot, c.day == sa.bindparam("on"), c.bot_version == sa.bindparam("v"), c.what == sa.bindparam("w"))
    update = sa.update(TALLY).where(*here).values(n=c.n + sa.bindparam("more"))
    if more:
        connection.execute(update, [{"on": d, "v": v, "w": w, "more": n} for (d, v, w), n in more])


def read(connection: sa.Connection, bot: str, since: date | None = None) -> dict[Day, int]:
    """Counts of the days from then on, or of all; without those that are 0 again."""
    c = TALLY.c
    query = sa.select(c.day, c.bot_version, c.what, c.n).where(c.bot == bot, c.n != 0)
    if since is not None:
        query = query.where(c.day >= since)
    return {Day(row.day, row.bot_version, row.what): row.n for row in connection.execute(query)}


def newest(connection: sa.Connection, bot: str) -> date | None:
    """The newest day with a turn."""
    c = TALLY.c
    found: date | None = connection.scalar(sa.select(sa.func.max(c.day)).where(c.bot == bot, c.what == TURNS, c.n > 0))
    return found


def total(connection: sa.Connection, bot: str, what: str) -> int:
    """Over all days."""
    return connection.scalar(sa.select(sa.func.sum(TALLY.c.n)).where(TALLY.c.bot == bot, TALLY.c.what == what)) or 0
