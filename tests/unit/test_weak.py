"""What labelling functions say together, and how right each is."""

import numpy as np
import pytest

from service.learning.types import Floats2d, Ints1d, Ints2d
from service.learning.weak import ABSTAINS, accuracy, conflict, coverage, posterior, tally, winners

NOBODY = np.zeros(4)


def even(m: int, k: int) -> Floats2d:
    return np.full((m, k), 1 / k)


def noisy(y: Ints1d, rights: list[float], k: int, seed: int = 0, speaks: float = 0.6) -> Ints2d:
    """Functions that are right so often where they speak, and wrong at random else."""
    rng = np.random.default_rng(seed)
    votes = np.full((len(y), len(rights)), ABSTAINS)
    for place, right in enumerate(rights):
        wrong = (y + rng.integers(1, k, len(y))) % k
        said = np.where(rng.random(len(y)) < right, y, wrong)
        votes[:, place] = np.where(rng.random(len(y)) < speaks, said, ABSTAINS)
    return votes


def test_functions_that_agree_with_others_are_believed_more() -> None:
    y = np.random.default_rng(1).integers(6, size=3000)
    votes = noisy(y, [0.9, 0.8, 0.7, 0.3], 6)
    found = accuracy(votes, even(3000, 6), NOBODY, NOBODY)
    assert found == pytest.approx([0.9, 0.8, 0.7, 0.3], abs=0.2)  # four labels' worth of them is believed
    assert found.argsort().tolist() == [3, 2, 1, 0]


def test_together_they_are_right_more_often_than_the_majority() -> None:
    y = np.random.default_rng(1).integers(6, size=3000)
    votes = noisy(y, [0.9, 0.7, 0.4, 0.4], 6, speaks=0.9)
    column, confidence = winners(votes, 6, accuracy(votes, even(3000, 6), NOBODY, NOBODY))
    spoke = confidence > 0
    counts = (votes[:, :, None] == np.arange(6)).sum(axis=1)
    majority = counts.argmax(axis=1)
    assert (column == y)[spoke].mean() > (majority == y)[spoke].mean() + 0.05
    assert confidence[spoke].mean() == pytest.approx((column == y)[spoke].mean(), abs=0.1)


def test_labels_say_what_a_function_that_votes_alone_is_worth() -> None:
    alone = np.array([[0, ABSTAINS], [ABSTAINS, 1]] * 50)
    right, said = tally(np.array([[0, 1]] * 27), np.array([0] * 27), np.ones(27))
    found = accuracy(alone, even(100, 3), right, said)
    assert found == pytest.approx([29 / 30, 2 / 30])


def test_somebody_who_knows_no_function_tells_which_is_right() -> None:
    votes = np.array([[0, ABSTAINS], [ABSTAINS, 1]] * 100)
    prior = np.tile([0.8, 0.1, 0.1], (200, 1))
    good, bad = accuracy(votes, prior, NOBODY[:2], NOBODY[:2])
    assert good > 0.8
    assert bad < 0.4


def test_out_of_scope_is_no_functions_intent() -> None:
    right, said = tally(np.array([[0], [0]]), np.array([-1, 0]), np.ones(2))
    assert (right.tolist(), said.tolist()) == ([1], [2])


def test_coverage_and_conflict() -> None:
    votes = np.array([[0, 0, ABSTAINS], [0, 1, ABSTAINS], [ABSTAINS, 2, ABSTAINS], [ABSTAINS] * 3])
    assert coverage(votes).tolist() == [0.5, 0.75, 0.0]
    assert conflict(votes) == pytest.approx([1 / 2, 1 / 3, 0.0])


@pytest.mark.parametrize("m", [0, 1, 5])
@pytest.mark.parametrize("f", [0, 1, 3])
@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("vote", [ABSTAINS, 0])
def test_little_to_hear_never_raises(m: int, f: int, k: int, vote: int) -> None:
    votes, nothing = np.full((m, f), vote), np.zeros(f, np.int64)
    found = accuracy(votes, even(m, k), nothing, nothing)
    column, confidence = winners(votes, k, found)
    assert found.shape == (f,) and np.all((found > 0) & (found < 1))
    assert posterior(votes, even(m, k), found).sum(axis=1) == pytest.approx(np.ones(m))
    assert column.tolist() == [0] * m
    assert np.all((confidence > 0) == (f > 0 and vote == 0))
