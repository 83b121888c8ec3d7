"""Drift of a mix: known values, and how rarely it is seen where there is none."""

import numpy as np
import pytest

from service.learning.drift import difference, holm, jensen_shannon, moves, psi

SHARES = np.array([1 / rank for rank in range(1, 41)])
SHARES /= SHARES.sum()


def test_what_did_not_move_is_nothing_beyond_chance() -> None:
    same = np.array([300, 200, 100])
    for found in (psi(same, same), jensen_shannon(same, same)):
        assert found.value == pytest.approx(0, abs=1e-12)
        assert found.by_chance > 0.001
    assert [(move.difference.estimate, move.p) for move in moves(same, same)] == [(0.0, 1.0)] * 3


def test_psi_is_the_sum_over_the_shares() -> None:
    found = psi(np.array([50_000, 30_000, 20_000]), np.array([40_000, 30_000, 30_000]))
    assert found.value == pytest.approx(-0.1 * np.log(0.4 / 0.5) + 0.1 * np.log(0.3 / 0.2), abs=1e-4)
    assert found.by_chance == pytest.approx(2 * 2 / 100_000, rel=0.15)  # (k - 1)(1/n + 1/m), of so many turns


def test_a_class_that_is_new_or_gone_is_finite() -> None:
    found = psi(np.array([0, 500]), np.array([500, 500]))
    assert 1 < found.value < 4
    assert jensen_shannon(np.array([1, 0]), np.array([0, 1])).value == 1


def test_one_class_alone_cannot_move() -> None:
    before, after = np.array([100]), np.array([250])
    assert (psi(before, after), jensen_shannon(before, after)) == ((0.0, 0.0, 1.0), (0.0, 0.0, 1.0))
    assert [move.p for move in moves(before, after)] == [1.0]


@pytest.mark.parametrize("sizes", [(1000, 1000), (150, 150), (4000, 500)])
def test_without_drift_both_average_what_is_said_to_be_chance(sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(5)
    drawn = [[rng.multinomial(size, SHARES) for size in sizes] for _ in range(100)]
    for measure in (psi, jensen_shannon):
        found = [measure(*pair) for pair in drawn]
        said = np.mean([one.by_chance for one in found])
        assert np.mean([one.value for one in found]) == pytest.approx(said, rel=0.08)


@pytest.mark.parametrize("sizes", [(2000, 2000), (5000, 200), (200, 5000)])
def test_without_drift_a_move_is_believed_as_rarely_as_its_level_says(sizes: tuple[int, int]) -> None:
    """In a long-tailed mix, with windows of different lengths too."""
    rng = np.random.default_rng(7)
    smallest = []
    for _ in range(400):
        before, after = (rng.multinomial(size, SHARES) for size in sizes)
        seen = before + after > 0
        smallest.append(min(move.p for move in moves(before[seen], after[seen])))
    assert np.mean(np.array(smallest) < 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)
    assert np.sum(np.array(smallest) < 0.001) <= 3


def test_a_move_of_a_tenth_is_believed_and_the_rest_is_not() -> None:
    rng = np.random.default_rng(3)
    moved = SHARES.copy()
    moved[5] += 0.1
    before, after = rng.multinomial(2000, SHARES), rng.multinomial(2000, moved / moved.sum())
    believed = [row for row, move in enumerate(moves(before, after)) if move.p < 0.001]
    assert believed == [5]
    assert moves(before, after)[5].difference.estimate == pytest.approx(moved[5] / moved.sum() - SHARES[5], abs=0.03)


def test_three_turns_of_a_class_that_was_not_there_are_no_proof() -> None:
    """χ² would say 10⁻¹⁴."""
    (new, _) = moves(np.array([0, 10_000]), np.array([3, 497]))
    assert new.p == pytest.approx(2 * 2 * (500 / 10_500) ** 3, rel=0.02)  # both tails, of two classes


def test_the_interval_covers_the_difference_as_often_as_it_says() -> None:
    rng = np.random.default_rng(11)
    p, q, n, m = 0.03, 0.05, 400, 250
    found = [difference(int(rng.binomial(n, p)), n, int(rng.binomial(m, q)), m) for _ in range(1000)]
    assert 0.93 < np.mean([one.low <= q - p <= one.high for one in found]) < 0.98


def test_holm_keeps_the_order_and_never_exceeds_one() -> None:
    given = np.array([0.5, 0.0001, 0.2, 0.9])
    assert holm(given) == pytest.approx([1, 0.0004, 0.6, 1])
    assert len(holm(np.array([]))) == 0
