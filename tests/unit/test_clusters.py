"""Clusters of the long tail, on themes whose place is known."""

import doctest

import numpy as np
import pytest

from service.encoding import unit
from workers import clusters, distinct
from workers.clusters import SMALLEST, Known, find

D, EACH, THEMES = 24, 60, 6
LACKING = 5  # the theme without a label
NOWHERE = np.zeros(D)
NOTHING = Known(np.zeros((0, D)), np.zeros(0, np.int64))


def theme(place: int, n: int = EACH, seed: int = 0) -> np.ndarray:
    """(n, d) texts around one of the axes."""
    spread = np.random.default_rng((place, seed)).normal(scale=0.08, size=(n, D))
    return unit(np.eye(D)[place] + spread)


@pytest.fixture
def log() -> np.ndarray:
    """Of each theme's texts the next ones, by theme."""
    return np.vstack([theme(place) for place in range(THEMES)])


@pytest.fixture
def known() -> Known:
    taught = [place for place in range(THEMES) if place != LACKING]
    x = np.vstack([theme(place, 6, seed=1) for place in taught])
    return Known(x, np.repeat(np.array(taught) + 1, 6))


def even(log: np.ndarray) -> np.ndarray:
    return np.full(len(log), 0.5)


def test_the_theme_without_a_label_is_found_and_no_other(log: np.ndarray, known: Known) -> None:
    (found,) = find(log, even(log), known, NOWHERE)
    assert set(found.rows.tolist()) == set(range(LACKING * EACH, THEMES * EACH))
    assert found.turns == EACH
    middle = unit(log[found.rows].mean(axis=0)[None, :])[0]
    assert log[found.rows[0]] @ middle > np.quantile(log[found.rows] @ middle, 0.7), "the medoid comes first"


def test_labels_make_a_theme_known(log: np.ndarray, known: Known) -> None:
    more = Known(np.vstack([known.x, theme(LACKING, 8, seed=1)]), np.append(known.y, np.full(8, LACKING + 1)))
    assert find(log, even(log), more, NOWHERE) == []


def test_a_text_said_often_counts_its_turns_and_stands_once(log: np.ndarray, known: Known) -> None:
    often = np.vstack([log, np.repeat(log[-1:], 50, axis=0)])
    (found,) = find(often, even(often), known, NOWHERE)
    assert (len(found.rows), found.turns) == (EACH, EACH + 50)


def test_the_same_arrays_make_the_same_clusters(log: np.ndarray, known: Known) -> None:
    first, second = (find(log, even(log), known, NOWHERE) for _ in range(2))
    assert [one.rows.tolist() for one in first] == [one.rows.tolist() for one in second]


@pytest.mark.parametrize("n", [0, 1, 5, 2 * SMALLEST])
def test_few_turns_give_no_cluster(n: int, known: Known) -> None:
    assert find(theme(LACKING, n), np.zeros(n), known, NOWHERE) == []


def test_one_text_a_hundred_thousand_times_gives_none(known: Known) -> None:
    hi = np.repeat(theme(LACKING, 1).astype(np.float32), 100_000, axis=0)
    assert find(hi, even(hi), known, NOWHERE) == []


def test_nothing_known_gives_none(log: np.ndarray) -> None:
    assert find(log, even(log), NOTHING, NOWHERE) == []


def test_that_no_cluster_holds_the_only_label_tells_nothing(log: np.ndarray) -> None:
    assert find(log, even(log), Known(theme(0, 1), np.array([1])), NOWHERE) == []


def test_examples() -> None:
    assert doctest.testmod(clusters).failed == doctest.testmod(distinct).failed == 0
