"""Batches: different from each other, the best of their kind, the same on every run."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.encoding import unit
from service.learning.diversity import (
    DIVERSIFIERS,
    DUPLICATE,
    batch,
    facility_location,
    k_center,
    spread,
    typicality,
    weighted_kmeans,
)
from service.learning.types import Floats2d

EACH = pytest.mark.parametrize("diversifier", DIVERSIFIERS)


def clumps(per_clump: int, *, clumps: int = 4, noise: float = 0.05) -> Floats2d:
    """Unit vectors around the axes, clump after clump."""
    rng = np.random.default_rng(7)
    centres = np.repeat(np.eye(8)[:clumps], per_clump, axis=0)
    return unit(centres + noise * rng.normal(size=centres.shape))


@EACH
def test_a_batch_takes_one_of_each_kind_before_a_second_of_any(diversifier: str) -> None:
    x = clumps(10, noise=0.15)
    scores = np.linspace(1.0, 0.5, len(x))  # all the best ones lie in the first clump
    picks = batch(x, scores, np.arange(len(x)), 4, np.random.default_rng(1), diversifier=diversifier)
    assert sorted(picks // 10) == [0, 1, 2, 3]


def test_kmeans_takes_the_turn_in_the_middle_of_each_cluster() -> None:
    middles = np.eye(4)
    around = [unit(middle + 0.5 * np.roll(middles, step, axis=0)) for step in (1, 2, 3) for middle in [middles]]
    x = np.concatenate([middles, *around])
    scores = np.where(np.arange(16) < 4, 0.5, 0.6)  # the middle is not the best
    picks = batch(x, scores, np.arange(16), 4, np.random.default_rng(1), diversifier="kmeans")
    assert sorted(picks.tolist()) == [0, 1, 2, 3]


@EACH
@given(seed=st.integers(0, 99), n=st.integers(0, 12))
def test_a_batch_holds_no_two_duplicates_and_is_the_same_again(diversifier: str, seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    x = unit(np.repeat(rng.normal(size=(10, 4)), 3, axis=0) + 0.02 * rng.normal(size=(30, 4)))
    scores, ids = rng.random(30), rng.permutation(30)
    picks = batch(x, scores, ids, n, np.random.default_rng(seed), diversifier=diversifier)
    again = batch(x, scores, ids, n, np.random.default_rng(seed), diversifier=diversifier)
    assert picks.tolist() == again.tolist()
    assert len(picks) == len(set(picks.tolist())) <= n
    assert (np.diff(scores[picks]) <= 0).all()
    cosines = x[picks] @ x[picks].T
    assert (cosines[~np.eye(len(picks), dtype=bool)] < DUPLICATE).all()


@pytest.mark.parametrize("diversifier", ["facility_location", "k_center"])  # k-means draws its seeds by position
def test_greedy_batches_do_not_depend_on_the_order_of_the_shortlist(diversifier: str) -> None:
    x, scores, ids = clumps(5), np.linspace(1, 2, 20), np.arange(20)
    turned = np.arange(20)[::-1]
    picks = ids[batch(x, scores, ids, 6, np.random.default_rng(0), diversifier=diversifier)]
    back = batch(x[turned], scores[turned], ids[turned], 6, np.random.default_rng(0), diversifier=diversifier)
    assert ids[turned][back].tolist() == picks.tolist()


@EACH
@pytest.mark.parametrize(("rows", "wanted"), [(0, 5), (1, 5), (3, 0), (3, 5)])
def test_small_shortlists(diversifier: str, rows: int, wanted: int) -> None:
    picks = batch(
        np.eye(8)[:rows], np.ones(rows), np.arange(rows), wanted, np.random.default_rng(0), diversifier=diversifier
    )
    assert picks.tolist() == list(range(min(rows, wanted)))


@EACH
def test_equal_turns_make_one_pick_the_better_one(diversifier: str) -> None:
    x = np.repeat(np.eye(4)[:1], 6, axis=0)
    scores = np.array([0.1, 0.9, 0.9, 0.2, 0.3, 0.4])
    ids = np.array([1, 9, 5, 2, 3, 4])
    picks = batch(x, scores, ids, 3, np.random.default_rng(0), diversifier=diversifier)
    assert picks.tolist() == [2]


@EACH
def test_of_near_equals_the_best_stands_for_all(diversifier: str) -> None:
    """The one in the middle of the clump is the most typical, and yet not the one to ask."""
    x = clumps(9, noise=0.05)
    scores = np.ones(len(x))
    best = np.array([4, 13, 22, 31])
    scores[best] = 1.01
    picks = batch(x, scores, np.arange(len(x)), 4, np.random.default_rng(1), diversifier=diversifier)
    assert sorted(picks.tolist()) == best.tolist()


def test_spread_keeps_the_order_it_is_given() -> None:
    x = np.array([[1.0, 0.0], [0.999, 0.0447], [0.0, 1.0]])
    assert spread(x, np.array([1, 0, 2]), 3).tolist() == [1, 2]
    assert spread(x, np.array([0, 1, 2]), 1).tolist() == [0]


def test_weights_pull_the_clusters() -> None:
    """Nine light turns on one side, three heavy ones on the other: of three clusters the heavy side gets two."""
    angles = np.concatenate([np.linspace(0.0, 0.3, 9), [1.2, 1.35, 1.5]])
    x = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    weights = np.concatenate([np.full(9, 0.01), np.ones(3)])
    clusters = weighted_kmeans(x, weights, 3, np.random.default_rng(0))
    assert len(set(clusters[9:])) == 2
    assert len(set(clusters[:9])) == 1


def test_facility_location_covers_greedily_what_scores_most() -> None:
    x = np.eye(3)[[0, 0, 0, 1, 1, 2]]
    assert facility_location(x, np.ones(6), np.arange(6), 3, np.random.default_rng(0)).tolist() == [0, 3, 5]
    heavy = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 9.0])
    assert facility_location(x, heavy, np.arange(6), 2, np.random.default_rng(0)).tolist() == [5, 0]


def test_k_center_walks_to_the_farthest() -> None:
    angles = np.array([0.0, 0.2, 0.9, 1.5])
    x = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert k_center(x, np.array([9.0, 1, 1, 1]), np.arange(4), 4, np.random.default_rng(0)).tolist() == [0, 3, 2, 1]


def test_typical_turns_have_near_neighbours() -> None:
    assert typicality(np.array([[0.5, 0.5], [0.875, 0.875]])) == pytest.approx([1.0, 2.0])
