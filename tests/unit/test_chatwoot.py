"""Webhooks of Chatwoot."""

from datetime import UTC, datetime
from typing import Any

import pytest

from integrations.webhooks.chatwoot import parse
from service.turns.parsing import DERIVED
from service.turns.schemas import Reply, Report, Turn
from tests.support.parsed import notes, parsed, rejections
from tests.support.platforms import deliveries

ASKED, ANSWERED, NOTE, RATED, RESOLVED = deliveries("chatwoot")


def message(**fields: Any) -> dict[str, Any]:
    own = {"event": "message_created", "id": 7, "content": "hi there", "message_type": "incoming"}
    return own | {"conversation": {"id": 4}, "account": {"id": 2}} | fields


def survey(rating: object, said: object = None) -> dict[str, Any]:
    answer = {"csat_survey_response": {"rating": rating, "feedback_message": said}}
    return message(event="message_updated", message_type="template", content_attributes={"submitted_values": answer})


def reports(body: object) -> list[Report]:
    return [fact for fact in parsed(parse, body).facts if isinstance(fact, Report)]


def test_an_incoming_message_is_a_turn() -> None:
    assert parsed(parse, ASKED).facts == [
        Turn(
            external_id="5120",
            text="the parcel shows delivered but nothing is here",
            at=datetime(2026, 3, 2, 9, 15, 4, 120_000, tzinfo=UTC),
            conversation_id="2/41",
            user="77",
            channel="Channel::WebWidget",
        )
    ]


def test_an_outgoing_message_is_a_reply_and_a_private_note_is_none() -> None:
    assert parsed(parse, ANSWERED).facts == [
        Reply(
            external_id="5121",
            text="Sorry to hear that. Did a neighbour take it?",
            at=datetime(2026, 3, 2, 9, 15, 6, tzinfo=UTC),
            conversation_id="2/41",
        )
    ]
    found = parsed(parse, NOTE)
    assert (found.facts, notes(found), found.rejected) == ([], [("private", "private")], [])


def test_a_low_rating_reports_the_survey_and_so_the_last_turn_before_it() -> None:
    survey, report = parsed(parse, RATED).facts
    assert (survey.external_id, report.external_id.startswith(DERIVED)) == ("5130", True)
    assert report == Report(
        external_id=report.external_id,
        kind="low_rating",
        at=datetime(2026, 3, 2, 9, 30, tzinfo=UTC),
        conversation_id="2/41",
        reply_external_id="5130",
        comment="never answered my question",
        user="77",
    )


@pytest.mark.parametrize(("rating", "count"), [(0, 0), (1, 1), (2, 1), ("2", 1), (3, 0), (5, 0)])
def test_only_a_low_rating_reports(rating: object, count: int) -> None:
    assert len(reports(survey(rating))) == count


def test_a_comment_that_follows_the_rating_is_a_report_of_its_own_and_a_repeat_is_not() -> None:
    bare, commented, again = (reports(survey(1, said))[0].external_id for said in (None, "slow", "slow"))
    assert bare != commented == again


def test_other_events_are_rejected_with_the_reason() -> None:
    assert rejections(parsed(parse, RESOLVED)) == [("event", "unknown-event-type")]


@pytest.mark.parametrize(
    ("fields", "note"),
    [
        ({"content": None, "attachments": [{"file_type": "image"}]}, ("content", "no-text")),
        ({"content": "\n"}, ("content", "no-text")),
        ({"content": None, "message_type": "outgoing"}, ("content", "no-text")),
        ({"content": "Assigned to Jo", "message_type": "activity"}, ("message_type", "no-text")),
        ({"event": "message_updated"}, ("event", "no-answer")),
    ],
)
def test_what_says_nothing_is_skipped_with_a_note(fields: dict[str, Any], note: tuple[str, str]) -> None:
    found = parsed(parse, message(**fields))
    assert (found.facts, notes(found), found.rejected) == ([], [note], [])


def test_a_survey_without_words_is_reported_all_the_same() -> None:
    asked, report = parsed(parse, survey(1) | {"content": None}).facts
    assert isinstance(report, Report)
    assert (asked.external_id, report.reply_external_id) == ("7", "7")


def test_conversations_of_two_accounts_are_two() -> None:
    ids = {parsed(parse, message(account={"id": account})).facts[0].conversation_id for account in (1, 2)}
    assert ids == {"1/4", "2/4"}
    assert parsed(parse, message(conversation=None)).facts[0].conversation_id == ""


def test_a_template_is_a_reply_and_a_long_one_is_cut() -> None:
    (reply,) = parsed(parse, message(message_type="template", content="x" * 4001)).facts
    assert isinstance(reply, Reply)
    assert len(reply.text) == 4000


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"id": None}, ("id", "missing")),
        ({"id": True}, ("id", "wrong-type")),
        ({"content": 7}, ("content", "wrong-type")),
        ({"content": "x" * 4001}, ("content", "text-too-long")),
        ({"message_type": "shout"}, ("message_type", "unknown-message-type")),
        ({"conversation": {"id": [4]}}, ("conversation.id", "wrong-type")),
    ],
)
def test_a_message_without_identity_or_text_is_rejected(fields: dict[str, Any], fault: tuple[str, str]) -> None:
    found = parsed(parse, message(**fields))
    assert (found.facts, rejections(found)) == ([], [fault])
