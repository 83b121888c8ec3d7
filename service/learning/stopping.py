"""When labelling stops paying: how good the bot is on turns drawn at random, how little a new classifier changes, and
what the last labels were worth."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from service.learning.types import Bools1d, Floats1d, Ints1d

Z = 1.96  # of a 95 % interval
BREAK = 5.0  # minutes between two answers from which on somebody did something else


class Estimate(NamedTuple):
    """With its 95 % interval."""

    estimate: float
    low: float
    high: float


def accuracy(is_right: Bools1d, rates: Floats1d, open_rates: Floats1d) -> Estimate | None:
    """Share of right answers among all turns, from m >= 1 that were drawn with the chances `rates` (m,) and answered;
    None without one. Each stands for 1/rate turns; the interval is Wilson's, for as many equally drawn turns as would
    tell as much (Kish 1965). What was drawn and nobody could answer, `open_rates`, may be wrong for the lower end and
    right for the upper one.

    >>> found = accuracy(np.ones(40, np.bool_), np.full(40, 0.1), np.zeros(0))
    >>> [round(value, 3) for value in found]
    [1.0, 0.912, 1.0]
    """
    weights, unknown = 1 / rates, float((1 / open_rates).sum())
    total = float(weights.sum())
    if not total:
        return None
    right, told = float(weights[is_right].sum()), total**2 / float((weights**2).sum())
    low, _ = wilson(right / (total + unknown), told)
    _, high = wilson((right + unknown) / (total + unknown), told)
    return Estimate(right / total, low, high)


def wilson(share: float, n: float) -> tuple[float, float]:
    """95 % interval of a share seen among n > 0 (Wilson 1927).

    >>> [round(end, 3) for end in wilson(0.9, 10)]
    [0.596, 0.982]
    """
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def apart(before: Estimate, after: Estimate) -> Estimate:
    """Difference of two independent shares, with the interval that theirs make (Zou and Donner 2008, "Construction of
    confidence limits about effect measures").

    >>> [round(value, 3) for value in apart(Estimate(0.6, 0.5, 0.7), Estimate(0.8, 0.7, 0.85))]
    [0.2, 0.059, 0.312]
    """
    below = math.hypot(after.estimate - after.low, before.high - before.estimate)
    above = math.hypot(after.high - after.estimate, before.estimate - before.low)
    moved = after.estimate - before.estimate
    return Estimate(moved, moved - below, moved + above)


def kappa(before: Ints1d, after: Ints1d) -> float:
    """Cohen's κ of two classifiers' decisions on the same m >= 1 turns, at most 1. From .99 on further labels hardly
    change the classifier (Bloodgood and Vijay-Shanker 2009).

    >>> round(kappa(np.array([1, 1, 2, 2]), np.array([1, 1, 2, 1])), 2), kappa(np.array([1, 1]), np.array([1, 1]))
    (0.5, 1.0)
    """
    agreed = float((before == after).mean())
    return _beyond_chance(
        agreed, [float((before == one).mean() * (after == one).mean()) for one in np.union1d(before, after)]
    )


def kappa_of(agreed: float, shares: Floats1d) -> float:
    """The same where only the share of turns is known on which two classifiers agree, and how one of them decides:
    `shares` (k,) of the turns. Where they hardly differ, the other decides about so, too.

    >>> kappa_of(0.75, np.array([0.5, 0.5])), kappa_of(1.0, np.array([1.0])), kappa_of(0.9, np.array([1.0]))
    (0.5, 1.0, 0.0)
    """
    return _beyond_chance(agreed, (shares**2).tolist())


def _beyond_chance(agreed: float, chances: Sequence[float]) -> float:
    by_chance = sum(chances)
    if by_chance >= 1:
        return float(agreed == 1)
    return (agreed - by_chance) / (1 - by_chance)


def gain(steps: Sequence[tuple[int, Estimate]]) -> Estimate | None:
    """Share of right answers that a hundred labels added: steps from one classifier to the next, each with the labels
    between them and the difference as blind answers tell it. None where there were no labels.

    >>> [round(value, 4) for value in gain([(100, Estimate(0.02, 0.01, 0.03)), (300, Estimate(0.01, 0.0, 0.02))])]
    [0.0075, 0.004, 0.011]
    """
    labels = sum(n for n, _ in steps)
    if labels <= 0:
        return None
    total = sum(one.estimate for _, one in steps)
    below = math.sqrt(sum((one.estimate - one.low) ** 2 for _, one in steps))
    above = math.sqrt(sum((one.high - one.estimate) ** 2 for _, one in steps))
    return Estimate(*(100 * value / labels for value in (total, total - below, total + above)))


def minutes_a_label(times: Floats1d) -> float | None:
    """Median minutes between one person's answers, (m,) times in minutes, ascending; breaks left out. None with
    fewer than 20 gaps.

    >>> minutes_a_label(np.arange(0, 11, 0.25)), minutes_a_label(np.arange(5.0))
    (0.25, None)
    """
    gaps = np.diff(times)
    gaps = gaps[(gaps > 0) & (gaps <= BREAK)]
    return float(np.median(gaps)) if len(gaps) >= 20 else None
