"""For a classifier, the labels that an intent's recall hangs on most: service/learning/influence.py, from what is
stored.

Measured on turns that mean the intent: those of the audit slice and the gold set, from ten on. With fewer, on its
labelled turns, halved: each label by what it does to the half it is not in, for every label knows itself best. These
were trained on, too, so the classifier is surer of them than of new ones, and differences look smaller than they are.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec
import numpy as np
import sqlalchemy as sa

from service.classifiers import store
from service.classifiers.schemas import Classifier
from service.database import reading
from service.errors import BadInput
from service.intents.store import by_name
from service.learning.head import Head, anchors, decide, probabilities
from service.learning.influence import Taught, on_removal
from service.learning.types import Floats1d, Floats2d, Ints1d
from service.renewed import OLDEST_S, Renewed
from service.reviews.candidates import vectors_of
from service.reviews.labels import test_answers, training_labels
from service.reviews.listing import asked_blind, intent_names
from service.reviews.schemas import Origin, TrainingLabel
from service.turns.store import texts_of

LEAST_TESTS = 10
LISTED = 10  # labels of either kind
AT_EITHER_END = 20  # labels looked at for these: some may not be told

Over = Literal["tests", "labels"]


class Weighty(msgspec.Struct, frozen=True, kw_only=True):
    """A label; `effect`: by how much the intent's mean probability would change without it."""

    label: int
    turn: int
    text: str
    intent: str
    origin: Origin
    weight: float
    effect: float


class Influence(msgspec.Struct, frozen=True, kw_only=True):
    """Labels of classifier `n` by what they do to an intent's recall. `missing`: why there is nothing to say."""

    bot: str
    n: int
    intent: str
    over: Over = "tests"  # what it is measured on: turns that test, or the intent's own labels
    turns: int = 0  # of these
    recall: float | None = None  # share of them that the classifier finds
    probability: float | None = None  # mean, of the intent
    labels: int = 0  # looked at
    helped: tuple[Weighty, ...] = ()  # most first: without them the intent would be found less
    hurt: tuple[Weighty, ...] = ()
    missing: str = ""


class Material(NamedTuple):
    """What is stored of a classifier's training, n labels with an intent it knows and a vector it reads."""

    labels: list[TrainingLabel]
    x: Floats2d  # (n, d)
    column: Ints1d  # (n,) in the head
    tests: Floats2d  # (m, d) turns that test and mean the intent


class Subject(NamedTuple):
    classifier: Classifier
    intent: str
    intent_id: int

    @property
    def head(self) -> Head:
        return self.classifier.head

    @property
    def column(self) -> int:
        return int(np.searchsorted(self.head.intent_ids, self.intent_id))


class Weighed(NamedTuple):
    """What an intent's recall hangs on, in numbers; `ends`: the labels that may be told, and their effects."""

    labels: int
    missing: str = ""
    over: Over = "tests"
    turns: int = 0
    recall: float | None = None
    probability: float | None = None
    ends: Sequence[tuple[TrainingLabel, float]] = ()


def influence(engine: sa.Engine, bot: str, n: int, intent: str) -> Influence:
    """ClassifierNotFound, IntentNotFound; BadInput when the classifier does not know the intent. With 15,000 labels it
    takes some seconds for the first who asks; then the numbers are kept for an hour. A classifier never changes: only
    turns that test may be more by then."""
    with reading(engine) as connection:
        subject = _subject(connection, bot, n, intent)
        found = _kept.of(connection, (bot, n, intent))
        helped, hurt = _told(connection, bot, found.ends)
    return Influence(
        bot=bot,
        n=n,
        intent=subject.intent,
        over=found.over,
        turns=found.turns,
        recall=found.recall,
        probability=found.probability,
        labels=found.labels,
        helped=helped,
        hurt=hurt,
        missing=found.missing,
    )


def _weigh(connection: sa.Connection, of: tuple[str, int, str]) -> Weighed:
    subject = _subject(connection, *of)
    found = _material(connection, subject)
    if missing := _missing(subject, found):
        return Weighed(len(found.labels), missing)
    over, turns, effects = _measured(subject, found)
    recall = float((decide(subject.head, turns) == subject.intent_id).mean())
    probability = float(probabilities(subject.head, turns)[:, subject.column].mean())
    return Weighed(len(found.labels), "", over, len(turns), recall, probability, _ends(found.labels, effects))


_kept = Renewed(_weigh, fresh_s=OLDEST_S)


def _missing(subject: Subject, found: Material) -> str:
    if len(subject.head.intent_ids) < 2:
        return "the classifier knows one intent only"
    if not found.labels:
        return "none of its labels has a vector that it reads"
    is_meant = len(found.tests) >= LEAST_TESTS or bool((found.column == subject.column).any())
    return "" if is_meant else f"fewer than {LEAST_TESTS} turns that test mean the intent, and none of its labels does"


def _subject(connection: sa.Connection, bot: str, n: int, name: str) -> Subject:
    classifier = store.load(connection, bot, n)
    intent = by_name(connection, bot, name)
    if intent.id not in classifier.head.intent_ids:
        known = ", ".join(list(classifier.manifest.intents)[:10])
        raise BadInput(f"classifier {n} does not know the intent {name!r}", path="intent", hint=f"it knows {known}, …")
    return Subject(classifier, intent.name, intent.id)


def _material(connection: sa.Connection, subject: Subject) -> Material:
    classifier, ids = subject.classifier, subject.head.intent_ids
    known = training_labels(connection, classifier.bot, up_to=classifier.manifest.last_label_id or 0)
    inside = {label.turn_id: label for label in known if label.intent_id in set(ids.tolist())}
    turn_ids, x = vectors_of(connection, inside, classifier.encoder)
    labels = [inside[turn_id] for turn_id in turn_ids.tolist()]
    column = np.searchsorted(ids, np.array([label.intent_id for label in labels], np.int64))
    right = test_answers(connection, classifier.bot)
    tests = [turn_id for turn_id, answers in right.items() if subject.intent_id in answers]
    return Material(labels, x, column, vectors_of(connection, tests, classifier.encoder)[1])


class Measured(NamedTuple):
    over: Over
    turns: Floats2d  # (m, d) that mean the intent
    effects: Floats1d  # (n,) of each label


def _measured(subject: Subject, found: Material) -> Measured:
    taught = _taught(subject, found)
    if len(found.tests) >= LEAST_TESTS:
        effects = on_removal(subject.head, taught, found.tests, subject.column)
        return Measured("tests", found.tests, effects[: len(found.x)])
    own = np.flatnonzero(found.column == subject.column)
    halves = [half for half in (own[::2], own[1::2]) if len(half)]
    parts = [_elsewhere(subject, found, taught, half) for half in halves]
    return Measured("labels", found.x[own], np.nan_to_num(_mean(parts, len(found.x))))


def _taught(subject: Subject, found: Material) -> Taught:
    """The labels, and the prototypes that stood beside them."""
    head, manifest = subject.head, subject.classifier.manifest
    k, weight = len(head.intent_ids), np.array([label.weight for label in found.labels])
    totals = np.bincount(found.column, weight, k).astype(np.float64)
    return Taught(
        x=np.vstack([found.x - head.center, head.prototypes]),
        column=np.append(found.column, np.arange(k)),
        weight=np.append(weight, anchors(totals, np.full(k, manifest.pseudo_labels > 0))),
        c=manifest.c,
    )


def _elsewhere(subject: Subject, found: Material, taught: Taught, half: Ints1d) -> Floats1d:
    """(n,) effects on that half of the intent's labels; nan for these themselves."""
    effects = on_removal(subject.head, taught, found.x[half], subject.column)[: len(found.x)]
    effects[half] = np.nan
    return effects


def _mean(effects: Sequence[Floats1d], n: int) -> Floats1d:
    """(n,) of those that are known, nan where none is."""
    table = np.ma.masked_invalid(np.stack([*effects, np.full(n, np.nan)]))
    return np.asarray(table.mean(axis=0).filled(np.nan))


def _ends(labels: Sequence[TrainingLabel], effects: Floats1d) -> list[tuple[TrainingLabel, float]]:
    order = np.argsort(effects, kind="stable")
    ends = np.unique(np.append(order[:AT_EITHER_END], order[-AT_EITHER_END:])).tolist()
    return [(labels[row], float(effects[row])) for row in ends]


def _told(
    connection: sa.Connection, bot: str, ends: Sequence[tuple[TrainingLabel, float]]
) -> tuple[tuple[Weighty, ...], tuple[Weighty, ...]]:
    """Those that help most and those that hurt most; none of a turn that somebody is asked about blind."""
    texts = texts_of(connection, [label.turn_id for label, _ in ends])
    secret, names = asked_blind(connection, list(texts)), intent_names(connection, bot)
    told = [
        Weighty(
            label=label.id,
            turn=label.turn_id,
            text=texts[label.turn_id],
            intent=names[label.intent_id],
            origin=label.origin,
            weight=label.weight,
            effect=effect,
        )
        for label, effect in ends
        if label.turn_id in texts and label.turn_id not in secret
    ]
    told.sort(key=lambda one: one.effect)
    helped, hurt = [one for one in told if one.effect < 0], [one for one in told[::-1] if one.effect > 0]
    return tuple(helped[:LISTED]), tuple(hurt[:LISTED])
