"""Krippendorff's α against published and independent values."""

import numpy as np
import pytest

from service.learning.agreement import alpha, alpha_of
from service.learning.types import Ints2d

# Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", C: four observers, twelve units, 0 = no answer.
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
    [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
]
# B: two observers, no answer missing.
PAIR = [list("aabbdcccedda"), list("babbbcccedd" + "d")]


def counts(observers: list[list[int]] | list[list[str]], answers: str | range) -> Ints2d:
    units = list(zip(*observers, strict=True))
    return np.array([[unit.count(answer) for answer in answers] for unit in units])


def test_published_examples() -> None:
    assert alpha(counts(OBSERVERS, range(1, 6))) == pytest.approx(0.743, abs=5e-4)
    assert alpha(counts(PAIR, "abcde")) == pytest.approx(0.692, abs=5e-4)


def test_one_answer_against_the_others_is_alpha_of_two_answers() -> None:
    binary = [[int(said == "c") + 1 for said in row] for row in PAIR]
    assert alpha_of(counts(PAIR, "abcde"), 2) == pytest.approx(alpha(counts(binary, range(1, 3))))
    assert alpha_of(counts(PAIR, "abcde"), 2) == 1.0  # both said c of the same units


def test_what_cannot_be_said_is_none() -> None:
    assert alpha(np.zeros((0, 0), np.int64)) is None
    assert alpha(np.array([[1, 0], [0, 1]])) is None  # nobody's answer can be compared
    assert alpha(np.array([[2, 0], [3, 0]])) is None  # nobody ever said anything else
    assert alpha(np.array([[1, 1], [1, 1]])) == pytest.approx(-0.5)
