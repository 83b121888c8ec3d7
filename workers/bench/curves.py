"""One curve: a strategy asks, the truth answers, the learner learns; and what a curve is worth."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from service.learning.head import NONE
from service.learning.strategies import NEEDS_COMMITTEE, STRATEGIES, Pool
from service.learning.types import Floats2d, Floats3d, Ints1d
from workers.bench.learners import Learner, Plain, View
from workers.bench.peers import PEERS
from workers.bench.turns import Task

MEMBERS = 5  # heads of a committee


class Scored(NamedTuple):
    scores: dict[str, float]
    predictions: Ints1d  # of the test turns, as they were scored


Score = Callable[[View], Scored]


class Plan(NamedTuple):
    """How many labels: what a curve begins with, and how it goes on."""

    first: Ints1d  # rows of the pool
    budget: int  # labels at the end, the first ones counted
    batch: int


class Point(NamedTuple):
    labels: int
    scores: dict[str, float]
    predictions: Ints1d  # of the test turns
    picked: Ints1d  # places in the file of what was labelled since the point before


class Curve(NamedTuple):
    strategy: str
    seed: int
    points: Sequence[Point]
    query_s: Sequence[float]  # of each round

    def of(self, score: str) -> list[tuple[int, float]]:
        return [(point.labels, point.scores[score]) for point in self.points]


def draw(
    strategy: str, task: Task, learner: Learner, plan: Plan, score: Score, seed: int, on_point: Callable[[], None]
) -> Curve:
    """Rounds until the budget is spent or the pool is empty. No strategy is shown a label it did not ask for."""
    rng = np.random.default_rng(seed)
    picked, latest = plan.first, plan.first
    points: list[Point] = []
    seconds: list[float] = []
    while True:
        view = learner.fit(picked)
        points.append(Point(len(picked), *score(view), task.pool.places[latest]))
        on_point()
        wanted = min(plan.batch, plan.budget - len(picked), len(task.pool.y) - len(picked))
        if wanted <= 0:
            return Curve(strategy, seed, points, seconds)
        started = time.perf_counter()
        latest = ask(strategy, view, picked, wanted, rng)
        seconds.append(time.perf_counter() - started)
        picked = np.concatenate([picked, latest])


def ask(strategy: str, view: View, picked: Ints1d, n: int, rng: np.random.Generator) -> Ints1d:
    """Rows of the pool; what a strategy leaves open (it found only repeats) is filled at random."""
    pool, rest = view.task.pool, np.setdiff1d(np.arange(len(view.task.pool.y)), picked)
    x, proba = pool.x[rest], view.proba(pool.x[rest])
    members = _committee(view.task, picked, x, rng) if strategy in NEEDS_COMMITTEE else np.zeros((0, *proba.shape))
    seen = Pool(rest, x, proba, pool.x[picked], members, view.gate(x))
    if strategy in PEERS:
        inside = picked[pool.y[picked] != NONE]
        seen = seen._replace(known=pool.x[inside])
        rows = PEERS[strategy](seen, pool.y[inside] - 1, n, rng, head=view.proba)
    else:
        rows = STRATEGIES[strategy](seen, n, rng)
    left = np.setdiff1d(np.arange(len(rest)), rows)
    chosen: Ints1d = rest[np.concatenate([rows, rng.permutation(left)[: n - len(rows)]])]
    return chosen


def _committee(task: Task, picked: Ints1d, x: Floats2d, rng: np.random.Generator) -> Floats3d:
    """(c, n, k) by bare regressions, names among their rows, that each saw a resample of the labels."""
    samples = [rng.choice(picked, len(picked)) if len(picked) else picked for _ in range(MEMBERS)]
    return np.stack([Plain(task, names=True).fit(sample).proba(x) for sample in samples])


def area(curve: Sequence[tuple[int, float]]) -> float:
    """Mean height over the label range.

    >>> area([(0, 0.5), (100, 0.7), (300, 0.7)])
    0.6666666666666666
    """
    labels, heights = np.array(curve, dtype=np.float64).T
    span = labels[-1] - labels[0]
    return float(np.trapezoid(heights, labels) / span) if span else float(heights[0])


def labels_to_match(curve: Sequence[tuple[int, float]], wanted: float) -> float | None:
    """The first budget from which the curve, linear between its points, stays at `wanted` or above; None if never.

    >>> labels_to_match([(0, 0.5), (100, 0.9), (200, 0.7), (300, 0.9)], 0.8)
    250.0
    """
    below = [place for place, (_, height) in enumerate(curve) if height < wanted]
    if not below:
        return float(curve[0][0])
    if below[-1] == len(curve) - 1:
        return None
    (before, low), (after, high) = curve[below[-1] : below[-1] + 2]
    return float(before + (after - before) * (wanted - low) / (high - low))
