"""Dialogflow CX: intents and entity types as an agent's JSON package has them, a zip of folders.

The fields are published at https://docs.cloud.google.com/dialogflow/cx/docs/reference/rest/v3/
projects.locations.agents.intents and, beside it, agents.entityTypes; the package's paths,
`intents/<name>/trainingPhrases/<language>.json`, are those that tools in public repositories read exported agents from.
Not verified: the limits on names (64 is written), `@type` as the name of an entity type, and nothing was restored
into an agent. No limit on a phrase's length was found: texts are written whole.

Restoring a package replaces the agent. So there is no `agent.json` and no flow here: copy the folders `intents` and
`entityTypes` into the package exported from your agent, and restore that. Out of scope becomes phrases of the
`Default Negative Intent`, which keep requests from matching. Of overlapping spans the longest is annotated. A package
has no place for where phrases come from: that is in the folder `provenance`.
"""

import re
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

import msgspec

from integrations.formats import provenance, rows, zipped
from integrations.formats.names import Names
from integrations.formats.provenance import Kept
from integrations.formats.spans import disjoint, pieces
from integrations.formats.zipped import Entry, Files
from service.errors import BadInput
from service.exports.schemas import Export, ExportIntent, ExportRow
from service.intents.schemas import NONE, ParsedExample, ParsedIntent
from service.turns.schemas import Entity

NAME_LIMIT = 64
DESCRIPTION_LIMIT = 140
NAME = re.compile(r"\w([\w .-]*\w)?")
TYPE = re.compile(r"[A-Za-z0-9_-]+")
NEGATIVE = "Default Negative Intent"
LANGUAGE = "en"  # of rows that name none
PRIORITY = 500_000  # normal
INTENT = re.compile(r"(?P<root>(?:.*/)?intents/(?P<folder>[^/]+))/(?P=folder)\.json")

Parts = tuple[tuple[str, str], ...]  # a text in pieces, each with its entity type or ""
Words = dict[tuple[str, str], dict[str, None]]  # what was said of each entity type in each language


class _Part(msgspec.Struct, frozen=True, omit_defaults=True):
    text: str
    parameterId: str = ""


class _Phrase(msgspec.Struct, frozen=True):
    parts: tuple[_Part, ...]


class _Phrases(msgspec.Struct, frozen=True):
    trainingPhrases: tuple[_Phrase, ...] = ()


class _Settings(msgspec.Struct, frozen=True):
    displayName: str
    description: str = ""
    isFallback: bool = False


def write(export: Export) -> Iterator[bytes]:
    """An intent's rows are held while they are written."""
    return zipped.write(_entries(export), export.at)


def _entries(export: Export) -> Iterator[Entry]:
    intents, types = Names(NAME, NAME_LIMIT, {NONE: NEGATIVE}), Names(TYPE, NAME_LIMIT)
    words: Words = defaultdict(dict)
    for intent, found in rows.by_intent(export):
        held, name = list(found), intents[intent.name]
        yield from _phrases(name, held, types)
        yield f"intents/{name}/{name}.json", [rows.encode(_settings(export.bot, name, intent, held, types))]
        yield provenance.of_intent(name, held)
        _collect(words, held, types)
    yield from _types(export.bot, words)
    yield from provenance.of_all(export, intents, types, ())


def _phrases(name: str, held: Sequence[ExportRow], types: Names) -> Iterator[Entry]:
    by_language: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in held:
        language = rows.language(row.lang, LANGUAGE).lower()
        parts = [_Part(text, types[kind] if kind else "") for text, kind in _parts(row.text, row.entities or ())]
        by_language[language].append({"parts": parts, "repeatCount": 1, "languageCode": language})
    for language, phrases in by_language.items():
        yield f"intents/{name}/trainingPhrases/{language}.json", [rows.encode({"trainingPhrases": phrases})]


def _parts(text: str, entities: Sequence[Entity]) -> Parts:
    return tuple((words, span.type if span else "") for words, span in pieces(text, disjoint(entities)))


def _settings(bot: str, name: str, intent: ExportIntent, held: Sequence[ExportRow], types: Names) -> dict[str, object]:
    kinds = dict.fromkeys(types[span.type] for row in held for span in disjoint(row.entities or ()))
    return {
        "name": _id(bot, "intent", name),
        "displayName": name,
        "description": intent.description[:DESCRIPTION_LIMIT],
        "priority": PRIORITY,
        "isFallback": intent is rows.OUT_OF_SCOPE,
        "parameters": [{"id": kind, "entityType": f"@{kind}"} for kind in kinds],
        "numTrainingPhrases": len(held),
    }


def _id(*parts: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(parts)))


def _collect(words: Words, held: Iterable[ExportRow], types: Names) -> None:
    for row in held:
        for text, kind in _parts(row.text, row.entities or ()):
            if kind:
                words[types[kind], rows.language(row.lang, LANGUAGE).lower()][text] = None


def _types(bot: str, words: Words) -> Iterator[Entry]:
    """Each entity type as a list of what was said of it, which Dialogflow may add to."""
    for kind in dict.fromkeys(kind for kind, _ in words):
        settings = {"name": _id(bot, "type", kind), "displayName": kind, "kind": "KIND_LIST"}
        settings["autoExpansionMode"] = "AUTO_EXPANSION_MODE_DEFAULT"
        yield f"entityTypes/{kind}/{kind}.json", [rows.encode(settings)]
    for (kind, language), values in words.items():
        entities = [{"value": value, "synonyms": [value]} for value in values]
        yield f"entityTypes/{kind}/entities/{language}.json", [rows.encode({"entities": entities})]


def parse_dialogflow_cx(data: bytes) -> list[ParsedIntent]:
    """The intents of a package; their phrases' parameters become entities. Pure; BadInput with the file as path."""
    files = zipped.read(data)
    kept = provenance.read(files)
    found = [match for path in files if (match := INTENT.fullmatch(path))]
    if not found:
        raise BadInput("no intent is in the zip", path="intents/", hint="export the agent as a JSON package")
    return [_intent(match, files, kept) for match in found] + [*kept.left_out]


def _intent(match: re.Match[str], files: Files, kept: Kept) -> ParsedIntent:
    settings = zipped.decoded(files, match[0], _Settings)
    own = kept.intent(match["folder"], settings.displayName, settings.description)
    if settings.isFallback or settings.displayName == NEGATIVE:
        own = rows.OUT_OF_SCOPE
    examples = tuple(_examples(f"{match['root']}/trainingPhrases/", kept.rows.get(match["folder"], ()), files, kept))
    return ParsedIntent(own.name, match[0], own.description, examples)


def _examples(folder: str, wrote: Iterable[ParsedExample], files: Files, kept: Kept) -> Iterator[ParsedExample]:
    exact: dict[Parts, list[ParsedExample]] = defaultdict(list)
    names = kept.theirs()
    for example in wrote:
        parts = _parts(example.text, example.entities)
        exact[tuple((text, names.get(kind, kind)) for text, kind in parts)].append(example)
    found = [(path, phrase) for path in files if path.startswith(folder) for phrase in _phrases_in(files, path)]
    for parts, path in {phrase: path for path, phrase in found}.items():
        yield from exact.get(parts) or [_example(parts, path, kept)]


def _phrases_in(files: Files, path: str) -> Iterator[Parts]:
    for phrase in zipped.decoded(files, path, _Phrases).trainingPhrases:
        yield tuple((part.text, part.parameterId) for part in phrase.parts)


def _example(parts: Parts, path: str, kept: Kept) -> ParsedExample:
    text, entities = "", []
    for words, kind in parts:
        if kind and words:
            end = len(text) + len(words)
            entities.append(Entity(kept.ours.entities.get(kind, kind), words, len(text), end))
        text += words
    return ParsedExample(text, path, tuple(entities), PurePosixPath(path).stem)
