"""The regression finds what scikit-learn finds."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from service.learning.types import Floats1d, Floats2d, Ints1d
from workers.regression import Linear, fit_logistic

N, D = 300, 12


def rows(k: int) -> tuple[Floats2d, Ints1d, Floats1d]:
    """Classes that overlap, and no two rows of one weight."""
    rng = np.random.default_rng(k)
    columns = np.append(np.arange(k), rng.integers(k, size=N - k))
    x = rng.normal(size=(k, D))[columns] + rng.normal(size=(N, D))
    return x / np.linalg.norm(x, axis=1, keepdims=True), columns, rng.uniform(0.2, 3.0, N)


def by_sklearn(x: Floats2d, columns: Ints1d, weights: Floats1d, c: float) -> Linear:
    model = LogisticRegression(C=c, tol=1e-8, max_iter=5_000).fit(x, columns, sample_weight=weights)
    if len(model.classes_) == 2:
        return Linear(np.vstack([-model.coef_, model.coef_]) / 2, np.append(-model.intercept_, model.intercept_) / 2)
    return Linear(model.coef_, model.intercept_)


@pytest.mark.parametrize("c", [0.3, 30.0])
@pytest.mark.parametrize("k", [2, 3, 40])
def test_the_coefficients_are_scikit_learns(k: int, c: float) -> None:
    x, columns, weights = rows(k)
    ours, theirs = fit_logistic(x, columns, weights, k, c, tolerance=1e-8), by_sklearn(x, columns, weights, c)
    assert ours.weights == pytest.approx(theirs.weights, abs=1e-3)
    assert ours.bias - ours.bias.mean() == pytest.approx(theirs.bias - theirs.bias.mean(), abs=1e-3)


@pytest.mark.parametrize("k", [2, 3, 40])
def test_in_single_precision_the_decisions_are_the_same(k: int) -> None:
    x, columns, weights = rows(k)
    ours = fit_logistic(x.astype(np.float32), columns, weights, k, 30.0, tolerance=1e-5)
    theirs = by_sklearn(x, columns, weights, 30.0)
    assert (ours.of(x).argmax(axis=1) == theirs.of(x).argmax(axis=1)).mean() > 0.99
    assert softmax(ours.of(x), axis=1) == pytest.approx(softmax(theirs.of(x), axis=1), abs=0.01)


def test_wherever_it_starts_it_ends_at_the_same() -> None:
    x, columns, weights = rows(3)
    rng = np.random.default_rng(0)
    far = Linear(20 * rng.normal(size=(3, D)), rng.normal(size=3))
    ends = [fit_logistic(x, columns, weights, 3, 3.0, tolerance=1e-8, start=start) for start in (None, far)]
    assert ends[0].weights == pytest.approx(ends[1].weights, abs=1e-3)


def test_a_class_without_rows_gets_the_rest() -> None:
    x, columns, weights = rows(3)
    ours = fit_logistic(x, columns, weights, 4, 3.0, tolerance=1e-6)
    assert np.isfinite(ours.weights).all()
    assert (ours.of(x).argmax(axis=1) < 3).all()


def test_separable_rows_in_single_precision_end() -> None:
    x = np.eye(4, dtype=np.float32)
    ours = fit_logistic(x, np.arange(4), np.ones(4), 4, 1e4, tolerance=1e-5)
    assert ours.of(x).argmax(axis=1).tolist() == [0, 1, 2, 3]
