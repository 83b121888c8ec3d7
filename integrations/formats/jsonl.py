"""The project's own JSON Lines, out: the intents with their descriptions, then a row a line with where it comes from.

What reads them is `service/intents/parsing.py`, the command `fencepost intents import`.
"""

from collections.abc import Iterator

from integrations.formats import rows
from service.exports.schemas import Export


def write(export: Export) -> Iterator[bytes]:
    for intent in export.intents:
        yield rows.encode({"name": intent.name, "description": intent.description}) + b"\n"
    yield from map(rows.line, export.rows)
