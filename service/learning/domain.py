"""Whether the vectors of two windows tell them apart: a cross-validated domain classifier (Lopez-Paz and Oquab 2017,
"Revisiting classifier two-sample tests"; Rabanser et al. 2019, "Failing loudly").

The classifier is a ridge-regularised linear discriminant, in closed form, so that the law of its scores where nothing
drifted can be had by permuting the windows a few hundred times, each time with new classifiers. Two things are read off
the scores that it gives turns it did not see:

* `auc`, how often a turn of the window scores above one of the reference: it rises when all turns moved a little.
* `novel`, the share of the window among the TOP turns that are likeliest the window's: it rises when a few turns moved
  far, as when people begin to ask something new. With a tenth of the turns new the AUC cannot pass .55, which is 2.6
  standard deviations with 500 turns; `novel` is off by 4 to 8.

The AUC's law is not that of Mann and Whitney. On CLINC150's train rows without drift, 500 turns against 5,000, its
standard deviation is .019 in five folds, where that law says .0135: a turn that helps to tell the others apart is told
apart by them, so that every pair counts twice and the variance is double. Of the same rows, each domain held back in
turn and released as 10 % of 1,000 turns, the likeliest 1, 2, 3 and 5 % gave a mean −log₁₀ p of 13, 13, 12 and 10.

What the classifier in force makes of a turn is told beside its vector: how sure it is, and how far the turn lies from
what it knows. For the domain hardest to see (CLINC150's utility, the same rows) that makes a mean −log₁₀ p of 10 from
one of 5, for an easier one (meta) of 13 from one of 11."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from service.learning.drift import Statistic, against
from service.learning.types import Floats1d, Floats2d, Floats3d, Ints1d, Ints2d

FOLDS = 5
PERMUTATIONS = 200
RIDGE = 1.0  # in mean variances
SCORES = 20.0  # a score's variance, in mean variances of a vector's numbers: hardly touched by the ridge
TOP = 0.02  # share of all turns


class Turns(NamedTuple):
    """n turns of a window."""

    x: Floats2d  # (n, d)
    scores: Floats2d  # (n, s) what the classifier in force makes of them, on any scale


class Domain(NamedTuple):
    """`likeliest`: rows of the window among the TOP, the likeliest first."""

    auc: Statistic
    novel: Statistic
    likeliest: Ints1d


class _Folds(NamedTuple):
    """All turns, shuffled, in FOLDS runs of rows. Whitened, so that the discriminant's direction is the difference of
    two means."""

    x: Floats2d  # (n, d)
    rows: Sequence[slice]  # of each fold
    sums: Floats2d  # (FOLDS, d) of each fold's rows
    sizes: Floats1d  # (FOLDS,)


def compare(reference: Turns, window: Turns, rng: np.random.Generator) -> Domain:
    """Of n and m ≥ 2 · FOLDS turns."""
    n, m = len(reference.x), len(window.x)
    order = rng.permutation(n + m)
    folds = _folds(_described(reference, window)[order])
    ours = np.flatnonzero(order >= n)
    ranks = _ranks(folds, ours[None])
    null = _ranks(folds, np.array([rng.choice(n + m, m, replace=False) for _ in range(PERMUTATIONS)]))
    auc, novel = (against(float(read(ranks, n + m)[0]), read(null, n + m)) for read in (_auc, _top_share))
    likeliest = np.argsort(-ranks[0])[: _in_top(ranks, n + m)[0]]
    return Domain(auc, novel, order[ours[likeliest]] - n)


def _described(reference: Turns, window: Turns) -> Floats2d:
    """(n + m, d + s)"""
    x, scores = np.vstack([reference.x, window.x]), np.vstack([reference.scores, window.scores])
    scale = np.sqrt(SCORES * float(x.var(axis=0).mean())) / np.maximum(scores.std(axis=0), 1e-12)
    return np.hstack([x, (scores - scores.mean(axis=0)) * scale]).astype(np.float32)


def _folds(x: Floats2d) -> _Folds:
    x = x - x.mean(axis=0)
    variances, axes = np.linalg.eigh(x.T @ x / len(x))
    ridge = RIDGE * float(np.maximum(variances.mean(), 1e-12))
    whitened = (x @ (axes / np.sqrt(variances.clip(0) + ridge))).astype(np.float32)
    rows = [slice(*ends) for ends in pairwise(np.linspace(0, len(x), FOLDS + 1).astype(int).tolist())]
    sums = np.array([whitened[one].sum(axis=0) for one in rows])
    return _Folds(whitened, rows, sums, np.array([float(one.stop - one.start) for one in rows]))


def _ranks(folds: _Folds, ours: Ints2d) -> Ints2d:
    """(r, m) the places of a window's turns by their scores, 0 the least likely of the window, for each of r windows
    whose rows are `ours`: a fold's scores are those of a classifier that saw the others, brought to one scale."""
    is_ours = np.zeros((len(ours), len(folds.x)), np.float32)
    np.put_along_axis(is_ours, ours, 1, axis=1)
    scores = np.empty_like(is_ours)
    for rows, direction in zip(folds.rows, _directions(folds, is_ours), strict=True):
        found = direction @ folds.x[rows].T
        found -= found.mean(axis=1, keepdims=True)
        scores[:, rows] = found / np.maximum(found.std(axis=1, keepdims=True), 1e-12)
    ranks = np.empty(scores.shape, np.int64)
    np.put_along_axis(ranks, scores.argsort(axis=1, kind="stable"), np.arange(len(folds.x))[None], axis=1)
    return np.take_along_axis(ranks, ours, axis=1)


def _directions(folds: _Folds, is_ours: Floats2d) -> Floats3d:
    """(FOLDS, r, d) from the reference's mean to the window's, over the rows outside each fold."""
    inside = np.array([is_ours[:, rows] @ folds.x[rows] for rows in folds.rows])
    sizes = np.array([is_ours[:, rows].sum(axis=1) for rows in folds.rows])[..., None]
    window, m = _outside(inside), _outside(sizes)
    both, n = _outside(folds.sums)[:, None], _outside(folds.sizes)[:, None, None]
    return np.asarray(window / m - (both - window) / (n - m))


def _outside(of_folds: Floats3d) -> Floats3d:
    """(FOLDS, …) sums over the other folds, from those of each."""
    return np.asarray(of_folds.sum(axis=0) - of_folds)


def _auc(ranks: Ints2d, total: int) -> Floats1d:
    """(r,) of r windows."""
    m = ranks.shape[1]
    return np.asarray((ranks.sum(axis=1) - m * (m - 1) / 2) / (m * (total - m)))


def _top_share(ranks: Ints2d, total: int) -> Floats1d:
    """(r,) the share of the window among the TOP."""
    return _in_top(ranks, total) / _top(total)


def _in_top(ranks: Ints2d, total: int) -> Ints1d:
    return np.asarray((ranks >= total - _top(total)).sum(axis=1))


def _top(total: int) -> int:
    return max(round(TOP * total), 1)
