"""What a bot's labels say of each other: each held against all the others."""

import numpy as np

from service.learning.types import Floats1d, Floats2d, Ints1d

RIDGE = 1.0
NEAREST = 5


def answers(x: Floats2d, y: Ints1d) -> Ints1d:
    """(n,) the class that all other labels say each has: ridge regression to the k classes, which weigh alike, and its
    leave-one-out answers in closed form. x (n, d), rows of length 1; y (n,) classes 0 … k − 1, each with a label.

    >>> x = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9], [0.2, 0.8]])
    >>> answers(x, np.array([0, 0, 1, 1, 0])).tolist()
    [0, 0, 1, 1, 1]
    """
    counts = np.bincount(y)
    weights = (len(y) / len(counts) / counts)[y].astype(x.dtype)
    with_constant = np.concatenate([x, np.ones((len(x), 1), x.dtype)], axis=1)
    weighted = with_constant * weights[:, None]
    inner = with_constant.T @ weighted + RIDGE * np.eye(with_constant.shape[1], dtype=x.dtype)
    seen_from = np.linalg.solve(inner, with_constant.T).T
    own = np.einsum("nd,nd->n", seen_from, weighted)[:, None]
    is_class = np.eye(len(counts), dtype=x.dtype)[y]
    scores = with_constant @ np.linalg.solve(inner, weighted.T @ is_class)
    return np.asarray(((scores - own * is_class) / (1 - own)).argmax(axis=1))


def supported(x: Floats2d, y: Ints1d) -> Floats1d:
    """(n,) share of each label's NEAREST others that have its class; n > NEAREST.

    >>> supported(np.eye(6)[[0, 0, 0, 0, 0, 0]], np.array([0, 0, 0, 0, 0, 1])).round(1).tolist()
    [0.8, 0.8, 0.8, 0.8, 0.8, 0.0]
    """
    cosines = x @ x.T
    np.fill_diagonal(cosines, -2)
    nearest = np.argpartition(-cosines, NEAREST, axis=1)[:, :NEAREST]
    return np.asarray((y[nearest] == y[:, None]).mean(axis=1))


def beyond_chance(share: float, labels: int, total: int) -> float:
    """A class's mean of `supported`, without what chance gives one of so many labels among all: 0 = as with vectors
    that say nothing, 1 = every one; 1 also where there is no other class.

    >>> round(beyond_chance(0.5, 10, 19), 3), round(beyond_chance(0.5, 10, 1501), 3), beyond_chance(1.0, 6, 6)
    (0.0, 0.497, 1.0)
    """
    chance = (labels - 1) / (total - 1)
    return (share - chance) / (1 - chance) if chance < 1 else 1.0
