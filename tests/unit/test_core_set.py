"""The smallest set of labels that covers the change expected of all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.encoding import unit
from service.learning.core_set import UNCOVERED, Cover, cover, sizes
from service.learning.types import Floats2d


def clumps(per_clump: int) -> Floats2d:
    """Unit vectors around four axes, clump after clump."""
    rng = np.random.default_rng(7)
    centres = np.repeat(np.eye(8)[:4], per_clump, axis=0)
    return unit(centres + 0.05 * rng.normal(size=centres.shape))


def covered(x: Floats2d, change: np.ndarray, picks: np.ndarray) -> float:
    return float((np.maximum(x @ x[picks].T, 0).max(axis=1) * change).sum())


def test_one_of_each_kind_comes_before_a_second_of_any() -> None:
    x = clumps(10)
    found = cover(x, np.ones(40), np.arange(40))
    assert sorted(found.positions[:4] // 10) == [0, 1, 2, 3]
    assert sorted(found.positions) == list(range(40))


def test_gains_add_up_to_what_is_covered() -> None:
    x, change = clumps(5), np.linspace(0.1, 1.0, 20)
    found = cover(x, change, np.arange(20))
    for n in (1, 3, 20):
        assert found.gains[:n].sum() == pytest.approx(covered(x, change, found.positions[:n]))
    assert found.gains.sum() == pytest.approx(change.sum())


def test_what_changes_more_is_covered_first() -> None:
    x = clumps(10)
    change = np.where(np.arange(40) // 10 == 2, 1.0, 0.1)
    assert cover(x, change, np.arange(40)).positions[0] // 10 == 2


@given(seed=st.integers(0, 200), counts=st.lists(st.integers(1, 12), min_size=1, max_size=5))
def test_the_smallest_set_covers_enough_and_one_less_does_not(seed: int, counts: list[int]) -> None:
    rng = np.random.default_rng(seed)
    covers = [cover(unit(rng.normal(size=(n, 6))), rng.random(n), np.arange(n)) for n in counts]
    taken = sizes(covers)
    total = sum(one.gains.sum() for one in covers)
    left = sum(one.gains[n:].sum() for one, n in zip(covers, taken, strict=True))
    assert all(1 <= n <= count for n, count in zip(taken, counts, strict=True))
    assert left <= UNCOVERED * total + 1e-9
    last = min((one.gains[n - 1] for one, n in zip(covers, taken, strict=True) if n > 1), default=None)
    assert last is None or left + last > UNCOVERED * total - 1e-9


@pytest.mark.parametrize(("size", "expected"), [(1, [0, 1]), (2, [1, 1]), (3, [1, 2]), (99, [2, 3])])
def test_a_size_takes_the_best_of_it(size: int, expected: list[int]) -> None:
    covers = [Cover(np.array([0, 1]), np.array([5.0, 1.0])), Cover(np.array([0, 1, 2]), np.array([6.0, 4.0, 0.5]))]
    assert sizes(covers, size) == expected


def test_where_nothing_is_expected_to_change_every_intent_is_in_all_the_same() -> None:
    covers = [cover(clumps(1), np.zeros(4), np.arange(4)) for _ in range(3)]
    assert sizes(covers) == [1, 1, 1]
    assert sizes([]) == []
