"""Search among a bot's turns, newest first, by any filters at once.

The filter with the fewest turns leads: its turns are read from its index, newest first, and held against the others.
A page reads no more than LOOKED_AT of them, however few it finds: it then says how far back it looked, and its cursor
goes on from there. So a search costs the same whatever is asked of however many turns."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from service import tables
from service.context import Context
from service.database import reading
from service.encoding import EncodeClient, Encoder
from service.errors import BadInput
from service.page import before as before_cursor
from service.turns.found import CONTENT, FoundTurn, described, found_turns
from service.turns.schemas import ReportKind
from service.turns.search_filters import FILTERS, TURN, Filter

STEP = 1_000  # turns read at once
LOOKED_AT = 5_000  # turns a page reads
NEAREST = 50  # shown of a search by meaning
NEIGHBOURS = 400  # asked for, so that some are left by other filters
# Postgres sorts what it finds by words: ids below which so many are looked through at first, then eight times as many.
RANGE, WIDER = 16_384, 8
END = 2**63 - 1  # of ids
DEADLINE_S = 1.0  # of each of three questions to the encode process

By = Literal["words", "meaning"]


class Sought(msgspec.Struct, frozen=True, kw_only=True):
    """What a turn must fulfil, all of it."""

    q: str = ""  # words: see words.py
    intent: str = ""  # decided
    label: str = ""
    mark: str = ""
    report: ReportKind | None = None
    source: str = ""
    version: str = ""  # of the bot
    since: date | None = None  # days of UTC, both counted
    until: date | None = None


class Found(msgspec.Struct, frozen=True):
    """`looked_back_to`: where the page stopped before it was full; `next` goes on from there."""

    items: list[FoundTurn]
    next: str | None = None
    looked_back_to: datetime | None = None


def answer(context: Context, bot: str, sought: Sought, by: By, cursor: str | None, limit: int) -> Found:
    with reading(context.engine) as connection:
        if by == "words" or not sought.q:
            return search(connection, bot, sought, cursor, limit)
        client = EncodeClient(context.settings, context.redis, DEADLINE_S)
        try:
            return nearest(connection, client, bot, sought)
        finally:
            client.close()


def search(connection: sa.Connection, bot: str, sought: Sought, cursor: str | None, limit: int) -> Found:
    filters = [make(connection, bot, said) for name, make in FILTERS.items() if (said := getattr(sought, name))]
    before = _begin(connection, bot, sought, cursor)
    lead, ids = _narrowest(connection, bot, filters, before)
    where = [*_plain(bot, sought), *(one.holds for one in filters)]
    rows: list[sa.Row[Any]] = []
    looked_at = 0
    while True:
        rows += _read(connection, ids, where, limit + 1 - len(rows))
        looked_at += len(ids)
        if len(rows) > limit:
            return Found(described(connection, bot, rows[:limit]), str(rows[limit - 1].id))
        if len(ids) < STEP:
            return Found(described(connection, bot, rows))
        if looked_at >= LOOKED_AT:
            return Found(described(connection, bot, rows), str(ids[-1]), _received(connection, ids[-1]))
        ids = _step(connection, lead, ids[-1])


def _begin(connection: sa.Connection, bot: str, sought: Sought, cursor: str | None) -> int:
    """All that is sought has a lower id."""
    before = END if cursor is None else before_cursor(cursor)
    if sought.since is None and sought.until is None:
        return before
    newest = sa.select(sa.func.max(TURN.c.id)).where(TURN.c.bot == bot, *_days(sought))
    return min(before, (connection.scalar(newest) or 0) + 1)


def _plain(bot: str, sought: Sought) -> Iterator[sa.ColumnElement[bool]]:
    yield TURN.c.bot == bot
    if sought.source:
        yield TURN.c.source == sought.source
    if sought.version:
        yield TURN.c.bot_version == sought.version
    yield from _days(sought)


def _days(sought: Sought) -> Iterator[sa.ColumnElement[bool]]:
    if sought.since is not None:
        yield TURN.c.at >= _midnight(sought.since)
    if sought.until is not None and sought.until < date.max:
        yield TURN.c.at < _midnight(sought.until + timedelta(days=1))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _narrowest(connection: sa.Connection, bot: str, filters: Sequence[Filter], before: int) -> tuple[Filter, list[int]]:
    """The filter with the fewest turns, as far as that is worth counting, and the first of them; without any, the
    whole log."""
    found = [(one, _step(connection, one, before)) for one in filters if _is_read_in_order(connection, one)]
    whole = Filter(sa.select(TURN.c.id).where(TURN.c.bot == bot), sa.true())
    return min(found, key=lambda pair: len(pair[1])) if found else (whole, _step(connection, whole, before))


def _is_read_in_order(connection: sa.Connection, one: Filter) -> bool:
    """Or is small enough to be sorted."""
    if one.size is None:
        return True
    some = one.size.limit(STEP).subquery()
    return (connection.scalar(sa.select(sa.func.count()).select_from(some)) or 0) < STEP


def _step(connection: sa.Connection, one: Filter, before: int) -> list[int]:
    """Its next turns, newest first: STEP of them, or the last."""
    turn_id = one.turn_ids.selected_columns[0]
    if one.is_ordered:
        queries = (some.where(turn_id < before) for some in (one.turn_ids, *one.besides))
        found = {id_ for query in queries for id_ in connection.scalars(query.order_by(turn_id.desc()).limit(STEP))}
        return sorted(found, reverse=True)[:STEP]
    # A sum has no index: Postgres would go through all turns in their order for a word that is rare.
    query = one.turn_ids.where(turn_id < _literal(before)).limit(STEP)
    query = query.order_by((turn_id + 0).desc())
    newest = connection.scalar(sa.select(sa.func.max(tables.turn.c.id))) or 0
    below, span = min(before, newest + 1), RANGE
    ids = list(connection.scalars(query.where(turn_id >= _literal(below - span))))
    while len(ids) < STEP and span < below:
        span *= WIDER
        ids = list(connection.scalars(query.where(turn_id >= _literal(below - span))))
    return ids


def _literal(turn_id: int) -> sa.ColumnElement[int]:
    return sa.literal(turn_id, sa.BigInteger(), literal_execute=True)  # see word_index.matches


def _read(
    connection: sa.Connection, ids: Sequence[int], where: Sequence[sa.ColumnElement[bool]], limit: int
) -> list[sa.Row[Any]]:
    """Those of the turns that fulfil it, newest first, with their text."""
    query = found_turns().where(TURN.c.id.in_(ids), *where)
    return list(connection.execute(query.order_by(TURN.c.id.desc()).limit(limit)))


def _received(connection: sa.Connection, turn_id: int) -> datetime | None:
    received: datetime | None = connection.scalar(sa.select(TURN.c.received_at).where(TURN.c.id == turn_id))
    return received


def nearest(connection: sa.Connection, encoder: Encoder, bot: str, sought: Sought) -> Found:
    """Turns that mean what `sought.q` says, the likest first, NEAREST of them at most: what the other filters leave of
    the likest NEIGHBOURS. EncoderDown when the encode process does not answer in time."""
    if not sought.q.strip():
        raise BadInput("what shall they mean?", path="q", hint="type a sentence")
    encoder.identity(bot)
    turn_ids, cosines = encoder.neighbours(bot, encoder.encode(bot, [sought.q]), NEIGHBOURS)
    likeness = {turn_id: cosine for turn_id, cosine in zip(turn_ids[0].tolist(), cosines[0].tolist(), strict=True)}
    others = [
        make(connection, bot, said) for name, make in FILTERS.items() if name != "q" and (said := getattr(sought, name))
    ]
    where = [*_plain(bot, sought), *(one.holds for one in others), CONTENT.c.text.is_not(None)]
    rows = _read(connection, list(likeness), where, NEIGHBOURS)
    rows = sorted(rows, key=lambda row: -likeness[row.id])[:NEAREST]
    return Found(described(connection, bot, rows, likeness))
