"""Whether the long tail is found: ten intents that the bot lacks, as clusters proposed from its log.

The log is all train texts, those of the ten intents among them, and the out-of-scope rows of every split. The product's
head is fitted to the names of the other intents and to 1,000 labels, drawn at random from the log's turns that mean no
held-back intent; what is proposed is what the job PROPOSE would propose.

A proposal is *about* a held-back intent, or about what is out of scope, when that is at least half of its texts. An
intent is *found* when one proposal about it has at least three tenths of its texts. Precision is the share of the
proposals that are about either.
"""

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec
import numpy as np

from service.encoding import unit
from service.errors import BadInput
from service.learning.head import NONE
from service.learning.types import Floats2d, Ints1d
from workers import encoder, proposing, prototypes, trainer
from workers.bench.data import Data, read
from workers.clusters import Known
from workers.progress import Progress

HELD_BACK = 10
FEWEST = 2 * HELD_BACK  # intents: else the bot would lack most of them
LABELS = 1_000
LABELLED = 1 / 3  # of the turns that may be labelled, at most
ABOUT = 0.5
FOUND = 0.3


class Log(NamedTuple):
    """The bot's world: n turns, and the names of k intents, whose ids are 1 … k."""

    names: Floats2d  # (k, d)
    x: Floats2d  # (n, d)
    y: Ints1d  # (n,) intent ids, NONE for out of scope


class Judged(NamedTuple):
    found: int  # held-back intents
    about: int  # proposals about one of them, or about what is out of scope
    proposals: int


def encode(data: Data, encode: Callable[[list[str]], Floats2d]) -> Log:
    rows = [*data.train, *(row for row in (*data.val, *data.test) if row.is_out_of_scope)]
    names = sorted({row.intent for row in rows if not row.is_out_of_scope})
    if len(names) < FEWEST:
        raise BadInput(
            f"{data.name} has {len(names)} intents in its train rows", path="data", hint=f"{FEWEST} at least"
        )
    ids = {name: place for place, name in enumerate(names, 1)}
    y = np.array([NONE if row.is_out_of_scope else ids[row.intent] for row in rows], np.int64)
    return Log(unit(encode([prototypes.words(name) for name in names])), encode([row.text for row in rows]), y)


def run(log: Log, seed: int) -> Judged:
    rng = np.random.default_rng(seed)
    ids = np.arange(1, len(log.names) + 1)
    lacking = np.sort(rng.choice(ids, HELD_BACK, replace=False))
    known = np.setdiff1d(ids, lacking)
    free = np.flatnonzero(~np.isin(log.y, lacking))
    asked = np.sort(rng.choice(free, min(LABELS, int(LABELLED * len(free))), replace=False))
    rest = np.setdiff1d(np.arange(len(log.y)), asked)
    labels = trainer.Labels(log.x[asked], log.y[asked], np.ones(len(asked)), asked)
    head = trainer.fit(known, log.names[known - 1], labels, log.x[rest], seed=seed).head
    inside = asked[log.y[asked] != NONE]
    found = proposing.cluster(head, Known(log.x[inside], log.y[inside]), log.x[rest])
    turns = Counter(log.y[rest].tolist())
    sizes = {intent: turns[intent] for intent in lacking.tolist()}
    return judge([log.y[rest[one.rows]].tolist() for one in found], sizes)


def judge(proposals: Sequence[Sequence[int]], lacking: Mapping[int, int]) -> Judged:
    """What each proposal's texts mean, and how many texts each held-back intent has.

    >>> judge([[7, 7, 7, 1], [0, 0, 2], [1, 1, 7]], {7: 8})
    Judged(found=1, about=2, proposals=3)
    """
    found, about = set(), 0
    for said in proposals:
        theme, texts = Counter(said).most_common(1)[0]
        is_about = texts >= ABOUT * len(said) and (theme == NONE or theme in lacking)
        about += is_about
        if is_about and theme != NONE and texts >= FOUND * lacking[theme]:
            found.add(theme)
    return Judged(len(found), about, len(proposals))


def summary(judged: Sequence[Judged]) -> dict[str, Any]:
    """Means of the seeds; precision over all proposals.

    >>> summary([Judged(8, 9, 10), Judged(6, 6, 10)])
    {'recall': 0.7, 'found': 7.0, 'of': 10, 'proposals': 10.0, 'precision': 0.75, 'seeds': 2}
    """
    n, proposals = len(judged), sum(one.proposals for one in judged)
    found = sum(one.found for one in judged) / n
    return {
        "recall": found / HELD_BACK,
        "found": found,
        "of": HELD_BACK,
        "proposals": proposals / n,
        "precision": sum(one.about for one in judged) / max(proposals, 1),
        "seeds": n,
    }


def bench(path: Path, *, seeds: int, json_file: BinaryIO | None) -> None:
    """Measure on the labelled file and say what came out."""
    progress, data = Progress(), read(path)
    log = encode(data, encoder.load("", os.cpu_count() or 1).encode)
    judged = []
    with progress.step("proposals", seeds) as advance:
        for seed in range(seeds):
            judged.append(run(log, seed))
            advance(1)
    result = {"data": data.name, **summary(judged)}
    progress.console.print(
        f"{result['found']:.1f} of {result['of']} intents held back are among {result['proposals']:.1f} proposals, "
        f"of which {result['precision']:.0%} are about one of them or out of scope ({seeds} seeds)"
    )
    if json_file:
        json_file.write(msgspec.json.encode(result) + b"\n")
        json_file.flush()
