"""The head: what it computes, in numbers one can check by hand."""

from dataclasses import replace

import numpy as np
import pytest

from service.learning.head import (
    NEVER,
    Head,
    decide,
    familiarity,
    from_arrays,
    out_of_scope,
    probabilities,
    to_arrays,
)

X = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]], np.float32)


@pytest.fixture
def head() -> Head:
    """Two intents, 3 along the first axis and 7 along the second; the gate takes what points along the second."""
    return Head(
        intent_ids=np.array([3, 7]),
        weights=np.array([[2.0, 0.0], [0.0, 2.0]], np.float32),
        bias=np.zeros(2, np.float32),
        temperature=1.0,
        center=np.zeros(2, np.float32),
        prototypes=np.array([[1.0, 0.0], [0.8, 0.6]], np.float32),
        gate_weights=np.array([0.0, 4.0], np.float32),
        gate_familiarity=0.0,
        gate_bias=-2.0,
    )


def test_probabilities_are_a_softmax_of_the_logits(head: Head) -> None:
    sure = 1 / (1 + np.exp(-2))
    assert probabilities(head, X)[0] == pytest.approx([sure, 1 - sure])
    assert probabilities(head, X).sum(axis=1) == pytest.approx(np.ones(3))


def test_a_temperature_spreads_probabilities_and_changes_no_decision(head: Head) -> None:
    hot = replace(head, temperature=2.0)
    assert probabilities(hot, X)[0, 0] == pytest.approx(1 / (1 + np.exp(-1)))
    assert decide(hot, X).tolist() == decide(head, X).tolist() == [3, 7, 7]


def test_a_gate_that_is_off_lets_all_pass(head: Head) -> None:
    assert out_of_scope(head, X).tolist() == [0.0, 0.0, 0.0]
    assert head.threshold == NEVER


def test_a_gate_that_is_on_takes_what_it_is_sure_of(head: Head) -> None:
    gated = replace(head, threshold=0.8)
    assert out_of_scope(gated, X) == pytest.approx([1 / (1 + np.exp(2)), 1 / (1 + np.exp(-2)), 1 / (1 + np.exp(-1.2))])
    assert decide(gated, X).tolist() == [3, 0, 7]
    assert probabilities(gated, X).tolist() == probabilities(head, X).tolist()


def test_the_gate_weighs_how_familiar_a_turn_looks(head: Head) -> None:
    gated = replace(head, gate_weights=np.zeros(2, np.float32), gate_familiarity=-3.0, gate_bias=2.4, threshold=0.5)
    assert familiarity(gated, X) == pytest.approx([1.0, 0.6, 0.96])
    assert out_of_scope(gated, X) == pytest.approx(1 / (1 + np.exp([0.6, -0.6, 0.48])))
    assert decide(gated, X).tolist() == [3, 0, 7]


def test_familiarity_is_seen_from_the_center_of_the_log(head: Head) -> None:
    moved = replace(head, center=np.array([0.0, 1.0], np.float32))
    assert familiarity(moved, np.array([[2.0, 1.0], [0.0, 1.0]], np.float32)) == pytest.approx([1.0, 0.0])


def test_a_head_without_intents_decides_none(head: Head) -> None:
    nothing = np.zeros((0, 2), np.float32)
    empty = replace(head, intent_ids=np.zeros(0, np.int64), weights=nothing, bias=np.zeros(0), prototypes=nothing)
    assert probabilities(empty, X).shape == (3, 0)
    assert decide(empty, X).tolist() == [0, 0, 0]


@pytest.mark.parametrize("threshold", [NEVER, 0.35])
def test_arrays_hold_all_of_it(head: Head, threshold: float) -> None:
    given = replace(head, threshold=threshold, gate_familiarity=-1.5, temperature=0.3)
    back = from_arrays(to_arrays(given))
    for name in Head.__slots__:
        assert np.array_equal(getattr(back, name), getattr(given, name)), name
