"""Labels of imported examples and gold rows: origin `import`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, NamedTuple

import sqlalchemy as sa

from service import tables
from service.errors import IntentNotFound
from service.turns.schemas import Entity, Example


class ExampleLabel(NamedTuple):
    """What an example says of its turn. `spans` None: the file said nothing of entities."""

    use: Literal["train", "gold"]
    intent_id: int | None  # None: out of scope
    spans: tuple[tuple[int, int, str], ...] | None


def example_label(bot: str, example: Example, entities: tuple[Entity, ...], ids: Mapping[str, int]) -> ExampleLabel:
    """`entities` stand in the redacted text; `ids` is every name an intent ever had. IntentNotFound."""
    if example.intent and example.intent not in ids:
        raise IntentNotFound(bot, example.intent)
    spans = tuple((entity.start, entity.end, entity.type) for entity in entities)
    return ExampleLabel(
        example.use, ids[example.intent] if example.intent else None, spans if example.entities else None
    )


def insert_example_labels(
    connection: sa.Connection, bot: str, labels: Mapping[int, ExampleLabel], now: datetime
) -> None:
    """By turn id. Only for turns that are new in this transaction: the table is append-only."""
    rows = [
        {
            "bot": bot,
            "turn_id": turn_id,
            "use": label.use,
            "answer": "none" if label.intent_id is None else "intent",
            "intent_id": label.intent_id,
            "spans": label.spans,
            "origin": "import",
            "at": now,
        }
        for turn_id, label in labels.items()
    ]
    if rows:
        connection.execute(sa.insert(tables.label), rows)
