"""Whose uncertainty ranks a turn: ours, the platform's, or how likely the two are to answer differently.

A platform sends its intent with a score, and what a score means is its own affair. So scores are translated into the
chance that the intent is right, of turns that mean any: `fit` learns how from labels, as ten labels to begin with take
every score at its word. Then both have probabilities over the k intents: ours are `proba` (n, k), the platform's are
`confidence` (n,) for the intent in `column` (n,), and ours, renormalised, for the others.
"""

from typing import Literal, NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

from service.learning.reports import without
from service.learning.types import Bools1d, Floats1d, Floats2d, Ints1d
from service.learning.uncertainty import margin

Whose = Literal["ours", "theirs", "disagreement"]

EDGE = 0.001  # a score is never further than this from 0 or 1: one error at a score of 1 would rule the fit
# Scores at which the platform is taken to have been right as often as they say, each in one label.
TRUSTED = np.arange(0.05, 1.0, 0.1)


class Scale(NamedTuple):
    """What a score s means: ln(c / (1 - c)) = slope · ln(s / (1 - s)) + intercept, c being the chance that the intent
    is right. As it stands here, a score means what it says."""

    slope: float = 1.0  # >= 0: a higher score never is a smaller chance
    intercept: float = 0.0


def fit(scores: Floats1d, is_right: Bools1d, weights: Floats1d) -> Scale:
    """The scale of least log loss on n labelled turns; scores may be any numbers, equal ones too.

    >>> fit(np.zeros(0), np.zeros(0, np.bool_), np.zeros(0))
    Scale(slope=1.0, intercept=0.0)
    >>> scale = fit(np.full(100, 0.99), np.arange(100) < 80, np.ones(100))
    >>> chance(np.array([0.99]), scale).round(2).tolist()
    [0.81]
    """
    x = _logits(np.append(TRUSTED, scores))
    right = np.append(TRUSTED, is_right)
    weight = np.append(np.ones(len(TRUSTED)), weights)

    def loss(found: Floats1d) -> tuple[float, Floats1d]:
        z = found[0] * x + found[1]
        excess = weight * (expit(z) - right)
        return float(weight @ (np.logaddexp(0, z) - right * z)), np.array([excess @ x, excess.sum()])

    best = minimize(loss, Scale(), jac=True, bounds=[(0, None), (None, None)], method="L-BFGS-B").x
    return Scale(*best.tolist())


def _logits(scores: Floats1d) -> Floats1d:
    return np.asarray(logit(np.clip(scores, EDGE, 1 - EDGE)))


def chance(scores: Floats1d, scale: Scale) -> Floats1d:
    """(n,) in (0, 1): the chance that the platform's intent is right; never falls as the score grows.

    >>> chance(np.array([0.2, 0.9, 87.0]), Scale()).round(3).tolist()
    [0.2, 0.9, 0.999]
    """
    return np.asarray(expit(scale.slope * _logits(scores) + scale.intercept))


def platforms(proba: Floats2d, column: Ints1d, confidence: Floats1d) -> Floats2d:
    """(n, k) the platform's probabilities; of a bot with one intent, a row sums to `confidence`.

    >>> platforms(np.array([[0.8, 0.15, 0.05]]), np.array([1]), np.array([0.6])).round(3).tolist()
    [[0.376, 0.6, 0.024]]
    """
    found = (1 - confidence)[:, None] * without(proba, column)
    found[np.arange(len(proba)), column] = confidence
    return np.asarray(found)


def theirs(confidence: Floats1d) -> Floats1d:
    """1 - confidence, (n,): the chance that the platform's intent is wrong.

    >>> theirs(np.array([0.75, 1.0])).tolist()
    [0.25, 0.0]
    """
    return np.asarray(1 - confidence)


def disagreement(proba: Floats2d, column: Ints1d, confidence: Floats1d) -> Floats1d:
    """1 - Σ p·t, t being the platform's probabilities, (n,) in [0, 1]: the chance that the two give different intents
    when each answers by its own probabilities. 0 = both are certain of the same intent, 1 = each of another.

    >>> proba = np.array([[0.9, 0.1], [0.9, 0.1], [0.5, 0.5]])
    >>> disagreement(proba, np.array([0, 1, 0]), np.array([0.9, 0.9, 0.5])).round(2).tolist()
    [0.18, 0.82, 0.5]
    """
    same = (proba * platforms(proba, column, confidence)).sum(axis=1)
    return np.asarray(np.clip(1 - same, 0.0, 1.0))


def uncertainty(whose: Whose, proba: Floats2d, column: Ints1d, confidence: Floats1d) -> Floats1d:
    """(n,) in [0, 1], higher = ask first; at least one minus the largest of the probabilities that `doubted` gives.

    For `ours` that holds of the margin. The chance to agree is a mean of `proba`, so at most its largest; and
    `confidence` is one of the platform's.

    >>> turn = np.array([[0.9, 0.1]]), np.array([1]), np.array([0.7])
    >>> [float(uncertainty(whose, *turn)[0].round(2)) for whose in ("ours", "theirs", "disagreement")]
    [0.2, 0.3, 0.66]
    """
    if whose == "theirs":
        return theirs(confidence)
    return margin(proba) if whose == "ours" else disagreement(proba, column, confidence)


def doubted(whose: Whose, proba: Floats2d, column: Ints1d, confidence: Floats1d) -> Floats2d:
    """(n, k) the probabilities that a report on a turn speaks against."""
    return platforms(proba, column, confidence) if whose == "theirs" else proba
