"""The random control: the same head, the same log, the same reviewer's errors, as many labels, drawn uniformly at
random."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from joblib import Parallel, delayed, parallel_config

from service.learning.head import Head
from service.learning.types import Floats2d, Ints1d
from workers.demo.reviewer import Habits

NONE_ID = 0  # stands for none among intent ids, as in service.learning.head

# (vectors, intent ids, rng) -> a head fitted on them, as training fits one
Fit = Callable[[Floats2d, Ints1d, np.random.Generator], Head]
# (head, vectors) -> intent ids
Decide = Callable[[Head, Floats2d], Ints1d]


class Labelled(NamedTuple):
    """Turns with their true answers: vectors (n, d), intent ids (n,), NONE_ID for none."""

    x: Floats2d
    y: Ints1d


class Control(NamedTuple):
    """Accuracy over the runs."""

    mean: float
    sd: float
    runs: int


def accuracy(decide: Decide, head: Head, held_out: Labelled) -> float:
    """Share of held-out turns decided as the user meant them."""
    return float((decide(head, held_out.x) == held_out.y).mean())


def random_control(
    pool: Labelled,
    held_out: Labelled,
    labels: int,
    fit: Fit,
    decide: Decide,
    *,
    seeds: Sequence[int],
    habits: Habits,
    on_run: Callable[[int], None],
) -> Control:
    """Mean and standard deviation of the held-out accuracy after `labels` random labels; a process per core.

    `fit` and `decide` travel to those processes; `on_run` is told of each run that is done.
    """

    def one(seed: int) -> float:
        rng = np.random.default_rng(seed)
        picked = draw(len(pool.y), labels, rng)
        head = fit(pool.x[picked], misread(pool.y[picked], pool.y, habits, rng), rng)
        return accuracy(decide, head, held_out)

    found = []
    with parallel_config("loky", inner_max_num_threads=1):
        for value in Parallel(n_jobs=-1, return_as="generator_unordered")(delayed(one)(seed) for seed in seeds):
            found.append(value)
            on_run(1)
    return Control(float(np.mean(found)), float(np.std(found)), len(found))


def draw(n: int, labels: int, rng: np.random.Generator) -> Ints1d:
    """Positions of the turns a reviewer is asked about until `labels` of them are answered; an *Unsure* is drawn
    past."""
    return rng.permutation(n)[:labels]


def misread(true: Ints1d, intents: Ints1d, habits: Habits, rng: np.random.Generator) -> Ints1d:
    """The answers of a reviewer who errs at the given rate, among the cards that got an answer at all."""
    names, column = np.unique(np.concatenate([true, intents]), return_inverse=True)
    errs = (rng.random(len(true)) < habits.errs / (1 - habits.unsure)) & (len(names) > 1)
    step = rng.integers(1, max(len(names), 2), len(true))  # to any other answer
    return np.where(errs, names[(column[: len(true)] + step) % len(names)], true)
