"""Intents as JSON Lines, the project's own format.

A line is an intent, `{"name", "description"?, "examples"?}`, or an example, `{"text", "intent", "entities"?, "lang"?,
"split"?}`. The intent null or "none" is out of scope, the split "test" does not train. Unknown fields are ignored.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, NoReturn

import msgspec
from msgspec import UNSET, Meta, UnsetType

from service.errors import BadInput
from service.intents.schemas import NONE, ParsedExample, ParsedIntent
from service.reviews.schemas import SPANS_LIMIT, TYPE_LIMIT
from service.turns.schemas import TEXT_LIMIT, Entity

TEST = "test"  # the split that never trains
LANG_LIMIT = 35  # characters of a language's tag
Offset = Annotated[int, Meta(ge=0)]


class _Span(msgspec.Struct):
    type: Annotated[str, Meta(min_length=1, max_length=TYPE_LIMIT)]
    start: Offset
    end: Offset
    value: str | UnsetType = UNSET


class _Example(msgspec.Struct):
    text: str
    entities: tuple[_Span, ...] = ()
    lang: Annotated[str, Meta(max_length=LANG_LIMIT)] = ""
    split: object = ""


class _IntentLine(msgspec.Struct):
    name: str
    description: str = ""
    examples: tuple[str | _Example, ...] = ()


class _ExampleLine(_Example, kw_only=True):
    intent: str | None


class _Kind(msgspec.Struct):
    """Only as much as tells the two kinds of line apart."""

    text: object = UNSET


_decode_kind = msgspec.json.Decoder(_Kind).decode
_decode_intent = msgspec.json.Decoder(_IntentLine).decode
_decode_example = msgspec.json.Decoder(_ExampleLine).decode


def parse_jsonl(data: bytes) -> list[ParsedIntent]:
    """Pure; BadInput with the line as path."""
    lines = enumerate(data.removeprefix(b"\xef\xbb\xbf").splitlines(), 1)
    return [_parse_line(line, f"line {number}") for number, line in lines if line.strip()]


def _parse_line(line: bytes, where: str) -> ParsedIntent:
    try:
        if _decode_kind(line).text is UNSET:
            return _intent(_decode_intent(line), where)
        return _labelled(_decode_example(line), where)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$.")
        at = f"{where}, {path.rstrip('`')}" if path else where
        raise BadInput(message, path=at, hint='lines look like {"name": "refund", "examples": ["…"]}') from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(
            "this line is not JSON in UTF-8", path=where, hint="one object per line, no comma after it"
        ) from error


def _intent(line: _IntentLine, where: str) -> ParsedIntent:
    examples = tuple(
        _example(_Example(item) if isinstance(item, str) else item, f"{where}, examples[{index}]")
        for index, item in enumerate(line.examples)
    )
    return ParsedIntent(line.name, where, line.description, examples)


def _labelled(line: _ExampleLine, where: str) -> ParsedIntent:
    return ParsedIntent(line.intent or NONE, where, examples=(_example(line, where),))


def _example(item: _Example, where: str) -> ParsedExample:
    return ParsedExample(item.text, where, tuple(_entities(item, where)), item.lang, item.split == TEST)


def _entities(item: _Example, where: str) -> Iterator[Entity]:
    for index, span in enumerate(item.entities):
        value = item.text[span.start : span.end]
        path = f"{where}, entities[{index}]"
        if not value or span.end > len(item.text):
            refuse(
                f"characters {span.start} to {span.end} are not in the text", path, "offsets count characters from 0"
            )
        if span.value not in (UNSET, value):
            refuse(f"the text has {value!r} there, not {span.value!r}", path, "offsets count characters from 0")
        yield Entity(type=span.type, value=value, start=span.start, end=span.end)


def refuse(detail: str, path: str, hint: str = "") -> NoReturn:
    raise BadInput(detail, path=path, hint=hint)


def check_text(example: ParsedExample) -> None:
    """What ingest could not store, whichever format it came from."""
    if not example.text.strip():
        refuse("the example is empty", example.where, "remove it, or write what a user would say")
    if len(example.text) > TEXT_LIMIT:
        refuse(f"the example has {len(example.text)} characters", example.where, f"at most {TEXT_LIMIT}")
    if "\0" in example.text:
        refuse("the example has a NUL character", example.where, "remove it")
    if not is_encodable(example.text):
        refuse("the example has half of a surrogate pair", example.where, "write the character itself, in UTF-8")


def check_marks(example: ParsedExample) -> None:
    """What a label could not hold, whichever format it came from."""
    if len(example.entities) > SPANS_LIMIT:
        refuse(f"the example has {len(example.entities)} entities", example.where, f"at most {SPANS_LIMIT}")
    for entity in example.entities:
        if not 0 < len(entity.type) <= TYPE_LIMIT or not is_storable(entity.type):
            hint = f"1 to {TYPE_LIMIT} characters, without NUL"
            refuse(f"{entity.type[:60]!a} is no name of an entity", example.where, hint)
    if len(example.lang) > LANG_LIMIT or not is_storable(example.lang):
        refuse(f"{example.lang[:60]!a} is no language", example.where, "a tag such as en or pt-BR")


def is_storable(text: str) -> bool:
    return "\0" not in text and is_encodable(text)


def is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_all(parsed: Sequence[ParsedIntent]) -> None:
    for intent in parsed:
        for example in intent.examples:
            check_text(example)
            check_marks(example)
