"""`fencepost bench weak`: what ten noisy labelling functions are worth at so many labels, and that they do no harm.

A function says one intent, drawn by the seed, where one of its terms stands in the text: a word (`keywords`), or two
words in either order (`regex`). Its terms are typical for the intent in 20 of its texts, as an owner would know them,
and right on most of the texts to learn from. Four of the ten are made wrong: terms of another intent are added until 30
to 60 % of their votes are wrong. The texts that test are never looked at.

Labels are drawn at random, and the same ones train with the functions and without. The head is the product's on frozen
vectors.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec
import numpy as np
from rich.table import Table

from service.errors import BadInput
from service.learning import head
from service.learning.types import Bools1d, Ints1d, Ints2d
from service.learning.weak import ABSTAINS
from service.weak.rules import votes
from service.weak.schemas import Heard, Keywords, Regex
from workers import encoder, trainer
from workers.bench.data import read
from workers.bench.turns import Task, encode
from workers.held_out import FIRST_C, Tuning
from workers.hints import NOWHERE, Hints
from workers.progress import Progress

SIZES = (0, 150, 300, 600, 1000)  # labels
FUNCTIONS, WRONG = 10, 4
SAMPLE = 20  # texts of an intent that its terms are taken from
OTHERS = 2_000  # texts of the log that say how common a term is
TYPICAL = 40.0  # times more often in the sample than in the log
TERMS = 4
AS_FIRST = Tuning(FIRST_C, 1_000_000)  # C is not searched: that takes minutes, and serves both alike
RIGHT = 0.75  # of the votes of a function that is not made wrong, at least, where the terms allow
WRONG_FROM, WRONG_TO = 0.3, 0.6  # share of the votes of one that is

Term = tuple[str, ...]
Function = Keywords | Regex


class Texts(NamedTuple):
    """The pool as a set of words a text, and what is looked up in it."""

    words: Sequence[frozenset[str]]
    y: Ints1d  # (n,) intent ids
    rows: dict[str, Ints1d]  # by word: places of the texts that hold it, ascending

    def holding(self, term: Term) -> Ints1d:
        found = self.rows.get(term[0], np.zeros(0, np.int64))
        for word in term[1:]:
            found = np.intersect1d(found, self.rows.get(word, found[:0]), assume_unique=True)
        return found

    def right(self, terms: Sequence[Term], intent: int) -> float:
        """Share of the texts with one of the terms that are of the intent; 0 without such a text."""
        found = np.unique(np.concatenate([self.holding(term) for term in terms])) if terms else np.zeros(0, np.int64)
        return float((self.y[found] == intent).mean()) if len(found) else 0.0


def look(texts: Sequence[str], y: Ints1d) -> Texts:
    words = [frozenset(re.findall(r"\w+", text.lower())) for text in texts]
    rows: dict[str, list[int]] = {}
    for place, held in enumerate(words):
        for word in held:
            rows.setdefault(word, []).append(place)
    return Texts(words, y, {word: np.array(places) for word, places in rows.items()})


def make(task: Task, rng: np.random.Generator) -> list[Function]:
    """Ten functions, fewer where an intent has no typical term. BadInput with too few intents."""
    if len(task.intents) < FUNCTIONS + WRONG:
        raise BadInput(f"{task.data} has {len(task.intents)} intents", hint=f"{FUNCTIONS + WRONG} or more", path="data")
    texts = look(task.pool.texts, task.pool.y)
    common = rng.permutation(len(task.pool.y))[:OTHERS]
    drawn = rng.permutation(task.ids)[: FUNCTIONS + WRONG].tolist()
    found = []
    for place, intent in enumerate(drawn[:FUNCTIONS]):
        size = 1 + place % 2
        terms = _right(texts, intent, _typical(texts, intent, size, common, rng))
        if place < WRONG:
            other = drawn[FUNCTIONS + place]
            terms = _wronged(texts, intent, terms, _typical(texts, other, size, common, rng), rng)
        if terms:
            found.append(_function(task.intents[intent - 1], terms))
    return found


def _typical(texts: Texts, intent: int, size: int, common: Ints1d, rng: np.random.Generator) -> list[Term]:
    """Terms of that many words that a sample of the intent holds twice or more and the log seldom; the best first."""
    sample = rng.permutation(np.flatnonzero(texts.y == intent))[:SAMPLE]
    counts = Counter(term for row in sample for term in combinations(sorted(texts.words[row]), size))
    lifts = {
        term: (count / len(sample)) / ((np.isin(texts.holding(term), common).sum() + 0.5) / len(common))
        for term, count in counts.items()
        if count >= 2
    }
    typical = [term for term, lift in lifts.items() if lift >= TYPICAL]
    return sorted(typical, key=lambda term: (-counts[term] * np.log(lifts[term]), term))


def _right(texts: Texts, intent: int, terms: Sequence[Term]) -> list[Term]:
    chosen: list[Term] = []
    for term in terms:
        if len(chosen) < TERMS and texts.right([*chosen, term], intent) >= RIGHT:
            chosen.append(term)
    return chosen


def _wronged(
    texts: Texts, intent: int, terms: list[Term], others: Sequence[Term], rng: np.random.Generator
) -> list[Term]:
    """With terms of another intent, until a share of the votes that is drawn between 30 and 60 % is wrong."""
    wanted, chosen = rng.uniform(WRONG_FROM, WRONG_TO), list(terms)
    for term in others:
        if 1 - texts.right(chosen, intent) >= wanted:
            break
        if 1 - texts.right([*chosen, term], intent) <= WRONG_TO:
            chosen.append(term)
    return chosen


def _function(intent: str, terms: Sequence[Term]) -> Function:
    if len(terms[0]) == 1:
        return Keywords(name=f"words of {intent}", intent=intent, words=tuple(word for (word,) in terms))
    pairs = (rf"\b{one}\b.*\b{two}\b|\b{two}\b.*\b{one}\b" for one, two in terms)
    return Regex(name=f"pattern of {intent}", intent=intent, pattern="|".join(pairs))


class Point(NamedTuple):
    """One fit."""

    labels: int
    accuracy: float
    concerned: float  # accuracy on the test texts of the intents that the functions say
    used: int  # weak examples


class Run(NamedTuple):
    """One seed."""

    taught: list[Point]  # with the functions
    alone: list[Point]
    functions: list[dict[str, object]]


def run(task: Task, sizes: Sequence[int], seed: int, advance: Callable[[int], None]) -> Run:
    rng = np.random.default_rng(seed)
    functions = make(task, rng)
    ids = dict(zip(task.intents, task.ids.tolist(), strict=True))
    said = votes(functions, [Heard(text) for text in task.pool.texts], ids)
    concerned = np.isin(task.test.y, [ids[one.intent] for one in functions])
    order = rng.permutation(len(task.pool.y))
    taught, alone = [], []
    for n in sizes:
        alone.append(_score(task, _fit(task, order[:n], order[n:], None, seed), n, concerned))
        advance(1)
        fitted = _fit(task, order[:n], order[n:], said, seed)
        taught.append(_score(task, fitted, n, concerned))
        advance(1)
    return Run(taught, alone, _judged(functions, fitted, said, task.pool.y))


def _fit(task: Task, labelled: Ints1d, log: Ints1d, said: Ints2d | None, seed: int) -> trainer.Fitted:
    pool = task.pool
    labels = trainer.Labels(pool.x[labelled], pool.y[labelled], np.ones(len(labelled)), labelled)
    hints = None
    if said is not None:
        hints = Hints(pool.x[log], said[log], said[labelled], np.full(said.shape[1], NOWHERE))
    return trainer.fit(task.ids, task.names, labels, pool.x[log], seed=seed, tuning=AS_FIRST, hints=hints)


def _score(task: Task, fitted: trainer.Fitted, labels: int, concerned: Bools1d) -> Point:
    is_right = head.decide(fitted.head, task.test.x) == task.test.y
    return Point(labels, float(is_right.mean()), float(is_right[concerned].mean()), fitted.weak)


def _judged(functions: Sequence[Function], fitted: trainer.Fitted, said: Ints2d, y: Ints1d) -> list[dict[str, object]]:
    """As the owner is told after the most labels, and how right each function truly is."""
    rows: list[dict[str, object]] = []
    judged = zip(*(of.tolist() for of in fitted.judged or ()), strict=True)
    for place, (one, (coverage, conflict, accuracy, labels)) in enumerate(zip(functions, judged, strict=True)):
        spoke = said[:, place] != ABSTAINS
        truth = float((said[spoke, place] == y[spoke]).mean()) if spoke.any() else None
        row = {"name": one.name, "coverage": coverage, "conflict": conflict, "accuracy": accuracy}
        rows.append(row | {"labels": labels, "truth": truth})
    return rows


def curve(runs: Sequence[Sequence[Point]]) -> list[dict[str, float]]:
    """Means of the seeds."""
    means = np.array(runs, dtype=np.float64).mean(axis=0)
    return [dict(zip(Point._fields, row, strict=True)) | {"labels": int(row[0])} for row in means.tolist()]


def measure(task: Task, sizes: Sequence[int], seeds: int, advance: Callable[[int], None]) -> dict[str, Any]:
    """The curves with the functions and without; the functions of the first seed."""
    runs = [run(task, sizes, seed, advance) for seed in range(seeds)]
    curves = {"with": curve([one.taught for one in runs]), "without": curve([one.alone for one in runs])}
    return {"data": task.data, "seeds": seeds, **curves, "functions": runs[0].functions}


def bench(path: Path, *, seeds: int, json_file: BinaryIO | None) -> None:
    """Measure on the labelled file and say what came out."""
    progress, data = Progress(), read(path)
    train, test = ([row for row in rows if not row.is_out_of_scope] for rows in (data.train, data.test))
    progress.say(f"encoding {len(train) + len(test)} texts")
    folder, _ = encoder.identified("")
    task = encode(data.name, train, test, encoder.load("", encoder.threads_of(0)), folder)
    sizes = [n for n in SIZES if n < len(train)]
    with progress.step("fits", 2 * len(sizes) * seeds) as advance:
        found = measure(task, sizes, seeds, advance)
    progress.console.print(table(found))
    if json_file:
        json_file.write(msgspec.json.encode(found) + b"\n")
        json_file.flush()


def table(found: dict[str, Any]) -> Table:
    """For people."""
    shown = Table("labels", "with functions", "without", "weak examples used", title=found["data"])
    for taught, alone in zip(found["with"], found["without"], strict=True):
        shown.add_row(
            f"{taught['labels']}", f"{taught['accuracy']:.4f}", f"{alone['accuracy']:.4f}", f"{taught['used']:.0f}"
        )
    return shown
