"""Intercom: notifications that carry a conversation, whatever their topic.

The conversation's first message stands in `source`, the later ones in `conversation_parts`; users, leads and contacts
make turns, everybody else replies. Bodies are HTML and become text. Topics overlap (a bot's reply comes under
`conversation.admin.replied` and `conversation.operator.replied`) and notifications repeat `source`: a message is known
by its part's id, whatever brought it. A low rating reports the first message, what the user had come for.

Published at https://developers.intercom.com/docs/references/2.16/webhooks/webhook-models (notifications, topics) and
https://developers.intercom.com/docs/references/1.0/rest-api/conversations/conversation-part-model. No NLU: no offsets,
no scores.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from integrations.webhooks.collecting import WORD, Item, collect, joined, listed, spoken
from integrations.webhooks.html import plain
from integrations.webhooks.ids import key, person
from integrations.webhooks.lenient import Fields
from integrations.webhooks.ratings import low_ratings
from service.turns.parsing import Fault, Margin, Parsed, Place, check_text
from service.turns.schemas import Fact, Note, Reply, Turn

MARGIN: Margin = "no"
UNVERIFIED: tuple[str, ...] = ("source in notifications", "part_type of notes and buttons", "conversation_rating")
USERS = ("user", "lead", "contact")
FIRST, PARTS, RATING = "source", "conversation_parts", "conversation_rating"


class Conversation(NamedTuple):
    """What its messages share; `at` stands in for the time of one that says none."""

    id: str
    at: datetime
    channel: str

    @property
    def first(self) -> str:
        """The first message's id; its own is of another series than the parts' are."""
        return joined(self.id, FIRST)


def parse(body: bytes, *, delivery_id: str, received_at: datetime, options: Mapping[str, Any]) -> Parsed:
    return collect(body, partial(_items, received_at=received_at))


def _items(body: Any, notes: list[Note], received_at: datetime) -> Iterator[Item]:
    event = Fields(body, "", 0, notes)
    item = event.fields("data").fields("item")
    if item.get("type") == "ping":
        event.note("topic", "ping", "skipped: Intercom looks whether somebody listens")
        return
    source, parts, rating = item.fields(FIRST), item.fields(PARTS), item.fields(RATING)
    if item.get("type") != "conversation" or not (item.has(FIRST) or parts.has(PARTS) or rating.has("rating")):
        raise Fault("no-message", "topic", f"{event.string('topic')[:60]!a} carries no message of a conversation")
    at = item.instant("created_at", event.instant("created_at", received_at))
    conversation = Conversation(key(item, "id"), at, source.words("type", WORD))
    if item.has(FIRST):
        yield Item(Place(0, item.path(FIRST)), item.get(FIRST), partial(_message, conversation, conversation.first))
    for place, value in listed(parts.get(PARTS) or [], parts.path(PARTS)):
        yield Item(place, value, partial(_part, conversation))
    if rating.has("rating"):
        is_turn = source.fields("author").get("type") in (*USERS, None)
        yield Item(Place(0, item.path(RATING)), item.get(RATING), partial(_rated, conversation, is_turn))


def _part(conversation: Conversation, part: Fields) -> list[Fact]:
    kind = part.words("part_type", WORD)
    if kind.startswith("note"):
        part.note("part_type", "private", "skipped: a note is for teammates alone")
        return []
    if kind == "quick_reply":
        part.note("part_type", "button", "skipped: a button that was pressed is no utterance")
        return []
    return _message(conversation, joined(conversation.id, key(part, "id")), part)


def _message(conversation: Conversation, own_id: str, message: Fields) -> list[Fact]:
    text = plain(message.string("body")) if message.has("body") else ""
    if not text:
        message.note("body", "no-text", "skipped: files, an assignment or the like")
        return []
    author, at = message.fields("author"), message.instant("created_at", conversation.at)
    if author.string("type") not in USERS:
        said = spoken(message, "body", text)
        return [Reply(external_id=own_id, text=said, at=at, conversation_id=conversation.id)]
    check_text(text, message.path("body"))
    turn = Turn(
        external_id=own_id,
        text=text,
        at=at,
        conversation_id=conversation.id,
        user=person(author, "id"),
        channel=conversation.channel,
    )
    return [turn]


def _rated(conversation: Conversation, is_turn: bool, rating: Fields) -> list[Fact]:
    """`is_turn`: whether the first message is a user's, as it mostly is."""
    about = {"turn" if is_turn else "reply": conversation.first}
    at, user = rating.instant("created_at", conversation.at), person(rating.fields("contact"), "id")
    return [*low_ratings(rating, "remark", at=at, user=user, conversation_id=conversation.id, **about)]
