"""The native format: `{"type", "timestamp", "data"}` of type conversation.turn, .turns, .reply or .report.

`conversation.turns` carries lists: `data.turns`, and beside them, where a sender batches everything, `data.replies` and
`data.reports`; at most 1,000 items each. Offsets of entities count characters (code points). Unknown fields are
accepted, unknown event types are not.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any, get_args

from integrations.webhooks.collecting import LANG, USER, WORD, Item, collect, derived, entities, intents, span
from integrations.webhooks.lenient import NAME, Fields
from service.turns.parsing import Fault, Margin, Parsed, Place
from service.turns.schemas import TEXT_LIMIT, TURNS_LIMIT, Entity, Fact, Note, Reply, Report, ReportKind, Turn

KINDS: tuple[ReportKind, ...] = get_args(ReportKind)

MARGIN: Margin = "sometimes"
UNVERIFIED: tuple[str, ...] = ()


def parse(body: bytes, *, delivery_id: str, received_at: datetime, options: Mapping[str, Any]) -> Parsed:
    return collect(body, partial(_items, received_at=received_at))


def _items(body: Any, notes: list[Note], received_at: datetime) -> Iterator[Item]:
    event = Fields(body, "", 0, notes)
    found, at = event.string("type"), event.instant("timestamp", received_at)
    if found in ONE:
        yield Item(Place(0, "data"), event.get("data"), partial(_one, ONE[found], at))
    elif found == BATCH:
        yield from _batch(Fields(event.get("data"), "data", 0, []), at)
    else:
        known = ", ".join((*ONE, BATCH))
        raise Fault("unknown-event-type", "type", f"{found[:60]!a} is none of {known}")


def _batch(data: Fields, at: datetime) -> Iterator[Item]:
    if not any(data.has(name) for name in MANY):
        raise Fault("missing", "data.turns", "turns is missing")
    for name, read in MANY.items():
        for index, path, value in data.objects(name, TURNS_LIMIT):
            yield Item(Place(index, path), value, partial(_one, read, at))


def _one(read: Callable[[Fields, datetime], Fact], at: datetime, fields: Fields) -> Iterable[Fact]:
    return [read(fields, at)]


def turn(fields: Fields, at: datetime) -> Turn:
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
        intents=intents(nlu, "intents"),
        entities=entities(nlu, "entities", partial(_entity, text=text)),
        is_fallback=fields.flag("is_fallback"),
        is_slot_fill=fields.flag("is_slot_fill"),
    )


def reply(fields: Fields, at: datetime) -> Reply:
    return Reply(
        external_id=fields.id("reply_id"),
        text=fields.text("text", may_be_empty=True),
        at=fields.instant("ts", at),
        conversation_id=fields.optional_id("conversation_id"),
        turn_external_id=fields.optional_id("turn_id"),
        intent=fields.words("intent", NAME),
    )


def report(fields: Fields, at: datetime) -> Report:
    turn_id, reply_id = fields.optional_id("turn_id"), fields.optional_id("reply_id")
    if not (turn_id or reply_id):
        raise Fault("missing", fields.path("turn_id"), "a report names a turn_id or a reply_id")
    found, intent = _kind(fields), fields.words("intent", NAME)
    comment, user = fields.words("comment", TEXT_LIMIT), fields.words("user", USER)
    conversation_id = fields.optional_id("conversation_id")
    own_id = derived(conversation_id, turn_id, reply_id, found, intent, comment, user)
    return Report(
        external_id=fields.optional_id("report_id") or own_id,
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


def _entity(fields: Fields, text: str) -> Entity:
    here = span(fields, text)
    if fields.has("value") and fields.get("value") != text[here]:
        raise Fault(
            "span-without-value", fields.path("value"), "text[start:end] is not the value; offsets count characters"
        )
    score = fields.number("score") if fields.has("score") else None
    return Entity(fields.name("type"), text[here], here.start, here.stop, score)


BATCH = "conversation.turns"
ONE: dict[str, Callable[[Fields, datetime], Fact]] = {
    "conversation.turn": turn,
    "conversation.reply": reply,
    "conversation.report": report,
}
MANY: dict[str, Callable[[Fields, datetime], Fact]] = {"turns": turn, "replies": reply, "reports": report}
