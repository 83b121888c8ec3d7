"""How sure a classifier may sound: temperature, the gate's threshold, and weights that make labels stand for the log.

Labels are not a sample of the log: the ranking asked for the undecided turns first. So whatever is fitted on them is
weighted by how much of the log each of them stands for.
"""

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from service.learning.types import Bools1d, Floats1d, Floats2d, Ints1d

BINS = 10
# A bin with few labels must not rule the fit.
LIGHTEST, HEAVIEST = 0.1, 10.0
TEMPERATURES = (0.02, 50.0)
# Labels that the prior temperature counts for.
PRIOR_LABELS = 10.0
THRESHOLDS = np.arange(0.1, 0.91, 0.05)
# Accuracy, in labels, that a threshold away from one half has to gain before it is believed.
THRESHOLD_COST = 2.0


def importance(labelled: Floats1d, log: Floats1d) -> Floats1d:
    """(n,) weights, mean 1, under which the labels' histogram of uncertainty has the log's shape; ones without a log.

    >>> importance(np.array([0.05, 0.95, 0.95]), np.array([0.05, 0.95])).round(2).tolist()
    [1.5, 0.75, 0.75]
    """
    if not len(labelled) or not len(log):
        return np.ones(len(labelled))
    own, wanted = _histogram(labelled), _histogram(log)
    ratio = np.clip(wanted / np.maximum(own, 1 / len(labelled)), LIGHTEST, HEAVIEST)
    weights: Floats1d = ratio[_bins(labelled)]
    scaled: Floats1d = weights / weights.mean()
    return scaled


def _bins(uncertainty: Floats1d) -> Ints1d:
    bins: Ints1d = np.clip((uncertainty * BINS).astype(np.int64), 0, BINS - 1)
    return bins


def _histogram(uncertainty: Floats1d) -> Floats1d:
    shares: Floats1d = np.bincount(_bins(uncertainty), minlength=BINS) / len(uncertainty)
    return shares


def prior_temperature(logits: Floats2d, confidence: float) -> float:
    """The temperature at which the log's mean largest probability is `confidence`; 1 where there is nothing to see."""
    if not len(logits) or logits.shape[1] < 2:
        return 1.0
    return _minimise(lambda at: abs(float(softmax(logits / at, axis=1).max(axis=1).mean()) - confidence))


def temperature(logits: Floats2d, columns: Ints1d, weights: Floats1d, prior: float) -> float:
    """The temperature of least log loss on out-of-fold logits, (n, k), of rows whose right column is known.

    Few labels move it little from `prior`.
    """
    if not len(logits) or logits.shape[1] < 2:
        return prior
    rows = np.arange(len(logits))

    def loss(temperature: float) -> float:
        likelihood = log_softmax(logits / temperature, axis=1)[rows, columns]
        return float(-(weights * likelihood).sum() + PRIOR_LABELS * np.log(temperature / prior) ** 2)

    return _minimise(loss)


def _minimise(loss: Callable[[float], float]) -> float:
    low, high = np.log(TEMPERATURES)
    found = minimize_scalar(lambda exponent: loss(float(np.exp(exponent))), bounds=(low, high), method="bounded")
    return float(np.exp(found.x))


def threshold(gate: Floats1d, is_none: Bools1d, is_right: Bools1d, weights: Floats1d) -> float:
    """The gate probability from which a turn is best called out of scope; infinite when that never pays.

    `is_right`: the intent the head would have answered is the label. All four are (n,) and out of fold.
    """
    gains = weights * (is_none.astype(np.float64) - is_right)
    totals = np.array([gains[gate >= candidate].sum() for candidate in THRESHOLDS])
    best = int((totals - THRESHOLD_COST * np.abs(THRESHOLDS - 0.5)).argmax())
    return float(THRESHOLDS[best]) if totals[best] > 0 else float("inf")
