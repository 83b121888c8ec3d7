"""Building blocks of adapters: items become facts one by one; intents and entities as platforms write them.

An adapter lists the items of a body, each with the function that reads it; `collect` does the rest.
"""

from collections.abc import Callable, Container, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Any, Literal, NamedTuple, TypeVar

from integrations.webhooks.lenient import Fields, digest, kind, rejected
from integrations.webhooks.loading import ROOT, check_depth, load
from service.turns.parsing import DERIVED, Fault, Parsed, Place, check_characters
from service.turns.schemas import ID_LIMIT, TEXT_LIMIT, TURNS_LIMIT, Entity, Fact, IntentScore, Note

ITEMS_LIMIT = 10 * TURNS_LIMIT  # of a body: most events of a log are neither turns nor replies
INTENTS = 10  # the best of the platform's scores
ENTITIES = 100  # of one turn
KEPT_LIMIT = 1_000  # of a list within an item
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
        found = list(islice(items(load(body), parsed.notes), ITEMS_LIMIT + 1))
        if len(found) > ITEMS_LIMIT:
            raise Fault("too-many", ROOT, f"at most {ITEMS_LIMIT:,} items are taken in one delivery")
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


def listed(found: Any, path: str, limit: int = TURNS_LIMIT) -> Iterator[tuple[Place, Any]]:
    """The places and values of a list; Fault when it is none, or longer than a delivery may be."""
    if not isinstance(found, list):
        raise Fault("wrong-type", path or ROOT, f"expected a list, got {kind(found)}")
    if len(found) > limit:
        raise Fault("too-many", path or ROOT, f"{len(found):,} items; at most {limit:,} are taken in one delivery")
    yield from ((Place(index, f"{path}[{index}]"), value) for index, value in enumerate(found))


def unpacked(value: Any) -> Any:
    """What a string says as JSON; anything else as it is.

    >>> unpacked('{"reaction": "like"}'), unpacked("like"), unpacked(None)
    ({'reaction': 'like'}, 'like', None)
    """
    try:
        return load(value.encode("utf-8", "surrogatepass")) if isinstance(value, str) else value
    except Fault:
        return value


def which(fields: Fields, *names: str) -> str:
    """The first of the names that is there, for what versions of a platform call differently; else the first."""
    return next((name for name in names if fields.has(name)), names[0])


def spoken(fields: Fields, name: str, text: str) -> str:
    """A reply's text: "" where it cannot be kept, cut where it is too long; `name` is noted."""
    try:
        check_characters(text, fields.path(name))
    except Fault as fault:
        fields.note(name, fault.type, f"dropped: {fault.detail}")
        return ""
    if len(text) > TEXT_LIMIT:
        fields.note(name, "text-too-long", f"cut: {len(text):,} characters; at most {TEXT_LIMIT:,} are taken")
    return text[:TEXT_LIMIT].strip()


def unsaid(fields: Fields, name: str) -> bool:
    """Whether there are no words, as of a picture or an assignment: noted, for it is no turn and nothing to refuse."""
    found = fields.get(name)
    is_blank = found is None or (isinstance(found, str) and not found.strip())
    if is_blank:
        fields.note(name, "no-text", "skipped: nothing was said, or not with words")
    return is_blank


def joined(conversation: str, own: str) -> str:
    """An id that is unique in its source, of one that is unique in its conversation.

    >>> joined("c-81", "4")
    'c-81/4'
    """
    both = f"{conversation}/{own}"
    return both if len(both) <= ID_LIMIT else derived(conversation, own)


def derived(*parts: str) -> str:
    """An id made of what may be a person's own, such as a telephone number: the edge keys it."""
    return DERIVED + digest(*parts)


def kept(fields: Fields, name: str, values: Iterable[Any], read: Callable[[Fields], T | None]) -> list[T]:
    """What `read` makes of each object, of KEPT_LIMIT at most; one that it faults is dropped and noted."""
    given = iter(values)
    found = [one(fields, f"{name}[{index}]", value, read) for index, value in enumerate(islice(given, KEPT_LIMIT))]
    if next(given, None) is not None:
        fields.note(name, "too-many", f"the first {KEPT_LIMIT:,} were looked at")
    return [value for value in found if value is not None]


def one(fields: Fields, name: str, value: Any, read: Callable[[Fields], T | None]) -> T | None:
    """What `read` makes of an object; None, and a note, where it faults it."""
    try:
        return read(Fields(value, fields.path(name), 0, []))
    except Fault as fault:
        fields.note(name, fault.type, f"dropped: {fault.detail}")
        return None


def best(scores: Iterable[IntentScore], without: Container[str] = ()) -> tuple[IntentScore, ...]:
    """The ten best, best first; the sort is stable. `without`: names that stand for no intent.

    >>> scores = [IntentScore("a", 0.1), IntentScore("b", 0.5), IntentScore("none", 0.9), IntentScore("c", 0.5)]
    >>> [score.name for score in best(scores, {"none"})]
    ['b', 'c', 'a']
    """
    named = (score for score in scores if score.name not in without)
    return tuple(sorted(named, key=lambda score: -score.score)[:INTENTS])


def scored(fields: Fields, label: str = "name", score: str = "score") -> IntentScore:
    return IntentScore(fields.name(label), fields.number(score))


def intents(
    fields: Fields, name: str, label: str = "name", score: str = "score", without: Container[str] = ()
) -> tuple[IntentScore, ...]:
    """The ten best of a list of objects; `label` and `score` are their keys."""
    return best(kept(fields, name, fields.list(name), partial(scored, label=label, score=score)), without)


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


def utf16_length(text: str) -> int:
    """In UTF-16 units.

    >>> utf16_length("🙈 card")
    7
    """
    return len(text.encode("utf-16-le")) // 2
