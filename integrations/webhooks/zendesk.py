"""Zendesk messaging, by either of the ways in which it tells of messages.

A webhook of the messaging platform (Sunshine Conversations) carries several events a POST: its `conversation:message`
is read. A webhook of Zendesk that is subscribed to `messaging_ticket.message_added` carries one message a POST. A
user's message is a turn, a bot's or an agent's a reply; messages are known by their own id, for the same one comes
under several events.

Published at https://developer.zendesk.com/documentation/conversations/messaging-platform/programmable-conversations/
receiving-messages and https://developer.zendesk.com/api-reference/webhooks/event-types/messaging-events. No NLU: no
offsets, no scores.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from integrations.webhooks.collecting import WORD, Item, collect, listed
from integrations.webhooks.lenient import Fields
from integrations.webhooks.ids import optional_key, person
from service.turns.parsing import Fault, Parsed, Place
from service.turns.schemas import Fact, Note, Reply, Turn

MARGIN = False
UNVERIFIED = ("content.payload of a pressed reply button", "conversation_id of messaging_ticket.message_added")
MESSAGE = "conversation:message"
TICKET_MESSAGE = "zen:event-type:messaging_ticket.message_added"


def parse(body: bytes, *, delivery_id: str, received_at: datetime, options: Mapping[str, Any]) -> Parsed:
    return collect(body, partial(_items, received_at=received_at))


def _items(body: Any, notes: list[Note], received_at: datetime) -> Iterator[Item]:
    delivery = Fields(body, "", 0, notes)
    if delivery.has("events"):
        for place, value in listed(delivery.get("events"), "events"):
            yield Item(place, value, partial(_event, received_at=received_at))
    else:
        yield Item(Place(0, ""), body, partial(_ticket_event, received_at=received_at))


def _of_type(event: Fields, wanted: str) -> None:
    found = event.string("type")
    if found != wanted:
        raise Fault("unknown-event-type", event.path("type"), f"{found[:60]!a} is not {wanted}")
