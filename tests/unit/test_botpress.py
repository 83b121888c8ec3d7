"""Events of Botpress v12, from hooks and from its table."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from integrations.webhooks.botpress import parse
from integrations.webhooks.collecting import derived
from service.turns.schemas import Entity, IntentScore, Reply, Report, Turn
from tests.support.parsed import RECEIVED, notes, parsed, rejections
from tests.support.platforms import deliveries

ASKED, ANSWERED, ROWS = deliveries("botpress")


def event(**fields: Any) -> dict[str, Any]:
    own = {"id": "e-1", "type": "text", "direction": "incoming", "target": "u-1", "preview": "my card never came"}
    return own | fields


def only(body: object) -> Turn:
    (fact,) = parsed(parse, body).facts
    assert isinstance(fact, Turn)
    return fact


def intents(**nlu: Any) -> list[tuple[str, float]]:
    return [(intent.name, intent.score) for intent in only(event(nlu=nlu)).intents]


def context(confidence: float, *labelled: tuple[str, float]) -> dict[str, Any]:
    intents = [{"label": label, "confidence": score, "slots": {}, "extractor": "c"} for label, score in labelled]
    return {"confidence": confidence, "oos": 0.1, "intents": intents}


def test_an_incoming_text_is_a_turn_with_the_scores_of_the_likeliest_included_context() -> None:
    found = parsed(parse, ASKED)
    assert found.facts == [
        Turn(
            external_id="417720301556001",
            text="📦 to Lyon, not Nice",
            at=datetime(2026, 3, 2, 9, 15, 4, 120_000, tzinfo=UTC),
            conversation_id="208",
            user="visitor-31",
            lang="en",
            channel="web",
            intents=(IntentScore("change_address", 0.46), IntentScore("track", 0.41)),
            entities=(Entity("city", "Lyon", 5, 9, 0.94), Entity("city", "Nice", 15, 19, 0.9)),
        )
    ]
    assert (found.notes, found.rejected) == ([], [])


def test_an_outgoing_event_is_a_reply_to_the_event_it_names() -> None:
    assert parsed(parse, ANSWERED).facts == [
        Reply(
            external_id="417720301556002",
            text="Your parcel goes to Lyon.",
            at=datetime(2026, 3, 2, 9, 15, 4, 610_000, tzinfo=UTC),
            conversation_id="208",
            turn_external_id="417720301556001",
        )
    ]


def test_rows_of_the_table_bring_feedback_and_what_was_out_of_scope_and_no_buttons() -> None:
    found = parsed(parse, ROWS)
    at = datetime(2026, 3, 2, 9, 16, 20, tzinfo=UTC)
    assert found.facts == [
        Turn(
            external_id="417720301556010",
            text="do drones deliver at night",
            at=at,
            conversation_id="208",
            user="visitor-31",
            lang="en",
            channel="web",
            intents=(IntentScore("opening_hours", 0.2),),
            is_fallback=True,
        ),
        Report(
            external_id="417720301556010/feedback",
            kind="thumbs_down",
            at=at,
            conversation_id="208",
            turn_external_id="417720301556010",
            user="visitor-31",
        ),
        Reply(
            external_id="417720301556011",
            text="We are open from 8 to 18.",
            at=datetime(2026, 3, 2, 9, 16, 20, 400_000, tzinfo=UTC),
            conversation_id="208",
            turn_external_id="417720301556010",
        ),
    ]
    assert ([place.path for place in found.places], notes(found)) == (
        ["[0]", "[0]", "[1]"],
        [("[2].event.type", "button")],
    )


@pytest.mark.parametrize("feedback", [1, 0, None, True, "1", "bad", [-1]])
def test_feedback_that_is_not_negative_reports_nothing(feedback: object) -> None:
    assert len(parsed(parse, {"event": event(), "feedback": feedback}).facts) == 1


def test_without_an_included_context_the_likeliest_of_all_counts() -> None:
    predictions = {"a": context(0.3, ("x", 0.9)), "b": context(0.6, ("y", 0.2), ("z", 0.3)), "c": {"confidence": "?"}}
    assert intents(predictions=predictions, includedContexts=["gone", 7]) == [("z", 0.3), ("y", 0.2)]
    assert intents(predictions=predictions, includedContexts=["a"]) == [("x", 0.9)]


def test_without_predictions_the_elected_intents_count() -> None:
    elected = [{"name": "none", "confidence": 0.5}, {"name": "track", "confidence": 0.4}]
    assert intents(intents=elected) == [("track", 0.4)]
    assert only(event()).intents == ()


def test_a_span_in_code_points_or_of_other_words_is_dropped_and_noted() -> None:
    nlu = {
        "entities": [
            {"name": "a", "meta": {"start": 1, "end": 4, "source": "card"}},
            {"name": "b", "meta": {"start": 3, "end": 7, "source": "late"}},
            {"name": "c", "meta": {"start": 3, "end": 99}},
            {"name": "d"},
            {"name": "e", "meta": {"start": 3, "end": 7}},
        ]
    }
    found = parsed(parse, event(preview="🙈 card", nlu=nlu))
    (turn,) = found.facts
    assert isinstance(turn, Turn)
    assert turn.entities == (Entity("e", "card", 2, 6),)
    assert notes(found) == [
        ("nlu.entities[0]", "span-outside-text"),
        ("nlu.entities[1]", "span-without-value"),
        ("nlu.entities[2]", "span-outside-text"),
        ("nlu.entities[3]", "wrong-type"),
    ]


def test_a_channel_without_threads_has_one_conversation_with_each_user() -> None:
    turn = only(event(threadId=None))
    assert (turn.conversation_id, turn.user, turn.at) == (derived("u-1"), "u-1", RECEIVED)
    assert only(event(threadId=208)).conversation_id == "208"


@pytest.mark.parametrize("kind", ["typing", "visit", "session_reference"])
@pytest.mark.parametrize("direction", ["incoming", "outgoing"])
def test_what_says_nothing_is_passed_over(kind: str, direction: str) -> None:
    found = parsed(parse, event(type=kind, direction=direction))
    assert (found.facts, found.notes, found.rejected) == ([], [], [])


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"type": "image"}, "type"),
        ({"preview": " "}, "preview"),
        ({"direction": "outgoing", "type": "image", "preview": None}, "preview"),
        ({"direction": "outgoing", "type": "carousel", "preview": ""}, "preview"),
    ],
)
def test_what_has_no_words_is_skipped_with_a_note(fields: dict[str, Any], path: str) -> None:
    found = parsed(parse, event(**fields))
    assert (found.facts, notes(found), found.rejected) == ([], [(path, "no-text")], [])


def test_a_row_whose_event_is_text_is_read_as_one_whose_event_is_an_object() -> None:
    rows = [{"event": event(), "feedback": -1}, {"event": event(id="e-2", direction="outgoing")}]
    exported = [{"event": json.dumps(row["event"]), "feedback": str(row.get("feedback", 0))} for row in rows]
    found = parsed(parse, exported)
    assert (found.facts, found.notes) == (parsed(parse, rows).facts, [])
    assert [type(fact) for fact in found.facts] == [Turn, Report, Reply]


@pytest.mark.parametrize("text", ["", "hello", "7", "[" * 100_000, '{"type": "text"'])
def test_a_row_whose_event_is_no_event_is_rejected(text: str) -> None:
    found = parsed(parse, [{"event": text}, event()])
    assert ([fact.external_id for fact in found.facts], rejections(found)) == (["e-1"], [("[0].event.type", "missing")])


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"direction": "sideways"}, ("direction", "unknown-direction")),
        ({"direction": None}, ("direction", "missing")),
        ({"id": None}, ("id", "missing")),
        ({"preview": 7}, ("preview", "wrong-type")),
        ({"preview": "x" * 4001}, ("preview", "text-too-long")),
        ({"type": 5}, ("type", "wrong-type")),
    ],
)
def test_an_event_without_identity_or_text_is_rejected(fields: dict[str, Any], fault: tuple[str, str]) -> None:
    found = parsed(parse, event(**fields))
    assert (found.facts, rejections(found)) == ([], [fault])
