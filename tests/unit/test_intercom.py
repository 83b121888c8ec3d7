"""Notifications of Intercom."""

from datetime import UTC, datetime
from typing import Any

import pytest

from integrations.webhooks.intercom import parse
from service.turns.parsing import DERIVED
from service.turns.schemas import Reply, Report, Turn
from tests.support.parsed import notes, parsed, rejections
from tests.support.platforms import deliveries

CREATED, OPERATOR, ADMIN, REPLIED, RATED, PING = deliveries("intercom")
PARTS = "data.item.conversation_parts.conversation_parts"


def conversation(*parts: Any, **fields: Any) -> dict[str, Any]:
    item = {"type": "conversation", "id": "9", "created_at": 1772442904} | fields
    if parts:
        item["conversation_parts"] = {"conversation_parts": list(parts)}
    return {"type": "notification_event", "topic": "conversation.user.replied", "data": {"item": item}}


def part(**fields: Any) -> dict[str, Any]:
    return {"id": "1", "part_type": "comment", "body": "<p>hi</p>", "author": {"type": "user", "id": "u-1"}} | fields


def test_the_first_message_is_a_turn_in_plain_text() -> None:
    found = parsed(parse, CREATED)
    assert found.facts == [
        Turn(
            external_id="9001/source",
            text="Where's my parcel?\nIt was due on Monday & nothing came\nsince",
            at=datetime(2026, 3, 2, 9, 15, 4, tzinfo=UTC),
            conversation_id="9001",
            user="64aa01",
            channel="conversation",
        )
    ]
    assert (found.notes, found.rejected) == ([], [])


def test_a_bots_reply_under_two_topics_is_one() -> None:
    reply = Reply(
        external_id="9001/7001",
        text="Let me look.\nParis\nLyon",
        at=datetime(2026, 3, 2, 9, 15, 8, tzinfo=UTC),
        conversation_id="9001",
    )
    assert parsed(parse, OPERATOR).facts == parsed(parse, ADMIN).facts == [reply]


def test_of_several_parts_a_note_and_a_button_are_skipped() -> None:
    found = parsed(parse, REPLIED)
    assert [(fact.external_id, fact.text) for fact in found.facts if isinstance(fact, Turn)] == [
        ("9001/7002", "neither, I live in Nice")
    ]
    assert (len(found.facts), found.places[0].path) == (1, f"{PARTS}[0]")
    assert notes(found) == [(f"{PARTS}[1].part_type", "private"), (f"{PARTS}[2].part_type", "button")]
    assert found.rejected == []


def test_a_low_rating_reports_what_the_user_had_come_for() -> None:
    turn, report = parsed(parse, RATED).facts
    assert (turn.external_id, report.external_id.startswith(DERIVED)) == ("9001/source", True)
    assert report == Report(
        external_id=report.external_id,
        kind="low_rating",
        at=datetime(2026, 3, 2, 9, 21, 30, tzinfo=UTC),
        conversation_id="9001",
        turn_external_id="9001/source",
        comment="it never understood the city",
        user="64aa01",
    )


@pytest.mark.parametrize(
    ("author", "turn", "reply"), [("user", "9/source", ""), ("admin", "", "9/source"), (None, "9/source", "")]
)
def test_a_rating_names_the_first_message_whoever_wrote_it(author: str | None, turn: str, reply: str) -> None:
    source = {"body": "hello", "author": {"type": author}} if author else None
    found = parsed(parse, conversation(source=source, conversation_rating={"rating": 1}))
    (report,) = (fact for fact in found.facts if isinstance(fact, Report))
    assert (report.turn_external_id, report.reply_external_id) == (turn, reply)


@pytest.mark.parametrize("rating", [{}, None, {"rating": None}, {"rating": 5}])
def test_a_good_rating_and_none_report_nothing(rating: object) -> None:
    found = parsed(parse, conversation(part(), conversation_rating=rating))
    assert ([type(fact) for fact in found.facts], found.rejected) == ([Turn], [])


@pytest.mark.parametrize(
    ("author", "kind"),
    [("user", Turn), ("lead", Turn), ("contact", Turn), ("admin", Reply), ("bot", Reply), ("team", Reply)],
)
def test_users_leads_and_contacts_make_turns(author: str, kind: type) -> None:
    (fact,) = parsed(parse, conversation(part(author={"type": author}))).facts
    assert type(fact) is kind


def test_a_part_is_known_by_its_conversation_and_its_id() -> None:
    found = parsed(parse, conversation(part(), part(body="again"), part(id=2)))
    assert [fact.external_id for fact in found.facts] == ["9/1", "9/2"]
    assert rejections(found) == [(f"{PARTS}[1]", "repeated")]


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"id": None}, ("id", "missing")),
        ({"body": 7}, ("body", "wrong-type")),
        ({"body": "<p>" + "x" * 4001}, ("body", "text-too-long")),
        ({"body": "a\0b"}, ("body", "nul-in-text")),
        ({"author": None}, ("author.type", "missing")),
    ],
)
def test_a_part_that_is_no_message_is_rejected(fields: dict[str, Any], fault: tuple[str, str]) -> None:
    found = parsed(parse, conversation(part(**fields), part(id="2")))
    assert ([fact.external_id for fact in found.facts], rejections(found)) == (
        ["9/2"],
        [(f"{PARTS}[0].{fault[0]}", fault[1])],
    )


@pytest.mark.parametrize(
    ("fields", "note"),
    [
        ({"body": None, "attachments": [{"name": "a.png"}]}, ("body", "no-text")),
        ({"body": '<img src="a.png">'}, ("body", "no-text")),
        ({"body": None, "part_type": "assignment", "author": {"type": "admin"}}, ("body", "no-text")),
        ({"body": "", "part_type": "close", "author": {"type": "bot"}}, ("body", "no-text")),
        ({"part_type": "note_and_reopen"}, ("part_type", "private")),
    ],
)
def test_a_part_that_says_nothing_is_skipped_with_a_note(fields: dict[str, Any], note: tuple[str, str]) -> None:
    found = parsed(parse, conversation(part(**fields), part(id="2")))
    assert ([fact.external_id for fact in found.facts], found.rejected) == (["9/2"], [])
    assert notes(found) == [(f"{PARTS}[0].{note[0]}", note[1])]


def test_a_ping_is_skipped() -> None:
    found = parsed(parse, PING)
    assert (found.facts, notes(found), found.rejected) == ([], [("topic", "ping")], [])


def test_other_notifications_are_rejected_with_their_topic() -> None:
    for body in (conversation(), conversation(part(), type="ticket")):
        assert rejections(parsed(parse, body)) == [("topic", "no-message")]
