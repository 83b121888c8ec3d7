"""The labels of an export that move a model most, by the vectors and the classifier the bot has.

What tests stays whole: it trains nothing. A label whose turn has no vector yet stays out, for it cannot be compared."""

from typing import NamedTuple

import numpy as np
import sqlalchemy as sa

from service import tables
from service.classifiers import store
from service.encoding import unit, unpack
from service.errors import Conflict
from service.exports.held import CHUNK, Labelled
from service.learning import core_set
from service.learning.head import NONE, Head, out_of_scope, probabilities
from service.learning.types import Floats1d, Floats2d, Ints1d
from service.learning.uncertainty import expected_model_change

TURN, VECTOR = tables.turn, tables.vector
# Of one intent, evenly spaced by turn: each is compared with each other, in 50 MB, and stands for those beside it.
LOOKED_AT = 2_000


class NoVectors(Conflict):
    type = "no-vectors"

    def __init__(self, bot: str) -> None:
        super().__init__(
            f"no labelled turn of bot {bot!r} has a vector yet: nothing says which labels are alike",
            hint="wait for `workers encode`, or take the full set",
        )


class Seen(NamedTuple):
    """How vectors are looked at: whose, and by which head; None before the first classifier."""

    encoder: str
    head: Head | None


def minimal(connection: sa.Connection, bot: str, labelled: Labelled, size: int | None = None) -> Labelled:
    """The smallest set that leaves little of the expected change uncovered, or `size` labels that train, in the order
    there was. Before the first classifier every label is expected to change as much."""
    seen = _seen(connection, bot)
    groups = [_sample(np.flatnonzero(~labelled.is_test & (labelled.intent_ids == one))) for one in _intents(labelled)]
    covers = [_cover(connection, seen, labelled, group) for group in groups]
    counts = core_set.sizes(covers, size)
    picked = [group[one.positions[:n]] for group, one, n in zip(groups, covers, counts, strict=True)]
    if not sum(counts):
        raise NoVectors(bot)
    return labelled.take(np.sort(np.concatenate([*picked, np.flatnonzero(labelled.is_test)])))


def _intents(labelled: Labelled) -> list[int]:
    return [int(one) for one in np.unique(labelled.intent_ids[~labelled.is_test])]


def _sample(rows: Ints1d) -> Ints1d:
    """
    >>> _sample(np.arange(LOOKED_AT + 1)).size
    1001
    """
    return rows[:: 1 + (len(rows) - 1) // LOOKED_AT]


def _seen(connection: sa.Connection, bot: str) -> Seen:
    n = store.champion_n(connection, bot)
    if n is not None:
        champion = store.load(connection, bot, n)
        return Seen(champion.encoder, champion.head)
    newest = sa.select(VECTOR.c.encoder).join(TURN, TURN.c.id == VECTOR.c.turn_id).where(TURN.c.bot == bot)
    return Seen(connection.scalar(newest.order_by(TURN.c.id.desc()).limit(1)) or "", None)


def _cover(connection: sa.Connection, seen: Seen, labelled: Labelled, rows: Ints1d) -> core_set.Cover:
    """Of the labels of one intent; positions into `rows`."""
    turn_ids = labelled.turn_ids[rows]
    found = _vectors(connection, seen.encoder, turn_ids)
    has_vector = np.flatnonzero(np.isin(turn_ids, list(found)))
    if not len(has_vector):
        return core_set.Cover(has_vector, np.zeros(0))
    x = unpack([found[turn_id] for turn_id in turn_ids[has_vector].tolist()])
    is_none = bool(labelled.intent_ids[rows[0]] == NONE)
    cover = core_set.cover(_centered(seen.head, x), _change(seen.head, x, is_none=is_none), turn_ids[has_vector])
    return cover._replace(positions=has_vector[cover.positions])


def _vectors(connection: sa.Connection, encoder: str, turn_ids: Ints1d) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for start in range(0, len(turn_ids), CHUNK):
        here = (VECTOR.c.turn_id.in_(turn_ids[start : start + CHUNK].tolist()), VECTOR.c.encoder == encoder)
        found |= {row.turn_id: row.data for row in connection.execute(sa.select(VECTOR).where(*here))}
    return found


def _centered(head: Head | None, x: Floats2d) -> Floats2d:
    return x if head is None else unit(x - head.center)


def _change(head: Head | None, x: Floats2d, *, is_none: bool) -> Floats1d:
    """(n,) >= 0, what each label is expected to change: in the gate, where it says out of scope."""
    if head is None:
        return np.ones(len(x))
    outside = out_of_scope(head, x)
    proba = np.column_stack([outside, 1 - outside]) if is_none else probabilities(head, x)
    return expected_model_change(proba, x)
