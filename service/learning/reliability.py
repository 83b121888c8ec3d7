"""Whether a classifier is right as often as it says."""

import math
from typing import NamedTuple

import numpy as np

from service.learning.stopping import Estimate, accuracy
from service.learning.types import Bools1d, Floats1d

BINS = 10


class Bin(NamedTuple):
    """Turns whose probability lies between `low` and `high`."""

    low: float
    high: float
    n: int
    said: float  # their mean probability
    right: Estimate  # share of them that came true


class Reliability(NamedTuple):
    bins: tuple[Bin, ...]  # those with a turn
    error: float  # expected calibration error: mean distance between what was said and what came true
    by_chance: float  # what it would be, about, with so few turns, were every probability true


def reliability(said: Floats1d, is_right: Bools1d, rates: Floats1d) -> Reliability | None:
    """Of n turns drawn with the chances `rates`, all (n,): each stands for 1/rate turns. None without one.

    >>> found = reliability(np.array([0.95, 0.95, 0.55, 0.55]), np.array([True, True, True, False]), np.ones(4))
    >>> [(one.n, round(one.said, 2), one.right.estimate) for one in found.bins], round(found.error, 3)
    ([(2, 0.55, 0.5), (2, 0.95, 1.0)], 0.05)
    """
    if not len(said):
        return None
    weights, place = 1 / rates, np.clip((said * BINS).astype(np.int64), 0, BINS - 1)
    bins, error, by_chance = [], 0.0, 0.0
    for one in np.unique(place).tolist():
        inside = place == one
        share = float(weights[inside].sum() / weights.sum())
        found = _bin(one, said[inside], is_right[inside], rates[inside])
        bins.append(found)
        error += share * abs(found.said - found.right.estimate)
        by_chance += share * _by_chance(said[inside], weights[inside])
    return Reliability(tuple(bins), error, by_chance)


def _bin(place: int, said: Floats1d, is_right: Bools1d, rates: Floats1d) -> Bin:
    right = accuracy(is_right, rates, np.zeros(0)) or Estimate(0.0, 0.0, 1.0)
    mean = float(np.average(said, weights=1 / rates))
    return Bin(place / BINS, (place + 1) / BINS, len(said), mean, right)


def _by_chance(said: Floats1d, weights: Floats1d) -> float:
    """Mean distance between the share that comes true and what was said, were each as likely as it was said to be:
    nearly a normal law's."""
    spread = math.sqrt(float((weights**2 * said * (1 - said)).sum())) / float(weights.sum())
    return spread * math.sqrt(2 / math.pi)
