"""Labels held against all others."""

import numpy as np
import pytest

from service.learning.left_out import answers, supported


def test_answers_are_those_of_fits_without_the_label() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 5)), np.arange(30) % 3
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    with_constant = np.concatenate([x, np.ones((30, 1))], axis=1)
    weights = np.full(30, 1.0)  # ten labels of each of three classes

    def refitted(i: int) -> int:
        others = np.arange(30) != i
        weighted = with_constant[others] * weights[others, None]
        inner = with_constant[others].T @ weighted + np.eye(6)
        return int((with_constant[i] @ np.linalg.solve(inner, weighted.T @ np.eye(3)[y[others]])).argmax())

    assert answers(x, y).tolist() == [refitted(i) for i in range(30)]


@pytest.mark.parametrize(("wrong", "found"), [((), 1.0), ((0, 1, 2), 0.4)])
def test_support_is_of_the_five_nearest_others(wrong: tuple[int, ...], found: float) -> None:
    x = np.repeat(np.eye(2), 6, axis=0)
    y = np.repeat([0, 1], 6)
    y[list(wrong)] = 1
    assert supported(x, y)[0] == pytest.approx(found)
