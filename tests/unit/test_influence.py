"""Influence in closed form, held against what really becomes of a head that is trained without the label."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
from scipy.stats import spearmanr

from service.encoding import unit
from service.learning.head import Head, anchors, probabilities
from service.learning.influence import Taught, on_removal
from service.learning.types import Floats1d, Floats2d, Ints1d
from workers import trainer
from workers.held_out import Tuning

D, C = 32, 10.0
SUBJECT = 0  # the intent whose recall is looked at; its nearest is the one after it


class World(NamedTuple):
    """Blobs on the sphere, the first two of them close; a tenth of the labels is wrong."""

    x: Floats2d
    y: Ints1d  # columns
    names: Floats2d
    tests: Floats2d  # that mean the subject

    @property
    def ids(self) -> Ints1d:
        return np.arange(1, len(self.names) + 1)


def made_up(n: int, seed: int, k: int = 6) -> World:
    rng = np.random.default_rng(seed)
    middles = unit(rng.normal(size=(k, D)))
    middles[1] = unit((middles[0] + 0.6 * middles[1])[None])[0]
    y = rng.integers(0, k, n)
    x = unit(middles[y] + 0.22 * rng.normal(size=(n, D))).astype(np.float32)
    tests = unit(middles[SUBJECT] + 0.22 * rng.normal(size=(100, D))).astype(np.float32)
    is_wrong = rng.random(n) < 0.1
    return World(x, np.where(is_wrong, rng.integers(0, k, n), y), unit(middles + 0.1 * rng.normal(size=(k, D))), tests)


def fit(world: World, but: Ints1d | tuple[()] = ()) -> Head:
    """As the training job does, without the labels `but`."""
    kept = np.setdiff1d(np.arange(len(world.x)), but)
    labels = trainer.Labels(world.x[kept], world.y[kept] + 1, np.ones(len(kept)), kept)
    nothing = np.zeros((0, D), np.float32)
    tuning = Tuning(C, len(world.x))
    return trainer.fit(world.ids, world.names, labels, nothing, seed=1, tuning=tuning).head


def taught(world: World, head: Head) -> Taught:
    totals = np.bincount(world.y, minlength=len(world.names)).astype(np.float64)
    x = np.vstack([world.x - head.center, head.prototypes])
    weight = np.append(np.ones(len(world.x)), anchors(totals, np.zeros(len(world.names), np.bool_)))
    return Taught(x, np.append(world.y, world.ids - 1), weight, C)


def effects_of(world: World, head: Head) -> Floats1d:
    return on_removal(head, taught(world, head), world.tests, SUBJECT)[: len(world.x)]


def found(head: Head, world: World, temperature: float) -> float:
    """Mean probability of the subject over the turns that mean it; recall does not know temperatures."""
    return float(probabilities(replace(head, temperature=temperature), world.tests)[:, SUBJECT].mean())


def moved(world: World, head: Head, but: Ints1d) -> float:
    """By how much that changes without these labels."""
    return found(fit(world, but), world, head.temperature) - found(head, world, head.temperature)


@pytest.mark.parametrize(("n", "seed"), [(45, 1), (200, 2), (900, 3)])  # the second through a map
def test_without_the_ten_labels_that_help_most_recall_falls_more_than_without_ten_others(n: int, seed: int) -> None:
    world, rng = made_up(n, seed), np.random.default_rng(seed)
    head = fit(world)
    by_chance = [moved(world, head, rng.choice(n, 10, replace=False)) for _ in range(5)]
    assert moved(world, head, np.argsort(effects_of(world, head))[:10]) < -max(map(abs, by_chance))


@pytest.mark.parametrize(("n", "k", "seed"), [(900, 6, 6), (900, 2, 5)])
def test_what_is_foretold_of_single_labels_is_what_becomes_of_them(n: int, k: int, seed: int) -> None:
    world = made_up(n, seed, k)
    head = fit(world)
    effects = effects_of(world, head)
    rows = np.argsort(effects)[np.linspace(0, n - 1, 15, dtype=np.int64)]
    true = [moved(world, head, np.array([row])) for row in rows]
    assert spearmanr(effects[rows], true).statistic > 0.9
