"""Routine retraining on 15,000 labels beside scikit-learn's regression on the same rows.

CLINC150's train part where FENCEPOST_DATA holds it (with its 100 turns labelled out of scope, which the regression
does not get), else 150 made-up intents. C is kept, as in every retraining between two searches. The log is 20,000 turns
drawn from the same texts: what a training looks at, at most.
"""

import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression

from service.encoding import unit
from service.learning.head import NONE
from service.learning.types import Floats2d, Ints1d
from tests.bench.measured import beside
from workers import prototypes, trainer
from workers.bench.data import read
from workers.heads import TOLERANCE
from workers.held_out import Tuning

INTENTS, DIMENSIONS, LABELS = 150, 384, 15_000
C = 30.0  # what a search on 3,000 of CLINC150's labels finds
SEED = 1


class Task(NamedTuple):
    names: Floats2d  # (k, d)
    x: Floats2d  # (n, d)
    y: Ints1d  # (n,) 1…k, or NONE
    log: Floats2d  # (m, d)


def measure(repetitions: int) -> dict[str, Any]:
    name, task = _task()
    inside = task.y != NONE
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "task.npz"
        np.savez(path, **task._asdict())
        times = beside(product, path, partial(bare, task.x[inside], task.y[inside]), repetitions)
    return times.as_json() | {"data": name, "labels": int(inside.sum()), "C": C, "repetitions": repetitions}


def product(path: Path) -> Callable[[], trainer.Fitted]:
    with np.load(path) as arrays:
        task = Task(**arrays)
    n = len(task.x)
    labels = trainer.Labels(task.x, task.y, np.ones(n), np.arange(n))
    ids = np.arange(1, len(task.names) + 1)
    return partial(trainer.fit, ids, task.names, labels, task.log, seed=SEED, tuning=Tuning(C, n))


def bare(x: Floats2d, y: Ints1d) -> None:
    """The reference: one regression to the product's tolerance, in the vectors' own precision."""
    LogisticRegression(C=C, tol=TOLERANCE, max_iter=1_000).fit(x, y)


def _task() -> tuple[str, Task]:
    rng = np.random.default_rng(SEED)
    folder = os.environ.get("FENCEPOST_DATA")
    names, x, y = _clinc(Path(folder) / "clinc150.jsonl.gz") if folder else _made_up(rng)
    log = x[rng.integers(len(x), size=trainer.LOG_LIMIT)]
    return "clinc150" if folder else "made up", Task(names, x, y, log)


def _clinc(path: Path) -> tuple[Floats2d, Floats2d, Ints1d]:
    from workers import encoder

    rows = read(path).train
    intents = sorted({row.intent for row in rows if not row.is_out_of_scope})
    ids = {intent: at for at, intent in enumerate(intents, 1)}
    model = encoder.load("", 1)
    names = model.encode([prototypes.words(intent) for intent in intents])
    return names, model.encode([row.text for row in rows]), np.array([ids.get(row.intent, NONE) for row in rows])


def _made_up(rng: np.random.Generator) -> tuple[Floats2d, Floats2d, Ints1d]:
    centers = unit(rng.normal(size=(INTENTS, DIMENSIONS)))
    columns = rng.integers(INTENTS, size=LABELS)
    x = unit(centers[columns] + 2.2 * unit(rng.normal(size=(LABELS, DIMENSIONS)))).astype(np.float32)
    names = unit(centers + unit(rng.normal(size=centers.shape))).astype(np.float32)
    return names, x, columns + 1
