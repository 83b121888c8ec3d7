"""Labelled texts as a head sees them: vectors and intent ids."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from service.encoding import unit
from service.learning.head import NONE
from service.learning.types import Floats2d, Ints1d
from workers import encoder, prototypes
from workers.bench.data import Row


class Turns(NamedTuple):
    """n texts; `y` (n,) holds intent ids, NONE for out of scope."""

    texts: Sequence[str]
    x: Floats2d  # (n, d)
    y: Ints1d
    places: Ints1d  # (n,) in the file

    def take(self, rows: Ints1d) -> "Turns":
        return Turns([self.texts[row] for row in rows], self.x[rows], self.y[rows], self.places[rows])


class Task(NamedTuple):
    """What there is to learn, and what it is scored on. Intents are 1 … k, in the order of their names."""

    data: str
    encoder: str  # identity
    folder: Path  # of the encoder
    intents: Sequence[str]
    names: Floats2d  # (k, d) vectors of the intents' names
    pool: Turns
    test: Turns

    @property
    def ids(self) -> Ints1d:
        return np.arange(1, len(self.intents) + 1)


def encode(data: str, train: Sequence[Row], test: Sequence[Row], model: encoder.Model, folder: Path) -> Task:
    """An intent that only test rows have counts as wrong for everybody."""
    intents = sorted({row.intent for row in train if not row.is_out_of_scope})
    ids = {name: place for place, name in enumerate(intents, 1)}
    pool, scored = (_turns(rows, ids, model) for rows in (train, test))
    names = unit(model.encode([prototypes.words(name) for name in intents]))
    return Task(data, model.identity, folder, intents, names, pool, scored)


def _turns(rows: Sequence[Row], ids: dict[str, int], model: encoder.Model) -> Turns:
    texts = [row.text for row in rows]
    y = np.array([NONE if row.is_out_of_scope else ids.get(row.intent, -1) for row in rows], np.int64)
    return Turns(texts, model.encode(texts), y, np.array([row.place for row in rows], np.int64))


def reencode(task: Task, folder: Path, *, threads: int) -> Task:
    """The same task as another encoder sees it."""
    model = encoder.load(str(folder), threads)
    pool, test = (turns._replace(x=model.encode(turns.texts)) for turns in (task.pool, task.test))
    names = unit(model.encode([prototypes.words(name) for name in task.intents]))
    return task._replace(encoder=model.identity, names=names, pool=pool, test=test)
