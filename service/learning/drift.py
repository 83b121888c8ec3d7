"""How two windows of turns that one classifier decided differ, each statistic beside what chance alone makes of it.
Counts (k,) are of whole turns, a place for each class; both windows hold at least one turn, and classes seen in neither
are left out. What the vectors say stands in service/learning/domain.py."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import rel_entr

from service.learning.stopping import Estimate, apart, wilson
from service.learning.types import Floats1d, Floats2d, Ints1d, Ints2d

SPLITS = 200


class Statistic(NamedTuple):
    """How far apart two windows are; `by_chance`, what that is on average where nothing drifted, and `p`, that it is as
    much or more where nothing did."""

    value: float
    by_chance: float
    p: float

    @property
    def effect(self) -> float:
        return self.value - self.by_chance


class Move(NamedTuple):
    """A class's shares of the turns; `p`, after Holm's correction, that nothing but chance moved it."""

    before: float
    after: float
    difference: Estimate
    p: float


def psi(before: Ints1d, after: Ints1d) -> Statistic:
    """Population stability index Σ (q − p) ln (q / p) of the shares p and q: 0 = alike, without an upper end (Yurdakul
    and Naranjo 2020, "Statistical properties of the population stability index"). Half a turn is added to each count,
    so that every share has a logarithm.

    >>> round(psi(np.array([500, 500]), np.array([600, 400])).value, 4)
    0.0405
    """
    return _measured(_psi, before, after)


def jensen_shannon(before: Ints1d, after: Ints1d) -> Statistic:
    """Mean divergence of the two mixes from their mean, in bits: 0 = alike, 1 = nothing in common (Lin 1991,
    "Divergence measures based on the Shannon entropy").

    >>> round(jensen_shannon(np.array([500, 500]), np.array([600, 400])).value, 4)
    0.0073
    """
    return _measured(_jensen_shannon, before, after)


def _measured(measure: Callable[[Ints2d, Ints2d], Floats1d], before: Ints1d, after: Ints1d) -> Statistic:
    """Chance is SPLITS splits of the turns of both windows, at random, into two of these sizes. The formula
    (k − 1)(1/n + 1/m) is that of equal shares: with 150 classes of shares 1/rank and 1,000 turns each it says .29 of
    PSI, and truly it is .26."""
    both, rng = before + after, np.random.default_rng(0)  # one answer to one question
    drawn = rng.multivariate_hypergeometric(both, int(after.sum()), SPLITS, method="marginals")
    return against(float(measure(before[None], after[None])[0]), measure(both - drawn, drawn))


def against(value: float, null: Floats1d) -> Statistic:
    """The statistic, given its values (r,) where nothing drifted: a gamma law of their mean and variance says how
    rarely chance makes as much, also where none of them comes near.

    >>> found = against(30.0, np.arange(20.0))
    >>> found.by_chance, round(found.p, 4)
    (9.5, 0.0068)
    """
    from scipy.stats import gamma

    mean, variance = float(null.mean()), float(null.var(ddof=1))
    if variance <= 0:
        return Statistic(value, mean, float(value <= mean))
    return Statistic(value, mean, float(gamma.sf(value, mean**2 / variance, scale=variance / mean)))


def _psi(before: Ints2d, after: Ints2d) -> Floats1d:
    p, q = _shares(before + 0.5), _shares(after + 0.5)
    return np.asarray(((q - p) * np.log(q / p)).sum(axis=1))


def _jensen_shannon(before: Ints2d, after: Ints2d) -> Floats1d:
    p, q = _shares(before), _shares(after)
    middle = (p + q) / 2
    return (_kullback_leibler(p, middle) + _kullback_leibler(q, middle)) / 2


def _shares(counts: Ints2d | Floats2d) -> Floats2d:
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))


def _kullback_leibler(p: Floats2d, q: Floats2d) -> Floats1d:
    """In bits; q > 0."""
    return np.asarray(rel_entr(p, q).sum(axis=1) / math.log(2))


def moves(before: Ints1d, after: Ints1d) -> list[Move]:
    """Of each class, in their order.

    >>> refund, _ = moves(np.array([100, 900]), np.array([150, 850]))
    >>> [round(value, 3) for value in (refund.before, refund.after, *refund.difference, refund.p)]
    [0.1, 0.15, 0.05, 0.021, 0.079, 0.002]
    """
    n, m = int(before.sum()), int(after.sum())
    chances_of_all = holm(chances(before, after))
    return [
        Move(a / n, b / m, difference(a, n, b, m), p)
        for a, b, p in zip(before.tolist(), after.tolist(), chances_of_all.tolist(), strict=True)
    ]


def chances(before: Ints1d, after: Ints1d) -> Floats1d:
    """(k,) p that a class's share is the same in both windows: the χ² test of its two proportions in its exact form,
    twice the smaller tail of the hypergeometric law (Fisher 1935). χ² itself calls far too much significant where one
    window is short and the class rare: three turns of one that ten thousand lacked are 10⁻¹⁴ to it, and truly 10⁻⁴."""
    return _exact(before, before.sum(), after, after.sum())


def _exact(before: Ints1d, n: int, after: Ints1d, m: int) -> Floats1d:
    """Of counts among n and among m turns."""
    from scipy.stats import hypergeom  # a second and 20 MB, for those who measure drift only

    law = (n + m, before + after, m)
    return np.asarray(np.minimum(1, 2 * np.minimum(hypergeom.cdf(after, *law), hypergeom.sf(after - 1, *law))))


def rate(before: int, n: int, after: int, m: int) -> Statistic:
    """A share of the turns, after/m, where before/n is what it was; the test is that of `chances`.

    >>> found = rate(50, 1000, 45, 500)
    >>> round(found.value, 3), round(found.by_chance, 3), round(found.p, 4)
    (0.09, 0.05, 0.0047)
    """
    return rates(np.array([before]), n, np.array([after]), m)[0]


def rates(before: Ints1d, n: int, after: Ints1d, m: int) -> list[Statistic]:
    """A `rate` of each class, faster than one by one: its share of all turns, of which some are of no class here."""
    return [Statistic(*one) for one in np.column_stack([after / m, before / n, _exact(before, n, after, m)]).tolist()]


def kolmogorov_smirnov(before: Floats1d, after: Floats1d) -> Statistic:
    """The largest gap between the distribution functions of n and m numbers, in [0, 1]. Its law is the asymptotic one
    (Smirnov 1939), under which its mean is √(π/2) ln 2 · √(1/n + 1/m).

    >>> found = kolmogorov_smirnov(np.arange(100) / 100, np.arange(50, 150) / 100)
    >>> found.value, round(found.by_chance, 3), found.p < 1e-10
    (0.5, 0.123, True)
    """
    from scipy.stats import ks_2samp

    found = ks_2samp(before, after, method="asymp")
    mean = math.sqrt(math.pi / 2 * (1 / len(before) + 1 / len(after))) * math.log(2)
    return Statistic(float(found.statistic), mean, float(found.pvalue))


def holm(chances: Floats1d) -> Floats1d:
    """(k,) p-values corrected for there being k of them: with all below a level believed, one is wrong as rarely as the
    level says (Holm 1979).

    >>> holm(np.array([0.04, 0.01, 0.03])).round(2).tolist()
    [0.06, 0.03, 0.06]
    """
    order = np.argsort(chances, kind="stable")
    stepped = np.maximum.accumulate(chances[order] * np.arange(len(chances), 0, -1))
    corrected = np.empty(len(chances))
    corrected[order] = np.minimum(1, stepped)
    return corrected


def difference(before: int, n: int, after: int, m: int) -> Estimate:
    """Of the shares after/m and before/n, with a 95 % interval from those of the two (Newcombe 1998, "Interval
    estimation for the difference between independent proportions", method 10).

    >>> [round(value, 4) for value in difference(48, 80, 56, 70)]
    [0.2, 0.0524, 0.3339]
    """
    p, q = before / n, after / m
    return apart(Estimate(p, *wilson(p, n)), Estimate(q, *wilson(q, m)))
