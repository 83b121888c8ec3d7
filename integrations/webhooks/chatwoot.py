"""Chatwoot: the events `message_created` and, for the answer to a survey, `message_updated`; one message a delivery.

An incoming message is a turn, an outgoing one or a template's is a reply, whether a bot or a person wrote it; an
agent's private note, an activity (assigned, resolved) and what holds no words are neither. A survey is a template's
message, and a low rating reports it.

Published at https://www.chatwoot.com/hc/user-guide/articles/1677693021-how-to-use-webhooks, event by event in
docs/product/others/webhook-events.md of github.com/chatwoot/docs. No NLU: no offsets, no scores. Ids are numbers:
those of messages are unique in the installation, those of conversations in the account.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from integrations.webhooks.collecting import WORD, Item, collect, joined, spoken, unsaid
from integrations.webhooks.ids import key, optional_key, person
from integrations.webhooks.lenient import Fields
from integrations.webhooks.ratings import low_ratings
from service.turns.parsing import Fault, Margin, Parsed, Place
from service.turns.schemas import Fact, Note, Reply, Turn

MARGIN: Margin = "no"
UNVERIFIED: tuple[str, ...] = ("content_attributes.submitted_values.csat_survey_response",)


def parse(body: bytes, *, delivery_id: str, received_at: datetime, options: Mapping[str, Any]) -> Parsed:
    return collect(body, partial(_items, received_at=received_at))


def _items(body: Any, notes: list[Note], received_at: datetime) -> Iterator[Item]:
    yield Item(Place(0, ""), body, partial(_facts, received_at=received_at))


def _facts(message: Fields, received_at: datetime) -> list[Fact]:
    match message.string("event"):
        case "message_created":
            return list(_message(message, received_at))
        case "message_updated":
            return _answer(message, received_at)
        case other:
            raise Fault("unknown-event-type", "event", f"{other[:60]!a} is none of message_created, message_updated")


def _message(message: Fields, received_at: datetime) -> Iterator[Fact]:
    kind = message.string("message_type")
    if message.flag("private"):
        message.note("private", "private", "skipped: a private note is for agents alone")
        return
    if kind == "activity":
        message.note("message_type", "no-text", "skipped: what was done is no message")
        return
    if unsaid(message, "content"):
        return
    match kind:
        case "incoming":
            yield _turn(message, received_at)
        case "outgoing" | "template":
            yield _reply(message, received_at)
        case other:
            raise Fault(
                "unknown-message-type",
                "message_type",
                f"{other[:60]!a} is none of incoming, outgoing, template, activity",
            )


def _turn(message: Fields, received_at: datetime) -> Turn:
    return Turn(
        external_id=key(message, "id"),
        text=message.text("content"),
        at=message.instant("created_at", received_at),
        conversation_id=_conversation_id(message),
        user=person(message.fields("sender"), "id"),
        channel=message.fields("conversation").words("channel", WORD),
    )


def _reply(message: Fields, received_at: datetime) -> Reply:
    return Reply(
        external_id=key(message, "id"),
        text=spoken(message, "content", message.string("content") if message.has("content") else ""),
        at=message.instant("created_at", received_at),
        conversation_id=_conversation_id(message),
    )


def _conversation_id(message: Fields) -> str:
    own = optional_key(message.fields("conversation"), "id")
    return joined(optional_key(message.fields("account"), "id"), own) if own else ""


def _answer(message: Fields, received_at: datetime) -> list[Fact]:
    """The survey, in case its creation was not sent, and the report that its answer makes."""
    answer = message.fields("content_attributes").fields("submitted_values").fields("csat_survey_response")
    if not answer.has("rating"):
        message.note("event", "no-answer", "skipped: an updated message is read for the answer to a survey alone")
        return []
    survey = _reply(message, received_at)
    reports = low_ratings(
        answer,
        "feedback_message",
        at=survey.at,
        user=person(message.fields("conversation").fields("meta").fields("sender"), "id"),
        conversation_id=survey.conversation_id,
        reply=survey.external_id,
    )
    return [survey, *reports]
