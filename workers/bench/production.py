"""A log as bots have it: few intents make most of it, and much of it is out of scope.

Of the intent of rank r, in an order drawn by the seed, n_r = clip(270·r^-.9, 4, 97) turns are in the pool, and 700 that
are out of scope. The start is 3 labels of each intent. Heads are scored on the test turns and on 500 out-of-scope turns
that are not in the pool, at the threshold at which three in four of all out-of-scope turns scored are held back: one
operating point for all heads, read off the scored turns themselves. No head sees it."""

import math
from collections.abc import Sequence

import numpy as np

from service.errors import BadInput
from service.learning.head import NONE
from service.learning.types import Floats1d, Ints1d
from workers.bench.curves import Scored
from workers.bench.data import Data, Row
from workers.bench.learners import View
from workers.bench.turns import Task

OUT_OF_SCOPE, UNSEEN = 700, 500
LARGEST, EXPONENT, FEWEST, MOST = 270.0, 0.9, 4, 97
START = 3
BATCH, ROUNDS = 50, 20
RECALL = 0.75


def sizes(intents: int) -> Ints1d:
    """Turns in the pool of the intents by rank.

    >>> sizes(4).tolist()
    [97, 97, 97, 78]
    """
    ranks = np.arange(1, intents + 1)
    return np.clip(np.round(LARGEST * ranks**-EXPONENT), FEWEST, MOST).astype(np.int64)


def divide(data: Data) -> Data:
    """Out-of-scope rows of all splits, the first for the pool, others unseen."""
    outside = [row for row in [*data.test, *data.val, *data.train] if row.is_out_of_scope]
    if len(outside) < OUT_OF_SCOPE + UNSEEN:
        hint = f"it wants {OUT_OF_SCOPE + UNSEEN} rows with the intent `oos` or `none`"
        raise BadInput(f"{data.name} has {len(outside)} out-of-scope rows", path="scenario", hint=hint)
    order = np.random.default_rng(0).permutation(len(outside))
    pool, unseen = order[:OUT_OF_SCOPE], order[OUT_OF_SCOPE : OUT_OF_SCOPE + UNSEEN]
    return data._replace(
        train=[*_inside(data.train), *(outside[i] for i in pool)],
        test=[*_inside(data.test), *(outside[i] for i in unseen)],
    )


def _inside(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if not row.is_out_of_scope]


def long_tailed(task: Task, seed: int) -> Task:
    """The seed's share of the pool."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(task.ids)
    drawn = [
        rng.permutation(np.flatnonzero(task.pool.y == intent))[:n]
        for intent, n in zip(order, sizes(len(order)), strict=True)
    ]
    rows = np.sort(np.concatenate([*drawn, np.flatnonzero(task.pool.y == NONE)]))
    return task._replace(pool=task.pool.take(rows))


def score(view: View) -> Scored:
    """Macro recall of the intents and the recall of what is out of scope."""
    test = view.task.test
    best = view.proba(test.x).argmax(axis=1) + 1
    is_out = view.outside(test.x) >= _threshold(view.outside(test.x)[test.y == NONE])
    said = np.where(is_out, NONE, best)
    recalls = [float((said[test.y == intent] == intent).mean()) for intent in np.unique(test.y[test.y != NONE])]
    found = {"macro_recall": float(np.mean(recalls)), "oos_recall": float(is_out[test.y == NONE].mean())}
    return Scored(found, said)


def _threshold(outside: Floats1d) -> float:
    """The score that three in four of these reach."""
    return float(np.sort(outside)[len(outside) - math.ceil(RECALL * len(outside))])
