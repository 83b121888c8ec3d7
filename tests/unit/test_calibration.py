"""Temperature, threshold and the weights behind both."""

import numpy as np
import pytest
from scipy.special import softmax

from service.learning.calibration import importance, prior_temperature, temperature, threshold


def test_labels_stand_for_the_log_they_came_from() -> None:
    labelled, log = np.array([0.05, 0.95, 0.95, 0.95]), np.array([0.05] * 3 + [0.95])
    weights = importance(labelled, log)
    assert weights.mean() == pytest.approx(1.0)
    assert weights[0] / weights[1] == pytest.approx(9.0)


@pytest.mark.parametrize(("labelled", "log"), [([], [0.5]), ([0.5, 0.1], [])])
def test_without_labels_or_log_all_weigh_the_same(labelled: list[float], log: list[float]) -> None:
    assert importance(np.array(labelled), np.array(log)).tolist() == [1.0] * len(labelled)


def test_the_prior_temperature_gives_the_log_the_wanted_confidence() -> None:
    logits = np.random.default_rng(0).normal(size=(500, 5)) * 8
    found = prior_temperature(logits, 0.7)
    assert softmax(logits / found, axis=1).max(axis=1).mean() == pytest.approx(0.7, abs=1e-3)


@pytest.mark.parametrize("logits", [np.zeros((0, 5)), np.ones((7, 1))])
def test_nothing_to_look_at_leaves_the_logits_as_they_are(logits: np.ndarray) -> None:
    assert prior_temperature(logits, 0.7) == 1.0
    assert temperature(logits, np.zeros(len(logits), np.int64), np.ones(len(logits)), prior=0.4) == 0.4


def test_many_labels_find_the_temperature_they_were_drawn_at() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, 4)) * 3
    columns = np.array([rng.choice(4, p=row) for row in softmax(logits / 2.0, axis=1)])
    assert temperature(logits, columns, np.ones(4000), prior=1.0) == pytest.approx(2.0, rel=0.1)


def test_three_labels_hardly_move_the_prior() -> None:
    logits = np.array([[9.0, 0.0]] * 3)
    assert 0.7 < temperature(logits, np.zeros(3, np.int64), np.ones(3), prior=1.0) < 1.0


def test_the_threshold_lies_where_the_gate_separates() -> None:
    gate = np.array([0.1, 0.2, 0.66, 0.68, 0.8, 0.9] * 10)
    is_none = gate > 0.7
    assert 0.68 < threshold(gate, is_none, ~is_none, np.ones(60)) <= 0.8


def test_a_gate_that_only_does_harm_is_off() -> None:
    gate = np.linspace(0.1, 0.9, 30)
    assert threshold(gate, np.zeros(30, np.bool_), np.ones(30, np.bool_), np.ones(30)) == np.inf
