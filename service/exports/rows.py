"""An export's rows, read from SQL while they are written, a chunk at a time."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from service import tables
from service.exports.held import CHUNK, Held, Labelled
from service.exports.schemas import ExportRow, Provenance
from service.learning.head import NONE
from service.reviews.policies import active
from service.reviews.schemas import Spans, StoredVote
from service.reviews.store import votes_of_cards
from service.turns.schemas import Entity

LABEL, TURN, CONTENT = tables.label, tables.turn, tables.turn_content


def read_rows(connection: sa.Connection, held: Held, until: datetime | None = None) -> Iterator[ExportRow]:
    """In the order they are held. Every turn has a text: `with_text` saw to it in the same snapshot. Votes count that
    were given until then."""
    names = {NONE: None} | {intent.id: intent.name for intent in held.intents}
    for start in range(0, held.labelled.size, CHUNK):
        part = held.labelled.take(slice(start, start + CHUNK))
        stored = _stored(connection, part)
        votes = votes_of_cards(connection, list({row.card_id for row in stored.values()} - {""}), until=until)
        for label_id, _, intent_id, is_test in zip(*(column.tolist() for column in part), strict=True):
            row = stored[label_id]
            yield ExportRow(
                text=row.text,
                intent=names[intent_id],
                entities=_entities(row.text, row.spans),
                lang=row.lang,
                split="test" if is_test else "train",
                provenance=_provenance(row, votes.get(row.card_id, [])),
            )


def _stored(connection: sa.Connection, part: Labelled) -> dict[int, sa.Row[Any]]:
    names = ("id", "turn_id", "spans", "origin", "weight", "card_id", "vote_id", "at")
    columns = [*(LABEL.c[name] for name in names), TURN.c.lang, CONTENT.c.text]
    query = (
        sa.select(*columns)
        .join(TURN, TURN.c.id == LABEL.c.turn_id)
        .join(CONTENT, CONTENT.c.turn_id == LABEL.c.turn_id)
        .where(LABEL.c.id.in_(part.label_ids.tolist()))
    )
    return {row.id: row for row in connection.execute(query)}


def _entities(text: str, raw: Any) -> tuple[Entity, ...] | None:
    spans = msgspec.convert(raw, Spans)
    return None if spans is None else tuple(Entity(type, text[start:end], start, end) for start, end, type in spans)


def _provenance(row: sa.Row[Any], votes: list[StoredVote]) -> Provenance:
    decided = next((vote for vote in votes if vote.id == row.vote_id), None)
    answers = active(votes) if decided is not None else []
    return Provenance(
        turn_id=row.turn_id,
        label_id=row.id,
        origin=row.origin,
        weight=row.weight,
        votes=len(answers),
        agreed=sum(_said(vote) == _said(decided) for vote in answers),
        labelled_at=row.at,
    )


def _said(vote: StoredVote | None) -> tuple[object, ...]:
    return () if vote is None else (vote.answer, vote.intent_id, vote.second_id, vote.proposed)
