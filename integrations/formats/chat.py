"""Chat fine-tuning data: a conversation a line, of a system, a user and an assistant message; the assistant says the
intent and the entities as JSON.

Published at https://docs.together.ai/docs/fine-tuning/data-preparation, and read by other trainers too. Some of them
refuse further fields, so there is no place for where a row comes from. A row whose entities nobody labelled asks for
the intent alone: to answer that it has none would teach a guess.
"""

from collections.abc import Iterator
from typing import Any

from integrations.formats import rows
from service.exports.schemas import Export, ExportRow

INTENT = (
    'Say as JSON what the user wants of the bot {bot}: {{"intent": its name, or null where it is none of the bot\'s'
)
ENTITIES = '{intent}, "entities": [{{"type": …, "value": words of the user}}, …]}}'


def write(export: Export) -> Iterator[bytes]:
    intent = INTENT.format(bot=rows.encode(export.bot).decode())
    alone, both = intent + "}", ENTITIES.format(intent=intent)
    for row in rows.training(export.rows):
        yield _line(both if row.entities is not None else alone, row)


def _line(asked: str, row: ExportRow) -> bytes:
    said = (("system", asked), ("user", row.text), ("assistant", rows.encode(_answer(row)).decode()))
    return rows.encode({"messages": [{"role": role, "content": content} for role, content in said]}) + b"\n"


def _answer(row: ExportRow) -> dict[str, Any]:
    if row.entities is None:
        return {"intent": row.intent}
    spans = ((entity.type, row.text[entity.start : entity.end]) for entity in row.entities)
    return {"intent": row.intent, "entities": [{"type": kind, "value": value} for kind, value in spans]}
