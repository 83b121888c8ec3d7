"""Spans for formats that hold no two over the same words."""

from collections.abc import Iterable, Iterator, Sequence

from service.turns.schemas import Entity

Piece = tuple[str, Entity | None]


def disjoint(entities: Iterable[Entity]) -> list[Entity]:
    """Of those that overlap the longest, of equal ones the first; in the order of the text.

    >>> [city, road] = Entity("city", "Lyon", 0, 4), Entity("road", "Lyon St", 0, 7)
    >>> [entity.type for entity in disjoint([city, road])]
    ['road']
    """
    kept: list[Entity] = []
    for entity in sorted(entities, key=lambda entity: entity.start - entity.end):
        if all(entity.end <= other.start or other.end <= entity.start for other in kept):
            kept.append(entity)
    return sorted(kept, key=lambda entity: entity.start)


def pieces(text: str, spans: Sequence[Entity]) -> Iterator[Piece]:
    """The text in pieces, each with its span or None; `spans` as `disjoint` gives them.

    >>> list(pieces("to Lyon", [Entity("city", "Lyon", 3, 7)]))
    [('to ', None), ('Lyon', Entity(type='city', value='Lyon', start=3, end=7, score=None))]
    """
    end = 0
    for span in spans:
        if end < span.start:
            yield text[end : span.start], None
        yield text[span.start : span.end], span
        end = span.end
    if end < len(text):
        yield text[end:], None
