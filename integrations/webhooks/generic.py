"""Any JSON, by a field map: the source's options say where in an item each of our fields stands.

    {"items": "data.messages",
     "turn": {"when": {"author.role": "user"}, "turn_id": "id", "text": "body.text", "conversation_id": "thread",
              "intents": "nlu.ranking", "intent_name": "label", "intent_score": "p"},
     "reply": {"when": {"author.role": "bot"}, "reply_id": "id", "text": "body.text", "conversation_id": "thread"},
     "report": {"when": {"type": "rating", "stars": 1}, "kind": "=low_rating", "reply_id": "about"}}

A path is names and list positions with dots between, like `messages.0.text`; a key that holds dots is found as it is
written. What begins with `=` is the value itself. `items` is where the list stands; without it the body is the list, or
the one item. An item becomes the first of turn, reply and report whose `when` is met; others are passed over, and
noted. Ids and names may be numbers. Offsets of entities count characters (code points) unless `unit` is `utf-16`.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

import msgspec

from integrations.webhooks import native
from integrations.webhooks.collecting import ITEMS_LIMIT, Item, collect, entities, intents, listed, span
from integrations.webhooks.lenient import Fields, rejected
from service.turns.parsing import Fault, Margin, Parsed, Place
from service.turns.schemas import Entity, Fact, IntentScore, Note

MARGIN: Margin = "sometimes"
UNVERIFIED: tuple[str, ...] = ()
CONSTANT = "="


Required = Annotated[str, msgspec.Meta(min_length=1)]  # a path


class _Map(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Paths by the names of the native format; "" where the sender does not say. `when`: path → value."""

    when: dict[str, str | int | float | bool | None] = {}
    conversation_id: str = ""
    turn_id: str = ""
    ts: str = ""
    text: str = ""
    intent: str = ""
    user: str = ""


class TurnMap(_Map, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`intents` and `entities` are lists of objects with these keys; `intent` and `score`: where there is but one."""

    turn_id: Required
    text: Required
    score: str = ""
    lang: str = ""
    channel: str = ""
    bot_version: str = ""
    is_fallback: str = ""
    is_slot_fill: str = ""
    intents: str = ""
    intent_name: str = "name"
    intent_score: str = "score"
    entities: str = ""
    entity_type: str = "type"
    entity_start: str = "start"
    entity_end: str = "end"
    unit: Literal["characters", "utf-16"] = "characters"


class ReplyMap(_Map, frozen=True, kw_only=True, forbid_unknown_fields=True):
    reply_id: Required
    text: Required


class ReportMap(_Map, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`kinds`: what the sender calls our kinds."""

    kind: Required
    kinds: dict[str, str] = {}
    report_id: str = ""
    reply_id: str = ""
    comment: str = ""


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    items: str = ""
    turn: TurnMap | None = None
    reply: ReplyMap | None = None
    report: ReportMap | None = None

    def __post_init__(self) -> None:
        if not (self.turn or self.reply or self.report):
            raise ValueError("a field map has at least one of turn, reply and report")


FLAGS = ("is_fallback", "is_slot_fill")
AS_SENT = ("ts", "score")  # everything else is text
YES = ("true", "yes", "1")


def parse(body: bytes, *, delivery_id: str, received_at: datetime, options: Mapping[str, Any]) -> Parsed:
    try:
        maps = msgspec.convert(options, Options)
    except msgspec.ValidationError as error:
        fault = Fault("bad-options", "options", f"the source's field map cannot be read: {error}")
        return Parsed([], [], [rejected(0, fault)], [])
    return collect(body, partial(_items, maps=maps, received_at=received_at))


def _items(body: Any, notes: list[Note], maps: Options, received_at: datetime) -> Iterator[Item]:
    found = at(Fields(body, "", 0, notes), maps.items) if maps.items else body
    read = partial(_facts, maps=maps, received_at=received_at)
    if isinstance(found, dict):
        yield Item(Place(0, maps.items), found, read)
    else:
        yield from (Item(place, value, read) for place, value in listed(found, maps.items, ITEMS_LIMIT))


def _facts(item: Fields, maps: Options, received_at: datetime) -> list[Fact]:
    match _wanted(item, maps):
        case TurnMap() as names:
            return [_turn(item, names, received_at)]
        case ReplyMap() as names:
            return [native.reply(_renamed(item, names), received_at)]
        case ReportMap() as names:
            return [native.report(_renamed(item, names), received_at)]
    item.note("", "no-match", "passed over: no `when` of the field map is met")
    return []


def _wanted(item: Fields, maps: Options) -> TurnMap | ReplyMap | ReportMap | None:
    given = (found for found in (maps.turn, maps.reply, maps.report) if found is not None)
    return next(
        (names for names in given if all(_is(at(item, path), value) for path, value in names.when.items())), None
    )


def _is(found: Any, value: Any) -> bool:
    """JSON's equality: true is not 1."""
    return isinstance(found, bool) == isinstance(value, bool) and bool(found == value)


def at(item: Fields, path: str) -> Any:
    """What stands at a path; None where there is nothing.

    >>> item = Fields({"a": {"b": [7, 8]}, "c.d": 9}, "", 0, [])
    >>> [at(item, path) for path in ("a.b.1", "c.d", "=x", "a.b.2", "a.x.y")]
    [8, 9, 'x', None, None]
    """
    if path.startswith(CONSTANT):
        return path.removeprefix(CONSTANT)
    if item.has(path):
        return item.get(path)
    first, *others = path.split(".")
    found = item.get(first)
    for name in others:
        found = _within(found, name)
    return found


def _within(value: Any, name: str) -> Any:
    match value:
        case dict():
            return value.get(name)
        case list():
            return dict(enumerate(value)).get(int(name)) if name.isdecimal() and len(name) < 6 else None
    return None


def _renamed(item: Fields, names: _Map) -> Fields:
    """The item as the native format has it; what is said of its fields names the sender's paths."""
    paths = {name: path for name, path in msgspec.structs.asdict(names).items() if isinstance(path, str) and path}
    found = {name: _value(name, at(item, path)) for name, path in paths.items()}
    if isinstance(names, ReportMap) and isinstance(kind := found.get("kind"), str):
        found["kind"] = names.kinds.get(kind, kind)
    return item.renamed(found, paths)


def _value(name: str, found: Any) -> Any:
    if found == "":
        return None
    if name in FLAGS and isinstance(found, str | int):
        return str(found).lower() in YES
    is_number = isinstance(found, int) and not isinstance(found, bool)
    return str(found) if is_number and name not in AS_SENT else found


def _turn(item: Fields, names: TurnMap, received_at: datetime) -> Fact:
    fields = _renamed(item, names)
    turn = native.turn(fields, received_at)
    return msgspec.structs.replace(
        turn,
        intents=intents(fields, "intents", names.intent_name, names.intent_score) or _only_intent(fields),
        entities=entities(fields, "entities", partial(_entity, names=names, text=turn.text)),
    )


def _only_intent(fields: Fields) -> tuple[IntentScore, ...]:
    """Of a platform that says its choice; without a score it is taken to be sure."""
    if not fields.has("intent"):
        return ()
    try:
        return (IntentScore(fields.name("intent"), fields.number("score") if fields.has("score") else 1.0),)
    except Fault as fault:
        fields.note("intent", fault.type, f"dropped: {fault.detail}")
        return ()


def _entity(own: Fields, names: TurnMap, text: str) -> Entity:
    here = span(own, text, names.entity_start, names.entity_end, names.unit)
    return Entity(own.name(names.entity_type), text[here], here.start, here.stop)
