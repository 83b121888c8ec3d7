"""Dialogflow CX: webhook requests, responses, log entries, rows of the export and feedback."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from integrations.webhooks.dialogflow_cx import parse
from service.turns.schemas import IntentScore, Reply, Report, Turn
from tests.support.parsed import RECEIVED, notes, parsed, rejections
from tests.support.platforms import deliveries

REQUEST, ENTRY, ROWS, FEEDBACK, PUSHED = deliveries("dialogflow_cx")
SESSION = "projects/p/locations/l/agents/a/sessions/s-2"


def response(match: dict[str, Any] | None = None, **result: Any) -> dict[str, Any]:
    own = {"text": "where is it", "match": {"matchType": "INTENT", "intent": {"displayName": "track"}} | (match or {})}
    return {"responseId": "resp-7", "queryResult": own | result}


def request(**fields: Any) -> dict[str, Any]:
    return {"detectIntentResponseId": "resp-7", "text": "to Lyon"} | fields


def row(**fields: Any) -> dict[str, Any]:
    return {"conversation_name": SESSION, "turn_position": 1, "response": response()} | fields


def turn(body: object) -> Turn:
    (found,) = [fact for fact in parsed(parse, body).facts if isinstance(fact, Turn)]
    return found


def test_a_webhook_request_names_the_winner_alone() -> None:
    found = parsed(parse, REQUEST)
    assert found.facts == [
        Turn(
            external_id="resp-1",
            text="send it to Lyon instead",
            at=RECEIVED,
            conversation_id="s-1",
            lang="en",
            intents=(IntentScore("change_address", 0.61),),
        )
    ]
    assert (found.notes, found.rejected) == ([], [])


def test_a_log_entry_tells_which_turns_fill_a_form() -> None:
    at = datetime(2026, 3, 2, 9, 15, 20, 500_000, tzinfo=UTC)
    found = parsed(parse, ENTRY)
    assert found.facts == [
        Turn(external_id="resp-2", text="the 📦 one", at=at, conversation_id="s-1", lang="en", is_slot_fill=True),
        Reply(external_id="resp-2", text="Which street?", at=at, conversation_id="s-1", turn_external_id="resp-2"),
    ]
    assert (found.notes, found.rejected) == ([], [])


def test_a_row_has_alternatives_and_a_report() -> None:
    found = parsed(parse, ROWS)
    asked, answered, told, missed = found.facts
    own_id, at = f"{SESSION}/3", datetime(2026, 3, 2, 9, 16, 4, 120_000, tzinfo=UTC)
    assert asked == Turn(
        external_id=own_id,
        text="where is it",
        at=at,
        conversation_id="s-2",
        lang="en",
        intents=(IntentScore("track", 0.52), IntentScore("refund", 0.5)),
    )
    assert answered == Reply(
        external_id=own_id,
        text="It left the depot.",
        at=at,
        conversation_id="s-2",
        turn_external_id=own_id,
        intent="track",
    )
    assert isinstance(told, Report)
    assert (told.kind, told.turn_external_id, told.comment) == ("thumbs_down", own_id, "that was yesterday")
    assert isinstance(missed, Turn)
    assert (missed.external_id, missed.is_fallback, missed.intents, missed.lang) == ("resp-4", True, (), "en")
    assert (found.notes, found.rejected) == ([], [])


def test_feedback_and_a_push_are_read() -> None:
    (report,) = parsed(parse, FEEDBACK).facts
    assert isinstance(report, Report)
    assert (report.turn_external_id, report.conversation_id, report.kind) == ("resp-4", "s-2", "thumbs_down")
    found = parsed(parse, PUSHED)
    assert [(fact.external_id, fact.conversation_id) for fact in found.facts] == [("resp-9", "s-3")]
    assert found.places[0].path == "message.data"


def test_one_turn_that_comes_by_several_ways_has_one_id() -> None:
    logged = {"jsonPayload": response(), "labels": {"session_id": "s-2"}}
    ways: list[object] = [request(), response(), logged, row()]
    assert {turn(way).external_id for way in ways} == {"resp-7"}
    without_id = response() | {"responseId": None}
    for position in (1, "1"):  # exports to JSON write integers as strings
        assert turn(row(response=without_id, turn_position=position)).external_id == f"{SESSION}/1"


def filled(*names: str) -> dict[str, Any]:
    parameters = [{"displayName": name, "state": "FILLED", "justCollected": name != "old"} for name in names]
    return {"formInfo": {"parameterInfo": parameters}}


@pytest.mark.parametrize(
    ("page", "is_answer"), [(filled("city"), True), (filled("brought"), False), (filled("old"), False), ({}, False)]
)
def test_a_request_that_fills_what_the_intent_did_not_bring_is_an_answer(page: object, is_answer: bool) -> None:
    info = {"displayName": "change_address", "confidence": 1, "parameters": {"brought": {"originalValue": "Lyon"}}}
    assert turn(request(pageInfo=page, intentInfo=info)).is_slot_fill is is_answer


def test_a_transcript_is_read_and_no_intent_is_none() -> None:
    found = turn(request(text=None, transcript="to Lyon"))
    assert (found.text, found.intents, found.is_fallback) == ("to Lyon", (), False)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (request(text=None, triggerEvent="welcome"), "text"),
        (request(text=None, dtmfDigits="4"), "text"),
        (response(match={"matchType": "EVENT"}), "queryResult.text"),
        (response(match={"matchType": "NO_INPUT"}, text=""), "queryResult.text"),
        (response(text=None, triggerIntent="i-1"), "queryResult.text"),
        ({"jsonPayload": {"queryInput": {"text": {"text": "where is it"}}}}, "jsonPayload"),
    ],
)
def test_what_is_no_utterance_is_skipped(body: object, path: str) -> None:
    found = parsed(parse, body)
    assert (found.facts, notes(found), found.rejected) == ([], [(path, "no-text")], [])


def test_the_winner_stands_in_for_missing_alternatives() -> None:
    assert turn(response(match={"confidence": 0.6})).intents == (IntentScore("track", 0.6),)
    assert turn(response(intentDetectionConfidence="0.7")).intents == (IntentScore("track", 0.7),)
    found = parsed(parse, response())
    assert notes(found) == [("queryResult.match", "wrong-type")]


def test_a_fallback_is_no_intent() -> None:
    negative = {"DisplayName": "Default Negative Intent", "Score": 0.9}
    alternatives = {"Alternative Matched Intents": [negative, {"DisplayName": "track", "Score": 0.2}]}
    found = turn(response(match={"matchType": "NO_MATCH", "confidence": 0.9}, diagnosticInfo=alternatives))
    assert (found.is_fallback, found.intents) == (True, (IntentScore("track", 0.2),))


def test_dialogflow_es_is_read_too() -> None:
    result = {
        "queryText": "where is it",
        "languageCode": "en",
        "intent": {"displayName": "track"},
        "intentDetectionConfidence": 0.8,
        "fulfillmentText": "On its way.",
    }
    asked, answered = parsed(parse, {"responseId": "r-1", "session": SESSION, "queryResult": result}).facts
    assert isinstance(asked, Turn)
    assert isinstance(answered, Reply)
    assert (asked.text, asked.conversation_id, asked.intents) == ("where is it", "s-2", (IntentScore("track", 0.8),))
    assert (answered.text, answered.intent) == ("On its way.", "track")
    missed = turn(
        {"responseId": "r-1", "queryResult": result | {"intent": {"displayName": "other", "isFallback": True}}}
    )
    assert (missed.is_fallback, missed.intents) == (True, ())


def test_a_good_rating_is_no_report_and_one_may_be_a_string() -> None:
    assert len(parsed(parse, row(bot_answer_feedback={"rating": "THUMBS_UP"})).facts) == 1
    assert len(parsed(parse, row(bot_answer_feedback='{"answerFeedback": {"rating": "THUMBS_DOWN"}}')).facts) == 2


def test_bad_alternatives_are_dropped_and_noted() -> None:
    alternatives = [{"DisplayName": "track", "Score": None}, {"DisplayName": "refund", "Score": 0.5}]
    found = parsed(parse, row(response=response(diagnosticInfo={"Alternative Matched Intents": alternatives})))
    assert turn(row(response=response(diagnosticInfo={"Alternative Matched Intents": alternatives}))).intents == (
        IntentScore("refund", 0.5),
    )
    assert notes(found) == [("response.queryResult.diagnosticInfo.Alternative Matched Intents[0]", "wrong-type")]


def pushed(value: object) -> dict[str, Any]:
    return {"message": {"data": base64.b64encode(json.dumps(value).encode()).decode()}}


@pytest.mark.parametrize(
    ("body", "path", "type"),
    [
        ({}, "queryResult", "unknown-event-type"),
        ({"message": {"data": "?"}}, "message.data", "bad-encoding"),
        ({"message": {"data": "\ud800"}}, "message.data", "bad-encoding"),
        ({"message": {}}, "message.data", "bad-encoding"),
        ({"message": {"data": "AAAA"}}, "message.data", "bad-encoding"),
        (pushed(7), "message.data", "wrong-type"),
        (row(turn_position=1.5), "turn_position", "wrong-type"),
        (response() | {"responseId": None}, "responseId", "missing"),
        (response(text=7), "queryResult.text", "wrong-type"),
        ({"answerFeedback": {}}, "responseId", "missing"),
        ([7], "[0]", "wrong-type"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_rejected_with_its_path(body: object, path: str, type: str) -> None:
    found = parsed(parse, body)
    assert (found.facts, rejections(found)) == ([], [(path, type)])
