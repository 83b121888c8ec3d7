"""What a platform's scores mean, and whose uncertainty ranks a turn."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.learning.confidence import Scale, Whose, chance, disagreement, doubted, fit, platforms, theirs, uncertainty
from service.learning.types import Bools1d, Floats1d
from service.learning.uncertainty import margin

GRID = np.linspace(0.01, 0.99, 99)
LABELLED = st.lists(st.tuples(st.floats(-2, 3), st.booleans()), max_size=30)


def cubed(n: int, seed: int) -> tuple[Floats1d, Bools1d]:
    """Scores of a platform whose true chance is the score's cube, and whether it was right."""
    rng = np.random.default_rng(seed)
    scores = rng.uniform(size=n)
    return scores, rng.uniform(size=n) < scores**3


def calibration_error(chances: Floats1d, is_right: Bools1d) -> float:
    """Of ten bins, the mean distance between what was said and what came true."""
    bins = np.minimum((chances * 10).astype(int), 9)
    return sum(abs((chances - is_right)[bins == one].sum()) for one in range(10)) / len(chances)


def test_the_cube_of_a_score_is_found_out() -> None:
    scores, is_right = cubed(1_000, seed=0)
    scale = fit(scores, is_right, np.ones(1_000))
    assert chance(GRID, scale) == pytest.approx(GRID**3, abs=0.07)
    later, came_true = cubed(20_000, seed=1)
    raw, found = calibration_error(later, came_true), calibration_error(chance(later, scale), came_true)
    assert raw == pytest.approx(0.25, abs=0.01)
    assert found < raw / 10


@pytest.mark.parametrize("share", [0.3, 0.8, 1.0])
def test_a_platform_that_is_always_sure_is_as_good_as_it_was(share: float) -> None:
    is_right = np.arange(200) < 200 * share
    scale = fit(np.full(200, 0.99), is_right, np.ones(200))
    assert chance(np.array([0.99]), scale) == pytest.approx([share], abs=0.02)


def test_few_labels_move_a_score_little_and_none_not_at_all() -> None:
    nothing = np.zeros(0)
    assert fit(nothing, nothing > 0, nothing) == Scale()
    wrong_once = fit(np.array([0.9]), np.array([False]), np.ones(1))
    assert chance(np.array([0.9, 0.1]), wrong_once) == pytest.approx([0.70, 0.18], abs=0.01)


def test_a_label_that_counts_half_moves_a_score_half_as_far() -> None:
    once = fit(np.array([0.9, 0.9]), np.array([False, False]), np.array([0.5, 0.5]))
    assert once == pytest.approx(fit(np.array([0.9]), np.array([False]), np.ones(1)), abs=1e-4)


@given(LABELLED, LABELLED)
def test_a_higher_score_is_never_a_smaller_chance(
    some: list[tuple[float, bool]], more: list[tuple[float, bool]]
) -> None:
    labelled = [*some, *more * 20]
    scores, is_right = np.array([score for score, _ in labelled]), np.array([right for _, right in labelled], np.bool_)
    scale = fit(scores, is_right, np.ones(len(labelled)))
    chances = chance(np.linspace(-1, 2, 50), scale)
    assert scale.slope >= 0
    assert (np.diff(chances) >= 0).all()
    assert ((chances >= 0) & (chances <= 1)).all()


def test_of_a_platform_that_is_surer_when_wrong_the_score_says_nothing() -> None:
    scores, is_right = np.repeat([0.9, 0.1], 100), np.arange(200) >= 100
    assert chance(np.array([0.1, 0.9]), fit(scores, is_right, np.ones(200))) == pytest.approx([0.5, 0.5], abs=0.01)


def test_scores_outside_zero_and_one_count_as_sure() -> None:
    assert chance(np.array([-3.0, 0.0, 1.0, 87.0]), Scale()) == pytest.approx([0.001, 0.001, 0.999, 0.999])


@pytest.mark.parametrize(
    ("proba", "column", "confidence", "expected"),
    [
        ([0.5, 0.5], 0, 0.5, 0.5),
        ([1.0, 0.0], 0, 1.0, 0.0),
        ([1.0, 0.0], 1, 1.0, 1.0),
        ([0.5, 0.3, 0.2], 0, 0.6, 1 - 0.3 - 0.4 * (0.09 + 0.04) / 0.5),
        ([1.0, 0.0, 0.0], 0, 0.7, 0.3),  # nothing of ours is left for the others
        ([1.0], 0, 0.7, 0.3),  # a bot with one intent
    ],
)
def test_known_disagreements(proba: list[float], column: int, confidence: float, expected: float) -> None:
    turn = np.array([proba]), np.array([column]), np.array([confidence])
    assert disagreement(*turn) == pytest.approx([expected])


def test_disagreement_is_how_often_drawn_answers_differ() -> None:
    proba, column, confidence = np.array([[0.6, 0.25, 0.1, 0.05]]), np.array([1]), np.array([0.7])
    rng = np.random.default_rng(0)
    ours = rng.choice(4, 100_000, p=proba[0])
    others = rng.choice([0, 2, 3], 100_000, p=[0.8, 0.1 / 0.75, 0.05 / 0.75])
    platform = np.where(rng.uniform(size=100_000) < 0.7, 1, others)
    assert disagreement(proba, column, confidence) == pytest.approx([(ours != platform).mean()], abs=0.01)


@st.composite
def turns(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    k = draw(st.integers(1, 5))
    weights = np.array([draw(st.lists(st.integers(0, 9), min_size=k, max_size=k).filter(any))], np.float64)
    return weights / weights.sum(), np.array([draw(st.integers(0, k - 1))]), np.array([draw(st.floats(0, 1))])


@given(turns(), st.sampled_from(get_args(Whose)))
def test_uncertainty_is_in_range_and_at_least_the_chance_of_an_error(
    turn: tuple[np.ndarray, np.ndarray, np.ndarray], whose: Whose
) -> None:
    """The second is what keeps reports from ever lowering a priority."""
    [found] = uncertainty(whose, *turn)
    assert 1 - doubted(whose, *turn).max() - 1e-12 <= found <= 1


def test_each_choice_is_its_own_formula() -> None:
    proba, column, confidence = np.array([[0.7, 0.2, 0.1]]), np.array([1]), np.array([0.9])
    assert uncertainty("ours", proba, column, confidence) == pytest.approx(margin(proba))
    assert uncertainty("theirs", proba, column, confidence) == pytest.approx(theirs(confidence))
    assert uncertainty("disagreement", proba, column, confidence) == pytest.approx(
        1 - (proba * platforms(proba, column, confidence)).sum(axis=1)
    )


def test_a_platform_that_says_what_we_say_has_our_probabilities() -> None:
    proba = np.array([[0.7, 0.2, 0.1]])
    assert platforms(proba, np.array([0]), np.array([0.7])) == pytest.approx(proba)
