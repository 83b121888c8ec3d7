"""Which texts cover the doubts of a log."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.learning.coverage import LEAST, contexts, cover, doubts
from service.learning.types import Ints1d

TEXTS = st.lists(st.lists(st.tuples(st.sampled_from("abcd"), st.floats(0, 1)), max_size=4), max_size=8)


def picked(texts: list[tuple[str, list[float]]], n: int) -> Ints1d:
    return cover(doubts((text.split(), np.array(doubt)) for text, doubt in texts), n)


def test_a_text_that_repeats_what_was_picked_waits() -> None:
    texts = [("play jazz now", [0.0, 0.9, 0.0]), ("play jazz now", [0.0, 0.9, 0.0]), ("book it", [0.0, 0.8])]
    assert picked(texts, 3).tolist() == [0, 2, 1]


def test_a_doubt_that_many_texts_share_comes_first() -> None:
    shared = [("near me", [0.5, 0.0])] * 8
    assert picked([("odd word", [0.0, 0.9]), *shared], 2).tolist() == [1, 0]


def test_texts_without_doubt_come_last() -> None:
    assert picked([("all clear", [LEAST / 2, 0.0]), ("", []), ("what now", [0.5, 0.5])], 3).tolist() == [2, 0, 1]


@pytest.mark.parametrize("n", [0, 1, 5])
def test_there_may_be_fewer_texts_than_asked_for(n: int) -> None:
    assert picked([], n).tolist() == []
    assert len(picked([("one", [0.5])], n)) == min(n, 1)


def test_a_context_tells_sides_apart() -> None:
    assert contexts(["a", "b"]) == [("a", "<>|a", "a|b", "<>||b"), ("b", "a|b", "b|<>", "a||<>")]


@given(TEXTS, st.integers(0, 10))
def test_each_row_is_picked_once(raw: list[list[tuple[str, float]]], n: int) -> None:
    matrix = doubts(([word for word, _ in text], np.array([doubt for _, doubt in text])) for text in raw)
    assert matrix.shape[0] == len(raw)
    rows = cover(matrix, n).tolist()
    assert len(set(rows)) == len(rows) == min(n, len(raw))


@given(TEXTS)
def test_more_are_picked_by_going_on(raw: list[list[tuple[str, float]]]) -> None:
    matrix = doubts(([word for word, _ in text], np.array([doubt for _, doubt in text])) for text in raw)
    assert cover(matrix, 2).tolist() == cover(matrix, 5).tolist()[:2]
