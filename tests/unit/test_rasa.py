"""Rasa's events, as its brokers publish them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from integrations.webhooks.collecting import derived
from integrations.webhooks.rasa import parse
from service.turns.schemas import Entity, IntentScore, Reply, Turn
from tests.support.parsed import notes, parsed, rejections
from tests.support.platforms import deliveries

FIRST, SECOND, DUMP = deliveries("rasa")


def user(**fields: Any) -> dict[str, Any]:
    return {"event": "user", "sender_id": "u-1", "timestamp": 1772442904.5, "message_id": "m-1", "text": "hi"} | fields


def understood(**fields: Any) -> dict[str, Any]:
    return user(text="my card never came", parse_data=fields)


def only(body: object) -> Turn:
    (fact,) = parsed(parse, body).facts
    assert isinstance(fact, Turn)
    return fact


def test_a_users_event_is_a_turn_whose_fallback_is_a_flag_and_no_intent() -> None:
    found = parsed(parse, FIRST)
    assert found.facts == [
        Turn(
            external_id=derived("visitor-31", "1772442904.12", "9f0c21"),
            text="📦 send it to Lyon instead",
            at=datetime(2026, 3, 2, 9, 15, 4, 120_000, tzinfo=UTC),
            conversation_id=derived("visitor-31"),
            user="visitor-31",
            channel="rest",
            bot_version="5b1f",
            intents=(IntentScore("change_address", 0.29), IntentScore("track", 0.27)),
            entities=(Entity("city", "Lyon", 13, 17, 0.91),),
            is_fallback=True,
        )
    ]
    assert (found.notes, found.rejected) == ([], [])


def test_a_list_gives_the_bots_words_and_skips_buttons_and_pictures() -> None:
    found = parsed(parse, SECOND)
    assert found.facts == [
        Reply(
            external_id=derived("visitor-31", "1772442904.5", ""),
            text="Shall I change the address?",
            at=datetime(2026, 3, 2, 9, 15, 4, 500_000, tzinfo=UTC),
            conversation_id=derived("visitor-31"),
        )
    ]
    assert (found.places[0].path, notes(found)) == ("[1]", [("[2].text", "no-text"), ("[3].text", "trigger")])
    assert found.rejected == []


def test_a_tracker_dump_names_its_sender_once() -> None:
    asked, answered = parsed(parse, DUMP).facts
    assert isinstance(asked, Turn)
    assert (asked.external_id, asked.conversation_id, asked.intents, asked.is_fallback) == (
        derived("visitor-32", "1772443000.25", "77aa"),
        derived("visitor-32"),
        (IntentScore("track", 0.98),),
        False,
    )
    own_id = derived("visitor-32", "1772443000.75", "")
    assert (answered.external_id, answered.conversation_id) == (own_id, derived("visitor-32"))


@pytest.mark.parametrize("text", ["/affirm", '  /greet{"name": "Ana"}', "EXTERNAL: reminder"])
def test_what_a_button_sets_off_is_skipped(text: str) -> None:
    found = parsed(parse, user(text=text))
    assert (found.facts, notes(found), found.rejected) == ([], [("text", "trigger")], [])


def test_an_event_without_text_is_skipped() -> None:
    found = parsed(parse, user(text=None))
    assert (found.facts, notes(found)) == ([], [("text", "no-text")])


def test_either_key_of_an_entitys_confidence_is_read_and_its_value_not_compared() -> None:
    here = {"entity": "card", "value": "debit", "start": 3, "end": 7}
    (first, second, third) = only(
        understood(entities=[here | {"confidence": 0.5}, here | {"confidence_entity": 0.75}, here])
    ).entities
    assert [entity.score for entity in (first, second, third)] == [0.5, 0.75, None]
    assert first.value == "card"


def test_bad_parts_of_the_nlu_are_dropped_and_noted() -> None:
    intents = [{"name": "track", "confidence": "high"}, {"name": "lost", "confidence": 0.2}]
    found = parsed(parse, understood(intent_ranking=intents, entities=[{"entity": "city", "value": "Lyon"}]))
    (turn,) = found.facts
    assert isinstance(turn, Turn)
    assert (turn.intents, turn.entities) == ((IntentScore("lost", 0.2),), ())
    assert notes(found) == [
        ("parse_data.intent_ranking[0]", "wrong-type"),
        ("parse_data.entities[0]", "wrong-type"),
    ]


def test_an_intent_alone_that_cannot_be_read_costs_itself() -> None:
    found = parsed(parse, understood(intent={"name": "track", "confidence": None}))
    assert (len(found.facts), notes(found)) == (1, [("parse_data.intent", "wrong-type")])


def test_a_message_without_nlu_is_a_turn() -> None:
    assert only(user(parse_data={"intent": {"name": None, "confidence": 0.0}})).intents == ()
    assert only(user()).intents == ()


def test_sender_instant_and_message_tell_turns_apart() -> None:
    found = parsed(parse, [user(), user(timestamp=1772442905), user(message_id="m-2"), user(sender_id="u-2"), user()])
    assert [fact.external_id for fact in found.facts] == [
        derived("u-1", "1772442904.5", "m-1"),
        derived("u-1", "1772442905.0", "m-1"),
        derived("u-1", "1772442904.5", "m-2"),
        derived("u-2", "1772442904.5", "m-1"),
    ]
    assert len({fact.external_id for fact in found.facts}) == 4
    assert rejections(found) == [("[4]", "repeated")]


@pytest.mark.parametrize(
    ("body", "path", "type"),
    [
        (user(sender_id=None), "sender_id", "missing"),
        (user(timestamp=None), "timestamp", "wrong-type"),
        (user(text="x" * 4001), "text", "text-too-long"),
        ({"events": {}}, "events", "wrong-type"),
        ({"sender_id": "u-1"}, "event", "missing"),
        ([7], "[0]", "wrong-type"),
        ("user", "$", "wrong-type"),
        ([user()] * 10_001, "$", "too-many"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_rejected_with_its_path(body: object, path: str, type: str) -> None:
    found = parsed(parse, body)
    assert (found.facts, rejections(found)) == ([], [(path, type)])


def test_a_long_answer_is_cut() -> None:
    found = parsed(parse, {"event": "bot", "sender_id": "u-1", "timestamp": 1.5, "text": "x" * 4_001})
    (reply,) = found.facts
    assert isinstance(reply, Reply)
    assert (len(reply.text), notes(found)) == (4_000, [("text", "text-too-long")])
