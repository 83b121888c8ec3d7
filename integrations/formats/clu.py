"""Microsoft's conversational language understanding: the JSON of a project, to import and as exported.

Published at https://learn.microsoft.com/azure/ai-services/language-service/conversational-language-understanding/
concepts/data-formats, with limits on names and texts in service-limits and the languages in language-support. Offsets
count UTF-16 units. Not verified: that a space in a name is refused (none is written), that the length of a text is
counted in UTF-16 units (it is here), that overlapping labels are taken (they are written), and nothing was imported
into Azure.

Out of scope is the intent `None`, which every project has. Rows have no place for where they come from. The project's
description ends in a line of JSON: the names that are other than ours, and the turns whose text is longer than a
project takes, which are left out. Quotas on numbers, 50,000 utterances and 500 intents, are not kept.
"""

import re
from collections.abc import Iterator, Mapping

import msgspec

from integrations.formats import rows
from integrations.formats.names import Names
from integrations.webhooks.collecting import characters, utf16_length
from service.errors import BadInput
from service.exports.schemas import Export, ExportRow
from service.intents.parsing import refuse
from service.intents.schemas import NONE, ParsedExample, ParsedIntent
from service.turns.schemas import Entity

TEXT_UNITS = 500
NAME_LIMIT = 50
NAME = re.compile(r"[!\"',\-.0-9;<=>@A-Z\[\\\]^_`a-z{|}]+")
PROJECT_NAME = re.compile(r"[0-9A-Za-z_.-]+")
LANGUAGE = "en-us"  # of rows that name none
REGIONAL = {"en": ("en-us", "en-gb"), "pt": ("pt-br", "pt-pt"), "zh": ("zh-hans", "zh-hant")}  # others go without
HEAD = {"projectFileVersion": "2022-10-01-preview", "stringIndexType": "Utf16CodeUnit"}


class _Label(msgspec.Struct, frozen=True):
    category: str
    offset: int
    length: int


class _Utterance(msgspec.Struct, frozen=True):
    text: str
    intent: str
    language: str = ""
    dataset: str = "Train"
    entities: tuple[_Label, ...] = ()


class _Intent(msgspec.Struct, frozen=True):
    category: str


class _Assets(msgspec.Struct, frozen=True):
    intents: tuple[_Intent, ...] = ()
    utterances: tuple[_Utterance, ...] = ()


class _Metadata(msgspec.Struct, frozen=True):
    description: str = ""


class _Project(msgspec.Struct, frozen=True):
    assets: _Assets
    metadata: _Metadata = _Metadata()
    stringIndexType: str = HEAD["stringIndexType"]


class _Notes(msgspec.Struct, frozen=True):
    """What the description says in JSON: our names by theirs, and the turns that were left out."""

    intents: dict[str, str] = {}
    entities: dict[str, str] = {}
    left_out: list[int] = []


def write(export: Export) -> Iterator[bytes]:
    intents, entities = Names(NAME, NAME_LIMIT, {NONE: "None"}), Names(NAME, NAME_LIMIT)
    languages: dict[str, None] = {}
    left_out: list[int] = []
    categories = [{"category": intents[name]} for name in (*(intent.name for intent in export.intents), NONE)]
    yield _open(HEAD) + b',"assets":' + _open({"projectKind": "Conversation", "intents": categories})
    yield b',"utterances":['
    separator = b""
    for row in export.rows:
        if not 0 < utf16_length(row.text) <= TEXT_UNITS:
            left_out.append(row.provenance.turn_id)
            continue
        languages[_language(row.lang)] = None
        yield separator + rows.encode(_utterance(row, intents, entities))
        separator = b",\n"
    yield b'],"entities":' + rows.encode([{"category": name} for name in entities.values()])
    notes = _Notes(intents.changed(), entities.changed(), left_out)
    yield b'},"metadata":' + rows.encode(_metadata(export, tuple(languages), notes)) + b"}\n"


def _open(fields: Mapping[str, object]) -> bytes:
    """An object that more fields follow in."""
    return rows.encode(fields)[:-1]


def _utterance(row: ExportRow, intents: Names, entities: Names) -> _Utterance:
    text = row.text
    labels = (
        _Label(entities[span.type], utf16_length(text[: span.start]), utf16_length(text[span.start : span.end]))
        for span in row.entities or ()
    )
    return _Utterance(text, intents[row.intent or NONE], _language(row.lang), row.split.capitalize(), tuple(labels))


def _language(said: str) -> str:
    """The project's code for a language.

    >>> [_language(said) for said in ("en", "en_GB", "de-AT", "")]
    ['en-us', 'en-gb', 'de', 'en-us']
    """
    code = rows.language(said, LANGUAGE).lower().replace("_", "-")
    base = code.partition("-")[0]
    known = REGIONAL.get(base, (base,))
    return code if code in known else known[0]


def _metadata(export: Export, languages: tuple[str, ...], notes: _Notes) -> dict[str, object]:
    return {
        "projectKind": "Conversation",
        "projectName": Names(PROJECT_NAME, NAME_LIMIT)[export.bot],
        "multilingual": len(languages) > 1,
        "language": next(iter(languages), LANGUAGE),
        "description": f"{rows.about(export)}. Our names, and turns left out:\n{rows.encode(notes).decode()}",
        "settings": {"confidenceThreshold": 0},
    }


def parse_clu(data: bytes) -> list[ParsedIntent]:
    """Pure; BadInput with the place as path."""
    project = _decoded(data)
    if project.stringIndexType != HEAD["stringIndexType"]:
        refuse("offsets count something else", "stringIndexType", f"export with {HEAD['stringIndexType']}")
    notes = _notes(project.metadata.description)
    named = [ParsedIntent(_ours(item.category, notes.intents), "assets.intents") for item in project.assets.intents]
    said = [_said(item, f"utterances[{n}]", notes) for n, item in enumerate(project.assets.utterances)]
    return [mention for mention in named if mention.name != NONE] + said


def _decoded(data: bytes) -> _Project:
    try:
        return msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=_Project)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$.")
        raise BadInput(message, path=path.rstrip("`"), hint="is this a project exported from CLU?") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput("the file is not JSON in UTF-8", path="line 1") from error


def _notes(description: str) -> _Notes:
    """Empty where somebody else wrote the description."""
    try:
        return msgspec.json.decode(description.rpartition("\n")[2], type=_Notes)
    except (msgspec.DecodeError, RecursionError):
        return _Notes()


def _ours(category: str, names: Mapping[str, str]) -> str:
    return NONE if category == "None" else names.get(category, category)


def _said(item: _Utterance, where: str, notes: _Notes) -> ParsedIntent:
    entities = tuple(
        _entity(item.text, label, f"{where}.entities[{n}]", notes) for n, label in enumerate(item.entities)
    )
    example = ParsedExample(item.text, where, entities, item.language, item.dataset == "Test")
    return ParsedIntent(_ours(item.intent, notes.intents), where, examples=(example,))


def _entity(text: str, label: _Label, where: str, notes: _Notes) -> Entity:
    start, end = characters(text, label.offset), characters(text, label.offset + label.length)
    if not 0 <= start < end:
        refuse("the label is not in the text", where, "offset and length count UTF-16 units")
    kind = notes.entities.get(label.category, label.category)
    return Entity(type=kind, value=text[start:end], start=start, end=end)
