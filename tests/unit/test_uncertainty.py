"""Known values and properties of the uncertainty scores."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.learning.types import Floats2d
from service.learning.uncertainty import (
    best_two,
    disagreement,
    entropy,
    expected_model_change,
    least_confidence,
    margin,
)

SCORES = [least_confidence, margin, entropy]


@st.composite
def probabilities(draw: st.DrawFn, rows: int = 5) -> Floats2d:
    """Rows that sum to 1, zeros among them."""
    k = draw(st.integers(1, 6))
    weights = draw(
        st.lists(st.lists(st.integers(0, 20), min_size=k, max_size=k).filter(any), min_size=1, max_size=rows)
    )
    table = np.array(weights, dtype=np.float64)
    return np.asarray(table / table.sum(axis=1, keepdims=True))


@pytest.mark.parametrize(
    ("proba", "least", "between", "nats"),
    [
        ([0.5, 0.5], 0.5, 1.0, 1.0),
        ([0.9, 0.1], 0.1, 0.2, 0.46899559358928117),
        ([1.0, 0.0], 0.0, 0.0, 0.0),
        ([0.25, 0.25, 0.25, 0.25], 0.75, 1.0, 1.0),
        ([0.4, 0.4, 0.2], 0.6, 1.0, 0.9602297178607612),
    ],
)
def test_known_values(proba: list[float], least: float, between: float, nats: float) -> None:
    x = np.array([proba])
    assert [float(score(x)[0]) for score in SCORES] == pytest.approx([least, between, nats])


@pytest.mark.parametrize("score", SCORES)
def test_one_intent_leaves_nothing_undecided_and_none_leaves_everything(score: object) -> None:
    assert callable(score)
    assert score(np.ones((2, 1))).tolist() == [0.0, 0.0]
    assert score(np.zeros((2, 0))).tolist() == [1.0, 1.0]
    assert score(np.zeros((0, 3))).tolist() == []


def test_of_equally_probable_intents_the_first_column_is_best() -> None:
    columns, values = best_two(np.array([[0.25, 0.375, 0.375], [1.0, 0.0, 0.0]]))
    assert columns.tolist() == [[1, 2], [0, 1]]
    assert values.tolist() == [[0.375, 0.375], [1.0, 0.0]]


def test_a_column_that_does_not_exist_is_minus_one() -> None:
    assert best_two(np.ones((1, 1)))[0].tolist() == [[0, -1]]
    assert best_two(np.ones((1, 0)))[0].tolist() == [[-1, -1]]


@given(probabilities())
def test_scores_stay_in_range_and_certain_turns_come_last(proba: Floats2d) -> None:
    for score in SCORES:
        values = score(proba)
        assert values.shape == (len(proba),)
        assert (values >= 0).all()
        assert (values <= 1).all()
        assert values[proba.max(axis=1) == 1.0].tolist() == [0.0] * int((proba.max(axis=1) == 1.0).sum())


@given(probabilities())
def test_scores_do_not_depend_on_the_order_of_intents(proba: Floats2d) -> None:
    for score in SCORES:
        assert score(proba[:, ::-1]) == pytest.approx(score(proba))


@given(probabilities())
def test_expected_model_change_is_the_mean_norm_of_the_gradients(proba: Floats2d) -> None:
    x = np.arange(1.0, 1.0 + 3 * len(proba)).reshape(len(proba), 3)
    identity = np.eye(proba.shape[1])
    slow = [
        sum(p * np.linalg.norm(np.outer(row - identity[y], features)) for y, p in enumerate(row))
        for row, features in zip(proba, x, strict=True)
    ]
    # Squares that cancel to 1e-16 leave a root of 1e-8.
    assert expected_model_change(proba, x) == pytest.approx(np.array(slow), abs=1e-6)


@given(probabilities(rows=6))
def test_disagreement_is_the_mean_divergence_from_the_mean(proba: Floats2d) -> None:
    committee = proba[:, None]  # as many heads, one turn
    mean = committee.mean(axis=0)
    logs = np.log(np.where(committee > 0, committee / np.where(mean > 0, mean, 1.0), 1.0))
    nats = (committee * logs).sum(axis=2).mean(axis=0)
    most = np.log(max(min(len(proba), proba.shape[1]), 2))
    assert disagreement(committee) == pytest.approx(nats / most, abs=1e-9)
    assert 0 <= disagreement(committee)[0] <= 1


def test_one_head_one_intent_and_heads_that_agree_have_no_disagreement() -> None:
    assert disagreement(np.array([[[0.3, 0.7]]])).tolist() == [0.0]
    assert disagreement(np.ones((4, 2, 1))).tolist() == [0.0, 0.0]
    assert disagreement(np.full((4, 2, 3), 1 / 3)).tolist() == [0.0, 0.0]
    assert disagreement(np.zeros((4, 2, 0))).tolist() == [0.0, 0.0]
