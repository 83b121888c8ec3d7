"""Counting a bot's log anew, where what is kept of it by day (tally.py, brought.py) went wrong.

The log and what is kept are read in one snapshot, which holds up nobody. Whoever stores turns meanwhile counts them,
too: what the two differ by stays the same, and is added in short transactions. Each leaves a row in the audit log, by
which another one that counts at the same time finds out, and stops. A repeat finds nothing to mend."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from service import database, tables
from service.access import audit
from service.bots.store import get_bot
from service.errors import Conflict
from service.turns import brought, tally
from service.turns.brought import Brought

AT_ONCE = 100  # counts of a transaction
MENDED = "counts.mend"
LOG, TURN, TALLY, SOURCE_DAY = tables.audit_log.c, tables.turn.c, tables.tally.c, tables.source_day.c

Mend = tuple[Callable[[sa.Connection, str, Any], None], Mapping[Any, Any]]


class CountedMeanwhile(Conflict):
    type = "counted-meanwhile"

    def __init__(self, bot: str) -> None:
        super().__init__(f"somebody else counts the log of bot {bot!r} anew", hint="wait for them, and repeat")


class Totals(NamedTuple):
    """Turns that people said: as the log has them, and as they are kept."""

    log: int
    by_day: int
    by_source: int


def totals(connection: sa.Connection, bot: str) -> Totals:
    said = sa.select(sa.func.count()).where(TURN.bot == bot, TURN.source.not_in(tables.NOT_SAID))
    by_day = sa.select(sa.func.sum(TALLY.n)).where(TALLY.bot == bot, TALLY.what == tally.TURNS)
    by_source = sa.select(sa.func.sum(SOURCE_DAY.turns)).where(SOURCE_DAY.bot == bot)
    row = connection.execute(sa.select(*(one.scalar_subquery() for one in (said, by_day, by_source)))).one()
    return Totals(*(n or 0 for n in row))


def recount(engine: sa.Engine, bot: str, now: datetime, *, who: str) -> int:
    """How many counts were wrong; BotNotFound or CountedMeanwhile."""
    with database.snapshot(engine) as connection:
        get_bot(connection, bot)
        last, mends = _last(connection, bot), list(_mends(connection, bot))
    for add, part in mends:
        with database.writing(engine) as connection:
            connection.execute(sa.select(tables.bot.c.name).where(tables.bot.c.name == bot).with_for_update())
            if _last(connection, bot) != last:
                raise CountedMeanwhile(bot)
            add(connection, bot, part)
            audit.record(connection, bot, MENDED, now, who, counts=len(part))
            last = _last(connection, bot)
    return sum(len(part) for _, part in mends)


def _last(connection: sa.Connection, bot: str) -> int | None:
    """Of the audit log's rows, the newest that a recount left."""
    newest = sa.select(LOG.id).where(LOG.bot == bot, LOG.action == MENDED).order_by(LOG.id.desc()).limit(1)
    found: int | None = connection.scalar(newest)
    return found


def _mends(connection: sa.Connection, bot: str) -> Iterator[Mend]:
    days, kept = tally.counted(connection, bot), tally.read(connection, bot)
    more = {day: days.get(day, 0) - kept.get(day, 0) for day in sorted(days.keys() | kept.keys())}
    yield from ((tally.add, part) for part in _parts({day: n for day, n in more.items() if n}))
    yield from ((brought.add, part) for part in _parts(_brought(connection, bot)))


def _brought(connection: sa.Connection, bot: str) -> dict[brought.Key, Brought]:
    """A turn that came in later than any there is stays the newest."""
    log, kept = brought.counted(connection, bot), brought.read(connection, bot)
    gone = {key: Brought(-one.turns, one.received_at) for key, one in kept.items() if one.turns and key not in log}
    more = {key: one._replace(turns=one.turns - kept[key].turns) if key in kept else one for key, one in log.items()}
    return gone | {key: one for key, one in more.items() if one.turns or one.received_at > kept[key].received_at}


def _parts(found: Mapping[Any, Any]) -> Iterator[Mapping[Any, Any]]:
    items = list(found.items())
    yield from (dict(items[start : start + AT_ONCE]) for start in range(0, len(items), AT_ONCE))
