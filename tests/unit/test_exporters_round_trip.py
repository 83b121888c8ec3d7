"""What is exported is imported again, whatever users said, and however intents and entities are called."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import example, given, settings

from integrations.formats.exporters import EXPORTERS
from integrations.formats.importers import IMPORTERS
from service.exports.schemas import ExportIntent, ExportRow
from service.intents.schemas import NONE, ParsedIntent
from service.turns.schemas import Entity
from tests.support.exports import INTENTS, export, exports, trapped

Mark = tuple[str, int, int]
Known = dict[str, tuple[str, list[tuple[str, list[Mark]]]]]  # an intent's description, texts and spans
DESCRIBES_NOT = {"clu"}
ONCE = {"dialogflow_cx", "lex"}  # a text is there once, however often it was said
LIMITED = {"clu"}  # what it has no room for is not in the file


def marks(entities: Iterable[Entity]) -> list[Mark]:
    return sorted((entity.type, entity.start, entity.end) for entity in entities)


def exported(intents: Sequence[ExportIntent], rows: Sequence[ExportRow], format_name: str) -> Known:
    known: Known = {intent.name: (intent.description, []) for intent in intents}
    for item in rows:
        is_written = item.split == "train" or EXPORTERS[format_name].has_test
        if is_written and (format_name not in LIMITED or len(item.text) <= 500):
            known.setdefault(item.intent or NONE, ("", []))[1].append((item.text, marks(item.entities or ())))
    return comparable(known, format_name)


def imported(parsed: Iterable[ParsedIntent], format_name: str) -> Known:
    known: Known = defaultdict(lambda: ("", []))
    for mention in parsed:
        description, texts = known[mention.name]
        texts += [(item.text, marks(item.entities)) for item in mention.examples]
        known[mention.name] = (description or mention.description, texts)
    return comparable(known, format_name)


def comparable(known: Known, format_name: str) -> Known:
    def texts(found: list[tuple[str, list[Mark]]]) -> list[tuple[str, list[Mark]]]:
        return sorted(item for n, item in enumerate(found) if format_name not in ONCE or item not in found[:n])

    described = format_name not in DESCRIBES_NOT
    return {name: (description if described else "", texts(found)) for name, (description, found) in known.items()}


@pytest.mark.parametrize("format_name", sorted(IMPORTERS))
@settings(max_examples=40, deadline=None)
@given(made=exports())
@example(made=(INTENTS, list(trapped().rows)))
def test_what_is_exported_is_imported_again(
    format_name: str, made: tuple[Sequence[ExportIntent], Sequence[ExportRow]]
) -> None:
    intents, rows = made
    data = b"".join(EXPORTERS[format_name].write(export(intents, rows)))
    assert imported(IMPORTERS[format_name](data), format_name) == exported(intents, rows, format_name)
