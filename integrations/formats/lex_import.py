"""Bots exported from Amazon Lex V2, the zips that `lex` writes too: intents from their sample utterances.

An utterance has a slot where a user says a value. It becomes the first value of its type, as an entity; where the type
has none, being built into Lex, the words of the slot's name, as text.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from integrations.formats import provenance, rows, zipped
from integrations.formats.lex import ROUND
from integrations.formats.lex_locales import locale
from integrations.formats.provenance import Kept
from integrations.formats.spans import disjoint, pieces
from integrations.formats.zipped import Files
from service.errors import BadInput
from service.intents.schemas import ParsedExample, ParsedIntent
from service.turns.schemas import Entity

INTENT = re.compile(r"(?P<root>(?:.*/)?BotLocales/(?P<locale>[^/]+)/)Intents/(?P<folder>[^/]+)/Intent\.json")
SLOT = re.compile(r"\{([^{}]*)\}")
WORD_ENDS = re.compile(r"(?<=[a-z])(?=[A-Z])|[_-]+")


class _Utterance(msgspec.Struct, frozen=True):
    utterance: str


class _IntentFile(msgspec.Struct, frozen=True):
    name: str
    description: str | None = None
    parentIntentSignature: str | None = None
    sampleUtterances: tuple[_Utterance, ...] | None = None


class _SlotFile(msgspec.Struct, frozen=True):
    name: str
    slotTypeName: str | None = None


class _Value(msgspec.Struct, frozen=True):
    value: str


class _SampleValue(msgspec.Struct, frozen=True):
    sampleValue: _Value


class _SlotTypeFile(msgspec.Struct, frozen=True):
    slotTypeValues: tuple[_SampleValue, ...] | None = None


def parse_lex(data: bytes) -> list[ParsedIntent]:
    """Intents built into Lex are passed over. Pure; BadInput with the file as path."""
    files = zipped.read(data)
    kept = provenance.read(files)
    found = [match for path in files if (match := INTENT.fullmatch(path))]
    if not found:
        raise BadInput("no intent is in the zip", path="BotLocales/", hint="export the bot or a locale from Lex V2")
    intents = (_intent(match, files, kept) for match in found)
    return [intent for intent in intents if intent is not None] + [*kept.left_out]


def _intent(match: re.Match[str], files: Files, kept: Kept) -> ParsedIntent | None:
    intent = zipped.decoded(files, match[0], _IntentFile)
    if intent.parentIntentSignature:
        return None
    own = kept.intent(match["folder"], intent.name, intent.description or "")
    utterances = [item.utterance for item in intent.sampleUtterances or ()]
    examples = tuple(_examples(match, utterances, files, kept))
    return ParsedIntent(own.name, match[0], own.description, examples)


def _examples(match: re.Match[str], utterances: Iterable[str], files: Files, kept: Kept) -> Iterator[ParsedExample]:
    exact: dict[str, list[ParsedExample]] = defaultdict(list)
    types = kept.theirs()
    for example in kept.rows.get(match["folder"], ()):
        if locale(rows.language(example.lang, "")) == match["locale"]:
            exact[_outline(example, types)].append(example)
    for utterance in dict.fromkeys(utterances):
        outline = SLOT.sub(lambda slot: f"{{{_type(slot[1], match, files)}}}", utterance)
        if outline not in exact:
            yield _filled(utterance, match, files, kept)
        yield from exact.get(outline, ())
        exact[outline] = []


def _outline(example: ParsedExample, types: Mapping[str, str]) -> str:
    """The utterance that was written, with its slots' types in place of their names."""
    cut = pieces(example.text, disjoint(example.entities))
    return "".join(f"{{{types.get(span.type, span.type)}}}" if span else words.translate(ROUND) for words, span in cut)


def _filled(utterance: str, match: re.Match[str], files: Files, kept: Kept) -> ParsedExample:
    text, entities = "", []
    for number, piece in enumerate(SLOT.split(utterance)):
        words, kind = _value(piece, match, files) if number % 2 else (piece, "")
        if kind:
            entities.append(Entity(kept.ours.entities.get(kind, kind), words, len(text), len(text) + len(words)))
        text += words
    return ParsedExample(text, match[0], tuple(entities), match["locale"].replace("_", "-"))


def _value(slot: str, match: re.Match[str], files: Files) -> tuple[str, str]:
    """Words for a slot and its type; type "" where they are but its name's."""
    kind = _type(slot, match, files)
    path = f"{match['root']}SlotTypes/{kind}/SlotType.json"
    values = zipped.decoded(files, path, _SlotTypeFile).slotTypeValues if path in files else None
    named = WORD_ENDS.sub(" ", slot).strip().lower()
    return (values[0].sampleValue.value, kind) if values and values[0].sampleValue.value else (named, "")


def _type(slot: str, match: re.Match[str], files: Files) -> str:
    """A slot's; "" where the zip does not say it."""
    path = f"{match['root']}Intents/{match['folder']}/Slots/{slot}/Slot.json"
    return (zipped.decoded(files, path, _SlotFile).slotTypeName if path in files else None) or ""
