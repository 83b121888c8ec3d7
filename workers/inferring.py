"""Reports that conversations give away (service/reports/inferred.py), stored beside those that people filed.

A report's id is made of its kind and its turn, so finding it again adds nothing. Where the same person also reported
the same turn, the stronger of the two counts, as always (service/learning/reports.py).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import sqlalchemy as sa

from service import clock, database
from service.context import Context
from service.encoding import Encoder
from service.learning.types import Floats1d
from service.reports import store
from service.reports.inferred import Cosine, Inferred, inferred
from service.reports.store import Conversation, NewReport
from service.reviews import candidates
from service.turns.schemas import Report
from service.turns.store import Arrival
from workers import scoring

LOOK_BACK = timedelta(days=1)  # since a conversation's turn came in; long enough for it to have fallen quiet
CHUNK = 200  # reports in one write transaction
DELIVERY = "inferred"


def refresh(context: Context, encoder: Encoder, bot: str) -> None:
    """Find the reports that nobody filed, then weigh all of them."""
    infer(context, encoder, bot)
    scoring.refresh_reports(context, encoder, bot)


def infer(context: Context, encoder: Encoder, bot: str) -> int:
    """Store what recent conversations give away; how many reports were new."""
    now = clock.now()
    with database.reading(context.engine) as connection:
        newest = candidates.newest_at(connection, bot)
        if newest is None:
            return 0
        parts = store.conversations_since(connection, bot, now - LOOK_BACK)
        identity = encoder.identity(bot)
        found = [new for part in parts for new in _found(connection, part, identity, newest, now)]
    return _store(context, bot, found)


def _found(
    connection: sa.Connection, conversations: Sequence[Conversation], encoder: str, newest: datetime, now: datetime
) -> list[NewReport]:
    turn_ids = [line.turn_id for one in conversations if len(one.lines) > 1 for line in one.lines]
    ids, x = candidates.vectors_of(connection, turn_ids, encoder)
    cosine = _cosine(dict(zip(ids.tolist(), x, strict=True)))
    return [_report(one, found, now) for one in conversations for found in inferred(one.lines, cosine, now=newest)]


def _cosine(vectors: dict[int, Floats1d]) -> Cosine:
    def cosine(one: int, other: int) -> float:
        return float(np.dot(vectors[one], vectors[other])) if one in vectors and other in vectors else -1.0

    return cosine


def _report(conversation: Conversation, found: Inferred, now: datetime) -> NewReport:
    source, turn_external_id = conversation.keys[found.turn_id]
    report = Report(
        external_id=f"{DELIVERY}-{found.kind}-{found.turn_id}",
        kind=found.kind,
        at=found.at,
        conversation_id=conversation.id,
        turn_external_id=turn_external_id,
        is_explicit=False,
    )
    return NewReport(Arrival(source, DELIVERY, now), report, conversation.persons[found.turn_id])


def _store(context: Context, bot: str, found: Sequence[NewReport]) -> int:
    added = 0
    for start in range(0, len(found), CHUNK):
        with database.writing(context.engine) as connection:
            added += store.insert_reports(connection, bot, found[start : start + CHUNK])
    return added
