"""Building blocks of adapters: items become facts one by one; intents and entities as platforms write them.

An adapter lists the items of a body, each with the function that reads it; `collect` does the rest.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, NamedTuple, TypeVar

from integrations.webhooks.lenient import Fields, check_depth, digest, kind, load, rejected
from service.turns.parsing import Fault, Parsed, Place
from service.turns.schemas import ID_LIMIT, TURNS_LIMIT, Entity, Fact, IntentScore, Note

INTENTS = 10  # the best of the platform's scores
ENTITIES = 100  # of one turn
WORD = 100  # characters of a channel or a bot version
LANG = 35
USER = 1_000  # only its hash is kept

T = TypeVar("T")


class Item(NamedTuple):
    """Something in a body that may hold facts. `read` raises Fault where it is unusable."""

    place: Place
    value: Any
    read: Callable[[Fields], Iterable[Fact]]


def collect(body: bytes, items: Callable[[Any, list[Note]], Iterator[Item]]) -> Parsed:
    """What the items of a body hold. `items` gets the body's JSON and a list for its own notes.

    A Fault in an item rejects the item, one in `items` the whole body; of a fact that stands twice the first counts.
    """
    parsed, seen = Parsed([], [], [], []), set[tuple[type, str]]()
    try:
        found = list(items(load(body), parsed.notes))
    except Fault as fault:
        parsed.rejected.append(rejected(0, fault))
        return parsed
    for item in found:
        _take(item, parsed, seen)
    return parsed


def _take(item: Item, parsed: Parsed, seen: set[tuple[type, str]]) -> None:
    (position, path), notes = item.place, list[Note]()
    try:
        check_depth(item.value, path)
        facts = list(item.read(Fields(item.value, path, position, notes)))
    except Fault as fault:
        parsed.rejected.append(rejected(position, fault))
        return
    fresh = []
    for fact in facts:
        if (key := (type(fact), fact.external_id)) not in seen:
            seen.add(key)
            fresh.append(fact)
    if len(fresh) < len(facts):
        parsed.rejected.append(rejected(position, Fault("repeated", path, "stands earlier in this delivery")))
    if fresh or not facts:
        parsed.notes.extend(notes)
    parsed.facts.extend(fresh)
    parsed.places.extend([item.place] * len(fresh))


def listed(found: Any, path: str) -> Iterator[tuple[Place, Any]]:
    """The places and values of a list; Fault when it is none, or longer than a delivery may be."""
    if not isinstance(found, list):
        raise Fault("wrong-type", path or "$", f"expected a list, got {kind(found)}")
    if len(found) > TURNS_LIMIT:
        raise Fault("too-many", path or "$", f"{len(found):,} items; at most {TURNS_LIMIT:,} are taken in one delivery")
    yield from ((Place(index, f"{path}[{index}]"), value) for index, value in enumerate(found))


def joined(conversation: str, own: str) -> str:
    """An id that is unique in its source, of one that is unique in its conversation.

    >>> joined("c-81", "4")
    'c-81/4'
    """
    both = f"{conversation}/{own}"
    return both if len(both) <= ID_LIMIT else digest(conversation, own)


def kept(fields: Fields, name: str, values: Iterable[Any], read: Callable[[Fields], T]) -> list[T]:
    """What `read` makes of each object; one that it faults is dropped and noted."""
    found = [_kept(fields, f"{name}[{index}]", value, read) for index, value in enumerate(values)]
    return [one for one in found if one is not None]


def _kept(fields: Fields, name: str, value: Any, read: Callable[[Fields], T]) -> T | None:
    try:
        return read(Fields(value, fields.path(name), 0, []))
    except Fault as fault:
        fields.note(name, fault.type, f"dropped: {fault.detail}")
        return None


def best(scores: Iterable[IntentScore]) -> tuple[IntentScore, ...]:
    """The ten best, best first; the sort is stable.

    >>> [score.name for score in best([IntentScore("a", 0.1), IntentScore("b", 0.5), IntentScore("c", 0.5)])]
    ['b', 'c', 'a']
    """
    return tuple(sorted(scores, key=lambda score: -score.score)[:INTENTS])


def intents(fields: Fields, name: str, label: str = "name", score: str = "score") -> tuple[IntentScore, ...]:
    """The ten best of a list of objects; `label` and `score` are their keys."""
    return best(kept(fields, name, fields.list(name), lambda own: IntentScore(own.name(label), own.number(score))))


def entities(fields: Fields, name: str, read: Callable[[Fields], Entity]) -> tuple[Entity, ...]:
    """The first hundred of a list of objects."""
    found = fields.list(name)
    if len(found) > ENTITIES:
        fields.note(name, "too-many", f"{len(found):,} entities; the first {ENTITIES} were looked at")
    return tuple(kept(fields, name, found[:ENTITIES], read))


Unit = Literal["characters", "utf-16"]


def span(fields: Fields, text: str, start: str = "start", end: str = "end", unit: Unit = "characters") -> slice:
    """A span of the text in characters; `start` and `end` are the keys of its offsets, counted in `unit`."""
    first, last = fields.integer(start), fields.integer(end)
    if unit == "utf-16":
        first, last = characters(text, first), characters(text, last)
    if not 0 <= first < last <= len(text):
        raise Fault(
            "span-outside-text",
            fields.path(start),
            f"[{first}, {last}) is no span of a text of {len(text)} characters",
        )
    return slice(first, last)


def characters(text: str, units: int) -> int:
    """The characters before an offset in UTF-16 units; -1 where it is outside or within a character.

    >>> [characters("🙈 card", units) for units in (0, 1, 2, 3, 7, 8)]
    [0, -1, 1, 2, 6, -1]
    """
    encoded = text.encode("utf-16-le")
    if not 0 <= 2 * units <= len(encoded):
        return -1
    try:
        return len(encoded[: 2 * units].decode("utf-16-le"))
    except UnicodeDecodeError:
        return -1
