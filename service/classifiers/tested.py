"""What classifiers make of the turns that test: the audit slice and the gold set.

A classifier's decision of a stored vector never changes, so it is made once in a process; only turns that were answered
since are looked at again."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from service import tables
from service.classifiers import store
from service.classifiers.store import ClassifierDamaged
from service.intents.store import list_intents
from service.kept import Kept
from service.learning.head import NONE, Head, decide, probabilities
from service.learning.types import Floats2d
from service.reviews.candidates import vectors_of
from service.reviews.labels import TEST_USES, counts_for, test_answers

CARD, LABEL, MARK = tables.card, tables.label, tables.mark
CHUNK = 500  # ids in one IN


class Decision(NamedTuple):
    """`intent_id` None: out of scope."""

    intent_id: int | None
    likeliest: int  # intent, whether any is meant or not
    probability: float  # of that intent, where any is meant


class Tests(NamedTuple):
    """Turns with what is right of each: one intent or either of two; None is out of scope."""

    version: Hashable  # the same as long as answers and intents are
    right: Mapping[int, tuple[int | None, ...]]
    rates: Mapping[int, float]  # chances with which those of the audit slice were drawn; the others are the gold set
    open_rates: Sequence[float]  # of the audit slice's that nobody could answer yet
    into: Mapping[int | None, int]  # every intent's id → the id it counts for; archived ones are missing


_tests = Kept[Tests](64)
_decided = Kept[dict[int, Decision]](64)


def tests(connection: sa.Connection, bot: str) -> Tests:
    split = _rates(connection, sorted(_undecided(connection, bot)))
    version = (_newest(connection, bot), intents_version(connection, bot), tuple(sorted(split)))
    return _tests.get(connection.engine, bot, version, lambda: _look(connection, bot, version, list(split.values())))


def intents_version(connection: sa.Connection, bot: str) -> Hashable:
    """Another one when an intent is made, archived, merged or comes back."""
    intents = list_intents(connection, bot, archived=True)
    return hash(tuple((one.id, one.merged_into, one.archived_at is None) for one in intents))


def decided(connection: sa.Connection, bot: str, n: int, turn_ids: Collection[int]) -> Mapping[int, Decision]:
    """By turn; those without a vector that the classifier reads are missing, and all are where its weights are
    damaged. ClassifierNotFound."""
    kept: dict[int, Decision] = _decided.get(connection.engine, (bot, n), (), dict)
    unseen = [turn_id for turn_id in turn_ids if turn_id not in kept]
    if not unseen:
        return kept
    found, x = vectors_of(connection, unseen, store.manifest(connection, bot, n).encoder)
    if len(found):
        kept |= dict(zip(found.tolist(), _decisions(connection, bot, n, x), strict=False))
    return kept


def _decisions(connection: sa.Connection, bot: str, n: int, x: Floats2d) -> Sequence[Decision]:
    try:
        head = store.load(connection, bot, n).head
    except ClassifierDamaged:
        return ()
    return _decisions_of(head, x) if len(head.intent_ids) else ()


def _decisions_of(head: Head, x: Floats2d) -> Sequence[Decision]:
    proba = probabilities(head, x)
    likeliest = head.intent_ids[proba.argmax(axis=1)].tolist()
    rows = zip(decide(head, x).tolist(), likeliest, proba.max(axis=1).tolist(), strict=True)
    return [Decision(None if one == NONE else one, best, p) for one, best, p in rows]


def _newest(connection: sa.Connection, bot: str) -> tuple[int | None, ...]:
    of_use = sa.select(sa.func.max(LABEL.c.id)).where(LABEL.c.bot == bot)
    return tuple(connection.scalar(of_use.where(LABEL.c.use == use)) for use in TEST_USES)


def _look(connection: sa.Connection, bot: str, version: Hashable, open_rates: Sequence[float]) -> Tests:
    right, into = test_answers(connection, bot), dict[int | None, int](counts_for(connection, bot).items())
    return Tests(version, right, _rates(connection, sorted(right)), open_rates, into)


def _undecided(connection: sa.Connection, bot: str) -> Sequence[int]:
    """Turns of the audit slice that wait for an adjudicator."""
    where = (CARD.c.bot == bot, CARD.c.status == "adjudicate", CARD.c.purpose == "audit")
    return connection.scalars(sa.select(CARD.c.turn_id).where(*where)).all()


def _rates(connection: sa.Connection, turn_ids: Sequence[int]) -> dict[int, float]:
    found: dict[int, float] = {}
    drawn: sa.Select[Any] = sa.select(MARK.c.turn_id, MARK.c.rate).where(MARK.c.kind == "audit", MARK.c.rate > 0)
    for start in range(0, len(turn_ids), CHUNK):
        rows = connection.execute(drawn.where(MARK.c.turn_id.in_(turn_ids[start : start + CHUNK])))
        found |= {row.turn_id: row.rate for row in rows}
    return found
