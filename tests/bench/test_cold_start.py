"""What the head makes of CLINC150 with the real encoder: before the first label, and after some.

A tenth of the train part is the log, a fifth of the val part is held out; the test part is left alone.
"""

import gzip
import json
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from service.learning.head import NONE, decide
from service.learning.types import Floats2d, Ints1d
from workers import prototypes, trainer
from workers.trainer import Fitted, Labels

pytestmark = [
    pytest.mark.data,
    pytest.mark.model,
    pytest.mark.skipif("FENCEPOST_DATA" not in os.environ, reason="FENCEPOST_DATA is not set"),
]

NO_LOG = np.zeros((0, 384), np.float32)


class Clinc(NamedTuple):
    names: Floats2d
    log: Floats2d
    truth: Ints1d
    held_out: Floats2d
    answers: Ints1d

    def fit(self, labels: int, log: Floats2d | None = None, seed: int = 0) -> Fitted:
        """With that many labels drawn at random from the log."""
        order = np.random.default_rng(seed).permutation(len(self.truth))
        rows, rest = order[:labels], order[labels:]
        known = Labels(self.log[rows], self.truth[rows], np.ones(labels), rows)
        ids = np.arange(1, len(self.names) + 1)
        return trainer.fit(ids, self.names, known, self.log[rest] if log is None else log, seed=seed)

    def accuracy(self, fitted: Fitted) -> float:
        inside = self.answers != NONE
        return float((decide(fitted.head, self.held_out[inside]) == self.answers[inside]).mean())


@pytest.fixture(scope="module")
def clinc() -> Clinc:
    from tests.support.model import encode

    path = Path(os.environ["FENCEPOST_DATA"]) / "clinc150.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    intents = sorted({row["intent"] for row in rows} - {"oos"})
    ids = {"oos": NONE} | {name: place for place, name in enumerate(intents, 1)}
    log, held_out = (
        [row for row in rows if row["split"] == split][::step] for split, step in (("train", 10), ("val", 5))
    )
    return Clinc(
        encode([prototypes.words(name) for name in intents]),
        encode([row["text"] for row in log]),
        np.array([ids[row["intent"]] for row in log]),
        encode([row["text"] for row in held_out]),
        np.array([ids[row["intent"]] for row in held_out]),
    )


def test_the_log_helps_before_the_first_label(clinc: Clinc, capsys: pytest.CaptureFixture[str]) -> None:
    named, drawn = clinc.accuracy(clinc.fit(0, NO_LOG)), clinc.accuracy(clinc.fit(0))
    with capsys.disabled():
        print(f"\nCLINC150 without a label: names {named:.3f}, drawn towards {len(clinc.log)} turns {drawn:.3f}")
    assert named > 0.6
    assert drawn > named + 0.02


def test_labels_help_from_the_first_ones_on(clinc: Clinc, capsys: pytest.CaptureFixture[str]) -> None:
    scores = {n: clinc.accuracy(clinc.fit(n)) for n in (0, 40, 150, 600)}
    with capsys.disabled():
        print("\nCLINC150 by random labels:", ", ".join(f"{n}: {score:.3f}" for n, score in scores.items()))
    assert min(np.diff(list(scores.values()))) > -0.01
    assert scores[600] > scores[0] + 0.05
