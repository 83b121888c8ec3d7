"""Amazon Lex V2: a bot as it is imported and exported, a zip of folders.

Published at https://docs.aws.amazon.com/lexv2/latest/dg/import-export-format.html, the limits in quotas.html beside it
and in the API reference of CreateIntent, CreateSlot and CreateSlotType. Lengths count UTF-16 units. Not verified: that
Lex takes a zip with the further folder `provenance` (without it nothing is lost to Lex: `zip -d bot.zip
'provenance/*'`), a slot that is filled but never asked for, line breaks in an utterance; nothing was imported into Lex.

Spans become slots, `fly to {city}`, with what was said as the slot type's values; a type's second span in a text fills
a slot of its own, of overlapping spans the longest counts, and text has round brackets for its curly ones. Utterances
that come out the same are written once. Lex has no utterances for out of scope: those rows are left out, as are those
that are empty or too long, and those in a language that Lex has no locale for: `provenance/left_out.jsonl`. Quotas on
numbers, 1,500 utterances of an intent unless AWS raises it, are not kept: the minimal set is for them.
"""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from integrations.formats import provenance, rows, zipped
from integrations.formats.lex_locales import DEFAULT, locale
from integrations.formats.names import Names
from integrations.formats.spans import disjoint, pieces
from integrations.formats.zipped import Entry
from integrations.webhooks.collecting import utf16_length
from service.exports.schemas import Export, ExportIntent, ExportRow
from service.intents.schemas import NONE

NAME = re.compile(r"([0-9a-zA-Z][_-]?)+")
NAME_LIMIT = 100
DESCRIPTION_LIMIT = 200
TEXT_UNITS = 500
ROUND = str.maketrans("{}", "()")
FALLBACK = "FallbackIntent"
SESSION_S = 300
THRESHOLD = 0.4  # below it Lex falls back; its console's own
MANIFEST = {"metadata": {"schemaVersion": "1.0", "fileFormat": "LexJson", "resourceType": "Bot"}}


class _Slot(NamedTuple):
    """A slot of an utterance, its type, and the words it stands for."""

    name: str
    type: str
    words: str


class _Text(NamedTuple):
    utterance: str
    slots: tuple[_Slot, ...]


class _Written(NamedTuple):
    """What one intent after the other leaves for the files that come last."""

    bot: str
    intents: Names
    types: Names
    slots: Names
    values: defaultdict[str, dict[str, dict[str, None]]]  # by locale and slot type
    left_out: list[ExportRow]


def write(export: Export) -> Iterator[bytes]:
    """An intent's rows are held while they are written, and what is left out until the end."""
    return zipped.write(_entries(export), export.at)


def _entries(export: Export) -> Iterator[Entry]:
    bot, types, slots = (Names(NAME, NAME_LIMIT) for _ in range(3))
    intents = Names(NAME, NAME_LIMIT, {NONE: FALLBACK})
    written = _Written(bot[export.bot], intents, types, slots, defaultdict(lambda: defaultdict(dict)), [])
    yield "Manifest.json", [rows.encode(MANIFEST)]
    yield f"{written.bot}/Bot.json", [rows.encode(_bot(written.bot, export))]
    for intent, found in rows.by_intent(export):
        if intent is rows.OUT_OF_SCOPE:
            written.left_out.extend(found)
        else:
            yield from _intent_entries(intent, found, written)
    for place, values in written.values.items():
        yield from _locale_entries(f"{written.bot}/BotLocales/{place}", place, values)
    yield from provenance.of_all(export, intents, types, written.left_out)


def _bot(name: str, export: Export) -> dict[str, object]:
    return {
        **_named(name, rows.about(export)),
        "version": "DRAFT",
        "dataPrivacy": {"childDirected": False},
        "idleSessionTTLInSeconds": SESSION_S,
    }


def _named(name: str, description: str) -> dict[str, object]:
    identifier = hashlib.sha256(name.encode()).hexdigest()[:10].upper()
    return {"name": name, "identifier": identifier, "description": description[:DESCRIPTION_LIMIT] or None}


def _intent_entries(intent: ExportIntent, found: Iterable[ExportRow], written: _Written) -> Iterator[Entry]:
    name, kept = written.intents[intent.name], []
    texts: dict[str, dict[str, _Text]] = defaultdict(dict)  # by locale and utterance
    for row in found:
        place, text = locale(rows.language(row.lang, "")), _text(row, written)
        if place is None or not 0 < utf16_length(text.utterance) <= TEXT_UNITS:
            written.left_out.append(row)
            continue
        kept.append(row)
        texts[place][text.utterance] = text
        for slot in text.slots:
            written.values[place][slot.type][slot.words] = None
    for place, said in (texts or {DEFAULT: {}}).items():
        written.values[place]  # a locale without slots is one, too
        folder = f"{written.bot}/BotLocales/{place}/Intents/{name}"
        yield from _intent_files(folder, _named(name, intent.description), tuple(said.values()))
    yield provenance.of_intent(name, kept)


def _text(row: ExportRow, written: _Written) -> _Text:
    utterance, slots, seen = "", [], Counter[str]()
    for words, span in pieces(row.text, disjoint(row.entities or ())):
        if span is None:
            utterance += words.translate(ROUND)
            continue
        seen[span.type] += 1
        number = "" if seen[span.type] == 1 else f"\0{seen[span.type]}"  # no type's name has a NUL
        slot = _Slot(written.slots[span.type + number], written.types[span.type], words)
        utterance += f"{{{slot.name}}}"
        slots.append(slot)
    return _Text(utterance, tuple(slots))


def _intent_files(folder: str, named: Mapping[str, object], texts: Sequence[_Text]) -> Iterator[Entry]:
    types = {slot.name: slot.type for text in texts for slot in text.slots}
    intent = {
        **named,
        "parentIntentSignature": None,
        "sampleUtterances": [{"utterance": text.utterance} for text in texts],
        "slotPriorities": [{"slotName": name, "priority": number} for number, name in enumerate(types, 1)],
    }
    yield f"{folder}/Intent.json", [rows.encode(intent)]
    for name, kind in types.items():
        slot = {**_named(name, ""), "slotTypeName": kind, "slotConstraint": "Optional"}
        yield f"{folder}/Slots/{name}/Slot.json", [rows.encode(slot)]


def _locale_entries(folder: str, place: str, values: Mapping[str, Iterable[str]]) -> Iterator[Entry]:
    about = {"name": place, "identifier": place, "version": "DRAFT", "nluConfidenceThreshold": THRESHOLD}
    yield f"{folder}/BotLocale.json", [rows.encode(about)]
    fallback = {**_named(FALLBACK, ""), "parentIntentSignature": "AMAZON.FallbackIntent", "sampleUtterances": None}
    yield f"{folder}/Intents/{FALLBACK}/Intent.json", [rows.encode(fallback)]
    for kind, words in values.items():
        samples = [{"sampleValue": {"value": value}, "synonyms": None} for value in words]
        setting = {"resolutionStrategy": "ORIGINAL_VALUE", "regexFilter": None}
        slot_type = {**_named(kind, ""), "slotTypeValues": samples, "valueSelectionSetting": setting}
        yield f"{folder}/SlotTypes/{kind}/SlotType.json", [rows.encode(slot_type)]
