"""Which vectors of a log differ: what is said a hundred times is one text."""

import numpy as np

from service.learning.types import Floats2d, Ints1d


def distinct(x: Floats2d) -> tuple[Ints1d, Ints1d]:
    """Rows of the vectors (m, d) that differ, each where it first stands, and how often each is there.

    >>> rows, repeats = distinct(np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]))
    >>> rows.tolist(), repeats.tolist()
    ([0, 1], [2, 1])
    """
    if not len(x):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    whole = np.ascontiguousarray(x).view(np.dtype((np.void, x.dtype.itemsize * x.shape[1])))[:, 0]
    _, first, repeats = np.unique(whole, return_index=True, return_counts=True)
    order = np.argsort(first)
    return first[order], repeats[order]
