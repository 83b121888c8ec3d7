"""What people's reports are worth: errors of a bot that a hundred labels mend, with them and without.

The old bot is logistic regression on ten examples per intent. Its traffic follows Zipf's law over the other texts, in
an order drawn by the seed: what is said most is said again and again, as in real logs. The unseen turns are the next
ones of the same traffic; some say what the log does not hold. 5 % of the old bot's errors are
reported, and .5 % of what it got right, by people who report twice on average. Everybody asks about 300 different
texts, chosen at once; a label trains beside the old bot's examples. *Fixed* are the old bot's errors on unseen turns
that the new champion gets right.

Reports are weighed, and turns ranked and picked, by the product's own functions, from what it would see: the 64 nearest
turns around each. The *liar* is one person who files as many reports as everybody else together, all of them false, on
the most frequent intent, where they would do most harm. `errors_known` is no strategy but a bound: it reads which
answers were wrong, and asks about the most frequent of them.

Measured with five seeds and the plain head, errors fixed per 100 labels on CLINC150: default 70, without reports 69,
margin 63 (on the turns as they stand 30; it also breaks 42 right answers where default breaks 6), random 46, whoever
knows the errors 87; the liar's cost .011. So reports add 2 % to what doubt and frequency find, and 27 % is all that
anybody could add. Tried, with texts of train and validation part and two seeds: frequency to the power 1 instead of
1/2: -1 to -4 %; frequency within the whole log instead of the 64 nearest turns: +1 %; reports and their absence as
odds (how much likelier such reports are around an error than around a right answer): +1 to +2 %. With Zipf's law over
intents instead of texts, where hardly a text repeats: default 108, without reports 110, margin 92.

The plain head is compared by default, for then a difference is the labels' doing. What the product has and this leaves
out: weights learnt from reviews, decay (all reports are of today), folding, and batches of twenty instead of one of
300.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

import msgspec
import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from service.errors import BadInput
from service.learning import head, ranking
from service.learning.diversity import DUPLICATE, SHORTLIST, batch
from service.learning.reports import kernel, pressure, reported_uncertainty
from service.learning.types import Bools1d, Floats1d, Floats2d, Ints1d, Ints2d
from service.learning.uncertainty import margin
from service.reports.rules import Evidence, weigh
from service.reports.store import TurnReport
from service.turns.schemas import ReportKind
from workers import encoder, prototypes, trainer
from workers.bench.data import Data, Row, read
from workers.held_out import Tuning
from workers.progress import Progress
from workers.surroundings import NEAREST

HeadKind = Literal["full", "plain"]
Encode = Callable[[list[str]], Floats2d]

EXAMPLES = 10  # per intent, that the old bot was taught
REPORTED, FALSELY = 0.05, 0.005  # share of the errors, and of the right answers, that are reported
EACH = 2  # reports that a person files, on average
KIND: ReportKind = "thumbs_down"
C = 10.0  # of the old bot, and of the plain head
TOLERANCE = 1e-4
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Scale(NamedTuple):
    """How large the experiment is; smaller only for tests."""

    turns: int = 20_000
    unseen: int = 5_000
    budget: int = 300


class Texts(NamedTuple):
    """n encoded texts with their intents."""

    x: Floats2d  # (n, d)
    y: Ints1d  # (n,) column of the intent

    def at(self, rows: Ints1d) -> "Texts":
        return Texts(self.x[rows], self.y[rows])


class Encoded(NamedTuple):
    names: Floats2d  # (k, d)
    texts: Texts


class World(NamedTuple):
    """One seed's bot, its traffic as distinct texts, and what it will be asked next."""

    names: Floats2d
    examples: Texts
    log: Texts  # (n,) distinct texts
    turns: Ints1d  # (turns,) row of the log that each turn says
    said_by: Ints1d  # (n,) turns that say it
    answered: Ints1d  # (n,) what the old bot answers
    unseen: Texts
    is_error: Bools1d  # (unseen,) of the old bot
    honest: "Filed"
    lies: "Filed"


class Filed(NamedTuple):
    """Reports: which turn, by whom."""

    turns: Ints1d
    persons: Ints1d


class Around(NamedTuple):
    """What the product sees around each text: its nearest turns, itself among them, grouped by text."""

    texts: Ints2d  # (n, NEAREST)
    cosines: Floats2d  # (n, NEAREST)
    turns: Ints2d  # (n, NEAREST) how many of the text are among the nearest


class Counted(NamedTuple):
    """Of the unseen turns, per 100 labels: the old bot's errors that are right now, its right answers that are not."""

    fixed: float
    broken: float


class Strategy(NamedTuple):
    """An arm of the comparison. `reports`: which of the filed reports it sees."""

    pick: "Pick"
    reports: Callable[[World], Sequence[Filed]] = lambda _: ()


Pick = Callable[["Case"], Ints1d]


class Case(NamedTuple):
    """What an arm sees: no label but the old bot's examples."""

    world: World
    around: Around
    evidence: Evidence
    proba: Floats2d  # (n, k) by the champion that the examples make
    budget: int
    rng: np.random.Generator


def encode_data(data: Data, encode: Encode) -> Encoded:
    """Out-of-scope rows are left aside: nobody says which intent would have mended them."""
    rows = [row for row in (*data.train, *data.test) if not row.is_out_of_scope]
    names = sorted({row.intent for row in rows})
    if len(names) < 2:
        raise BadInput(f"{data.name} has fewer than two intents in its train and test rows", hint="name another file")
    columns = {name: column for column, name in enumerate(names)}
    return Encoded(encode([prototypes.words(name) for name in names]), _texts(rows, columns, encode))


def _texts(rows: Sequence[Row], columns: Mapping[str, int], encode: Encode) -> Texts:
    """Equal texts count once: of two intents the first."""
    found = {row.text: columns[row.intent] for row in reversed(rows)}
    return Texts(encode(list(found)), np.array(list(found.values()), dtype=np.int64))


def make_world(data: Encoded, scale: Scale, seed: int) -> World:
    rng = np.random.default_rng(seed)
    taught = _taught(data.texts.y, rng)
    examples, rest = data.texts.at(taught), data.texts.at(np.setdiff1d(np.arange(len(data.texts.y)), taught))
    said = rng.choice(len(rest.y), scale.turns + scale.unseen, p=_zipf(len(rest.y), rng))
    rows, turns, count = np.unique(said[: scale.turns], return_inverse=True, return_counts=True)
    log, unseen = rest.at(rows), rest.at(said[scale.turns :])
    old = _regression(examples)
    answered = old.predict(log.x)
    is_wrong = (answered != log.y)[turns]
    honest = _honest(is_wrong, rng)
    frequent = np.bincount(log.y[turns]).argmax()
    lies = _lies(np.flatnonzero(~is_wrong & (log.y[turns] == frequent)), len(honest.turns), rng)
    is_error = np.asarray(old.predict(unseen.x) != unseen.y)
    return World(data.names, examples, log, turns, count, answered, unseen, is_error, honest, lies)


def _zipf(n: int, rng: np.random.Generator) -> Floats1d:
    """(n,) share of each text: 1/rank, the ranks drawn."""
    shares = 1 / (1.0 + rng.permutation(n))
    return np.asarray(shares / shares.sum())


def _taught(y: Ints1d, rng: np.random.Generator) -> Ints1d:
    """Rows of ten examples of each intent; of half of an intent's rows where it has few, for its users want some."""
    of_intent = (np.flatnonzero(y == column) for column in np.unique(y))
    return np.concatenate([rng.choice(rows, min(EXAMPLES, (len(rows) + 1) // 2), replace=False) for rows in of_intent])


def _honest(is_wrong: Bools1d, rng: np.random.Generator) -> Filed:
    turns = np.flatnonzero(rng.random(len(is_wrong)) < np.where(is_wrong, REPORTED, FALSELY))
    return Filed(turns, rng.integers(0, max(1, len(turns) // EACH), len(turns)))


def _lies(turns: Ints1d, n: int, rng: np.random.Generator) -> Filed:
    """On n of these turns, or on all there are, by somebody who is nobody else."""
    lied = rng.choice(turns, min(n, len(turns)), replace=False)
    return Filed(lied, np.full(len(lied), -1))


def look(world: World) -> Around:
    """The nearest turns of each text, as far as the product looks."""
    k = min(NEAREST, len(world.said_by))
    cosines = np.asarray(world.log.x @ world.log.x.T)
    np.fill_diagonal(cosines, 1.0)
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    before = np.cumsum(world.said_by[nearest], axis=1) - world.said_by[nearest]
    seen = np.clip(NEAREST + 1 - before, 0, world.said_by[nearest])
    return Around(nearest, np.take_along_axis(cosines, nearest, axis=1), seen)


def believed(world: World, filed: Sequence[Filed]) -> Evidence:
    """The reports weighed as the service weighs them; its turn ids are places in `world.turns`."""
    counting = [
        TurnReport(
            id=0,
            turn_id=turn,
            kind=KIND,
            is_explicit=True,
            intent="",
            at=NOW,
            person=f"p{person}",
            bot_intent="",
            bot_version="",
        )
        for some in filed
        for turn, person in zip(some.turns.tolist(), some.persons.tolist(), strict=True)
    ]
    return weigh(counting, NOW, len(world.turns))


def by_priority(case: Case) -> Ints1d:
    """Rows of the log, as the ranking job chooses them."""
    factors = measure(case)
    scores = ranking.priority(factors, ranking.fitting(ranking.Weights(), factors))
    ids = np.arange(len(scores))
    best = ranking.top(scores, SHORTLIST * case.budget, ids)
    return best[batch(case.world.log.x[best], scores[best], best, case.budget, case.rng)]


def measure(case: Case) -> ranking.Factors:
    """Of each text; where several say it, those of the turn that is believed to be wrong most."""
    world, around, found = case.world, case.around, case.evidence
    said = world.turns[found.turn_ids]
    q = np.zeros(len(world.said_by))
    np.maximum.at(q, said, found.belief)
    near = kernel(around.cosines)
    e = pressure(_to_reported(around, near, said), found.by_person, (near * around.turns).sum(axis=1), found.base)
    repeats = (around.turns * (around.cosines >= DUPLICATE)).sum(axis=1)
    uncertainty = reported_uncertainty(margin(case.proba), case.proba, world.answered, q, np.zeros(len(q)))
    return ranking.Factors(uncertainty, np.zeros(len(q)), e, np.log(repeats))


def _to_reported(around: Around, near: Floats2d, said: Ints1d) -> sparse.csr_array:
    """(n, m) kernel between each text and each reported turn, `said` (m,) being the turns' texts."""
    n = len(around.texts)
    rows = np.repeat(np.arange(n), around.texts.shape[1])
    weights = np.where(around.turns > 0, near, 0.0).ravel()
    of_texts = sparse.csr_array((weights, (rows, around.texts.ravel())), shape=(n, n))
    return sparse.csr_array(of_texts[:, said])


def by_margin(case: Case) -> Ints1d:
    """Different texts, the least decided first."""
    return ranking.top(margin(case.proba), case.budget, np.arange(len(case.proba)))


def at_random(case: Case) -> Ints1d:
    """Turns as they come, each text once."""
    said = case.world.turns[case.rng.permutation(len(case.world.turns))]
    _, first = np.unique(said, return_index=True)
    return said[np.sort(first)][: case.budget]


def by_margin_of_turns(case: Case) -> Ints1d:
    """Turns as they stand in the log, a text again and again: what a library would ask that knows no repeats."""
    said = case.world.turns
    return said[ranking.top(margin(case.proba)[said], case.budget, np.arange(len(said)))]


def by_errors(case: Case) -> Ints1d:
    """As the ranking job would choose if it knew what the old bot got wrong."""
    world, best = case.world, np.flatnonzero(case.world.answered != case.world.log.y)
    often = np.sqrt(world.said_by[best])
    return best[batch(world.log.x[best], often, best, case.budget, case.rng)]


STRATEGIES = {
    "default": Strategy(by_priority, lambda world: [world.honest]),
    "default_without_reports": Strategy(by_priority),
    "margin": Strategy(by_margin),
    "margin_of_turns": Strategy(by_margin_of_turns),
    "random": Strategy(at_random),
    "errors_known": Strategy(by_errors),
    "default_with_liar": Strategy(by_priority, lambda world: [world.honest, world.lies]),
}


class Champion(NamedTuple):
    proba: Callable[[Floats2d], Floats2d]
    predict: Callable[[Floats2d], Ints1d]
    tuning: Tuning | None = None


def train(world: World, asked: Ints1d, kind: HeadKind, tuning: Tuning | None) -> Champion:
    """From the examples and the labels of these rows; `full` is the product's head, which reads the log too."""
    known = Texts(np.vstack([world.examples.x, world.log.x[asked]]), np.append(world.examples.y, world.log.y[asked]))
    if kind == "plain":
        model = _regression(known)
        return Champion(model.predict_proba, model.predict)
    n = len(known.y)
    labels = trainer.Labels(known.x, known.y + 1, np.ones(n), np.arange(n))
    ids = np.arange(1, len(world.names) + 1)
    fitted = trainer.fit(ids, world.names, labels, world.log.x[world.turns], seed=0, tuning=tuning)
    of_head = fitted.head
    return Champion(
        lambda x: head.probabilities(of_head, x).astype(np.float64),
        lambda x: head.logits(of_head, x).argmax(axis=1),
        fitted.tuning,
    )


def _regression(known: Texts) -> LogisticRegression:
    return LogisticRegression(C=C, tol=TOLERANCE, max_iter=1000).fit(known.x, known.y)


def run(world: World, scale: Scale, kind: HeadKind, seed: int) -> dict[str, Counted]:
    """Each arm's champion on the unseen turns."""
    around = look(world)
    first = train(world, np.zeros(0, np.int64), kind, None)
    proba = first.proba(world.log.x)
    budget = min(scale.budget, len(world.log.y))
    found = {}
    for name, strategy in STRATEGIES.items():
        evidence = believed(world, strategy.reports(world))
        case = Case(world, around, evidence, proba, budget, np.random.default_rng(seed))
        asked = strategy.pick(case)
        found[name] = _count(world, train(world, asked, kind, first.tuning), len(asked))
    return found


def _count(world: World, champion: Champion, labels: int) -> Counted:
    is_right = champion.predict(world.unseen.x) == world.unseen.y
    fixed, broken = world.is_error & is_right, ~world.is_error & ~is_right
    per_hundred = 100 / max(labels, 1)
    return Counted(fixed.sum() * per_hundred, broken.sum() * per_hundred)


def compare(
    data: Encoded, scale: Scale, kind: HeadKind, seeds: int, advance: Callable[[int], None]
) -> dict[str, object]:
    """Errors fixed per 100 labels, the mean of the seeds; beside them what was broken, and the liar's cost."""
    counts = []
    for seed in range(seeds):
        counts.append(run(make_world(data, scale, seed), scale, kind, seed))
        advance(1)
    fixed, broken = (
        {name: float(np.mean([count[name][field] for count in counts])) for name in STRATEGIES} for field in (0, 1)
    )
    with_liar = fixed.pop("default_with_liar")
    cost = 1 - with_liar / fixed["default"] if fixed["default"] else 0.0
    return fixed | {"liar_cost": cost, "broken": broken}


def bench(path: Path, *, kind: HeadKind, seeds: int, json_file: BinaryIO | None) -> None:
    """Measure on the labelled file and say what came out."""
    progress, data = Progress(), read(path)
    model = encoder.load("", os.cpu_count() or 1)
    encoded = encode_data(data, model.encode)
    with progress.step("reports", seeds) as advance:
        found = compare(encoded, Scale(), kind, seeds, advance)
    result = {"data": data.name, "head": kind, "seeds": seeds, **found}
    if json_file:
        json_file.write(msgspec.json.encode(result) + b"\n")
        json_file.flush()
    else:
        progress.console.print(result)
