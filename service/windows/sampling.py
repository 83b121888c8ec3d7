"""Turns of the log drawn at random from spans of time, of each conversation one, the same ones each time.

Every turn has a place in the lottery: its id, scrambled. The turns with the lowest places are drawn, of a conversation
the lowest. So a repeat draws the same, and a turn that comes late or is forgotten changes the sample by itself alone.
The database works the places out as it walks through the index by time, and only rows that are likely to be drawn are
read: of 28 days with a million turns ten thousand."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time
from typing import Any, NamedTuple, TypeVar

import numpy as np
import sqlalchemy as sa

from service import tables
from service.classifiers.schemas import Classifier
from service.learning.types import Bools1d, Floats2d
from service.reports.store import reported_among
from service.reviews.candidates import vectors_of
from service.windows.learnt import learnt

TURN, CONTENT = tables.turn, tables.turn_content

PRIME = 2**31 - 1
SPARE = 2  # so many times the turns wanted are looked at first: slot fills and repeats of a conversation fall out

Number = TypeVar("Number", int, sa.ColumnElement[int])


class Span(NamedTuple):
    """Of event time."""

    since: datetime
    until: datetime  # before which it ends


def days(since: date, until: date) -> Span:
    """Of UTC; `until`: the first day after them."""
    return Span(*(datetime.combine(day, time(), UTC) for day in (since, until)))


class Drawn(NamedTuple):
    """n turns, those with the lowest places first."""

    turn_ids: Sequence[int]
    x: Floats2d  # (n, d)
    is_fallback: Bools1d
    is_reported: Bools1d
    structures: Sequence[str]
    versions: Sequence[str]
    days: Sequence[date]
    is_learnt: Bools1d  # as in Learnt
    is_later: Bools1d


def place(turn_id: Number) -> Number:
    """In [0, PRIME), evenly spread: the fifth power modulo a prime, which mixes ids up and makes no two alike. In SQL
    as in Python, and never over 63 bits.

    >>> sorted(range(1, 7), key=place)
    [4, 3, 6, 5, 1, 2]
    """
    spread = (turn_id * 48271) % PRIME
    square = (spread * spread) % PRIME
    return (((square * square) % PRIME) * spread) % PRIME


def draw(connection: sa.Connection, bot: str, spans: Sequence[Span], most: int) -> Sequence[sa.Row[Any]]:
    """Up to `most` turns of different conversations; a turn without one is a conversation of its own. The spans have
    nothing in common."""
    total = sum(_count(connection, bot, span) for span in spans)
    if not total:
        return []
    share = SPARE * most / total
    while True:
        drawn = list(_first_of_each(sorted(_rows(connection, bot, spans, share), key=lambda row: place(row.id))))
        if len(drawn) >= most or share >= 1:
            return drawn[:most]
        share *= 4


def seen(connection: sa.Connection, champion: Classifier, drawn: Sequence[sa.Row[Any]]) -> Drawn | None:
    """The turns as the champion sees them; None while one of them has no vector yet."""
    ids = [row.id for row in drawn]
    found, x = vectors_of(connection, ids, champion.encoder)
    if len(found) < len(ids):
        return None
    reported = reported_among(connection, ids)
    return Drawn(
        turn_ids=ids,
        x=x[np.searchsorted(found, ids)],
        is_fallback=np.array([row.is_fallback for row in drawn], np.bool_),
        is_reported=np.array([turn_id in reported for turn_id in ids], np.bool_),
        structures=[row.entity_signature for row in drawn],
        versions=[row.bot_version for row in drawn],
        days=[row.at.date() for row in drawn],
        **learnt(connection, champion, ids, [row.at for row in drawn])._asdict(),
    )


def _count(connection: sa.Connection, bot: str, span: Span) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(TURN).where(*_within(bot, span))) or 0


def _within(bot: str, span: Span) -> tuple[sa.ColumnElement[bool], ...]:
    return TURN.c.bot == bot, TURN.c.at >= span.since, TURN.c.at < span.until


def _rows(connection: sa.Connection, bot: str, spans: Sequence[Span], share: float) -> list[sa.Row[Any]]:
    """What people said and may still be read, of about this share of the turns."""
    is_low = place(TURN.c.id) < int(share * PRIME) if share < 1 else sa.true()
    # One SELECT a span: of several spans joined by OR SQLite makes a walk through the bot's whole log.
    looked_at = sa.union_all(*(sa.select(TURN.c.id).where(*_within(bot, span), is_low) for span in spans))
    t = TURN.c
    columns = (t.id, t.source, t.conversation_id, t.at, t.is_fallback, t.entity_signature, t.bot_version)
    query = sa.select(*columns).join(CONTENT, CONTENT.c.turn_id == t.id).where(t.id.in_(looked_at))
    is_said = (t.source.not_in(tables.NOT_SAID), t.is_slot_fill.is_(False))
    return list(connection.execute(query.where(*is_said)))


def _first_of_each(rows: Sequence[sa.Row[Any]]) -> Iterator[sa.Row[Any]]:
    met = set()
    for row in rows:
        conversation = (row.source, row.conversation_id) if row.conversation_id else row.id
        if conversation not in met:
            met.add(conversation)
            yield row
