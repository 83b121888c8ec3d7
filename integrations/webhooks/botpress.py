"""Botpress v12: an event as hooks see it, a row of the table `events`, whose `event` may be JSON text, or a list of
either.

An incoming text is a turn, an outgoing event with a preview a reply to the event it names. Scores are those of the
context that the platform itself chooses, the likeliest of the included ones; its intent `none` means out of scope and
is dropped. Offsets count UTF-16 units of the preview. A row's negative feedback is a thumb down.

Published as types: https://botpress.com/reference/interfaces/_botpress_sdk_.io.incomingevent.html, and
packages/bp/src/sdk/botpress.d.ts of github.com/botpress/v12. Botpress Cloud writes other events and is not read.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from integrations.webhooks.collecting import (
    LANG,
    WORD,
    Item,
    collect,
    derived,
    entities,
    intents,
    joined,
    listed,
    span,
    spoken,
    unpacked,
    unsaid,
)
from integrations.webhooks.ids import optional_key, person
from integrations.webhooks.lenient import Fields
from service.turns.parsing import Fault, Margin, Parsed, Place
from service.turns.schemas import Entity, Fact, IntentScore, Note, Reply, Report, Turn

MARGIN: Margin = "yes"
UNVERIFIED: tuple[str, ...] = ("type of buttons, and of events that say nothing", "feedback of a row below 0")
FALLBACKS = ("none",)
BUTTONS = ("quick_reply", "postback")
SILENT = ("typing", "data", "visit", "session_reset", "session_reference")  # of either direction
CONTEXT = re.compile(r"[\w .-]{1,100}")


def parse(body: bytes, *, delivery_id: str, received_at: datetime, options: Mapping[str, Any]) -> Parsed:
    return collect(body, partial(_items, received_at=received_at))


def _items(body: Any, notes: list[Note], received_at: datetime) -> Iterator[Item]:
    found = listed(body, "") if isinstance(body, list) else [(Place(0, ""), body)]
    for place, value in found:
        yield Item(place, _unpacked(value), partial(_facts, received_at=received_at))


def _unpacked(row: Any) -> Any:
    """A row with its event as what the text of it says."""
    return row | {"event": unpacked(row["event"])} if isinstance(row, dict) and "event" in row else row


def _facts(row: Fields, received_at: datetime) -> list[Fact]:
    """A row has the event inside, and beside it what became known later."""
    event = row.fields("event") if row.has("event") else row
    if event.string("type") in SILENT:
        return []
    match event.string("direction"):
        case "incoming":
            return _incoming(row, event, received_at)
        case "outgoing":
            return [] if unsaid(event, "preview") else [_reply(row, event, received_at)]
        case other:
            raise Fault(
                "unknown-direction", event.path("direction"), f"{other[:60]!a} is neither incoming nor outgoing"
            )


def _incoming(row: Fields, event: Fields, received_at: datetime) -> list[Fact]:
    kind = event.string("type")
    if kind in BUTTONS:
        event.note("type", "button", "skipped: a button that was pressed is no utterance")
        return []
    if kind != "text":
        event.note("type", "no-text", f"skipped: {kind[:60]!a} is no text")
        return []
    if unsaid(event, "preview"):
        return []
    turn = _turn(event, received_at)
    return [turn, _thumbs_down(turn)] if _number(row, "feedback") < 0 else [turn]


def _turn(event: Fields, received_at: datetime) -> Turn:
    text, nlu = event.text("preview"), event.fields("nlu")
    return Turn(
        external_id=event.id("id"),
        text=text,
        at=event.instant("createdOn", received_at),
        conversation_id=_conversation_id(event),
        user=person(event, "target"),
        lang=nlu.words("detectedLanguage", LANG) or nlu.words("language", LANG),
        channel=event.words("channel", WORD),
        intents=_scores(nlu),
        entities=entities(nlu, "entities", partial(_entity, text=text)),
        is_fallback=nlu.fields("intent").get("name") in FALLBACKS,
    )


def _reply(row: Fields, event: Fields, received_at: datetime) -> Reply:
    return Reply(
        external_id=event.id("id"),
        text=spoken(event, "preview", event.string("preview")),
        at=event.instant("createdOn", received_at),
        conversation_id=_conversation_id(event),
        turn_external_id=event.optional_id("incomingEventId") or row.optional_id("incomingEventId"),
    )


def _conversation_id(event: Fields) -> str:
    """Channels without threads have one conversation with each user, who may go by a telephone number."""
    thread, user = optional_key(event, "threadId"), optional_key(event, "target")
    return thread or (derived(user) if user else "")


def _thumbs_down(turn: Turn) -> Report:
    return Report(
        external_id=joined(turn.external_id, "feedback"),
        kind="thumbs_down",
        at=turn.at,
        conversation_id=turn.conversation_id,
        turn_external_id=turn.external_id,
        user=turn.user,
    )


def _scores(nlu: Fields) -> tuple[IntentScore, ...]:
    """Older versions say no predictions by context, only the intents that were elected."""
    contexts = _contexts(nlu)
    if not contexts:
        return intents(nlu, "intents", "name", "confidence", without=FALLBACKS)
    likeliest = max(contexts, key=partial(_number, name="confidence"))
    return intents(likeliest, "intents", "label", "confidence", without=FALLBACKS)


def _contexts(nlu: Fields) -> list[Fields]:
    """The included contexts, or all where none of those was predicted."""
    predictions = nlu.fields("predictions")
    names = [name for name, _ in predictions.items() if CONTEXT.fullmatch(name)]
    included = {name for name in nlu.list("includedContexts") if isinstance(name, str)}.intersection(names)
    return [predictions.fields(name) for name in names if name in included or not included]


def _number(fields: Fields, name: str) -> float:
    try:
        return fields.number(name)
    except Fault:
        return 0.0


def _entity(fields: Fields, text: str) -> Entity:
    meta = fields.fields("meta")
    here = span(meta, text, unit="utf-16")
    if meta.has("source") and meta.get("source") != text[here]:
        raise Fault("span-without-value", meta.path("source"), "the preview holds something else there")
    score = meta.number("confidence") if meta.has("confidence") else None
    return Entity(fields.name("name"), text[here], here.start, here.stop, score)
