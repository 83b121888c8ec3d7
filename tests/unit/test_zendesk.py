"""Webhooks of Zendesk messaging, of both kinds."""

from datetime import UTC, datetime
from typing import Any

import pytest

from integrations.webhooks.zendesk import parse
from service.turns.schemas import Reply, Turn
from tests.support.parsed import notes, parsed, rejections
from tests.support.platforms import deliveries

EVENTS, ASKED, ANSWERED = deliveries("zendesk")


def events(*messages: dict[str, Any]) -> dict[str, Any]:
    found = [
        {"id": f"e-{n}", "type": "conversation:message", "payload": {"conversation": {"id": "c"}, "message": message}}
        for n, message in enumerate(messages)
    ]
    return {"app": {"id": "a"}, "webhook": {"id": "w", "version": "v2"}, "events": found}


def message(**fields: Any) -> dict[str, Any]:
    return {"id": "m-1", "author": {"type": "user"}, "content": {"type": "text", "text": "hi"}} | fields


def test_a_delivery_carries_several_events() -> None:
    found = parsed(parse, EVENTS)
    assert found.facts == [
        Turn(
            external_id="m-1",
            text="can I return a gift?",
            at=datetime(2026, 3, 2, 9, 15, 4, 120_000, tzinfo=UTC),
            conversation_id="c-77",
            user="u-5",
            channel="web",
        ),
        Reply(
            external_id="m-2",
            text="Do you have the receipt?",
            at=datetime(2026, 3, 2, 9, 15, 5, 900_000, tzinfo=UTC),
            conversation_id="c-77",
        ),
    ]
    assert [place.path for place in found.places] == ["events[0]", "events[1]"]
    assert notes(found) == [("events[2].payload.message.content.payload", "button")]
    assert rejections(found) == [("events[3].type", "unknown-event-type")]


def test_a_ticket_webhook_carries_one_message() -> None:
    assert parsed(parse, ASKED).facts == [
        Turn(
            external_id="m-4",
            text="it was a present, I have none",
            at=datetime(2026, 3, 2, 9, 17, 5, 254_572, tzinfo=UTC),
            conversation_id="c-77",
            user="u-5",
        )
    ]
    assert parsed(parse, ANSWERED).facts == [
        Reply(
            external_id="m-5",
            text="An agent will look into it.",
            at=datetime(2026, 3, 2, 9, 17, 7, tzinfo=UTC),
            conversation_id="c-77",
        )
    ]


def test_a_message_that_two_events_tell_of_is_one() -> None:
    found = parsed(parse, events(message(), message()))
    assert ([fact.external_id for fact in found.facts], rejections(found)) == (["m-1"], [("events[1]", "repeated")])


@pytest.mark.parametrize(
    ("fields", "path", "type"),
    [
        ({"id": None}, "id", "missing"),
        ({"content": {"type": "text", "text": "x" * 4001}}, "content.text", "text-too-long"),
        ({"content": {"type": "text", "text": 7}}, "content.text", "wrong-type"),
        ({"author": {}}, "author.type", "missing"),
    ],
)
def test_an_event_without_identity_or_text_costs_the_others_nothing(
    fields: dict[str, Any], path: str, type: str
) -> None:
    found = parsed(parse, events(message(**fields), message(id="m-2")))
    assert [fact.external_id for fact in found.facts] == ["m-2"]
    assert rejections(found) == [(f"events[0].payload.message.{path}", type)]


@pytest.mark.parametrize("author", ["user", "business"])
@pytest.mark.parametrize("content", [{"type": "image", "mediaUrl": "https://a.example/b.png"}, {"text": " "}])
def test_a_message_without_words_is_skipped_with_a_note(author: str, content: dict[str, Any]) -> None:
    found = parsed(parse, events(message(author={"type": author}, content=content), message(id="m-2")))
    assert ([fact.external_id for fact in found.facts], found.rejected) == (["m-2"], [])
    assert notes(found) == [("events[0].payload.message.content.text", "no-text")]


@pytest.mark.parametrize("actor", ["end_user", "agent"])
def test_a_ticket_s_message_without_words_is_skipped_with_a_note(actor: str) -> None:
    event = {"actor": {"type": actor}, "message": {"id": "m-9", "body": ""}}
    found = parsed(parse, {"type": "zen:event-type:messaging_ticket.message_added", "event": event})
    assert (found.facts, notes(found), found.rejected) == ([], [("event.message.body", "no-text")], [])


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({}, ("type", "missing")),
        ({"type": "zen:event-type:ticket.created"}, ("type", "unknown-event-type")),
        ({"events": {}}, ("events", "wrong-type")),
        ([], ("$", "wrong-type")),
    ],
)
def test_other_deliveries_are_rejected(body: object, fault: tuple[str, str]) -> None:
    found = parsed(parse, body)
    assert (found.facts, rejections(found)) == ([], [fault])
