"""The order in which candidates are asked about: priority, taken apart so that it can be explained and recomputed.

Priority stands for the errors that a label mends: how wrong the turn is likely to be, times how often it is said.
Chosen with worlds like those of `fencepost bench reports`, but with Zipf's law over intents and not over texts; plain
head, three seeds, on CLINC150 and BANKING77, unseen turns of the validation part and of a third of the train part;
errors fixed per 100 labels:

| priority | CLINC150 | BANKING77 |
|---|---|---|
| random; margin, different texts; margin, turns as they come | 36; 56; 43 | 151; 125; 66 |
| rank(u) · (1 + .25·e) · (1 + .1·f), as it was; without reports | 51; 48 | 140; 136 |
| u · (1 + .25·e) · turns; without reports | 67; 69 | 174; 176 |
| u · (1 + e) · turns; u · (1 + 3·e) · turns | 68; 69 | 176; 176 |
| u · (1 + e) · √turns; without reports | 74; 73 | 182; 174 |
| u · (1 + 3·e) · √turns | 71 | 180 |

Ranks of the uncertainty were left because they make the many turns of which the champion is nearly sure count half as
much as the few that it is not. Frequency does most of the work; reports add little to it, for what is said often and
doubted is also what is reported. The best of each clusters by facility location over cosines or over `kernel` of them:
no difference.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from service.learning.types import Floats1d, Ints1d


class Weights(NamedTuple):
    """How much each factor counts. Pressure and impact multiply: they lift a turn only as far as it is in doubt."""

    uncertainty: float = 1.0
    structure: float = 0.3
    pressure: float = 1.0
    impact: float = 0.5  # the power of the turns that say the same


class Factors(NamedTuple):
    """Of n candidates of one bot, each (n,) and >= 0, higher = ask first."""

    uncertainty: Floats1d  # in [0, 1], reports believed
    structure: Floats1d  # entity surprise and boundary ambiguity
    pressure: Floats1d  # e: how far the report rate around exceeds the base rate
    impact: Floats1d  # f: natural log of the turns within the duplicate radius


def ranks(values: Floats1d) -> Floats1d:
    """Share of the values that are not larger, (n,) in (0, 1]; equal ones, to 3 digits, share the mean of their places.
    Values are >= 0 and no more than some thousands.

    >>> ranks(np.array([0.2, 0.9, 0.9, 0.5])).tolist()
    [0.25, 0.875, 0.875, 0.5]
    """
    # Vectors are kept as float16, so a turn read back differs a little from its equal that just came in.
    # Thousandths are counted, not sorted: of a million candidates in 20 ms instead of 200.
    thousandths = np.rint(values * 1000).astype(np.int64)
    counts = np.bincount(thousandths)
    places = np.cumsum(counts) - (counts - 1) / 2
    return np.asarray(places[thousandths] / max(len(values), 1))


def fitting(weights: Weights, factors: Factors) -> Weights:
    """The weights for these candidates: structure counts for nothing where nobody has any (a bot without entities)."""
    return weights if factors.structure.any() else weights._replace(structure=0.0)


def priority(factors: Factors, weights: Weights) -> Floats1d:
    """(w_i·uncertainty + w_s·rank(structure)) · (1 + w_e·e) · exp(w_f·f), (n,) >= 0; higher = ask first.

    >>> factors = Factors(np.array([0.2, 0.8]), np.zeros(2), np.array([0.0, 2.0]), np.zeros(2))
    >>> priority(factors, Weights(structure=0.0)).round(2).tolist()
    [0.2, 2.4]
    """
    order = weights.uncertainty * factors.uncertainty + weights.structure * ranks(factors.structure)
    return np.asarray(order * (1 + weights.pressure * factors.pressure) * np.exp(weights.impact * factors.impact))


def take_apart(factors: Factors, positions: Ints1d) -> list[dict[str, float]]:
    """The parts of the priority of the candidates at `positions`: what is stored beside it, and shown as its reason."""
    columns = {
        "uncertainty": factors.uncertainty,
        "structure": factors.structure,
        "structure_rank": ranks(factors.structure),
        "pressure": factors.pressure,
        "impact": factors.impact,
    }
    return [{name: float(column[at]) for name, column in columns.items()} for at in positions]


def recompute(parts: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """The priority that `parts` and the ranking's weights stand for, to 1e-6.

    >>> parts = {"uncertainty": 1.0, "structure_rank": 0.5, "pressure": 2.0, "impact": 0.0}
    >>> round(recompute(parts, Weights()._asdict()), 6)
    3.45
    """
    order = weights["uncertainty"] * parts["uncertainty"] + weights["structure"] * parts["structure_rank"]
    return order * (1 + weights["pressure"] * parts["pressure"]) * math.exp(weights["impact"] * parts["impact"])


def precedence(belief: Floats1d, ids: Ints1d) -> Ints1d:
    """Who goes first among equals, (n,) 0…n-1: the one whose reports are believed more, then the smaller id.

    >>> precedence(np.array([0.0, 0.7, 0.0]), np.array([4, 9, 3])).tolist()
    [2, 0, 1]
    """
    places = np.empty(len(ids), dtype=np.int64)
    places[np.lexsort((ids, -belief))] = np.arange(len(ids))
    return places


def leaders(scores: Floats1d, n: int) -> Ints1d:
    """Positions of the n highest scores, and of all that equal the last of them, in no order of scores.

    >>> leaders(np.array([0.5, 0.9, 0.5, 0.1]), 2).tolist()
    [0, 1, 2]
    """
    if not 0 < n < len(scores):
        return np.arange(len(scores) if n > 0 else 0)
    return np.flatnonzero(scores >= np.partition(scores, -n)[-n])


def top(scores: Floats1d, n: int, ids: Ints1d) -> Ints1d:
    """Positions of the n highest scores, best first; ties in the order of ids, so that a repeat agrees.

    >>> top(np.array([0.5, 0.9, 0.5]), 2, ids=np.array([8, 3, 7])).tolist()
    [1, 2]
    """
    return np.lexsort((ids, -scores))[:n]
