"""Rasa: the `user` and `bot` events of an event broker, one, a list of them, or a tracker dump with its `events`.

Published at https://rasa.com/docs/rasa/event-brokers and, field by field, in rasa/shared/core/events.py of
github.com/RasaHQ/rasa. Offsets count characters (code points); an entity's value may be a synonym of what was said, so
it is not compared. `intent_ranking` gives a margin. Whatever `nlu_fallback` scored (1, 1 - the best, the threshold:
versions differ), it is no intent: it flags the turn and is dropped. CALM's `commands` are not read.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from integrations.webhooks.collecting import (
    ITEMS_LIMIT,
    WORD,
    Item,
    best,
    collect,
    derived,
    entities,
    intents,
    listed,
    one,
    scored,
    span,
    spoken,
    unsaid,
    which,
)
from integrations.webhooks.lenient import Fields
from service.turns.parsing import Fault, Margin, Parsed, Place
from service.turns.schemas import Entity, Fact, IntentScore, Note, Reply, Turn

MARGIN: Margin = "yes"
UNVERIFIED = (
    "parse_data.entities[].confidence_entity",
    "metadata.model_id",
    "the prefixes / and EXTERNAL: of button triggers",
)
FALLBACKS = ("nlu_fallback",)
TRIGGERS = ("/", "EXTERNAL:")


def parse(body: bytes, *, delivery_id: str, received_at: datetime, options: Mapping[str, Any]) -> Parsed:
    return collect(body, partial(_items, received_at=received_at))


def _items(body: Any, notes: list[Note], received_at: datetime) -> Iterator[Item]:
    read = partial(_facts, sender="", received_at=received_at)
    if isinstance(body, list):
        yield from _events(body, "", read)
        return
    event = Fields(body, "", 0, notes)
    if event.has("events"):
        sender = event.optional_id("sender_id")
        yield from _events(event.get("events"), "events", partial(read, sender=sender))
    else:
        yield Item(Place(0, ""), body, read)


def _events(found: Any, path: str, read: Callable[[Fields], list[Fact]]) -> Iterator[Item]:
    return (Item(place, value, read) for place, value in listed(found, path, ITEMS_LIMIT))


def _facts(event: Fields, sender: str, received_at: datetime) -> list[Fact]:
    match event.string("event"):
        case "user":
            return _turn(event, event.optional_id("sender_id") or sender, received_at)
        case "bot":
            return _reply(event, event.optional_id("sender_id") or sender, received_at)
        case _:
            return []


def _turn(event: Fields, sender: str, received_at: datetime) -> list[Fact]:
    if unsaid(event, "text"):
        return []
    text = event.text("text")
    if text.lstrip().startswith(TRIGGERS):
        event.note("text", "trigger", "skipped: a button or an intent that was set off is no utterance")
        return []
    understood = event.fields("parse_data")
    intent = understood.fields("intent")
    turn = Turn(
        external_id=_id(event, sender, event.optional_id("message_id")),
        text=text,
        at=event.instant("timestamp", received_at),
        conversation_id=derived(sender),
        user=sender,
        channel=event.words("input_channel", WORD),
        bot_version=event.fields("metadata").words("model_id", WORD),
        intents=_ranking(understood, intent),
        entities=entities(understood, "entities", partial(_entity, text=text)),
        is_fallback=intent.get("name") in FALLBACKS,
    )
    return [turn]


def _reply(event: Fields, sender: str, received_at: datetime) -> list[Fact]:
    if unsaid(event, "text"):
        return []  # a picture, buttons alone, or a payload of the channel's own
    text = spoken(event, "text", event.string("text"))
    own_id, at = _id(event, sender), event.instant("timestamp", received_at)
    return [Reply(external_id=own_id, text=text, at=at, conversation_id=derived(sender))]


def _id(event: Fields, sender: str, message: str = "") -> str:
    """Sender, instant and message: what tells events apart, whose equality takes no notice of time. A sender may be a
    telephone number."""
    if not sender:
        raise Fault("missing", event.path("sender_id"), "sender_id is missing")
    return derived(sender, repr(event.number("timestamp")), message)


def _ranking(understood: Fields, intent: Fields) -> tuple[IntentScore, ...]:
    """The ranking; where there is none, as of a regular expression, the intent alone."""
    ranking = intents(understood, "intent_ranking", score="confidence", without=FALLBACKS)
    if ranking or not intent.has("name"):
        return ranking
    alone = one(understood, "intent", understood.get("intent"), partial(scored, score="confidence"))
    return best([alone] if alone else [], FALLBACKS)


def _entity(fields: Fields, text: str) -> Entity:
    here, score = span(fields, text), which(fields, "confidence_entity", "confidence")
    found = fields.number(score) if fields.has(score) else None
    return Entity(fields.name("entity"), text[here], here.start, here.stop, found)
