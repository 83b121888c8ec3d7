"""Zendesk messaging, by either of the two ways in which it tells of messages.

A webhook of the messaging platform (Sunshine Conversations) carries several events a POST, of which
`conversation:message` is read. A webhook of Zendesk itself that is subscribed to `messaging_ticket.message_added`
carries one message a POST. A user's message is a turn, a bot's or an agent's a reply. Messages are known by their own
id: an event's is new when the platform tells of a message again.

Published at https://developer.zendesk.com/documentation/conversations (Receiving messages) and
https://developer.zendesk.com/api-reference/webhooks/event-types/messaging-events. No NLU: no offsets, no scores.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from integrations.webhooks.collecting import USER, WORD, Item, collect, listed, spoken, unsaid
from integrations.webhooks.lenient import Fields
from service.turns.parsing import Fault, Margin, Parsed, Place
from service.turns.schemas import Fact, Note, Reply, Turn

MARGIN: Margin = "no"
UNVERIFIED: tuple[str, ...] = ("content.payload of a reply button",)
MESSAGE = "conversation:message"
TICKET_MESSAGE = "zen:event-type:messaging_ticket.message_added"


def parse(body: bytes, *, delivery_id: str, received_at: datetime, options: Mapping[str, Any]) -> Parsed:
    return collect(body, partial(_items, received_at=received_at))


def _items(body: Any, notes: list[Note], received_at: datetime) -> Iterator[Item]:
    delivery = Fields(body, "", 0, notes)
    if not delivery.has("events"):
        yield Item(Place(0, ""), body, partial(_ticket_event, received_at=received_at))
        return
    for place, value in listed(delivery.get("events"), "events"):
        yield Item(place, value, partial(_event, received_at=received_at))


def _event(event: Fields, received_at: datetime) -> list[Fact]:
    _check_type(event, MESSAGE)
    payload, at = event.fields("payload"), event.instant("createdAt", received_at)
    message = payload.fields("message")
    author, content = message.fields("author"), message.fields("content")
    own_id, said_at = message.id("id"), message.instant("received", at)
    conversation_id = payload.fields("conversation").optional_id("id")
    kind = author.string("type")
    if unsaid(content, "text"):
        return []
    if kind != "user":
        text = spoken(content, "text", content.string("text"))
        return [Reply(external_id=own_id, text=text, at=said_at, conversation_id=conversation_id)]
    if content.has("payload"):
        content.note("payload", "button", "skipped: a button that was pressed is no utterance")
        return []
    turn = Turn(
        external_id=own_id,
        text=content.text("text"),
        at=said_at,
        conversation_id=conversation_id,
        user=author.words("userId", USER),
        channel=message.fields("source").words("type", WORD),
    )
    return [turn]


def _ticket_event(delivery: Fields, received_at: datetime) -> list[Fact]:
    _check_type(delivery, TICKET_MESSAGE)
    event, at = delivery.fields("event"), delivery.instant("time", received_at)
    actor, message = event.fields("actor"), event.fields("message")
    own_id, conversation_id = message.id("id"), event.optional_id("conversation_id")
    kind = actor.string("type")
    if unsaid(message, "body"):
        return []
    if kind != "end_user":
        text = spoken(message, "body", message.string("body"))
        return [Reply(external_id=own_id, text=text, at=at, conversation_id=conversation_id)]
    said, user = message.text("body"), actor.words("id", USER)
    return [Turn(external_id=own_id, text=said, at=at, conversation_id=conversation_id, user=user)]


def _check_type(event: Fields, wanted: str) -> None:
    found = event.string("type")
    if found != wanted:
        raise Fault("unknown-event-type", event.path("type"), f"{found[:60]!a} is not {wanted}")
