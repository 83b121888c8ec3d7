"""The native format: `{"type", "timestamp", "data"}` of type conversation.turn, .turns, .reply or .report.

`conversation.turns` carries lists: `data.turns`, and beside them, where a sender batches everything, `data.replies` and
`data.reports`; at most 1,000 items each. Offsets of entities count characters (code points). Unknown fields are
accepted, unknown event types are not.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple, get_args

from integrations.webhooks.lenient import Fields, check_depth, digest, kind, load, rejected
from service.turns.parsing import DERIVED, Fault, Parsed, Place, check_characters
from service.turns.schemas import (
    TEXT_LIMIT,
    TURNS_LIMIT,
    Entity,
    Fact,
    IntentScore,
    Note,
    Reply,
    Report,
    ReportKind,
    Turn,
)

INTENTS = 10  # the best of the platform's scores
ENTITIES = 100  # of one turn
NAME = 200  # characters of an intent's or an entity type's name
WORD = 100  # characters of a channel or a bot version
LANG = 35
USER = 1_000  # only its hash is kept
KINDS: tuple[ReportKind, ...] = get_args(ReportKind)

MARGIN = True
UNVERIFIED: tuple[str, ...] = ()


class Item(NamedTuple):
    place: Place
    value: Any
    read: Callable[[Fields, datetime], Fact]


def parse(body: bytes, *, delivery_id: str, received_at: datetime, options: Mapping[str, Any]) -> Parsed:
    parsed = Parsed([], [], [], [])
    try:
        event = Fields(load(body), "", 0, parsed.notes)
        items = list(_items(event))
    except Fault as fault:
        parsed.rejected.append(rejected(0, fault))
        return parsed
    at = event.instant("timestamp", received_at)
    seen: set[tuple[type, str]] = set()
    for item in items:
        _take(item, at, parsed, seen)
    return parsed


def _items(event: Fields) -> Iterator[Item]:
    found = event.string("type")
    if found in ONE:
        yield Item(Place(0, "data"), event.get("data"), ONE[found])
    elif found == BATCH:
        yield from _batch(Fields(event.get("data"), "data", 0, []))
    else:
        known = ", ".join((*ONE, BATCH))
        raise Fault("unknown-event-type", "type", f"{found[:60]!a} is none of {known}")


def _batch(data: Fields) -> Iterator[Item]:
    if not any(data.has(name) for name in MANY):
        raise Fault("missing", "data.turns", "turns is missing")
    for name, read in MANY.items():
        for index, path, value in data.objects(name, TURNS_LIMIT):
            yield Item(Place(index, path), value, read)


def _take(item: Item, at: datetime, parsed: Parsed, seen: set[tuple[type, str]]) -> None:
    """Read one item into `parsed`: a fact with its notes, or a rejection."""
    notes: list[Note] = []
    try:
        check_depth(item.value, item.place.path)
        fact = item.read(Fields(item.value, item.place.path, item.place.position, notes), at)
        if (type(fact), fact.external_id) in seen:
            raise Fault("repeated", item.place.path, "stands earlier in this delivery")
    except Fault as fault:
        parsed.rejected.append(rejected(item.place.position, fault))
        return
    seen.add((type(fact), fact.external_id))
    parsed.facts.append(fact)
    parsed.places.append(item.place)
    parsed.notes.extend(notes)


def _turn(fields: Fields, at: datetime) -> Turn:
    text = fields.text("text")
    nlu = fields.fields("nlu")
    return Turn(
        external_id=fields.id("turn_id"),
        text=text,
        at=fields.instant("ts", at),
        conversation_id=fields.optional_id("conversation_id"),
        user=fields.words("user", USER),
        lang=fields.words("lang", LANG),
        channel=fields.words("channel", WORD),
        bot_version=fields.words("bot_version", WORD),
        intents=_intents(nlu),
        entities=_entities(nlu, text),
        is_fallback=fields.flag("is_fallback"),
        is_slot_fill=fields.flag("is_slot_fill"),
    )


def _reply(fields: Fields, at: datetime) -> Reply:
    return Reply(
        external_id=fields.id("reply_id"),
        text=fields.text("text", may_be_empty=True),
        at=fields.instant("ts", at),
        conversation_id=fields.optional_id("conversation_id"),
        turn_external_id=fields.optional_id("turn_id"),
        intent=fields.words("intent", NAME),
    )


def _report(fields: Fields, at: datetime) -> Report:
    turn_id, reply_id = fields.optional_id("turn_id"), fields.optional_id("reply_id")
    if not (turn_id or reply_id):
        raise Fault("missing", fields.path("turn_id"), "a report names a turn_id or a reply_id")
    found, intent = _kind(fields), fields.words("intent", NAME)
    comment, user = fields.words("comment", TEXT_LIMIT), fields.words("user", USER)
    conversation_id = fields.optional_id("conversation_id")
    own = digest(conversation_id, turn_id, reply_id, found, intent, comment, user)
    return Report(
        external_id=fields.optional_id("report_id") or DERIVED + own,
        kind=found,
        at=fields.instant("ts", at),
        conversation_id=conversation_id,
        turn_external_id=turn_id,
        reply_external_id=reply_id,
        intent=intent,
        comment=comment,
        user=user,
    )


def _kind(fields: Fields) -> ReportKind:
    given = fields.string("kind")
    for found in KINDS:
        if found == given:
            return _without_intent(fields) if found == "correction" and not fields.has("intent") else found
    raise Fault("unknown-report-kind", fields.path("kind"), f"{given[:60]!a} is none of {', '.join(KINDS)}")


def _without_intent(fields: Fields) -> ReportKind:
    fields.note("intent", "missing", "a correction names the right intent; taken as wrong_answer")
    return "wrong_answer"


def _intents(nlu: Fields) -> tuple[IntentScore, ...]:
    """The ten best, best first; the sort is stable."""
    found = [_intent(nlu, index, value) for index, value in enumerate(nlu.list("intents"))]
    return tuple(sorted((intent for intent in found if intent), key=lambda intent: -intent.score)[:INTENTS])


def _intent(nlu: Fields, index: int, value: Any) -> IntentScore | None:
    name = f"intents[{index}]"
    try:
        own = Fields(value, nlu.path(name), 0, [])
        return IntentScore(_name(own, "name"), _score(own, own.get("score")))
    except Fault as fault:
        nlu.note(name, fault.type, f"intent dropped: {fault.detail}")
        return None


def _entities(nlu: Fields, text: str) -> tuple[Entity, ...]:
    found = nlu.list("entities")
    if len(found) > ENTITIES:
        nlu.note("entities", "too-many", f"{len(found):,} entities; the first {ENTITIES} were looked at")
    entities = [_entity(nlu, index, value, text) for index, value in enumerate(found[:ENTITIES])]
    return tuple(entity for entity in entities if entity)


def _entity(nlu: Fields, index: int, value: Any, text: str) -> Entity | None:
    name = f"entities[{index}]"
    try:
        own = Fields(value, nlu.path(name), 0, [])
        start, end = _span(own, text)
        score = _score(own, own.get("score")) if own.has("score") else None
        return Entity(_name(own, "type"), text[start:end], start, end, score)
    except Fault as fault:
        nlu.note(name, fault.type, f"entity dropped: {fault.detail}")
        return None


def _span(entity: Fields, text: str) -> tuple[int, int]:
    start, end = _offset(entity, "start"), _offset(entity, "end")
    if not 0 <= start < end <= len(text):
        raise Fault(
            "span-outside-text",
            entity.path("start"),
            f"[{start}, {end}) is no span of a text of {len(text)} characters",
        )
    if entity.has("value") and entity.get("value") != text[start:end]:
        raise Fault(
            "span-without-value", entity.path("value"), "text[start:end] is not the value; offsets count characters"
        )
    return start, end


def _offset(entity: Fields, name: str) -> int:
    found = entity.get(name)
    if not isinstance(found, int) or isinstance(found, bool):
        raise Fault("wrong-type", entity.path(name), f"expected an integer, got {kind(found)}")
    return found


def _score(fields: Fields, found: Any) -> float:
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        raise Fault("wrong-type", fields.path("score"), "expected a finite number")
    return float(found)


def _name(fields: Fields, name: str) -> str:
    found = fields.string(name)
    check_characters(found, fields.path(name))
    if not 0 < len(found) <= NAME:
        raise Fault("bad-name", fields.path(name), f"a name has 1 to {NAME} characters, this one {len(found)}")
    return found


BATCH = "conversation.turns"
ONE: dict[str, Callable[[Fields, datetime], Fact]] = {
    "conversation.turn": _turn,
    "conversation.reply": _reply,
    "conversation.report": _report,
}
MANY: dict[str, Callable[[Fields, datetime], Fact]] = {"turns": _turn, "replies": _reply, "reports": _report}
