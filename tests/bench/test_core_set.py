"""What the minimal set is worth on CLINC150 with the real encoder: fifteen intents that are easily confused."""

import gzip
import json
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from scipy.special import softmax

from service.encoding import unit
from service.learning import core_set
from service.learning.calibration import prior_temperature
from service.learning.types import Floats2d, Ints1d
from service.learning.uncertainty import expected_model_change
from workers.bench.learners import PLAIN_C, PLAIN_TOLERANCE
from workers.held_out import CONFIDENCE
from workers.regression import Linear, fit_logistic

pytestmark = [
    pytest.mark.data,
    pytest.mark.model,
    pytest.mark.skipif("FENCEPOST_DATA" not in os.environ, reason="FENCEPOST_DATA is not set"),
]
DOMAIN = "banking"
SEEDS = 3


class Labelled(NamedTuple):
    x: Floats2d
    y: Ints1d

    def fit(self, rows: Ints1d) -> Linear:
        """Plain logistic regression; every intent is among the rows."""
        k = int(self.y.max()) + 1
        return fit_logistic(self.x[rows], self.y[rows], np.ones(len(rows)), k, PLAIN_C, tolerance=PLAIN_TOLERANCE)

    def accuracy(self, linear: Linear) -> float:
        return float((linear.of(self.x).argmax(axis=1) == self.y).mean())

    def minimal(self, size: int | None = None) -> Ints1d:
        logits = self.fit(np.arange(len(self.y))).of(self.x)
        proba = softmax(logits / prior_temperature(logits, CONFIDENCE), axis=1)
        change, x = expected_model_change(proba, self.x), unit(self.x - self.x.mean(axis=0))
        groups = [np.flatnonzero(self.y == intent) for intent in np.unique(self.y)]
        covers = [core_set.cover(x[rows], change[rows], rows) for rows in groups]
        counts = core_set.sizes(covers, size)
        return np.concatenate([rows[one.positions[:n]] for rows, one, n in zip(groups, covers, counts, strict=True)])

    def random(self, size: int) -> list[Ints1d]:
        return [np.random.default_rng(seed).permutation(len(self.y))[:size] for seed in range(SEEDS)]


def read(split: str, every: int) -> Labelled:
    from tests.support.model import encode

    path = Path(os.environ["FENCEPOST_DATA"]) / "clinc150.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [row for row in map(json.loads, file) if row.get("domain") == DOMAIN]
    intents = sorted({row["intent"] for row in rows})
    chosen = [row for row in rows if row["split"] == split][::every]
    return Labelled(encode([row["text"] for row in chosen]), np.array([intents.index(row["intent"]) for row in chosen]))


def test_the_minimal_set_teaches_more_than_as_many_random_labels(capsys: pytest.CaptureFixture[str]) -> None:
    labelled, test = read("train", 2), read("test", 1)
    full = test.accuracy(labelled.fit(np.arange(len(labelled.y))))
    found = {}
    for size in (60, None):
        rows = labelled.minimal(size)
        random = [test.accuracy(labelled.fit(drawn)) for drawn in labelled.random(len(rows))]
        found[size] = len(rows), test.accuracy(labelled.fit(rows)), random
    with capsys.disabled():
        for size, minimal, random in found.values():
            shown = ", ".join(f"{accuracy:.3f}" for accuracy in random)
            print(f"\n{size} of {len(labelled.y)}: {minimal:.3f}; as many at random: {shown}; all: {full:.3f}")
    _, few, random = found[60]
    assert few > max(random) + 0.05
    smallest, minimal, random = found[None]
    assert smallest < len(labelled.y) / 2
    assert minimal > np.mean(random)
    assert minimal > full - 0.03
