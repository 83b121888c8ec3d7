"""What goes beside a platform's own files in a zip, in the folder `provenance`, and comes back from it.

`intents/<name>.jsonl`: the rows of each of the platform's intents, as our own JSON Lines have them. `left_out.jsonl`:
the rows that the platform has no room for. `names.json`: which of its names stand for which of ours. With them a file
comes back as it was where the platform's own files say less: shortened names, overlapping spans, slots for values.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

import msgspec

from integrations.formats import rows, zipped
from integrations.formats.names import Names
from integrations.formats.zipped import Entry, Files
from service.errors import BadInput
from service.exports.schemas import Export, ExportIntent, ExportRow
from service.intents.parsing import parse_jsonl
from service.intents.schemas import ParsedExample, ParsedIntent

FILE = re.compile(r"(?:.*/)?provenance/(?P<name>intents/[^/]+\.jsonl|left_out\.jsonl|names\.json)")


class Ours(msgspec.Struct, frozen=True):
    """Our names by the platform's; an intent's with its whole description."""

    intents: dict[str, ExportIntent] = {}
    entities: dict[str, str] = {}


class Kept(NamedTuple):
    """What a zip's provenance says; empty where it has none."""

    ours: Ours
    rows: Mapping[str, Sequence[ParsedExample]]  # by the platform's name of their intent
    left_out: Sequence[ParsedIntent]

    def intent(self, folder: str, name: str, description: str) -> ExportIntent:
        """The intent of a folder as we had it; a name or a description that was edited since counts."""
        own = self.ours.intents.get(folder)
        if own is None or name != folder:
            return ExportIntent(name=name, description=description)
        is_ours = bool(description) == bool(own.description) and own.description.startswith(description)
        return own if is_ours else ExportIntent(name=own.name, description=description)

    def theirs(self) -> dict[str, str]:
        """The platform's entity types by ours, where they differ."""
        return {ours: theirs for theirs, ours in self.ours.entities.items()}


def of_intent(name: str, found: Iterable[ExportRow]) -> Entry:
    return f"provenance/intents/{name}.jsonl", map(rows.line, found)


def of_all(export: Export, intents: Names, entities: Names, left_out: Iterable[ExportRow]) -> Iterator[Entry]:
    ours = Ours({intents[intent.name]: intent for intent in export.intents}, entities.changed())
    yield "provenance/names.json", [rows.encode(ours)]
    yield "provenance/left_out.jsonl", map(rows.line, left_out)


def read(files: Files) -> Kept:
    """BadInput where somebody broke it."""
    found = {match["name"]: path for path in files if (match := FILE.fullmatch(path))}
    ours = zipped.decoded(files, found.pop("names.json"), Ours) if "names.json" in found else Ours()
    lines = {PurePosixPath(name).stem: _lines(path, files[path]) for name, path in found.items() if "/" in name}
    by_name = {name: [example for mention in said for example in mention.examples] for name, said in lines.items()}
    left_out = _lines(found["left_out.jsonl"], files[found["left_out.jsonl"]]) if "left_out.jsonl" in found else []
    return Kept(ours, by_name, left_out)


def _lines(path: str, data: bytes) -> list[ParsedIntent]:
    try:
        return parse_jsonl(data)
    except BadInput as error:
        raise BadInput(error.detail, path=f"{path}, {error.path}", hint="remove this line") from error
