"""What learns in a measurement: the product's head with everything that belongs to it, or bare logistic regression.

A learner is made anew for each curve and told all labels at every round; what it keeps between rounds (C, the adapted
encoder) is what the product would keep.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from scipy.special import softmax

from service.classifiers import rules
from service.learning import calibration, head
from service.learning.head import NONE, Head
from service.learning.types import Floats1d, Floats2d, Ints1d
from workers import finetune, prototypes, trainer
from workers.bench.turns import Task, reencode
from workers.finetune import Examples
from workers.held_out import CONFIDENCE, Tuning
from workers.regression import fit_logistic

PLAIN_C = 10.0  # chosen on CLINC150's validation part
PLAIN_TOLERANCE = 1e-4
PLAIN_NAME_WEIGHT = 2.0  # of a name's row, as the product's


class View(NamedTuple):
    """What came of a fit: how it sees any vectors, and the task through the encoder it belongs to."""

    task: Task
    proba: Callable[[Floats2d], Floats2d]  # (n, d) -> (n, k)
    decide: Callable[[Floats2d], Ints1d]  # (n, d) -> (n,) intent ids
    outside: Callable[[Floats2d], Floats1d]  # (n, d) -> (n,) how far out of scope, higher = farther
    gate: Callable[[Floats2d], Floats1d]  # (n, d) -> (n,) probability of being out of scope; 0 without a gate


class Learner(Protocol):
    def fit(self, picked: Ints1d) -> View:
        """From the pool's rows `picked` with their labels, and from the rest of the pool without."""


class Full:
    """The product: names, self-training, calibration, gate, mapped vectors, and the encoder tuned when it would be."""

    def __init__(self, task: Task, seed: int, home: Path) -> None:
        self._task, self._seed, self._home = task, seed, home
        self._seen = task
        self._tuning: Tuning | None = None
        self._adapted_at = 0

    def fit(self, picked: Ints1d) -> View:
        if rules.wants_adapting(int((self._task.pool.y[picked] != NONE).sum()), self._adapted_at):
            self._adapt(picked)
        known = self._fit(picked)
        return View(
            self._seen,
            lambda x: head.probabilities(known, x),
            lambda x: head.decide(known, x),
            lambda x: _outside(known, x),
            lambda x: head.out_of_scope(known, x),
        )

    def _fit(self, picked: Ints1d) -> Head:
        seen, rest = self._seen, _rest(self._seen, picked)
        labels = trainer.Labels(seen.pool.x[picked], seen.pool.y[picked], np.ones(len(picked)), picked)
        fitted = trainer.fit(seen.ids, seen.names, labels, seen.pool.x[rest], seed=self._seed, tuning=self._tuning)
        self._tuning = fitted.tuning
        return fitted.head

    def _adapt(self, picked: Ints1d) -> None:
        """From the encoder that came; the log is taught by a head on the vectors of now."""
        pool, rest = self._task.pool, _rest(self._task, picked)
        teacher = self._fit(picked)
        inside = picked[pool.y[picked] != NONE]
        examples = Examples([pool.texts[row] for row in inside], pool.y[inside] - 1, np.ones(len(inside)))
        names = [[prototypes.words(name)] for name in self._task.intents]
        guesses = finetune.guess(teacher, [pool.texts[row] for row in rest], self._seen.pool.x[rest])
        folder = self._home / str(len(picked))
        finetune.fine_tune(self._task.folder, folder, examples, names, guesses, seed=self._seed, threads=1)
        self._seen = reencode(self._task, folder, threads=1)
        self._adapted_at, self._tuning = len(inside), None


def _rest(task: Task, picked: Ints1d) -> Ints1d:
    return np.setdiff1d(np.arange(len(task.pool.y)), picked)


def _outside(known: Head, x: Floats2d) -> Floats1d:
    """The gate's probability; before there is a gate, how unlike it is to every intent."""
    return head.out_of_scope(known, x) if known.threshold < head.NEVER else 1 - head.familiarity(known, x)


class Plain:
    """Logistic regression on the frozen vectors and the labels; with `names` also on the intents' names."""

    def __init__(self, task: Task, *, names: bool) -> None:
        self._task, self._names = task, names

    def fit(self, picked: Ints1d) -> View:
        task = self._task
        inside = picked[task.pool.y[picked] != NONE]
        x, columns, weights = task.pool.x[inside], task.pool.y[inside] - 1, np.ones(len(inside))
        if self._names:
            x, columns = np.vstack([x, task.names]), np.append(columns, np.arange(len(task.names)))
            weights = np.append(weights, np.full(len(task.names), PLAIN_NAME_WEIGHT))
        found, of_column = np.unique(columns, return_inverse=True)
        linear = fit_logistic(x, of_column, weights, len(found), PLAIN_C, tolerance=PLAIN_TOLERANCE)
        temperature = calibration.prior_temperature(linear.of(task.pool.x), CONFIDENCE)

        def proba(x: Floats2d) -> Floats2d:
            """An intent without a label has none."""
            all_columns = np.zeros((len(x), len(task.names)))
            all_columns[:, found] = softmax(linear.of(x) / temperature, axis=1)
            return all_columns

        return View(
            task,
            proba,
            lambda x: found[linear.of(x).argmax(axis=1)] + 1,
            lambda x: 1 - proba(x).max(axis=1),
            lambda x: np.zeros(len(x)),
        )


@contextmanager
def learner(kind: str, task: Task, seed: int, *, names: bool) -> Iterator[Learner]:
    """`kind`: plain or full. What a full one tunes is gone afterwards."""
    if kind == "plain":
        yield Plain(task, names=names)
        return
    with tempfile.TemporaryDirectory(prefix="fencepost-bench-") as home:
        yield Full(task, seed, Path(home))
