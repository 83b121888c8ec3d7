"""`fencepost bench labels`: how few chosen labels do the work of many random ones."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import Manager
from pathlib import Path
from queue import Empty
from threading import Event, Thread
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from joblib import Parallel, delayed, parallel_config
from rich.table import Table

from service.errors import BadInput
from service.learning.strategies import STRATEGIES
from service.learning.types import Ints1d
from workers import encoder
from workers.bench import production
from workers.bench.curves import Curve, Plan, Scored, area, draw, labels_to_match
from workers.bench.data import Data, read
from workers.bench.learners import View, learner
from workers.bench.peers import PEERS
from workers.bench.reference import Reference, reference
from workers.bench.turns import Task, encode
from workers.progress import Progress

FEWEST = 8  # two thirds of these can be dealt out to the reference's folds
CLOSE = 0.003  # of the reference's accuracy: what counts as as good
POLL_S = 0.2


class Options(NamedTuple):
    """What the command line says."""

    scenario: Literal["pool", "production"] = "pool"
    strategies: Sequence[str] = ("default", "random")
    start: Literal["names", "one-each"] = "names"
    head: Literal["plain", "full"] = "full"
    budget: int = 1500
    batch: int = 100
    seeds: int = 3
    encoder: str = ""


class Measured(NamedTuple):
    """Everything a call found out."""

    data: str
    encoder: str
    options: Options
    intents: Sequence[str]
    test: Sequence[int]  # places in the file of the rows that test
    curves: Sequence[Curve]
    reference: Reference | None  # of the scenario `pool`
    ceiling: Mapping[str, float] | None  # of the scenario `production`

    @property
    def score(self) -> str:
        return "accuracy" if self.options.scenario == "pool" else "macro_recall"


class _Unit(NamedTuple):
    """What one process does: a strategy's curve for a seed, or (no strategy) a fit on the whole pool."""

    strategy: str | None
    seed: int


class _Count(Protocol):
    def put(self, item: int) -> None: ...


def measure(path: Path, options: Options, progress: Progress) -> Measured:
    """BadInput names the option or the line that is wrong. As many processes as cores, each with one thread."""
    _check(options)
    data = _divided(read(path), options)
    task = _encoded(data, options, progress)
    if np.count_nonzero(np.bincount(task.pool.y)[1:] >= FEWEST) < 2:
        raise BadInput(f"{data.name} has fewer than two intents with {FEWEST} rows to learn from", path="data")
    units = list(_units(options))
    rounds = sum(_points(task, unit, options) for unit in units)
    one_thread = parallel_config("loky", inner_max_num_threads=1)
    with progress.step("curves", rounds) as done, _counted(done) as count, one_thread:
        found = Parallel(n_jobs=_jobs(units))(delayed(_run)(task, unit, options, count) for unit in units)
    ceilings = [one for one in found if not isinstance(one, Curve)]
    return Measured(
        data=data.name,
        encoder=task.encoder,
        options=options,
        intents=task.intents,
        test=task.test.places.tolist(),
        curves=[one for one in found if isinstance(one, Curve)],
        reference=_reference(task, options, progress),
        ceiling={name: float(np.mean([one[name] for one in ceilings])) for name in ceilings[0]} if ceilings else None,
    )


def _check(options: Options) -> None:
    known = {*STRATEGIES, *PEERS}
    for name in options.strategies:
        if name not in known:
            raise BadInput(f"there is no strategy {name!r}", path="strategies", hint=", ".join(sorted(known)))


def _divided(data: Data, options: Options) -> Data:
    if options.scenario == "production":
        return production.divide(data)
    train, test = ([row for row in rows if not row.is_out_of_scope] for rows in (data.train, data.test))
    return data._replace(train=train, test=test)


def _encoded(data: Data, options: Options, progress: Progress) -> Task:
    progress.say(f"encoding {len(data.train) + len(data.test)} texts")
    folder, _ = encoder.identified(options.encoder)
    return encode(data.name, data.train, data.test, encoder.load(options.encoder, encoder.threads_of(0)), folder)


def _cores() -> int:
    return encoder.threads_of(0) + 1


def _units(options: Options) -> Iterator[_Unit]:
    """The ceilings first: what takes longest should not begin last."""
    seeds = range(options.seeds)
    if options.scenario == "production":
        yield from (_Unit(None, seed) for seed in seeds)
    for name in options.strategies:
        yield from (_Unit(name, seed) for seed in seeds)


def _jobs(units: Sequence[_Unit]) -> int:
    """A process per core; one more where that spares a core from waiting for the last of few."""
    cores = _cores()
    return len(units) if len(units) <= 2 * cores else cores


def _run(task: Task, unit: _Unit, options: Options, count: _Count) -> Curve | dict[str, float]:
    is_pool = options.scenario == "pool"
    task = task if is_pool else production.long_tailed(task, unit.seed)
    score = _accuracy if is_pool else production.score
    with learner(options.head, task, unit.seed, names=options.start == "names") as made:
        if unit.strategy is None:
            found = score(made.fit(np.arange(len(task.pool.y)))).scores
            count.put(1)
            return found
        plan = Plan(_first(task, unit.seed, options), _budget(task, options), options.batch)
        return draw(unit.strategy, task, made, plan, score, unit.seed, lambda: count.put(1))


def _accuracy(view: View) -> Scored:
    said, test = view.decide(view.task.test.x), view.task.test
    return Scored({"accuracy": float((said == test.y).mean())}, said)


def _first(task: Task, seed: int, options: Options) -> Ints1d:
    """Rows labelled before anybody chooses."""
    each = production.START if options.scenario == "production" else int(options.start == "one-each")
    rng = np.random.default_rng(seed)
    drawn = [rng.permutation(np.flatnonzero(task.pool.y == intent))[:each] for intent in task.ids]
    return np.sort(np.concatenate(drawn))


def _budget(task: Task, options: Options) -> int:
    if options.scenario == "production":
        return production.START * len(task.intents) + production.ROUNDS * production.BATCH
    return min(options.budget, len(task.pool.y))


def _points(task: Task, unit: _Unit, options: Options) -> int:
    if unit.strategy is None:
        return 1
    spent = _budget(task, options) - len(_first(task, unit.seed, options))
    return 1 + max(0, -(-spent // options.batch))


@contextmanager
def _counted(done: Callable[[int], None]) -> Iterator[_Count]:
    """A queue that other processes put into whenever they are a step further."""
    stopped = Event()
    with Manager() as manager:
        queue = manager.Queue()

        def listen() -> None:
            while not (stopped.is_set() and queue.empty()):
                try:
                    done(queue.get(timeout=POLL_S))
                except Empty:
                    continue

        thread = Thread(target=listen, daemon=True)
        thread.start()
        try:
            yield queue
        finally:
            stopped.set()
            thread.join()


def _reference(task: Task, options: Options, progress: Progress) -> Reference | None:
    if options.scenario == "production":
        return None
    progress.say(f"random reference: two thirds of {len(task.pool.y)} rows")
    return reference(task, range(options.seeds), _cores())


def result(measured: Measured) -> dict[str, Any]:
    """As JSON has it; the shape is the README's."""
    options = measured.options
    plain: dict[str, Any] = {
        "data": measured.data,
        "scenario": options.scenario,
        "encoder": measured.encoder,
        "head": options.head,
        "start": options.start,
        "seeds": options.seeds,
    }
    if measured.reference:
        plain["random_reference"] = measured.reference._asdict()
    if measured.ceiling:
        plain["ceiling"] = dict(measured.ceiling)
    return plain | {"strategies": {name: _strategy(measured, name) for name in options.strategies}}


def _strategy(measured: Measured, name: str) -> dict[str, Any]:
    curves = [curve for curve in measured.curves if curve.strategy == name]
    means = mean_curve(curves, measured.score)
    found: dict[str, Any] = {"curve": [_point(curves, place, measured.score) for place in range(len(means))]}
    found["aulc"] = area(means)
    if measured.reference:
        needed = labels_to_match(means, measured.reference.accuracy - CLOSE)
        found["labels_to_match"] = needed
        found["saving"] = None if needed is None else 1 - needed / measured.reference.labels
    found["query_seconds"] = float(np.mean([second for curve in curves for second in curve.query_s] or [0.0]))
    return found | {"seeds": len(curves)}


def mean_curve(curves: Sequence[Curve], score: str) -> list[tuple[int, float]]:
    """Over the seeds, which have the same budgets."""
    heights = np.array([[height for _, height in curve.of(score)] for curve in curves])
    return list(zip((point.labels for point in curves[0].points), heights.mean(axis=0).tolist(), strict=True))


def _point(curves: Sequence[Curve], place: int, score: str) -> dict[str, float]:
    points = [curve.points[place] for curve in curves]
    means = {name: float(np.mean([point.scores[name] for point in points])) for name in points[0].scores}
    return {"labels": points[0].labels, **means, "sd": float(np.std([point.scores[score] for point in points]))}


def picks(measured: Measured) -> Iterator[dict[str, Any]]:
    """First what the numbers mean: the intents by id from 1 (0: out of scope), the places in the file, from 0, of the
    rows that test. Then, per strategy, seed and round, the places of the rows picked and the ids predicted for the rows
    that test."""
    yield {"data": measured.data, "intents": list(measured.intents), "test": list(measured.test)}
    for curve in measured.curves:
        for point in curve.points:
            yield {
                "strategy": curve.strategy,
                "seed": curve.seed,
                "labels": point.labels,
                "picked": point.picked.tolist(),
                "predictions": point.predictions.tolist(),
            }


def table(found: dict[str, Any]) -> Table:
    """For people."""
    score = "accuracy" if found["scenario"] == "pool" else "macro_recall"
    shown = Table("strategy", f"{score} at the end", "area", "labels to match", "s a query", title=_title(found))
    for name, strategy in found["strategies"].items():
        last, needed = strategy["curve"][-1], strategy.get("labels_to_match")
        match = f"{needed:.0f}, {strategy['saving']:.0%} saved" if needed is not None else "-"
        shown.add_row(
            name,
            f"{last[score]:.4f} ± {last['sd']:.4f} ({last['labels']})",
            f"{strategy['aulc']:.4f}",
            match,
            f"{strategy['query_seconds']:.2f}",
        )
    return shown


def _title(found: dict[str, Any]) -> str:
    if "ceiling" in found:
        return f"{found['data']}: all labels reach {found['ceiling']['macro_recall']:.4f}"
    reference = found["random_reference"]
    return f"{found['data']}: {reference['labels']} random labels reach {reference['accuracy']:.4f}"
