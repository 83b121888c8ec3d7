"""How good a classifier is: in all on the audit slice; of each intent on the audit slice, or, where this holds too few
turns of it, on the gold set, or, where this does too, on its own labels, each told by all the others.

Only the audit slice speaks for all turns: its turns were drawn at random, and each weighs 1/rate. Nobody drew the gold
set or the labels at random, so they are never pooled with it, and what is measured on them says so."""

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec
import numpy as np
import sqlalchemy as sa

from service.classifiers import store
from service.classifiers.schemas import Manifest
from service.classifiers.tested import Decision, Tests, decided, intents_version, tests
from service.intents.store import list_intents
from service.kept import Kept
from service.learning import left_out, stopping
from service.learning.reliability import Reliability, reliability
from service.learning.stopping import Estimate
from service.reviews.candidates import vectors_of
from service.reviews.labels import training_labels

LABELS = 2_400  # newest ones looked at, of all intents,
EACH = 15  # but of each so many at least
UNKNOWN = -1  # an intent that is none of ours

Over = Literal["audit", "gold", "labels"]
LEAST: Mapping[Over, int] = {"audit": 20, "gold": 20, "labels": 5}  # below which they say nothing of an intent
WORDS: Mapping[Over, str] = {"audit": "audit turns", "gold": "gold turns", "labels": "labels"}
MEANING = (
    "Of audit turns: of all turns, as those drawn at random tell, each weighing as many as it was drawn from.",
    "Of gold turns: of the gold set, which nobody drew at random, where fewer than twenty audit turns tell it.",
    "Of labels: of its own newest, each told by all the others, where the gold set is too small as well; these are the "
    "log’s hardest turns, so such numbers are rather too low.",
    "Turns that nobody could answer yet are left out. 95 % intervals.",
)


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """Of all turns, told by `n` of the audit slice, each weighing 1/rate; or of `n` turns of the gold set; or of `n`
    labels: MEANING. With its 95 % interval."""

    over: Over
    n: int
    estimate: float
    low: float
    high: float

    @property
    def share(self) -> Estimate:
        return Estimate(self.estimate, self.low, self.high)

    @property
    def of(self) -> str:
        return f"{self.n:,} {WORDS[self.over]}"


class IntentMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """None where too little is known."""

    id: int
    name: str
    recall: Share | None  # of the turns that mean the intent, those that the classifier finds
    precision: Share | None  # of the turns that it takes for the intent, those that mean it


class Metrics(msgspec.Struct, frozen=True, kw_only=True):
    bot: str
    n: int
    answered: int  # turns of the audit slice that it decided and people answered
    accuracy: Estimate | None  # on these; None: there is none
    gold: int  # turns of the gold set likewise
    reliability: Reliability | None  # of the audit slice's turns that mean an intent; None: there is none
    intents: tuple[IntentMetrics, ...]  # that it knows, by name


class Answer(NamedTuple):
    """Intents, None for out of scope. What is meant is unknown where it may be either of two: such a turn tells nothing
    of which of them is found."""

    meant: int | None
    said: int | None
    is_right: bool
    rate: float = 1.0  # chance with which the turn was drawn


class Shares(NamedTuple):
    """By intent; those with too few answers are missing."""

    recall: dict[int, Share]
    precision: dict[int, Share]


_accuracy = Kept[Estimate | None](1_024)
_metrics = Kept[Metrics](256)
_labels = Kept[Shares](64)


def accuracy_of(connection: sa.Connection, bot: str, n: int) -> Estimate | None:
    """On the audit slice, of turns drawn at random; None: nobody has answered one that it can decide."""
    of = tests(connection, bot)
    return _accuracy.get(connection.engine, (bot, n), of.version, lambda: _right(connection, bot, n, of))


def metrics(connection: sa.Connection, bot: str, n: int) -> Metrics:
    """ClassifierNotFound."""
    manifest, of = store.manifest(connection, bot, n), tests(connection, bot)
    names = {intent.id: intent.name for intent in list_intents(connection, bot)}
    version = (of.version, hash(tuple(names.items())))
    return _metrics.get(
        connection.engine, (bot, n), version, lambda: _measured(connection, bot, n, manifest, of, names)
    )


def tested_recalls(connection: sa.Connection, bot: str, n: int) -> dict[int, Share]:
    """By intent, on the audit slice or, where that holds too few turns of it, on the gold set. ClassifierNotFound."""
    of = tests(connection, bot)
    return _by_tests(of, _seen(connection, bot, n, of)).recall


def _measured(
    connection: sa.Connection, bot: str, n: int, manifest: Manifest, of: Tests, names: Mapping[int, str]
) -> Metrics:
    seen = _seen(connection, bot, n, of)
    known = {of.into[one] for one in manifest.intents.values() if one in of.into}
    shares = _rather(_by_tests(of, seen), _by_labels(connection, bot, n, manifest))
    return Metrics(
        bot=bot,
        n=n,
        answered=sum(turn_id in of.rates for turn_id in seen),
        accuracy=_right(connection, bot, n, of),
        gold=sum(turn_id not in of.rates for turn_id in seen),
        reliability=_reliability(of, seen),
        intents=tuple(
            IntentMetrics(id=one, name=names[one], recall=shares.recall.get(one), precision=shares.precision.get(one))
            for one in sorted(known, key=lambda one: names[one])
        ),
    )


def _seen(connection: sa.Connection, bot: str, n: int, of: Tests) -> dict[int, Decision]:
    """Merges followed; an intent that is archived now is UNKNOWN, and wrong."""
    made = decided(connection, bot, n, of.right)
    return {
        turn_id: one._replace(
            intent_id=None if one.intent_id is None else of.into.get(one.intent_id, UNKNOWN),
            likeliest=of.into.get(one.likeliest, UNKNOWN),
        )
        for turn_id in of.right
        if (one := made.get(turn_id))
    }


def _right(connection: sa.Connection, bot: str, n: int, of: Tests) -> Estimate | None:
    seen = _seen(connection, bot, n, of)
    drawn = [turn_id for turn_id in seen if turn_id in of.rates]
    is_right = np.array([seen[turn_id].intent_id in of.right[turn_id] for turn_id in drawn], np.bool_)
    return stopping.accuracy(is_right, np.array([of.rates[one] for one in drawn]), np.array(of.open_rates))


def _reliability(of: Tests, seen: Mapping[int, Decision]) -> Reliability | None:
    """Only where an intent is meant: that is what the probabilities are about. The gate answers for the others."""
    drawn = [turn_id for turn_id in seen if turn_id in of.rates and None not in of.right[turn_id]]
    said = np.array([seen[turn_id].probability for turn_id in drawn])
    is_right = np.array([seen[turn_id].likeliest in of.right[turn_id] for turn_id in drawn], np.bool_)
    return reliability(said, is_right, np.array([of.rates[turn_id] for turn_id in drawn]))


def _by_tests(of: Tests, seen: Mapping[int, Decision]) -> Shares:
    audit, gold = list[Answer](), list[Answer]()
    for turn_id, one in seen.items():
        right = of.right[turn_id]
        meant = right[0] if len(right) == 1 else UNKNOWN
        kind = audit if turn_id in of.rates else gold
        kind.append(Answer(meant, one.intent_id, one.intent_id in right, of.rates.get(turn_id, 1.0)))
    return _rather(_told("audit", audit), _told("gold", gold))


def _told(over: Over, answers: Sequence[Answer]) -> Shares:
    return Shares(
        _shares(over, [(one.meant, one) for one in answers]), _shares(over, [(one.said, one) for one in answers])
    )


def _rather(first: Shares, second: Shares) -> Shares:
    """What the second tells counts where the first tells nothing."""
    return Shares(second.recall | first.recall, second.precision | first.precision)


def _shares(over: Over, answers: Iterable[tuple[int | None, Answer]]) -> dict[int, Share]:
    by_intent = defaultdict[int, list[Answer]](list)
    for intent_id, answer in answers:
        if intent_id is not None and intent_id != UNKNOWN:
            by_intent[intent_id].append(answer)
    return {one: _share(over, some) for one, some in by_intent.items() if len(some) >= LEAST[over]}


def _share(over: Over, answers: Sequence[Answer]) -> Share:
    is_right, rates = np.array([one.is_right for one in answers]), np.array([one.rate for one in answers])
    found = stopping.accuracy(is_right, rates, np.zeros(0)) or Estimate(0.0, 0.0, 1.0)
    return Share(over=over, n=len(answers), estimate=found.estimate, low=found.low, high=found.high)


def _by_labels(connection: sa.Connection, bot: str, n: int, manifest: Manifest) -> Shares:
    version: Hashable = (manifest.last_label_id, intents_version(connection, bot))
    return _labels.get(connection.engine, (bot, n), version, lambda: _held_out(connection, bot, manifest))


def _held_out(connection: sa.Connection, bot: str, manifest: Manifest) -> Shares:
    by_turn = _newest_labels(connection, bot, manifest)
    turn_ids, x = vectors_of(connection, by_turn, manifest.encoder)
    ids, y = np.unique([by_turn[turn_id] for turn_id in turn_ids.tolist()], return_inverse=True)
    if len(ids) < 2:
        return Shares({}, {})
    said = ids[left_out.answers(x, y)].tolist()
    return _told("labels", [Answer(*row, row[0] == row[1]) for row in zip(ids[y].tolist(), said, strict=True)])


def _newest_labels(connection: sa.Connection, bot: str, manifest: Manifest) -> dict[int, int]:
    """Intent by turn, of the labels that people gave and that trained the classifier."""
    by_intent = defaultdict[int, list[int]](list)
    for label in training_labels(connection, bot, up_to=manifest.last_label_id or 0):
        if label.intent_id is not None and label.origin in ("vote", "import"):
            by_intent[label.intent_id].append(label.turn_id)
    each = max(EACH, LABELS // max(len(by_intent), 1))
    return {turn_id: one for one, turn_ids in by_intent.items() for turn_id in turn_ids[-each:]}


def accuracies(connection: sa.Connection, bot: str, numbers: Collection[int]) -> dict[int, Estimate | None]:
    return {n: accuracy_of(connection, bot, n) for n in numbers}
