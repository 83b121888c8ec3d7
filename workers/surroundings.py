"""What lies around turns: reports (error pressure e) and repeats (impact f), through the neighbour index."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import sqlalchemy as sa
from scipy import sparse

from service import clock, database
from service.context import Context
from service.encoding import NO_TURN, Encoder
from service.learning.diversity import DUPLICATE
from service.learning.reports import kernel, pressure
from service.learning.types import Floats1d, Floats2d, Ints1d, Ints2d
from service.reports.rules import Evidence
from service.reviews import candidates

NEAREST = 64  # neighbours looked at; what is farther weighs next to nothing
TRAILING = timedelta(days=28)  # of event time: how far back repeats are counted
CHUNK = 1_000  # vectors in one question to the index
WRITTEN = 256  # turns in one write transaction: under 20 ms
DIGITS = 3  # vectors are kept as float16: what follows is noise, and twins should be equal


class Surroundings(NamedTuple):
    """Of n turns: their nearest others, and what these make of e and f."""

    turn_ids: Ints1d  # (n,)
    neighbours: Ints2d  # (n, k) turn ids, NO_TURN where there is none
    cosines: Floats2d  # (n, k), -1 where there is none
    pressure: Floats1d  # (n,)
    impact: Floats1d  # (n,)


def look(
    connection: sa.Connection, encoder: Encoder, bot: str, turn_ids: Ints1d, x: Floats2d, found: Evidence
) -> Surroundings:
    """x (n, d): the turns' vectors."""
    neighbours, cosines = others(encoder, bot, turn_ids, x, NEAREST)
    near = kernel(cosines)
    exposure = 1 + near.sum(axis=1)
    e = pressure(_to_reported(turn_ids, neighbours, near, found.turn_ids), found.by_person, exposure, found.base)
    f = _impact(connection, bot, neighbours, cosines)
    return Surroundings(turn_ids, neighbours, cosines, e.round(DIGITS), f.round(DIGITS))


def others(encoder: Encoder, bot: str, turn_ids: Ints1d, x: Floats2d, k: int) -> tuple[Ints2d, Floats2d]:
    """Neighbours without the turn itself, whether or not the index has it: places of its own are emptied."""
    neighbours, cosines = encoder.neighbours(bot, x, k)
    is_itself = neighbours == turn_ids[:, None]
    return np.where(is_itself, NO_TURN, neighbours), np.where(is_itself, -1.0, cosines)


def _to_reported(turn_ids: Ints1d, neighbours: Ints2d, near: Floats2d, reported: Ints1d) -> sparse.csr_array:
    """(n, m) kernel between each turn and each reported one; 1 to itself."""
    ids = np.concatenate([neighbours, turn_ids[:, None]], axis=1)
    weights = np.concatenate([near, np.ones((len(turn_ids), 1))], axis=1)
    rows, _ = hits = np.nonzero(np.isin(ids, reported) & (weights > 0))
    columns = np.searchsorted(reported, ids[hits])
    return sparse.csr_array((weights[hits], (rows, columns)), shape=(len(turn_ids), len(reported)))


def _impact(connection: sa.Connection, bot: str, neighbours: Ints2d, cosines: Floats2d) -> Floats1d:
    """f: natural log of the turns of the trailing window within the duplicate radius, itself counted; 0 = alone."""
    is_repeat = cosines >= DUPLICATE
    newest = candidates.newest_at(connection, bot)
    if newest is None or not is_repeat.any():
        return np.zeros(len(cosines))
    recent = candidates.log_turns_since(connection, bot, neighbours[is_repeat].tolist(), newest - TRAILING)
    counted = is_repeat & np.isin(neighbours, list(recent))
    return np.asarray(np.log(1 + counted.sum(axis=1)))


def measure_new(context: Context, encoder: Encoder, bot: str, found: Evidence) -> None:
    """Look around every open candidate once."""
    after = 0
    while True:
        with database.reading(context.engine) as connection:
            turn_ids = candidates.unmeasured(connection, bot, after=after, limit=CHUNK)
        if not turn_ids:
            return
        measure(context, encoder, bot, np.array(turn_ids), found)
        after = turn_ids[-1]


def refresh_pressure(context: Context, encoder: Encoder, bot: str, found: Evidence, reported: Ints1d) -> None:
    """Look again around the reported turns' neighbours, and wherever there was pressure before."""
    identity = encoder.identity(bot)
    touched: set[int] = set()
    with database.reading(context.engine) as connection:
        for part in _parts(reported):
            turn_ids, x = candidates.vectors_of(connection, part, identity)
            if len(turn_ids):
                neighbours, cosines = encoder.neighbours(bot, x, NEAREST)
                touched.update(neighbours[kernel(cosines) > 0].tolist())
        touched = candidates.open_among(connection, bot, touched.union(reported.tolist()))
        touched.update(candidates.under_pressure(connection, bot))
    for part in _parts(np.array(sorted(touched), dtype=np.int64)):
        measure(context, encoder, bot, part, found)


def measure(context: Context, encoder: Encoder, bot: str, turn_ids: Ints1d, found: Evidence) -> None:
    """Look around these candidates and store e and f."""
    with database.reading(context.engine) as connection:
        turn_ids, x = candidates.vectors_of(connection, turn_ids.tolist(), encoder.identity(bot))
        if not len(turn_ids):
            return
        around = look(connection, encoder, bot, turn_ids, x, found)
    save(context, around, clock.now())


def save(context: Context, around: Surroundings, now: datetime) -> None:
    for start in range(0, len(around.turn_ids), WRITTEN):
        some = slice(start, start + WRITTEN)
        with database.writing(context.engine) as connection:
            candidates.save_measures(connection, around.turn_ids[some], around.pressure[some], around.impact[some], now)


def _parts(ids: Ints1d) -> Iterator[Ints1d]:
    return (ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK))
