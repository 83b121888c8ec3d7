"""Which classifiers learnt from a turn, and as what."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from service import tables
from service.intents.store import merges
from service.reviews.labels import TEST_USES
from service.reviews.listing import Names
from service.reviews.trace_learning import Version, Versions, left_out
from service.reviews.trace_steps import Event, Step, given

LABEL = tables.label


class Lesson(NamedTuple):
    """A label of a turn that may train."""

    id: int
    use: str
    answer: str
    intent_id: int | None
    weight: float
    decided_at: datetime | None  # of a flip: when its gate ended; before that it trains nothing


def lessons(connection: sa.Connection, bot: str, turn_id: int) -> list[Lesson]:
    """The turn's labels, oldest first; none where the turn tests. A flip's wait for the end of their gate."""
    card, gate = tables.card, tables.gate
    decided = (gate.c.bot == bot) & (gate.c.challenger == card.c.challenger) & (card.c.purpose == "flip")
    query = (
        sa.select(LABEL, gate.c.decided_at)
        .outerjoin(card, card.c.id == LABEL.c.card_id)
        .outerjoin(gate, decided)
        .where(LABEL.c.turn_id == turn_id)
        .order_by(LABEL.c.id)
    )
    rows = connection.execute(query).all()
    if _is_audited(connection, turn_id) or any(row.use in TEST_USES for row in rows):
        return []
    return [Lesson(row.id, row.use, row.answer, row.intent_id, row.weight, row.decided_at) for row in rows]


def _is_audited(connection: sa.Connection, turn_id: int) -> bool:
    mark = tables.mark
    query = sa.select(mark.c.id).where(mark.c.turn_id == turn_id, mark.c.kind == "audit")
    return connection.execute(query).first() is not None


def learnt(version: Version, known: Sequence[Lesson], into: Mapping[int, int]) -> Lesson | None:
    """The label that the classifier learnt the turn by: of what there was then the newest of each use, the last of
    these that names an intent it knows, or none. `into`: the intent that each one's labels count for."""
    last = version.manifest.last_label_id or 0
    there = [one for one in known if one.id <= last and _is_free(one, version)]
    newest = {one.use: one for one in there}.values()
    taught = set(version.manifest.intents.values())
    counts = [
        one
        for one in newest
        if one.answer == "none" or (one.answer == "intent" and taught & {one.intent_id, into.get(one.intent_id or 0)})
    ]
    return max(counts, default=None)


def _is_free(one: Lesson, version: Version) -> bool:
    return one.use != "flip" or (one.decided_at is not None and one.decided_at <= version.created_at)


def training(
    connection: sa.Connection, turn: sa.Row[Any], since: Versions, known: Sequence[Lesson], names: Names
) -> Step:
    into = merges(connection, turn.bot)
    pairs = [(version, learnt(version, known, into)) for version in since.told]
    events = tuple(_learnt(version, lesson, names) for version, lesson in pairs if lesson)
    if events:
        return Step(step="training", events=events, missing=left_out(since))
    why = ": it was drawn for the audit slice, which only tests" if _is_audited(connection, turn.id) else ""
    return Step(step="training", missing=f"no classifier was trained with it{why}")


def _learnt(version: Version, lesson: Lesson, names: Names) -> Event:
    answer = "none of these" if lesson.intent_id is None else names.get(lesson.intent_id, "")
    return Event(
        what=f"classifier {version.n}, {version.status}, learnt it as {answer}",
        at=version.created_at,
        names=given(intent=names.get(lesson.intent_id or 0), encoder=version.manifest.encoder) | version.said,
        numbers={"labels": version.manifest.labels, "weight": lesson.weight},
        origin=f"manifest of classifier {version.n}, label {lesson.id}",
        classifier=version.n,
    )
