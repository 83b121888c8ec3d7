"""What random labels reach: bare logistic regression on two thirds of the pool, drawn at random."""

import warnings
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from joblib import Parallel, delayed
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from service.learning.types import Ints1d
from workers.bench.turns import Task, Turns

CS = (2.0, 5.0, 10.0, 20.0, 50.0)
FOLDS = 5
TOLERANCE = 1e-5
ITERATIONS = 5_000


class Reference(NamedTuple):
    labels: int
    accuracy: float  # mean over the seeds
    C: float  # best in cross-validation on the first seed's rows
    converged: bool


def reference(task: Task, seeds: Sequence[int], jobs: int) -> Reference:
    """No names, no unlabelled data."""
    drawn = [_two_thirds(task.pool, seed) for seed in seeds]
    c = _search(drawn[0], jobs)
    found = Parallel(n_jobs=jobs)(delayed(_accuracy)(rows, task.test, c) for rows in drawn)
    accuracies, converged = zip(*found, strict=True)
    return Reference(len(drawn[0].y), float(np.mean(accuracies)), c, all(converged))


def _two_thirds(pool: Turns, seed: int) -> Turns:
    return pool.take(np.random.default_rng(seed).permutation(len(pool.y))[: len(pool.y) * 2 // 3])


def _search(rows: Turns, jobs: int) -> float:
    folds = list(StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(rows.x, rows.y))
    pairs = list(product(CS, folds))
    found = Parallel(n_jobs=jobs)(delayed(_fold_accuracy)(rows, fold, c) for c, fold in pairs)
    means = np.array(found).reshape(len(CS), FOLDS).mean(axis=1)
    return CS[int(means.argmax())]


def _fold_accuracy(rows: Turns, fold: tuple[Ints1d, Ints1d], c: float) -> float:
    learnt, held = fold
    accuracy, _ = _accuracy(rows.take(learnt), rows.take(held), c)
    return accuracy


def _accuracy(rows: Turns, test: Turns, c: float) -> tuple[float, bool]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegression(C=c, tol=TOLERANCE, max_iter=ITERATIONS).fit(rows.x, rows.y)
    return float((model.predict(test.x) == test.y).mean()), bool((model.n_iter_ < ITERATIONS).all())
