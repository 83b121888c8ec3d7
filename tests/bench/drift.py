"""What the drift job's statistics find, and how often they cry wolf, on CLINC150 with one domain held back at a time.

A world is a domain that the bot lacks: a head fitted to LABELS turns of the other nine, drawn at random with the
SCOPELESS share of out-of-scope ones, and the other texts dealt to three pools: the log that the head learns from
besides, references, and windows, so that it learnt from neither of the two that are compared.
*Quiet* windows hold what the reference holds; each is drawn without repeats beside a reference of its own, also drawn
anew. In a *run* the held-back domain becomes a share of the traffic at once: every STEP turns the newest SPAN turns are
a window, until one is an alarm or LIMIT turns went by. *Clusters* are those that grew in a run in which the domain made
RELEASED of the newest REFERENCE turns. Nothing was chosen on these figures; constants come from draws of the train rows
alone (service/learning/domain.py).
"""

import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from service.encoding import unit
from service.learning.head import NONE, Head, probabilities
from service.learning.types import Bools1d, Floats2d, Ints1d
from service.windows.statistics import Findings, Sample, decided, measure
from workers import emerging, encoder, prototypes, trainer
from workers.bench.data import Row, read
from workers.clusters import Known
from workers.progress import Progress
from workers.proposing import with_prototypes

LABELS = 1_000
SCOPELESS = 0.05
REFERENCE = 5_000
QUIET = (500, 1_000)  # turns of a quiet window
SHARES = (0.05, 0.1, 0.2)
STEP, SPAN, LIMIT = 250, 1_000, 3_000
RELEASED, FOUND = 0.1, 0.3


class World(NamedTuple):
    head: Head
    labelled: Ints1d  # rows the head was fitted to
    reference: Ints1d  # rows with an intent the bot knows
    window: Ints1d
    scopeless: tuple[Ints1d, Ints1d]  # out-of-scope rows of the two
    new: Ints1d  # of the domain held back


class Texts(NamedTuple):
    """n rows of CLINC150, and the names of its k intents, whose ids are 1 … k."""

    x: Floats2d  # (n, d)
    y: Ints1d  # (n,) intent ids, NONE for out of scope
    is_train: Bools1d
    domain: Sequence[str]
    names: Floats2d  # (k, d)


class Counted(NamedTuple):
    """Of one world. `quiet`: alarms by size of window; `delays`: turns until an alarm, infinite without one, and
    `clusters`, of each run."""

    domain: str
    quiet: dict[int, int]
    delays: dict[float, list[float]]
    clusters: list["Clusters"]


class Clusters(NamedTuple):
    """What grew after a release: `turns` in clusters, `alike` of them meaning what most of their cluster mean, `new`
    of the held-back domain; `found` of its intents, where one cluster has at least three tenths of an intent's texts
    and means it by half."""

    turns: int
    alike: int
    new: int
    found: int
    intents: int


def measured(folder: Path, windows: int, runs: int) -> dict[str, Any]:
    """At least so many quiet windows and runs, evenly over the domains."""
    progress = Progress()
    texts = _texts(read(folder / "clinc150.jsonl.gz"), progress)
    domains = sorted(set(texts.domain) - {"oos"})
    per_domain = [-(-count // len(domains)) for count in (windows, runs)]
    with tempfile.TemporaryDirectory() as kept, progress.step("worlds", len(domains)) as advance:
        np.savez(Path(kept) / "texts.npz", **texts._asdict())
        found = []
        for one in _counted(Path(kept) / "texts.npz", domains, *per_domain):
            found.append(one)
            advance(1)
    return _summary(found, *per_domain)


def _counted(path: Path, domains: Sequence[str], windows: int, runs: int) -> Iterator[Counted]:
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        asked = [pool.submit(_count, path, place, domain, windows, runs) for place, domain in enumerate(domains)]
        yield from (one.result() for one in as_completed(asked))


def _summary(found: Sequence[Counted], windows: int, runs: int) -> dict[str, Any]:
    delays = {share: sorted(delay for one in found for delay in one.delays[share]) for share in SHARES}
    return {
        "quiet_windows": windows * len(found),
        "false_alarms_per_100": _per_100(found, QUIET[0], windows),
        f"false_alarms_per_100_of_{QUIET[1]}": _per_100(found, QUIET[1], windows),
        "runs": runs * len(found),
        "delay_turns_p95": {f"{share:.2f}": _p95(values) for share, values in delays.items()},
        "found_within_1000": {
            f"{share:.2f}": float(np.mean(np.array(values) <= 1_000)) for share, values in delays.items()
        },
        "cluster_purity": round(_total(found, "alike") / max(_total(found, "turns"), 1), 3),
        "cluster_recall": round(_total(found, "found") / _total(found, "intents"), 3),
        "cluster_new": round(_total(found, "new") / max(_total(found, "turns"), 1), 3),
        "found_within_1000_by_domain": {
            one.domain: float(np.mean(np.array(one.delays[0.1]) <= 1_000))
            for one in sorted(found, key=lambda one: one.domain)
        },
    }


def _per_100(found: Sequence[Counted], size: int, windows: int) -> float:
    return round(100 * sum(one.quiet[size] for one in found) / (windows * len(found)), 3)


def _total(found: Sequence[Counted], what: str) -> int:
    return sum(int(getattr(run, what)) for one in found for run in one.clusters)


def _p95(delays: Sequence[float]) -> float | None:
    """The smallest delay that 95 % of the runs do not pass; None where that is infinite.

    >>> _p95([500.0] * 95 + [float("inf")] * 5), _p95([500.0] * 94 + [float("inf")] * 6)
    (500.0, None)
    """
    value = sorted(delays)[-(-95 * len(delays) // 100) - 1]
    return value if np.isfinite(value) else None


def _texts(data: Any, progress: Progress) -> Texts:
    rows: list[Row] = sorted((*data.train, *data.val, *data.test), key=lambda row: row.place)
    names = sorted({row.intent for row in rows if not row.is_out_of_scope})
    ids = {name: place for place, name in enumerate(names, 1)}
    encode = encoder.load("", os.cpu_count() or 1).encode
    with progress.step("texts encoded", len(rows)) as advance:
        parts = []
        for start in range(0, len(rows), 1_000):
            parts.append(encode([row.text for row in rows[start : start + 1_000]]))
            advance(len(parts[-1]))
    return Texts(
        np.vstack(parts),
        np.array([ids.get(row.intent, NONE) for row in rows]),
        np.array([row.split == "train" for row in rows]),
        [row.domain for row in rows],
        unit(encode([prototypes.words(name) for name in names])),
    )


def _count(path: Path, seed: int, domain: str, windows: int, runs: int) -> Counted:
    """A process's work: one world."""
    with np.load(path) as arrays:
        texts = Texts(**{name: arrays[name] for name in Texts._fields})
    rng = np.random.default_rng(seed)
    world = _world(texts, domain, rng)
    with threadpool_limits(1):  # a process a core
        quiet = {size: sum(_alarms(_quiet(texts, world, size, rng)) for _ in range(windows)) for size in QUIET}
        delays = {share: [_delay(texts, world, share, rng) for _ in range(runs)] for share in SHARES}
        return Counted(domain, quiet, delays, [_clusters(texts, world, rng) for _ in range(runs)])


def _world(texts: Texts, domain: str, rng: np.random.Generator) -> World:
    domains = np.array(texts.domain)
    known = rng.permutation(np.flatnonzero((domains != domain) & (texts.y != NONE)))
    scopeless = rng.permutation(np.flatnonzero(texts.y == NONE))
    trainable = known[texts.is_train[known]]
    labelled = np.concatenate([trainable[: round(LABELS * (1 - SCOPELESS))], scopeless[: round(LABELS * SCOPELESS)]])
    rest, scopeless = np.setdiff1d(known, labelled), np.setdiff1d(scopeless, labelled)
    rest, scopeless = rng.permutation(rest), rng.permutation(scopeless)
    ids = np.unique(texts.y[known])
    labels = trainer.Labels(texts.x[labelled], texts.y[labelled], np.ones(len(labelled)), labelled)
    log, reference, window = np.array_split(rest, 3)
    head = trainer.fit(ids, texts.names[ids - 1], labels, texts.x[log], seed=0).head
    before, now = np.array_split(scopeless, 2)
    return World(head, labelled, reference, window, (before, now), np.flatnonzero(domains == domain))


def _quiet(texts: Texts, world: World, size: int, rng: np.random.Generator) -> Findings:
    reference = _mixed(world.reference, world.scopeless[0], REFERENCE, rng)
    window = _mixed(world.window, world.scopeless[1], size, rng)
    return measure(_sample(texts, world, reference), _sample(texts, world, window), rng)


def _mixed(known: Ints1d, scopeless: Ints1d, size: int, rng: np.random.Generator) -> Ints1d:
    """Turns in random order, each text once."""
    outside = int(rng.binomial(size, SCOPELESS))
    drawn = rng.choice(known, size - outside, replace=False), rng.choice(scopeless, outside, replace=False)
    mixed: Ints1d = rng.permutation(np.concatenate(drawn))
    return mixed


def _delay(texts: Texts, world: World, share: float, rng: np.random.Generator) -> float:
    """Turns from the release to the end of the first window that is an alarm; infinite where none is until LIMIT."""
    reference = _sample(texts, world, _mixed(world.reference, world.scopeless[0], REFERENCE, rng))
    stream = _mixed(world.window, world.scopeless[1], SPAN + LIMIT, rng)
    is_new = np.flatnonzero(rng.random(LIMIT) < share) + SPAN
    stream[is_new] = rng.choice(world.new, len(is_new), replace=False)
    for end in range(SPAN + STEP, SPAN + LIMIT + 1, STEP):
        if _alarms(measure(reference, _sample(texts, world, stream[end - SPAN : end]), rng)):
            return float(end - SPAN)
    return float("inf")


def _clusters(texts: Texts, world: World, rng: np.random.Generator) -> Clusters:
    """The held-back domain makes RELEASED of the newest turns; the reference came before."""
    before = _mixed(world.reference, world.scopeless[0], REFERENCE, rng)
    recent = _mixed(world.window, world.scopeless[1], REFERENCE, rng)
    count = round(RELEASED * REFERENCE)
    recent[:count] = rng.choice(world.new, count, replace=False)
    log, is_recent = np.concatenate([before, recent]), np.arange(2 * REFERENCE) >= REFERENCE
    taught = world.labelled[texts.y[world.labelled] != NONE]
    doubt = 1 - probabilities(world.head, texts.x[log]).max(axis=1)
    known = with_prototypes(Known(texts.x[taught], texts.y[taught]), world.head)
    found = emerging.find(texts.x[log], is_recent, doubt, known, world.head.center)
    return _judged([texts.y[log[one.rows]] for one in found], Counter(texts.y[recent[:count]].tolist()))


def _judged(clusters: Sequence[Ints1d], new: Counter[int]) -> Clusters:
    """
    >>> _judged([np.array([7, 7, 7, 8]), np.array([1, 1, 7])], Counter({7: 8, 8: 9}))
    Clusters(turns=7, alike=5, new=5, found=1, intents=2)
    """
    themes = [Counter(one.tolist()).most_common(1)[0] for one in clusters]
    found = {
        theme
        for (theme, texts), one in zip(themes, clusters, strict=True)
        if texts >= FOUND * new.get(theme, np.inf) and texts >= len(one) / 2
    }
    inside = sum(int(np.isin(one, list(new)).sum()) for one in clusters)
    return Clusters(sum(map(len, clusters)), sum(texts for _, texts in themes), inside, len(found), len(new))


def _alarms(findings: Findings) -> bool:
    return any(one.is_alarm for one in findings.found)


def _sample(texts: Texts, world: World, rows: Ints1d) -> Sample:
    """CLINC150 has no platform that falls back, no reports and no entities."""
    x, nothing = texts.x[rows], np.zeros(len(rows), np.bool_)
    flags = dict.fromkeys(("is_fallback", "is_reported", "is_learnt", "is_later"), nothing)
    return decided(world.head, x, structures=[""] * len(rows), **flags)
