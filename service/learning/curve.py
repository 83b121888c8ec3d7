"""How many labels would settle the boundary between two intents: how fast two-class classifiers of a growing part of
their labels get better, carried on.

A draw trains on some of the labels and is judged on the others. The errors at growing sizes are fitted by the power law
a·n^−b (Hestness et al. 2017, "Deep learning scaling is predictable, empirically"). Forty labels make two or three
mistakes and cannot tell b: it has a normal prior, chosen on train rows of CLINC150 and BANKING77, that gives way as
mistakes are seen."""

import math
from typing import Literal, NamedTuple

import numpy as np

from service.learning.stopping import Estimate
from service.learning.types import Bools1d, Floats1d, Floats2d, Ints2d

ENOUGH = 20  # labels of a pair below which nothing is said,
EACH = 5  # of them of either side
SIZES = (0.25, 0.35, 0.5, 0.7, 0.85)  # parts of the labels that are trained on
DRAWS = 24  # at each size
DRAWN = 400  # laws that make the interval
RIDGE = 1.0  # of the classifiers, on vectors of length 1
SPEED, STRENGTH = 0.6, 8.0  # b before any label is looked at, and the mistakes that say as much: 1 / its variance
FLAT = 0.05  # b below which labels change nothing
FAR = 5_000  # labels: what only more would settle, none will
SETTLED = 0.05  # error

Answer = Literal["unknown", "settled", "labels", "never"]


class Curve(NamedTuple):
    """Error a·n^−b of the pair at n labels, and other laws that the labels allow: `drawn` (r, 2) of ln a, b."""

    a: float
    b: float
    drawn: Floats2d

    def error(self, n: float) -> Estimate:
        """At n labels, with its 95 % interval."""
        errors = np.exp(self.drawn[:, 0] - self.drawn[:, 1] * math.log(n))
        low, high = np.quantile(errors, (0.025, 0.975)).clip(0, 1).tolist()
        return Estimate(min(self.a * n**-self.b, 1.0), low, high)


class Settling(NamedTuple):
    """Whether labels would settle a pair. `more`: how many, and between how many; `high` None: perhaps no number
    would."""

    answer: Answer
    labels: int  # there are
    error: Estimate | None = None  # at these
    more: int | None = None
    low: int | None = None
    high: int | None = None


def settling(x: Floats2d, is_first: Bools1d, labels: int, bound: float = SETTLED) -> Settling:
    """x (n, d): vectors of labels of both sides, rows of length 1, of so many that there are; `bound`: error from which
    on the pair is settled."""
    curve = fit(x, is_first)
    return Settling("unknown", labels) if curve is None else settled_by(curve, labels, bound)


def settled_by(curve: Curve, n: int, bound: float) -> Settling:
    """
    >>> curve = Curve(1.0, 0.5, np.array([[0.0, 0.55], [0.0, 0.45]]))
    >>> settled_by(curve, 100, 0.05)[3:], settled_by(curve, 500, 0.05).answer
    ((300, 146, 665), 'settled')
    """
    error = curve.error(n)
    if error.estimate <= bound:
        return Settling("settled", n, error)
    needed = reached(curve.drawn, bound)
    low, high = (None if found >= FAR else max(0, math.ceil(found) - n) for found in _ends(needed))
    found = float(reached(np.array([[math.log(curve.a), curve.b]]), bound)[0])
    if found >= FAR:
        return Settling("never", n, error, None, low, None)
    return Settling("labels", n, error, max(1, math.ceil(found) - n), low, high)


def _ends(needed: Floats1d) -> tuple[float, float]:
    low, high = np.quantile(needed, (0.025, 0.975)).tolist()
    return low, high


def reached(laws: Floats2d, bound: float) -> Floats1d:
    """(r,) labels at which laws (r, 2) of ln a, b come down to the bound, FAR at most.

    >>> reached(np.array([[0.0, 0.5], [0.0, 0.01]]), 0.1).round().tolist()
    [100.0, 5000.0]
    """
    logs = (laws[:, 0] - math.log(bound)) / np.maximum(laws[:, 1], FLAT)
    return np.where(laws[:, 1] < FLAT, FAR, np.exp(np.minimum(logs, math.log(FAR))))


def fit(x: Floats2d, is_first: Bools1d, seed: int = 0) -> Curve | None:
    """None with too few labels to say."""
    sides = int(is_first.sum()), int((~is_first).sum())
    if sum(sides) < ENOUGH or min(sides) < EACH:
        return None
    rng = np.random.default_rng(seed)
    return law(*held_out(x, is_first, rng), len(x), rng)


def law(sizes: Floats1d, errors: Floats1d, n: int, rng: np.random.Generator) -> Curve:
    """Of errors (s,) at sizes (s,), judged on n labels: half a mistake is added to each, so that every error has a
    logarithm, and the speed is told by as many mistakes as there were."""
    logs, x = np.log((errors * n + 0.5) / (n + 1)), np.log(sizes)
    apart, mistakes = x - x.mean(), float(errors.mean()) * n + 0.5
    told = STRENGTH + mistakes * float(apart @ apart)
    b = (STRENGTH * SPEED - mistakes * float(logs @ apart)) / told
    speeds = rng.normal(b, told**-0.5, DRAWN)
    levels = logs.mean() + np.log(rng.beta(mistakes, n + 1 - mistakes, DRAWN) * (n + 1) / mistakes)
    drawn = np.stack([levels + speeds * x.mean(), speeds], axis=1)
    return Curve(float(np.exp(logs.mean() + b * x.mean())), b, drawn)


def held_out(x: Floats2d, is_first: Bools1d, rng: np.random.Generator) -> tuple[Floats1d, Floats1d]:
    """Sizes (s,), and the errors (s,) of classifiers of so many labels on the others, both sides counting alike."""
    kernel, y = x @ x.T, np.where(is_first, 1.0, -1.0)
    sizes, errors = [], []
    for part in SIZES:
        drawn = _draws(is_first, part, rng)
        is_out = np.ones((DRAWS, len(x)), np.bool_)
        np.put_along_axis(is_out, drawn, np.False_, axis=1)
        is_wrong = _judged(kernel, y, drawn) * y <= 0
        sizes.append(drawn.shape[1])
        errors.append(np.mean([is_wrong[is_out & side].mean() for side in (is_first, ~is_first)]))
    return np.array(sizes, np.float64), np.array(errors)


def _draws(is_first: Bools1d, part: float, rng: np.random.Generator) -> Ints2d:
    """(DRAWS, size): places of labels, of each side its part."""
    sides = [np.flatnonzero(is_first), np.flatnonzero(~is_first)]
    taken = [min(max(2, round(part * len(side))), len(side) - 1) for side in sides]
    return np.stack(
        [np.concatenate([rng.permutation(s)[:n] for s, n in zip(sides, taken, strict=True)]) for _ in range(DRAWS)]
    )


def _judged(kernel: Floats2d, y: Floats1d, drawn: Ints2d) -> Floats2d:
    """(DRAWS, n) above 0 where the classifier of a draw says the first side: ridge regression to 1 and −1 with both
    sides weighing alike, in its dual form, with 1 added to each product for the constant."""
    signs, size = y[drawn], drawn.shape[1]
    firsts = (signs > 0).sum(axis=1, keepdims=True)
    weights = size / 2 / np.where(signs > 0, firsts, size - firsts)
    inner = kernel[drawn[:, :, None], drawn[:, None, :]] + 1
    inner[:, np.arange(size), np.arange(size)] += RIDGE / weights
    dual = np.linalg.solve(inner, signs[:, :, None])[:, :, 0]
    return np.asarray(np.einsum("rm,rmn->rn", dual, kernel[drawn] + 1))


def left_out(x: Floats2d, is_first: Bools1d) -> Floats1d:
    """(n,) what the classifier of all other labels says of each: near 1 = the first side, near −1 = the second, 0 = on
    the boundary.

    >>> x = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9], [0.2, 0.8]])
    >>> left_out(x, np.array([True, True, False, False, True])).round(1).tolist()
    [0.6, 0.4, -0.2, -0.1, -0.5]
    """
    y = np.where(is_first, 1.0, -1.0)
    firsts = is_first.sum()
    weights = len(x) / 2 / np.where(is_first, firsts, len(x) - firsts)
    inverse = np.linalg.inv(x @ x.T + 1 + np.diag(RIDGE / weights))
    return np.asarray(y - inverse @ y / np.diag(inverse))


def more_labels(n: int, error: float, bound: float) -> int:
    """Labels that bring an error down to the bound, where it falls as it usually does; from 10 to 500.

    >>> more_labels(40, 0.2, 0.1), more_labels(40, 0.1, 0.1), more_labels(400, 0.9, 0.05)
    (87, 10, 500)
    """
    needed = n * (math.pow(max(error / bound, 1.0), 1 / SPEED) - 1)
    return min(max(10, math.ceil(needed)), 500)
