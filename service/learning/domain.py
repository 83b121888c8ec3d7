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

from typing import NamedTuple

import numpy as np

from service.learning.drift import Statistic, against
from service.learning.types import Floats2d, Ints1d

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
    """All turns, shuffled, in FOLDS interleaved folds: row i is in fold i % FOLDS. Whitened, so that the discriminant's
    direction is the difference of two means."""

    x: Floats2d  # (n, d)
    sums: Floats2d  # (FOLDS, d) of each fold's rows
    sizes: Ints1d  # (FOLDS,)


def compare(reference: Turns, window: Turns, rng: np.random.Generator) -> Domain:
    """Of n and m ≥ 2 · FOLDS turns."""
    n, m = len(reference.x), len(window.x)
    order = rng.permutation(n + m)
    folds = _folds(_described(reference, window)[order])
    ours = np.flatnonzero(order >= n)
    ranks = _ranks(folds, ours)
    null = np.array([_read(_ranks(folds, drawn), drawn) for drawn in _draws(n + m, m, rng)])
    auc, novel = (against(value, null[:, place]) for place, value in enumerate(_read(ranks, ours)))
    found = ours[np.argsort(-ranks[ours])]
    return Domain(auc, novel, order[found[ranks[found] >= len(order) - _top(len(order))]] - n)


def _described(reference: Turns, window: Turns) -> Floats2d:
    """(n + m, d + s)"""
    x, scores = np.vstack([reference.x, window.x]), np.vstack([reference.scores, window.scores])
    scale = np.sqrt(SCORES * float(x.var(axis=0).mean())) / np.maximum(scores.std(axis=0), 1e-12)
    return np.hstack([x, (scores - scores.mean(axis=0)) * scale]).astype(np.float32)


def _draws(total: int, m: int, rng: np.random.Generator) -> list[Ints1d]:
    return [rng.choice(total, m, replace=False) for _ in range(PERMUTATIONS)]


def _folds(x: Floats2d) -> _Folds:
    x = x - x.mean(axis=0)
    variances, axes = np.linalg.eigh(x.T @ x / len(x))
    ridge = RIDGE * float(np.maximum(variances.mean(), 1e-12))
    whitened = (x @ (axes / np.sqrt(variances.clip(0) + ridge))).astype(np.float32)
    sums = np.array([whitened[fold::FOLDS].sum(axis=0) for fold in range(FOLDS)])
    return _Folds(whitened, sums, np.bincount(np.arange(len(x)) % FOLDS, minlength=FOLDS))


def _ranks(folds: _Folds, ours: Ints1d) -> Ints1d:
    """(n,) place of each turn by its score, 0 the least likely of the window, whose rows are `ours`: a fold's scores
    are those of a classifier that saw the others, brought to one scale."""
    scores = np.empty(len(folds.x), np.float32)
    for fold, direction in enumerate(_directions(folds, ours)):
        found = folds.x[fold::FOLDS] @ direction
        scores[fold::FOLDS] = (found - found.mean()) / max(float(found.std()), 1e-12)
    ranks = np.empty(len(scores), np.int64)
    ranks[np.argsort(scores, kind="stable")] = np.arange(len(scores))
    return ranks


def _directions(folds: _Folds, ours: Ints1d) -> Floats2d:
    """(FOLDS, d) from the reference's mean to the window's, over the rows outside each fold."""
    of_fold = np.zeros((FOLDS, len(ours)), np.float32)
    of_fold[ours % FOLDS, np.arange(len(ours))] = 1
    inside, sizes = of_fold @ folds.x[ours], of_fold.sum(axis=1)
    window = (inside.sum(axis=0) - inside) / (len(ours) - sizes)[:, None]
    rest = folds.sums - inside
    reference = (rest.sum(axis=0) - rest) / (len(folds.x) - len(ours) - folds.sizes + sizes)[:, None]
    return np.asarray(window - reference)


def _read(ranks: Ints1d, ours: Ints1d) -> tuple[float, float]:
    """AUC and the share of the window among the TOP."""
    m, total = len(ours), len(ranks)
    auc = (ranks[ours].sum() - m * (m - 1) / 2) / (m * (total - m))
    top = _top(total)
    return float(auc), float((ranks[ours] >= total - top).sum() / top)


def _top(total: int) -> int:
    return max(round(TOP * total), 1)
