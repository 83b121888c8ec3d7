"""Weak examples, and what a function that looks at neighbours may see."""

import numpy as np
import pytest

from service.encoding import unit
from service.learning.types import Floats2d
from service.learning.weak import ABSTAINS
from workers import hints
from workers.hints import NOWHERE, Hints, Known, heed, in_columns

X = unit(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.1], [0.1, 1.0]], np.float32))


def known(column: list[int], group: list[int] | None = None) -> Known:
    n = len(column)
    return Known(X[:n], np.array(column), np.arange(n) if group is None else np.array(group))


def even(x: Floats2d) -> Floats2d:
    return np.full((len(x), 3), 1 / 3)


def nearest(least: float, labels: int) -> Hints:
    return Hints(X[2:], np.full((2, 1), ABSTAINS), np.full((labels, 1), ABSTAINS), np.array([least]))


def test_the_nearest_label_votes_where_it_is_near_enough() -> None:
    examples, judged = heed(nearest(0.9, 2), known([1, 0]), even, 3)
    assert examples.column.tolist() == [1, 0]
    assert examples.weight == pytest.approx(hints.SHARE * judged.accuracy[[0, 0]])
    assert (judged.coverage.tolist(), judged.labels.tolist()) == ([1.0], [0])  # the two labels lie far apart
    none, _ = heed(nearest(0.999, 2), known([1, 0]), even, 3)
    assert none.column.tolist() == []


def test_a_label_that_is_held_out_gives_nothing_away() -> None:
    seen = np.array([True, False])
    examples, _ = heed(nearest(0.9, 2).labels(seen), known([1, 0]).rows(seen), even, 3)
    assert examples.column.tolist() == [1]


def test_labels_of_one_card_do_not_vouch_for_each_other() -> None:
    _, apart = heed(nearest(0.9, 4), known([1, 0, 1, 0]), even, 3)
    _, folded = heed(nearest(0.9, 4), known([1, 0, 1, 0], [7, 8, 7, 8]), even, 3)
    assert (apart.labels.tolist(), folded.labels.tolist()) == ([4], [0])
    assert apart.accuracy[0] > folded.accuracy[0] == pytest.approx(2 / 3)


def test_a_neighbour_that_is_out_of_scope_says_nothing() -> None:
    examples, _ = heed(nearest(0.9, 2), known([-1, 0]), even, 3)
    assert examples.column.tolist() == [0]


def test_a_function_known_to_be_wrong_teaches_nothing() -> None:
    said = Hints(X[2:], np.array([[0], [1]]), np.zeros((4, 1), np.int64), np.array([NOWHERE]))
    trusted, _ = heed(said, known([0, 0, 0, 0]), even, 3)
    doubted, judged = heed(said, known([2, 2, 2, 2]), even, 3)
    assert (len(trusted.x), len(doubted.x)) == (2, 0)
    assert (judged.accuracy.tolist(), judged.labels.tolist()) == ([2 / 7], [4])


def test_a_card_with_many_folds_says_once_what_a_function_is_worth() -> None:
    said = Hints(X[2:], np.array([[0], [1]]), np.zeros((4, 1), np.int64), np.array([NOWHERE]))
    _, judged = heed(said, known([0, 2, 2, 2], [1, 2, 2, 2]), even, 3)
    assert judged.accuracy[0] == pytest.approx((2 + 1) / (3 + 2), abs=0.02)  # right once, wrong once
    assert judged.labels.tolist() == [4]


def test_votes_for_other_intents_are_none() -> None:
    said = Hints(X[:1], np.array([[3, 4, 9, ABSTAINS]]), np.array([[9, 3, 4, 4]]), np.full(4, NOWHERE))
    found = in_columns(said, np.array([3, 9]))
    assert found.votes.tolist() == [[0, ABSTAINS, 1, ABSTAINS]]
    assert found.on_labels.tolist() == [[1, 0, ABSTAINS, ABSTAINS]]
