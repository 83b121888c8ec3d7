"""What each classifier since made of a turn.

Of many classifiers the first and the newest ones are told about. What was stored of a classifier's probabilities is
shown as it was; a classifier that never was in force stored none, and is asked now, if it reads the turn's vector.
What an owner did with a classifier by hand is told with it, and why.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa

from service import tables
from service.classifiers import store
from service.classifiers.history import Moment, What, words
from service.classifiers.schemas import Manifest, Status, decode_manifest
from service.classifiers.store import ClassifierDamaged
from service.encoding import unpack
from service.learning.head import NONE, Head, decide, out_of_scope, probabilities
from service.learning.types import Floats1d
from service.learning.uncertainty import best_two, in_scope, margin
from service.reviews.listing import Names
from service.reviews.trace_steps import Event, Step, given, measured

CLASSIFIER, PREDICTION, VECTOR = tables.classifier, tables.prediction, tables.vector
TOLD = 6  # classifiers from either end
WORDS: Mapping[What, str] = {
    "by_hand": "promoted_by_hand",
    "held_by_hand": "held_by_hand",
    "rolled_back": "rolled_back_to",
}


class Version(NamedTuple):
    """A classifier without its weights."""

    n: int
    status: Status
    created_at: datetime
    manifest: Manifest
    said: dict[str, str]  # what owners did with it by hand: see WORDS


class Versions(NamedTuple):
    told: Sequence[Version]  # by number
    left_out: int  # between the first and the newest of them


def versions_since(connection: sa.Connection, bot: str, since: datetime) -> Versions:
    """The first and the newest classifiers made since."""
    made = sa.select(CLASSIFIER.c.n).where(CLASSIFIER.c.bot == bot, CLASSIFIER.c.created_at >= since)
    numbers = list(connection.scalars(made.order_by(CLASSIFIER.c.n)))
    told = numbers if len(numbers) <= 2 * TOLD else [*numbers[:TOLD], *numbers[-TOLD:]]
    return Versions(versions(connection, bot, told), len(numbers) - len(told))


def versions(connection: sa.Connection, bot: str, numbers: Sequence[int]) -> list[Version]:
    columns = (CLASSIFIER.c.n, CLASSIFIER.c.status, CLASSIFIER.c.created_at, CLASSIFIER.c.manifest)
    query = sa.select(*columns).where(CLASSIFIER.c.bot == bot, CLASSIFIER.c.n.in_(numbers)).order_by(CLASSIFIER.c.n)
    decided = words(connection, bot)
    return [
        Version(row.n, row.status, row.created_at, decode_manifest(row.manifest), _said(decided.get(row.n, ())))
        for row in connection.execute(query)
    ]


def _said(moments: Sequence[Moment]) -> dict[str, str]:
    """Who it was, and why.

    >>> from datetime import UTC
    >>> _said([Moment(at=datetime(2026, 3, 2, tzinfo=UTC), what="held_by_hand", who="Ona", reason="too slow")])
    {'held_by_hand': 'by Ona: too slow'}
    """
    found = defaultdict[str, list[str]](list)
    for one in moments:
        found[WORDS[one.what]].append(f"by {one.who}: {one.reason}" if one.reason else f"by {one.who}")
    return {name: "; ".join(said) for name, said in found.items()}


def left_out(found: Versions) -> str:
    return f"{found.left_out} classifiers between them are left out" if found.left_out else ""


class Decision(NamedTuple):
    """What a classifier makes of a vector; intent ids, None for out of scope."""

    intent_id: int | None
    best: int
    second: int | None
    p1: float
    p2: float
    out_of_scope: float
    uncertainty: float


def decisions(head: Head, x: Any) -> list[Decision]:
    """Of vectors (n, d); the uncertainty is the margin, where any intent is meant."""
    proba = probabilities(head, x)
    columns, best = best_two(proba)
    ids = np.where(columns >= 0, head.intent_ids[columns], NONE)
    outside = out_of_scope(head, x)
    doubt: Floats1d = in_scope(margin(proba), outside)
    arrays = (decide(head, x), ids, best, outside, doubt)
    rows = zip(*(array.tolist() for array in arrays), strict=True)
    return [
        Decision(None if decided == NONE else decided, first, second or None, p1, p2, is_out, uncertain)
        for decided, (first, second), (p1, p2), is_out, uncertain in rows
    ]


def vectors(connection: sa.Connection, turn_id: int) -> Mapping[str, bytes]:
    """The turn's, by encoder."""
    query = sa.select(VECTOR.c.encoder, VECTOR.c.data).where(VECTOR.c.turn_id == turn_id)
    return {row.encoder: row.data for row in connection.execute(query)}


def predictions(connection: sa.Connection, turn: sa.Row[Any], since: Versions, names: Names) -> Step:
    if turn.is_slot_fill:
        return Step(step="probabilities", missing="it fills a slot: such turns are never classified")
    known = vectors(connection, turn.id)
    stored = {row.n: row for row in _stored(connection, turn.id)}
    before = versions(connection, turn.bot, [n for n in stored if n not in {one.n for one in since.told}])
    events, unreadable = [], []
    for version in sorted([*before, *since.told]):
        if version.n in stored:
            events.append(_as_stored(stored[version.n], version, turn, names))
        elif version.manifest.encoder in known:
            events.append(_computed(connection, turn.bot, version, known[version.manifest.encoder], names))
        else:
            unreadable.append(version.n)
    return Step(step="probabilities", events=tuple(events), missing=_unknown(events, unreadable, known, since))


def _stored(connection: sa.Connection, turn_id: int) -> Sequence[sa.Row[Any]]:
    """Of the newest classifiers that decided it while they were in force."""
    query = sa.select(PREDICTION).where(PREDICTION.c.turn_id == turn_id)
    return connection.execute(query.order_by(PREDICTION.c.n.desc()).limit(2 * TOLD)).all()


def _unknown(events: Sequence[Event], unreadable: Sequence[int], known: Mapping[str, bytes], since: Versions) -> str:
    if not events and not unreadable:
        return "no classifier had decided it yet"
    why = "it has no vector" if not known else "its vector is another encoder's"
    told = f"not known of classifiers {', '.join(map(str, unreadable))}: {why}" if unreadable else ""
    return "; ".join(filter(None, (told, left_out(since))))


def _as_stored(row: sa.Row[Any], version: Version, turn: sa.Row[Any], names: Names) -> Event:
    """Not before the later of the two: when exactly is not kept."""
    seen = Decision(row.intent_id, row.best_id, row.second_id, row.p1, row.p2, row.out_of_scope, row.uncertainty)
    event = _told(seen, version, names, f"prediction of classifier {row.n}, as stored")
    numbers = event.numbers | measured(confidence=row.confidence)
    return Event(
        what=event.what, names=event.names, numbers=numbers, origin=event.origin, classifier=row.n,
        at=max(version.created_at, turn.received_at),
    )  # fmt: skip


def _computed(connection: sa.Connection, bot: str, version: Version, vector: bytes, names: Names) -> Event:
    try:
        head = store.load(connection, bot, version.n).head
    except ClassifierDamaged as error:
        return Event(what=error.detail, names=version.said, origin=f"classifier {version.n}", classifier=version.n)
    if not len(head.intent_ids):
        what = "it knows no intent"
        return Event(what=what, names=version.said, origin=f"classifier {version.n}", classifier=version.n)
    [seen] = decisions(head, unpack([vector]))
    return _told(seen, version, names, f"classifier {version.n}, computed now from the stored vector")


def _told(seen: Decision, version: Version, names: Names, origin: str) -> Event:
    intent = None if seen.intent_id is None else names.get(seen.intent_id)
    return Event(
        what=f"classifier {version.n}, {version.status}: {intent or 'out of scope'}",
        names=given(intent=intent, best=names.get(seen.best), second=names.get(seen.second)) | version.said,
        numbers={"p1": seen.p1, "p2": seen.p2, "out_of_scope": seen.out_of_scope, "uncertainty": seen.uncertainty},
        origin=origin,
        classifier=version.n,
    )
