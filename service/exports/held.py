"""Which labels an export holds: ids and numbers only, so that a million of them fit into memory, and a release into a
row of SQL.

A row is a labelled turn that has a text and whose intent is live, merges followed. Of what trains it is the newest
label with its full weight: weak ones say what a neighbour said, and stay out. Of what tests it is the newest answer of
the audit slice or the gold set; one that lets two intents pass stays out, for a row names one."""

import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import safetensors.numpy
import sqlalchemy as sa

from service import tables
from service.errors import Conflict
from service.intents.schemas import Intent
from service.intents.store import list_intents
from service.learning.head import NONE
from service.learning.types import Bools1d, Ints1d, Ints2d
from service.reviews import labels

LABEL, CONTENT = tables.label, tables.turn_content
READ = 10_000  # rows the database hands over at once
CHUNK = 500  # ids in one IN


class NothingLabelled(Conflict):
    type = "nothing-labelled"

    def __init__(self, bot: str) -> None:
        super().__init__(
            f"bot {bot!r} has no label that this file could hold",
            hint="import examples with `fencepost intents import`, or answer cards",
        )


class Labelled(NamedTuple):
    """Arrays of one length, in the export's order."""

    label_ids: Ints1d
    turn_ids: Ints1d
    intent_ids: Ints1d  # NONE: out of scope
    is_test: Bools1d

    @property
    def size(self) -> int:
        return len(self.label_ids)

    def take(self, rows: Any) -> "Labelled":
        """What numpy takes for an index: positions, a mask or a slice."""
        return Labelled(*(column[rows] for column in self))


class KnownIntent(msgspec.Struct, frozen=True, kw_only=True):
    """An intent as it was when the labels were read."""

    id: int
    name: str
    description: str = ""
    is_archived: bool = False
    merged_into: int | None = None


class Held(NamedTuple):
    """What an export is written from; `intents` the bot ever had, by name."""

    intents: Sequence[KnownIntent]
    labelled: Labelled

    @property
    def live(self) -> list[KnownIntent]:
        return [intent for intent in self.intents if not intent.is_archived]


def held_now(connection: sa.Connection, bot: str) -> Held:
    intents = sorted((_known(intent) for intent in list_intents(connection, bot, archived=True)), key=lambda i: i.name)
    learnt = labels.trainable(bot).where(LABEL.c.origin != "weak", LABEL.c.weight == 1)
    tested = labels.tested(bot).where(LABEL.c.answer.in_(("intent", "none"))).order_by(LABEL.c.id)
    found = [_read(connection, query.where(_has_text())) for query in (learnt, tested)]
    rows = np.concatenate(found)
    is_test = np.repeat([False, True], [len(part) for part in found])
    intent_ids = _counted_for(labels.counts_for(connection, bot), rows[:, 2])
    labelled = Labelled(rows[:, 0], rows[:, 1], intent_ids, is_test).take(intent_ids >= NONE)
    labelled = labelled.take(last_of_each(labelled.turn_ids))
    return Held(intents, labelled.take(_order(intents, labelled)))


def _known(intent: Intent) -> KnownIntent:
    return KnownIntent(
        id=intent.id,
        name=intent.name,
        description=intent.description,
        is_archived=intent.archived_at is not None,
        merged_into=intent.merged_into,
    )


def _has_text() -> sa.ColumnElement[bool]:
    return sa.exists().where(CONTENT.c.turn_id == LABEL.c.turn_id)


def _read(connection: sa.Connection, query: sa.Select[Any]) -> Ints2d:
    """(n, 3) label, turn and intent, as the query orders them."""
    intent_id = sa.case((LABEL.c.answer == "none", NONE), else_=LABEL.c.intent_id)
    narrow = query.with_only_columns(LABEL.c.id, LABEL.c.turn_id, intent_id)
    parts = connection.execute(narrow, execution_options={"yield_per": READ}).partitions()
    return np.concatenate([np.zeros((0, 3), np.int64), *(np.array([tuple(row) for row in part]) for part in parts)])


def _counted_for(into: dict[int | None, int], intent_ids: Ints1d) -> Ints1d:
    """The ids that labels of these count for, -1 where that one is archived."""
    known = np.array(list(into), np.int64)
    counted = np.full(1 + max([NONE, *known.tolist(), *intent_ids.tolist()]), -1)
    counted[NONE] = NONE
    counted[known] = list(into.values())
    return np.asarray(counted[intent_ids])


def last_of_each(keys: Ints1d) -> Ints1d:
    """Positions, ascending, of the last place of each key.

    >>> last_of_each(np.array([7, 8, 7])).tolist()
    [1, 2]
    """
    _, from_end = np.unique(keys[::-1], return_index=True)
    return np.sort(len(keys) - 1 - from_end)


def _order(intents: Sequence[KnownIntent], labelled: Labelled) -> Ints1d:
    """Positions by intent, as these are ordered, `none` last, then by turn."""
    places = {NONE: len(intents)} | {intent.id: place for place, intent in enumerate(intents)}
    of_row = np.array([places[one] for one in labelled.intent_ids.tolist()], np.int64)
    return np.lexsort((labelled.turn_ids, of_row))


def with_text(connection: sa.Connection, labelled: Labelled) -> Labelled:
    """Without the rows whose turn was forgotten."""
    kept: list[int] = []
    for start in range(0, labelled.size, CHUNK):
        here = CONTENT.c.turn_id.in_(labelled.turn_ids[start : start + CHUNK].tolist())
        kept += connection.scalars(sa.select(CONTENT.c.turn_id).where(here))
    return labelled.take(np.isin(labelled.turn_ids, np.array(kept, np.int64)))


def pack(labelled: Labelled) -> bytes:
    """`unpack` reads it back. Ids as steps from row to row: most are small, and deflate to little."""
    steps = {
        name: np.diff(column, prepend=0) for name, column in labelled._asdict().items() if column.dtype.kind == "i"
    }
    return zlib.compress(safetensors.numpy.save({**steps, "is_test": labelled.is_test}))


def unpack(data: bytes) -> Labelled:
    arrays = safetensors.numpy.load(zlib.decompress(data))
    is_test = arrays.pop("is_test")
    return Labelled(is_test=is_test, **{name: np.cumsum(steps) for name, steps in arrays.items()})
