"""What counts once: a text that is said a hundred times, a card that stands for a hundred turns."""

import numpy as np

from service.learning.types import Floats1d, Floats2d, Ints1d


def shared(group: Ints1d) -> Floats1d:
    """(n,) weights with which the rows of each group count for one together.

    >>> shared(np.array([7, 3, 7])).tolist()
    [0.5, 1.0, 0.5]
    """
    _, of_row, sizes = np.unique(group, return_inverse=True, return_counts=True)
    return np.asarray(1 / sizes[of_row])


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
