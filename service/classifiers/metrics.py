"""How good a classifier is: in all on the audit slice, of each intent on the audit slice and the gold set, or, where
these hold too few turns, on its own labels, each told by all the others."""

from collections import Counter, defaultdict
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
from service.learning.stopping import Estimate, wilson
from service.reviews.candidates import vectors_of
from service.reviews.labels import training_labels

LEAST = 20  # turns that test from which on they say how good an intent is, and its labels no longer
LEAST_LABELS = 5  # below which nothing is said
LABELS = 2_400  # newest ones looked at, of all intents,
EACH = 15  # but of each so many at least

Over = Literal["tests", "labels"]


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """A share of `n` turns that test, or of `n` labels, with its 95 % interval."""

    over: Over
    n: int
    estimate: float
    low: float
    high: float


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


class Counted(NamedTuple):
    """Of an intent: turns that mean it, those of them that are found, turns taken for it, those of them rightly."""

    meant: int
    found: int
    taken: int
    rightly: int


_accuracy = Kept[Estimate | None](1_024)
_metrics = Kept[Metrics](256)
_labels = Kept[dict[int, Counted]](64)


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


def _measured(
    connection: sa.Connection, bot: str, n: int, manifest: Manifest, of: Tests, names: Mapping[int, str]
) -> Metrics:
    seen = _seen(connection, bot, n, of)
    known = {of.into[one] for one in manifest.intents.values() if one in of.into}
    by_tests, by_labels = _by_tests(of, seen), _by_labels(connection, bot, n, manifest)
    nothing = Counted(0, 0, 0, 0)
    return Metrics(
        bot=bot,
        n=n,
        answered=sum(turn_id in of.rates for turn_id in seen),
        accuracy=_right(connection, bot, n, of),
        gold=sum(turn_id not in of.rates for turn_id in seen),
        reliability=_reliability(of, seen),
        intents=tuple(
            _of_intent(one, names[one], by_tests.get(one, nothing), by_labels.get(one, nothing))
            for one in sorted(known, key=lambda one: names[one])
        ),
    )


def _seen(connection: sa.Connection, bot: str, n: int, of: Tests) -> dict[int, Decision]:
    """Merges followed; an intent that is archived now is none of ours, and wrong: -1."""
    made = decided(connection, bot, n, of.right)
    return {
        turn_id: one._replace(
            intent_id=None if one.intent_id is None else of.into.get(one.intent_id, -1),
            likeliest=of.into.get(one.likeliest, -1),
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


def _by_tests(of: Tests, seen: Mapping[int, Decision]) -> Mapping[int, Counted]:
    """A turn that may mean either of two intents tells nothing of which of them is found."""
    rows = ((of.right[turn_id], one.intent_id) for turn_id, one in seen.items())
    return _counted((right[0] if len(right) == 1 else -1, said, said in right) for right, said in rows)


def _counted(rows: Iterable[tuple[int | None, int | None, bool]]) -> Mapping[int, Counted]:
    """Of what was meant (-1: not known), what was said, and whether that was right."""
    counts = [Counter[int | None]() for _ in range(4)]
    for meant, said, is_right in rows:
        counts[0][meant] += 1
        counts[1][meant] += is_right
        counts[2][said] += 1
        counts[3][said] += is_right
    ids = {one for one in (*counts[0], *counts[2]) if one is not None and one > 0}
    return {one: Counted(*(count[one] for count in counts)) for one in ids}


def _of_intent(one: int, name: str, by_tests: Counted, by_labels: Counted) -> IntentMetrics:
    return IntentMetrics(
        id=one,
        name=name,
        recall=_share(by_tests.found, by_tests.meant, by_labels.found, by_labels.meant),
        precision=_share(by_tests.rightly, by_tests.taken, by_labels.rightly, by_labels.taken),
    )


def _share(tested_right: int, tested: int, labelled_right: int, labelled: int) -> Share | None:
    if tested >= LEAST:
        return _estimate("tests", tested_right, tested)
    return _estimate("labels", labelled_right, labelled) if labelled >= LEAST_LABELS else None


def _estimate(over: Over, right: int, n: int) -> Share:
    low, high = wilson(right / n, n)
    return Share(over=over, n=n, estimate=right / n, low=low, high=high)


def _by_labels(connection: sa.Connection, bot: str, n: int, manifest: Manifest) -> Mapping[int, Counted]:
    version: Hashable = (manifest.last_label_id, intents_version(connection, bot))
    return _labels.get(connection.engine, (bot, n), version, lambda: _held_out(connection, bot, manifest))


def _held_out(connection: sa.Connection, bot: str, manifest: Manifest) -> dict[int, Counted]:
    by_turn = _newest_labels(connection, bot, manifest)
    turn_ids, x = vectors_of(connection, by_turn, manifest.encoder)
    ids, y = np.unique([by_turn[turn_id] for turn_id in turn_ids.tolist()], return_inverse=True)
    if len(ids) < 2:
        return {}
    said = ids[left_out.answers(x, y)].tolist()
    return dict(_counted((one, other, one == other) for one, other in zip(ids[y].tolist(), said, strict=True)))


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


def shares(found: Sequence[IntentMetrics]) -> Counter[Over]:
    """How many of the numbers rest on what."""
    return Counter(one.over for metric in found for one in (metric.recall, metric.precision) if one)
