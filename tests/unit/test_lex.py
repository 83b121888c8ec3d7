"""Amazon Lex V2's conversation logs, and the envelopes they come in."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from integrations.webhooks.lex import parse
from service.turns.schemas import IntentScore, Reply, Turn
from tests.support.edge import gzipped
from tests.support.parsed import notes, parsed, rejections
from tests.support.platforms import deliveries

MISSED, ASKED, ENVELOPE = deliveries("lex")


def record(request: str = "r-1", action: str = "Close", intent: str = "Refund", **fields: Any) -> dict[str, Any]:
    state = {"intent": {"name": intent, "slots": fields.pop("slots", {})}, "dialogAction": {"type": action}}
    state["intent"] |= fields.pop("state", {})
    return {"requestId": request, "sessionId": "s-1", "inputTranscript": "my money", "sessionState": state} | fields


def certain(intent: str = "Refund") -> list[dict[str, Any]]:
    return [{"nluConfidence": "1.0", "intent": {"name": intent}}]


def slot(value: str) -> dict[str, Any]:
    return {"city": {"shape": "Scalar", "value": {"originalValue": value, "interpretedValue": value.upper()}}}


def several(*values: str) -> dict[str, Any]:
    return {"city": {"shape": "List", "values": [slot(value)["city"] for value in values]}}


def slot_fills(*records: dict[str, Any]) -> list[bool]:
    return [fact.is_slot_fill for fact in parsed(parse, list(records)).facts if isinstance(fact, Turn)]


def test_a_missed_utterance_keeps_its_scores_without_the_fallback() -> None:
    found = parsed(parse, MISSED)
    at = datetime(2026, 3, 2, 9, 15, 4, 120_000, tzinfo=UTC)
    assert found.facts == [
        Turn(
            external_id="6d2f-1",
            text="where did my 📦 go",
            at=at,
            conversation_id="s-3",
            lang="en-US",
            channel="Text",
            bot_version="4",
            intents=(IntentScore("Track", 0.63), IntentScore("Refund", 0.41)),
            is_fallback=True,
        ),
        Reply(
            external_id="6d2f-1",
            text="Sorry, say that again?",
            at=at,
            conversation_id="s-3",
            turn_external_id="6d2f-1",
        ),
    ]
    assert (found.notes, found.rejected) == ([], [])


def test_what_a_bot_asked_for_in_the_record_before_is_context() -> None:
    found = parsed(parse, ASKED)
    assert [(fact.external_id, fact.is_slot_fill) for fact in found.facts if isinstance(fact, Turn)] == [
        ("6d2f-2", False),
        ("6d2f-3", True),
    ]
    assert [(fact.text, fact.intent) for fact in found.facts if isinstance(fact, Reply)] == [
        ("Which city?", "ChangeAddress")
    ]


def test_a_cloudwatch_subscription_is_opened() -> None:
    found = parsed(parse, ENVELOPE)
    (turn,) = found.facts
    assert isinstance(turn, Turn)
    assert (turn.external_id, turn.text, turn.is_slot_fill) == ("6d2f-4", "yes", True)
    assert [place.path for place in found.places] == ["awslogs.data.logEvents[0].message"]


def test_another_intent_than_the_asking_one_is_no_answer() -> None:
    asking = record("r-1", "ElicitSlot", "ChangeAddress")
    assert slot_fills(asking, record("r-2", intent="Refund", interpretations=certain())) == [False, False]
    assert slot_fills(asking, record("r-2", intent="ChangeAddress")) == [False, True]
    assert slot_fills(asking, record("r-2", intent="ChangeAddress", sessionId="s-2")) == [False, False]
    nowhere = {"sessionId": None}
    assert slot_fills(record("r-1", "ElicitSlot", **nowhere), record("r-2", **nowhere)) == [False, False]
    assert slot_fills(record("r-1", "Close"), record("r-2", slots=slot("my money"))) == [False, False]


@pytest.mark.parametrize(
    ("alone", "is_answer"),
    [
        (record(), False),
        (record(interpretations=certain()), False),
        (record(slots=slot("Lyon")), False),
        (record(slots=slot("my money")), True),
        (record(slots=several("my cash", "my money")), True),
        (record(slots=several("my cash", "a bit")), False),
        (record(slots={"city": None, "day": [], "time": {"values": [7, {}]}}), False),
        (record(slots=slot("Lyon"), interpretations=certain()), False),
        (record(slots=slot("my money"), action="ElicitIntent"), False),
        (record(state={"confirmationState": "Denied"}), True),
        (record(state={"confirmationState": "None"}), False),
        (record(state={"confirmationState": "Denied"}, intent="FallbackIntent"), False),
        (record(inputMode="DTMF", inputTranscript="4"), True),
    ],
)  # fmt: skip
def test_a_record_alone_is_an_answer_by_how_it_was_understood(alone: dict[str, Any], is_answer: bool) -> None:
    assert slot_fills(alone) == [is_answer]


def test_a_confidence_that_is_no_number_costs_its_intent() -> None:
    ranking = [
        {"nluConfidence": "high", "intent": {"name": "Track"}},
        {"nluConfidence": 0.5, "intent": {"name": "Refund"}},
    ]
    found = parsed(parse, record(interpretations=ranking))
    (turn,) = found.facts
    assert isinstance(turn, Turn)
    assert (turn.intents, notes(found)) == ((IntentScore("Refund", 0.5),), [("interpretations[0]", "wrong-type")])


def test_silence_is_skipped() -> None:
    found = parsed(parse, record(inputTranscript=""))
    assert (found.facts, notes(found), found.rejected) == ([], [("inputTranscript", "no-text")], [])


def test_cloudwatchs_own_message_is_skipped() -> None:
    found = parsed(parse, {"messageType": "CONTROL_MESSAGE", "logEvents": [{"message": "Checking health"}]})
    assert (found.facts, notes(found), found.rejected) == ([], [("messageType", "control-message")], [])


def test_one_bad_log_event_costs_the_others_nothing() -> None:
    events = [{"id": "1", "message": "START"}, {"id": "2", "message": json.dumps(record())}, 7]
    found = parsed(parse, {"logEvents": events})
    assert [fact.external_id for fact in found.facts] == ["r-1"]
    assert rejections(found) == [("logEvents[0].message", "wrong-type"), ("logEvents[2].message", "wrong-type")]


PACKED = base64.b64encode(gzipped({"logEvents": []})).decode()


@pytest.mark.parametrize(
    ("body", "path", "type"),
    [
        ({"awslogs": {"data": "?"}}, "awslogs.data", "bad-encoding"),
        ({"awslogs": {"data": "\ud800"}}, "awslogs.data", "bad-encoding"),
        ({"awslogs": {"data": "AAAA"}}, "awslogs.data", "bad-encoding"),
        ({"awslogs": {"data": base64.b64encode(gzipped(b" " * (9 << 20))).decode()}}, "awslogs.data", "bad-encoding"),
        ({"awslogs": {"data": PACKED[:-8]}}, "awslogs.data", "bad-encoding"),
        ({"awslogs": {"data": base64.b64encode(gzipped([])).decode()}}, "awslogs.data", "wrong-type"),
        ({"awslogs": {}}, "awslogs.data", "missing"),
        ({"logEvents": {}}, "logEvents", "wrong-type"),
        (record(requestId=None), "requestId", "missing"),
        (record(requestId=None, inputTranscript=""), "requestId", "missing"),
        (record(inputTranscript=7), "inputTranscript", "wrong-type"),
        (b"{", "$", "not-json"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_rejected_with_its_path(body: object, path: str, type: str) -> None:
    found = parsed(parse, body)
    assert (found.facts, rejections(found)) == ([], [(path, type)])
