"""Bot Framework's activities and Copilot Studio's transcripts."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from integrations.webhooks.bot_framework import parse
from service.turns.schemas import Entity, IntentScore, Reply, Report, Turn
from tests.support.parsed import notes, parsed, rejections
from tests.support.platforms import deliveries

LIST, REACTION, FEEDBACK, RECORD = deliveries("bot_framework")


def message(own_id: str = "m-1", **fields: Any) -> dict[str, Any]:
    own = {"type": "message", "id": own_id, "text": "my card", "from": {"id": "u-1", "role": "user"}}
    return own | {"conversation": {"id": "c"}} | fields


def trace(value: object, value_type: str = "", **fields: Any) -> dict[str, Any]:
    return {"type": "trace", "valueType": value_type, "value": value, "replyToId": "m-1"} | fields


def recognized(**result: Any) -> dict[str, Any]:
    return trace({"recognizerResult": {"text": "my card"} | result})


NOWHERE = message(conversation=None)
REACTED = {
    "type": "messageReaction",
    "id": "m-2",
    "conversation": {"id": "c"},
    "reactionsAdded": [{"type": "sad"}],
}


def turn(*activities: dict[str, Any]) -> Turn:
    (fact,) = parsed(parse, list(activities)).facts
    assert isinstance(fact, Turn)
    return fact


def test_a_message_is_a_turn_with_what_its_trace_says() -> None:
    found = parsed(parse, LIST)
    assert found.facts == [
        Turn(
            external_id="a:1c/1772442904120",
            text="📦 to Lyon, not Nice",
            at=datetime(2026, 3, 2, 9, 15, 4, 120_000, tzinfo=UTC),
            conversation_id="a:1c",
            user="29:ana",
            lang="en-GB",
            channel="msteams",
            intents=(IntentScore("ChangeAddress", 0.48), IntentScore("Track", 0.31)),
            entities=(Entity("City", "Lyon", 5, 9, 0.93), Entity("City", "Nice", 15, 19)),
        ),
        Reply(
            external_id="a:1c/1772442905001",
            text="Which street in Lyon?",
            at=datetime(2026, 3, 2, 9, 15, 5, 1_000, tzinfo=UTC),
            conversation_id="a:1c",
            turn_external_id="a:1c/1772442904120",
        ),
    ]
    assert (found.notes, found.rejected) == ([], [])


def test_a_reaction_and_a_form_report_the_reply() -> None:
    (angry,), (told,) = parsed(parse, REACTION).facts, parsed(parse, FEEDBACK).facts
    assert isinstance(angry, Report)
    assert isinstance(told, Report)
    assert (angry.kind, angry.reply_external_id, angry.turn_external_id, angry.user, angry.is_explicit) == (
        "thumbs_down",
        "a:1c/1772442905001",
        "",
        "29:ana",
        True,
    )
    assert (told.kind, told.reply_external_id, told.comment) == (
        "thumbs_down",
        "a:1c/1772442905001",
        "I said not Nice",
    )
    assert angry.external_id != told.external_id


def test_a_record_of_dataverse_holds_a_transcript_as_a_string() -> None:
    found = parsed(parse, RECORD)
    turns = [fact for fact in found.facts if isinstance(fact, Turn)]
    assert [(one.external_id, one.text, one.is_fallback, one.intents) for one in turns] == [
        ("d0c1/a-2", "who won the cup", True, ()),
        ("d0c1/a-5", "where is it", False, (IntentScore("Track", 0.92),)),
    ]
    assert turns[0].at == datetime(2026, 3, 2, 9, 16, 45, tzinfo=UTC)
    assert [(fact.external_id, fact.turn_external_id) for fact in found.facts if isinstance(fact, Reply)] == [
        ("d0c1/a-1", ""),
        ("d0c1/a-4", "d0c1/a-2"),
    ]
    assert (found.places[1].path, found.notes, found.rejected) == ("content.activities[2]", [], [])


@pytest.mark.parametrize(
    ("body", "external_id"),
    [
        (message(), "c/m-1"),
        ([message()], "c/m-1"),
        ({"activities": [message()]}, "c/m-1"),
        ({"content": [message()]}, "c/m-1"),
        ({"content": json.dumps([NOWHERE]), "conversationtranscriptid": "t-1"}, "t-1/m-1"),
        ({"value": [{"content": {"activities": [NOWHERE]}, "conversationtranscriptid": "t-1"}]}, "t-1/m-1"),
    ],
    ids=["alone", "list", "activities", "content", "string", "records"],
)
def test_every_shape_of_a_transcript_is_read(body: object, external_id: str) -> None:
    found = parsed(parse, body)
    assert ([fact.external_id for fact in found.facts], found.notes, found.rejected) == ([external_id], [], [])


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (NOWHERE, "conversation.id"),
        ([message("m-0"), NOWHERE], "[1].conversation.id"),
        ({"content": [NOWHERE]}, "content[0].conversation.id"),
        (REACTED | {"conversation": {}}, "conversation.id"),
    ],
)
def test_an_activity_of_no_conversation_is_refused_whatever_stands_beside_it(body: object, path: str) -> None:
    found = parsed(parse, body)
    assert "m-1" not in str(found.facts)
    assert rejections(found) == [(path, "missing")]
    assert "conversationtranscriptid" in found.rejected[0].reason


def test_what_is_nothing_of_ours_needs_no_conversation() -> None:
    found = parsed(parse, [{"type": "typing"}, {"type": "endOfConversation"}])
    assert (found.facts, found.notes, found.rejected) == ([], [], [])


def test_a_reaction_finds_a_reply_without_words() -> None:
    card = message(
        "m-2", text=None, attachments=[{"contentType": "card"}], replyToId="m-1", **{"from": {"role": "bot"}}
    )
    reply, report = parsed(parse, [card, REACTED]).facts
    assert reply == Reply(external_id="c/m-2", text="", at=reply.at, conversation_id="c", turn_external_id="c/m-1")
    assert isinstance(report, Report)
    assert report.reply_external_id == "c/m-2"


def test_what_is_said_of_a_record_counts_records() -> None:
    records = [{"content": {"activities": [message(), message("")]}}, {"content": [message("m-2"), message("m-2")]}]
    found = parsed(parse, {"value": records})
    assert [fact.external_id for fact in found.facts] == ["c/m-1", "c/m-2"]
    assert [(rejected.index, rejected.path, rejected.type) for rejected in found.rejected] == [
        (0, "value[0].content.activities[1].id", "bad-id"),
        (1, "value[1].content[1]", "repeated"),
    ]


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"from": {"role": "bot"}}, Reply),
        ({"from": {"role": 0}}, Reply),
        ({"from": {"role": 1}, "replyToId": "m-0"}, Turn),
        ({"from": {"id": "28:b"}}, Reply),
        ({"from": {"id": "29:u"}, "replyToId": "m-0"}, Turn),
        ({"from": {"id": "u"}, "replyToId": "m-0"}, Reply),
        ({"from": None}, Turn),
    ],
)
def test_who_speaks(fields: dict[str, Any], kind: type) -> None:
    (fact,) = parsed(parse, message(**fields)).facts
    assert type(fact) is kind


def test_luis_none_is_a_fallback_when_it_is_first() -> None:
    none_first = recognized(intents={"None": {"score": 0.6}, "Track": {"score": 0.3}})
    assert turn(message(), none_first).is_fallback
    found = turn(message(), recognized(intents={"None": {"score": 0.2}, "Track": {"score": 0.3}}))
    assert (found.is_fallback, found.intents) == (False, (IntentScore("Track", 0.3),))


def test_entities_of_another_text_than_the_messages_are_dropped() -> None:
    instance = {"$instance": {"card": [{"startIndex": 3, "endIndex": 7}]}}
    assert turn(message(), recognized(entities=instance)).entities == (Entity("card", "card", 3, 7),)
    found = parsed(parse, [message(text="My card!"), recognized(entities=instance)])
    assert [fact.entities for fact in found.facts if isinstance(fact, Turn)] == [()]
    assert notes(found) == [("[0].text", "another-text")]


def test_a_span_that_parts_a_character_is_dropped() -> None:
    instances = [{"startIndex": 1, "endIndex": 4}, {"startIndex": 2, "endIndex": 4}, 7]
    result = recognized(text="📦 ok", entities={"$instance": {"word": instances}})
    found = parsed(parse, [message(text="📦 ok"), result])
    assert [fact.entities for fact in found.facts if isinstance(fact, Turn)] == [(Entity("word", " o", 1, 3),)]
    assert notes(found) == [
        ("[1].value.recognizerResult.entities[0]", "span-outside-text"),
        ("[1].value.recognizerResult.entities[2]", "wrong-type"),
    ]


CANDIDATES = [{"intentName": "Track", "score": 0.85}, {"topicName": "Refund", "confidence": "0.42"}]


@pytest.mark.parametrize("value", [CANDIDATES, {"candidates": CANDIDATES}, {"intentCandidates": CANDIDATES}])
def test_copilots_candidates_are_read_whatever_they_are_called(value: object) -> None:
    only = trace({"intentTitle": "Track", "intentScore": 0.85}, "IntentRecognition")
    both = (IntentScore("Track", 0.85), IntentScore("Refund", 0.42))
    assert turn(message(), only).intents == both[:1]
    assert turn(message(), only, trace(value, "IntentCandidates")).intents == both
    assert turn(message(), trace(value, "IntentCandidates", replyToId=None), only).intents == both


@pytest.mark.parametrize(("state", "is_fallback"), [("Answered", False), ("No Search Results", True)])
def test_what_is_answered_without_an_intent_is_no_fallback(state: str, is_fallback: bool) -> None:
    unknown = trace({"userQuery": "my card"}, "UnknownIntent", replyToId=None)
    assert turn(message(), unknown, trace({"gptAnswerState": state}, "GPTAnswer")).is_fallback is is_fallback


@pytest.mark.parametrize("activities", [[recognized()], [message("m-2"), recognized()]])
def test_a_trace_whose_message_is_elsewhere_is_noted(activities: list[Any]) -> None:
    found = parsed(parse, activities)
    assert notes(found) == [(f"[{len(activities) - 1}].replyToId", "trace-alone")]


@pytest.mark.parametrize("fields", [{"text": " "}, {"text": None}, {"channelData": {"postBack": True}}])
def test_buttons_and_cards_are_skipped(fields: dict[str, Any]) -> None:
    found = parsed(parse, message(**fields))
    assert (found.facts, notes(found), found.rejected) == ([], [("text", "no-text")], [])


def feedback(reaction: str, said: object) -> dict[str, Any]:
    value = {"actionName": "feedback", "actionValue": {"reaction": reaction, "feedback": said}}
    about = {"replyToId": "m-2", "conversation": {"id": "c"}}
    return {"type": "invoke", "name": "message/submitAction", "value": value} | about


def test_the_form_may_be_an_object_and_a_like_is_no_report() -> None:
    (report,) = parsed(parse, feedback("dislike", {"feedbackText": "wrong"})).facts
    assert isinstance(report, Report)
    assert (report.comment, report.reply_external_id) == ("wrong", "c/m-2")
    liked = parsed(parse, feedback("like", "{}"))
    assert (liked.facts, notes(liked)) == ([], [("value", "no-complaint")])
    hearts = parsed(parse, REACTED | {"reactionsAdded": [{"type": "heart"}]})
    assert (hearts.facts, notes(hearts)) == ([], [("reactionsAdded", "no-complaint")])


def test_a_reaction_without_a_reply_names_its_message_by_its_own_id() -> None:
    (report,) = parsed(parse, REACTED).facts
    assert isinstance(report, Report)
    assert report.reply_external_id == "c/m-2"


def test_one_bad_activity_costs_the_others_nothing() -> None:
    bad = [message("m-2", text="x" * 4001), 7, {"type": 7}, message("m-1"), message("")]
    found = parsed(parse, [message("m-1"), *bad, {"type": "typing"}, message("m-3")])
    assert [fact.external_id for fact in found.facts] == ["c/m-1", "c/m-3"]
    assert rejections(found) == [
        ("[1].text", "text-too-long"),
        ("[2]", "wrong-type"),
        ("[3].type", "wrong-type"),
        ("[4]", "repeated"),
        ("[5].id", "bad-id"),
    ]


@pytest.mark.parametrize(
    ("body", "path", "type"),
    [
        ({}, "type", "missing"),
        ({"activities": {}}, "activities", "wrong-type"),
        ({"content": "hello"}, "content", "wrong-type"),
        ({"content": {"activities": 7}}, "content.activities", "wrong-type"),
        ([{"content": "["}], "[0].content", "wrong-type"),
        (message(None), "id", "missing"),  # type: ignore[arg-type]
        (feedback("dislike", "") | {"replyToId": None}, "replyToId", "missing"),
    ],
)
def test_what_cannot_be_used_is_rejected_with_its_path(body: object, path: str, type: str) -> None:
    found = parsed(parse, body)
    assert (found.facts, rejections(found)) == ([], [(path, type)])
