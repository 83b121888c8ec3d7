"""Rasa's annotated text: `[Lyon](city)`, `[Lyon](city:Lyons)` and `[Lyon]{"entity": "city", "value": "Lyons"}`.

Rasa has no escapes: it reads an annotation wherever one seems to stand. A text that it would misread is written with
round brackets for its square ones, so that all other characters and all spans stay where they are.
"""

import json
import re
from collections.abc import Mapping, Sequence

from integrations.formats.spans import disjoint, pieces
from service.errors import BadInput
from service.intents.schemas import ParsedExample
from service.turns.schemas import Entity

ANNOTATION = re.compile(r"\[(?P<text>[^\]]+)\](?:\((?P<type>[^:)]+)(?::[^)]*)?\)|(?P<fields>\{[^}]+\}))")
ROUND = str.maketrans("[]", "()")


def write(text: str, entities: Sequence[Entity]) -> str:
    """The text with as many of its spans as brackets can say: of those that overlap the longest.

    >>> write("to Lyon", [Entity("city", "Lyon", 3, 7)])
    'to [Lyon](city)'
    >>> write("[to Lyon", [Entity("city", "Lyon", 4, 8)])
    '(to [Lyon](city)'
    """
    spans = disjoint(entities)
    annotated = _annotated(text, spans, {})
    return annotated if says(annotated, text, spans) else _annotated(text, spans, ROUND)


def says(annotated: str, text: str, entities: Sequence[Entity]) -> bool:
    """Whether Rasa, and we, read this text and these spans out of what is annotated."""
    try:
        example = read(annotated.strip(), "")
    except BadInput:
        return False
    marks = [(entity.type, entity.start, entity.end) for entity in entities]
    # `[a][…]` is an annotation to newer Rasas: a list of what stands in the second pair.
    return example.text == text and _marks(example) == marks and "][" not in annotated


def _marks(example: ParsedExample) -> list[tuple[str, int, int]]:
    return [(entity.type, entity.start, entity.end) for entity in example.entities]


def _annotated(text: str, spans: Sequence[Entity], table: Mapping[int, int | str]) -> str:
    return "".join(
        piece.translate(table) if span is None else _annotation(piece, span, table)
        for piece, span in pieces(text, spans)
    )


def _annotation(words: str, span: Entity, table: Mapping[int, int | str]) -> str:
    shown = f"[{words.translate(table)}]"
    if span.value == words and not set(span.type) & set("():[]{}"):
        return f"{shown}({span.type})"
    fields = {"entity": span.type} if span.value == words else {"entity": span.type, "value": span.value}
    # Rasa looks for the first `}`, whether it stands in a string or not.
    inside = json.dumps(fields, ensure_ascii=False)[1:-1].replace("}", "\\u007d")
    return f"{shown}{{{inside}}}"


def read(annotated: str, where: str) -> ParsedExample:
    """Take the annotations out of the text; the spans are counted in what is left. BadInput with `where` as path."""
    text, entities, end = "", [], 0
    for found in ANNOTATION.finditer(annotated):
        text += annotated[end : found.start()]
        value = found["text"]
        kind = (found["type"] or _type_in(found["fields"], where)).strip()
        entities.append(Entity(type=kind, value=value, start=len(text), end=len(text) + len(value)))
        text, end = text + value, found.end()
    return ParsedExample(text + annotated[end:], where, tuple(entities))


def _type_in(fields: str, where: str) -> str:
    try:
        kind = json.loads(fields).get("entity")
    except (ValueError, RecursionError):
        kind = None
    if not isinstance(kind, str) or not kind.strip():
        raise BadInput(f"{fields} names no entity", path=where, hint='write {"entity": "city"}')
    return kind
