"""`fencepost bench entities`: how many sentences with their entities marked reach the F1 of 2,000 random ones.

Every strategy starts with the same random sentences, and has the product's tagger. The sentence's intent comes with its
entities, as a reviewer's answer does; on sentences not asked yet the tagger is told what a classifier of the asked ones
predicts. Words are clustered on the texts of the training part; test texts are only scored. `default` covers doubtful
contexts (service/learning/coverage.py), as the ranking job does with the part of each batch that is about entities.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec
import numpy as np
from joblib import Parallel, delayed
from rich.table import Table
from sklearn.linear_model import LogisticRegression

from service.errors import BadInput
from service.learning import coverage
from service.learning.tagging import Span, span_f1
from service.learning.types import Floats2d, Ints1d
from workers import encoder, lexicon, tagger
from workers.bench.curves import labels_to_match
from workers.bench.data import Data, Row, read
from workers.encoder import Model
from workers.lexicon import Clusters
from workers.progress import Progress
from workers.tagger import Labelled, Prepared, Tagged, Tagger

JOBS = 2
INTENT_C = 30.0


class Plan(NamedTuple):
    """How many sentences are labelled at first, in each further round, and in the end."""

    start: int = 200
    batch: int = 200
    budget: int = 2_000


class Point(msgspec.Struct, frozen=True):
    """Mean and standard deviation over the seeds."""

    sentences: int
    f1: float
    sd: float


class Curve(msgspec.Struct, frozen=True):
    curve: list[Point]
    sentences_to_match: float | None  # from there on never below random_f1; None when never


class Result(msgspec.Struct, frozen=True):
    data: str
    encoder: str
    seeds: int
    random_f1: float  # of as many random sentences as the budget
    sentences_to_match: float | None  # of `default`
    full_f1: float  # of the whole training part
    strategies: dict[str, Curve]


class Sentences(NamedTuple):
    """One part of the data, as the tagger takes it."""

    texts: list[Prepared]
    spans: list[tuple[Span, ...]]
    intents: list[str]
    x: Floats2d

    def labelled(self, rows: Ints1d) -> list[Labelled]:
        return [Labelled(self.texts[row], self.spans[row], self.intents[row]) for row in rows]


class Task(NamedTuple):
    """What a process is sent."""

    data: Data
    train_x: Floats2d
    test_x: Floats2d
    clusters: Clusters
    plan: Plan


class Asked(NamedTuple):
    """What a strategy may look at: sentences nobody labelled, and what the tagger makes of them."""

    texts: Sequence[Prepared]
    tagged: Sequence[Tagged]


Strategy = Callable[[Asked, int, np.random.Generator], Ints1d]


def at_random(asked: Asked, n: int, rng: np.random.Generator) -> Ints1d:
    return rng.permutation(len(asked.texts))[:n]


def by_confidence(asked: Asked, n: int, rng: np.random.Generator) -> Ints1d:
    """The least probable labellings."""
    return np.argsort([one.probability for one in asked.tagged], kind="stable")[:n]


def by_coverage(asked: Asked, n: int, rng: np.random.Generator) -> Ints1d:
    texts = ((text.words, 1 - one.confidence) for text, one in zip(asked.texts, asked.tagged, strict=True))
    return coverage.cover(coverage.doubts(texts), n)


RANDOM, DEFAULT = "random", "default"
STRATEGIES: dict[str, Strategy] = {RANDOM: at_random, "sequence_confidence": by_confidence, DEFAULT: by_coverage}


def show(path: Path, *, seeds: int, json_file: BinaryIO | None) -> None:
    progress = Progress()
    model = encoder.load("", encoder.threads_of(JOBS))
    result = measure(read(path), model, Plan(), seeds=seeds, progress=progress)
    progress.console.print(table(result))
    if json_file:
        json_file.write(msgspec.json.encode(result) + b"\n")
        json_file.flush()


def measure(data: Data, model: Model, plan: Plan, *, seeds: int, progress: Progress) -> Result:
    """BadInput when the data has too few sentences, or no entity."""
    _check(data, plan)
    task = _task(data, model, plan, progress)
    runs = [(name, seed) for name in STRATEGIES for seed in range(seeds)]
    calls = [delayed(_full)(task), *(delayed(_run)(task, name, seed) for name, seed in runs)]
    with progress.step("tagging", len(calls)) as advance:
        found = []
        for one in Parallel(n_jobs=JOBS, return_as="generator")(calls):
            found.append(one)
            advance(1)
    full, *curves = found
    return _result(data.name, model.identity, seeds, full, dict(zip(runs, curves, strict=True)))


def _check(data: Data, plan: Plan) -> None:
    n = len(data.train)
    if n <= plan.start:
        raise BadInput(f"{data.name} has {n} sentences to learn from", hint=f"more than {plan.start} are needed")
    if not any(row.entities for row in data.train) or not any(row.entities for row in data.test):
        raise BadInput(f"{data.name} has no entities", hint='a row has "entities": [{"start", "end", "type"}]')


def _task(data: Data, model: Model, plan: Plan, progress: Progress) -> Task:
    texts = [row.text for row in (*data.train, *data.test)]
    parts = []
    with progress.step("encoding", len(texts)) as advance:
        for start in range(0, len(texts), 1000):
            parts.append(model.encode(texts[start : start + 1000]))
            advance(len(parts[-1]))
    x = np.vstack(parts)
    clusters = lexicon.cluster(texts[: len(data.train)], model.encode, seed=0)
    return Task(data, x[: len(data.train)], x[len(data.train) :], clusters, plan)


def _sentences(rows: Sequence[Row], x: Floats2d, clusters: Clusters) -> Sentences:
    spans = [tuple(Span(one.start, one.end, one.type) for one in row.entities) for row in rows]
    return Sentences([tagger.prepare(row.text, clusters) for row in rows], spans, [row.intent for row in rows], x)


def _parts(task: Task) -> tuple[Sentences, Sentences]:
    data = task.data
    return (
        _sentences(data.train, task.train_x, task.clusters),
        _sentences(data.test, task.test_x, task.clusters),
    )


class _Fitted(NamedTuple):
    tagger: Tagger | None  # None as long as no entity was seen
    intent_of: Callable[[Floats2d], list[str]]

    def tag(self, sentences: Sentences, rows: Ints1d) -> list[Tagged]:
        if self.tagger is None:
            return [_nothing(sentences.texts[row]) for row in rows]
        intents = self.intent_of(sentences.x[rows])
        return [self.tagger.tag(sentences.texts[row], intent) for row, intent in zip(rows, intents, strict=True)]


def _nothing(text: Prepared) -> Tagged:
    """What is known without a tagger: anything may be."""
    return Tagged([], np.zeros(len(text.tokens)), 0.0)


def _fit(train: Sentences, rows: Ints1d, clusters: Clusters) -> _Fitted:
    model = tagger.fit(train.labelled(rows), clusters)
    return _Fitted(Tagger(model) if model else None, _intents(train, rows))


def _intents(train: Sentences, rows: Ints1d) -> Callable[[Floats2d], list[str]]:
    known = [train.intents[row] for row in rows]
    if len(set(known)) < 2:
        return lambda x: [known[0]] * len(x)
    model = LogisticRegression(C=INTENT_C, max_iter=500).fit(train.x[rows], known)
    return lambda x: list(model.predict(x)) if len(x) else []


def _f1(fitted: _Fitted, test: Sentences) -> float:
    tagged = fitted.tag(test, np.arange(len(test.texts)))
    return span_f1([one.spans for one in tagged], test.spans)


def _full(task: Task) -> float:
    train, test = _parts(task)
    return _f1(_fit(train, np.arange(len(train.texts)), task.clusters), test)


def _run(task: Task, name: str, seed: int) -> dict[int, float]:
    """F1 by number of labelled sentences."""
    train, test = _parts(task)
    plan, rng = task.plan, np.random.default_rng(seed)
    order = rng.permutation(len(train.texts))
    known, left = order[: plan.start], np.sort(order[plan.start :])
    f1: dict[int, float] = {}
    while True:
        fitted = _fit(train, known, task.clusters)
        f1[len(known)] = _f1(fitted, test)
        if len(known) >= plan.budget or not len(left):
            return f1
        picked = _pick(name, fitted, train, left, min(plan.batch, plan.budget - len(known)), rng)
        known, left = np.append(known, left[picked]), np.delete(left, picked)


def _pick(name: str, fitted: _Fitted, train: Sentences, left: Ints1d, n: int, rng: np.random.Generator) -> Ints1d:
    tagged = [] if name == RANDOM else fitted.tag(train, left)
    return STRATEGIES[name](Asked([train.texts[row] for row in left], tagged), n, rng)


def _result(
    data: str, encoder: str, seeds: int, full: float, runs: Mapping[tuple[str, int], dict[int, float]]
) -> Result:
    points = {name: _points([runs[name, seed] for seed in range(seeds)]) for name in STRATEGIES}
    target = points[RANDOM][-1].f1
    curves = {name: Curve(curve, to_match(curve, target)) for name, curve in points.items()}
    return Result(data, encoder, seeds, target, curves[DEFAULT].sentences_to_match, round(full, 4), curves)


def _points(runs: Sequence[Mapping[int, float]]) -> list[Point]:
    return [_point(n, [run[n] for run in runs]) for n in runs[0]]


def _point(n: int, f1: Sequence[float]) -> Point:
    return Point(n, round(float(np.mean(f1)), 4), round(float(np.std(f1)), 4))


def to_match(curve: Sequence[Point], target: float) -> float | None:
    """The first number of sentences from which on the curve, linear between its points, is at `target` or above."""
    return labels_to_match([(point.sentences, point.f1) for point in curve], target)


def table(result: Result) -> Table:
    found = Table(title=f"{result.data}: F1 of entities, mean of {result.seeds} seeds")
    found.add_column("sentences", justify="right")
    for name in result.strategies:
        found.add_column(name, justify="right")
    for points in zip(*(one.curve for one in result.strategies.values()), strict=True):
        found.add_row(str(points[0].sentences), *(f"{point.f1:.3f}" for point in points))
    found.add_section()
    matches = (one.sentences_to_match for one in result.strategies.values())
    found.add_row(f"to reach {result.random_f1:.3f}", *("never" if one is None else f"{one:.0f}" for one in matches))
    found.caption = f"on all sentences: {result.full_f1:.3f}"
    return found
