"""The generic adapter: a field map makes turns, replies and reports of anybody's JSON."""

import doctest
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.webhooks import generic
from service.bots.sources import checked_options
from service.errors import BadInput
from service.turns.parsing import Parsed
from service.turns.schemas import Entity, IntentScore, Reply, Report, Turn
from tests.unit.test_native import VALUES

NOW = datetime(2026, 3, 2, 9, 20, tzinfo=UTC)
MAPS: dict[str, Any] = {
    "items": "data.messages",
    "turn": {
        "when": {"author.role": "user"},
        "turn_id": "id",
        "conversation_id": "thread",
        "text": "body.text",
        "ts": "at",
        "user": "author.id",
        "channel": "=chat",
        "is_fallback": "missed",
        "intents": "nlu.ranking",
        "intent_name": "label",
        "intent_score": "p",
        "entities": "nlu.spans",
        "entity_type": "kind",
        "entity_start": "from",
        "entity_end": "to",
        "unit": "utf-16",
    },
    "reply": {"when": {"author.role": "bot"}, "reply_id": "id", "conversation_id": "thread", "text": "body.text"},
    "report": {
        "when": {"author.role": None},
        "kind": "stars",
        "kinds": {"1": "low_rating"},
        "reply_id": "about",
        "comment": "why",
    },
}
ASKED: dict[str, Any] = {
    "id": 41,
    "thread": "th-9",
    "at": 1772442904,
    "author": {"role": "user", "id": 7},
    "body": {"text": "🙈 where is my parcel"},
    "missed": "no",
    "nlu": {
        "ranking": [{"label": "track", "p": "0.4"}, {"label": "refund", "p": 0.5}],
        "spans": [{"kind": "thing", "from": 15, "to": 21}],
    },
}
SAID = {"id": 42, "thread": "th-9", "author": {"role": "bot"}, "body": {"text": "On its way."}}
RATED = {"stars": 1, "about": 42, "why": "it is not"}


def read(*messages: object, options: dict[str, Any] = MAPS) -> Parsed:
    body = json.dumps({"data": {"messages": list(messages)}}).encode()
    return generic.parse(body, delivery_id="d-1", received_at=NOW, options=options)


def test_a_field_map_makes_turns_replies_and_reports() -> None:
    parsed = read(ASKED, SAID, RATED)
    assert (parsed.notes, parsed.rejected) == ([], [])
    turn, reply, report = parsed.facts
    assert turn == Turn(
        external_id="41",
        text="🙈 where is my parcel",
        at=datetime(2026, 3, 2, 9, 15, 4, tzinfo=UTC),
        conversation_id="th-9",
        user="7",
        channel="chat",
        intents=(IntentScore("refund", 0.5), IntentScore("track", 0.4)),
        entities=(Entity("thing", "parcel", 14, 20),),
    )
    assert reply == Reply(external_id="42", text="On its way.", at=NOW, conversation_id="th-9")
    assert isinstance(report, Report)
    assert (report.kind, report.reply_external_id, report.comment) == ("low_rating", "42", "it is not")


@pytest.mark.parametrize(
    ("changes", "path", "type"),
    [
        ({"id": None}, "data.messages[0].id", "missing"),
        ({"body": {}}, "data.messages[0].body.text", "missing"),
        ({"body": {"text": " "}}, "data.messages[0].body.text", "empty-text"),
        ({"body": {"text": ["hello"]}}, "data.messages[0].body.text", "wrong-type"),
        ({"thread": True}, "data.messages[0].thread", "wrong-type"),
    ],
)
def test_a_fault_names_the_sender_s_own_field(changes: dict[str, Any], path: str, type: str) -> None:
    parsed = read(ASKED | changes, SAID)
    assert [(found.path, found.type) for found in parsed.rejected] == [(path, type)]
    assert [fact.external_id for fact in parsed.facts] == ["42"]


def test_what_the_platform_understood_is_read_leniently() -> None:
    nlu = {"ranking": [{"label": "track", "p": "high"}], "spans": [{"kind": "thing", "from": 1, "to": 3}]}
    parsed = read(ASKED | {"nlu": nlu})
    assert [(note.path, note.type) for note in parsed.notes] == [
        ("data.messages[0].nlu.ranking[0]", "wrong-type"),
        ("data.messages[0].nlu.spans[0]", "span-outside-text"),
    ]
    (turn,) = parsed.facts
    assert isinstance(turn, Turn)
    assert (turn.intents, turn.entities) == ((), ())


def test_what_no_map_wants_is_passed_over_and_noted() -> None:
    parsed = read(ASKED | {"author": {"role": "agent"}})
    assert (parsed.facts, parsed.rejected) == ([], [])
    assert [(note.path, note.type) for note in parsed.notes] == [("data.messages[0]", "no-match")]


def test_true_is_not_one() -> None:
    options = {"turn": {"when": {"user": True}, "turn_id": "id", "text": "text"}}
    body = json.dumps([{"user": 1, "id": "a", "text": "x"}, {"user": True, "id": "b", "text": "x"}]).encode()
    parsed = generic.parse(body, delivery_id="d-1", received_at=NOW, options=options)
    assert [fact.external_id for fact in parsed.facts] == ["b"]


@pytest.mark.parametrize(
    ("item", "intents", "notes"),
    [
        ({"said": "track", "sure": 0.7}, (IntentScore("track", 0.7),), []),
        ({"said": "track"}, (IntentScore("track", 1.0),), []),
        ({"said": "track", "sure": "very"}, (), ["said"]),
        ({}, (), []),
    ],
)
def test_one_intent_may_be_all_that_is_said(
    item: dict[str, Any], intents: tuple[IntentScore, ...], notes: list[str]
) -> None:
    options = {"turn": {"turn_id": "id", "text": "text", "intent": "said", "score": "sure"}}
    body = json.dumps({"id": "a", "text": "where"} | item).encode()
    parsed = generic.parse(body, delivery_id="d-1", received_at=NOW, options=options)
    (turn,) = parsed.facts
    assert isinstance(turn, Turn)
    assert (turn.intents, [note.path for note in parsed.notes]) == (intents, notes)


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"turn": {"text": "body"}}, "options.turn"),
        ({"turn": {"text": "body", "turn_id": 7}}, "options.turn.turn_id"),
        ({"turn": {"text": "body", "turn_id": ""}}, "options.turn.turn_id"),
        ({"report": {"kind": ""}}, "options.report.kind"),
        ({"turns": {}}, "options"),
        ({}, "options"),
        ({"turn": {"text": "t", "turn_id": "i", "unit": "bytes"}}, "options.turn.unit"),
    ],
)
def test_a_field_map_that_cannot_be_read_is_refused_at_once(options: dict[str, Any], path: str) -> None:
    from integrations.webhooks import PLATFORMS

    with pytest.raises(BadInput) as refused:
        checked_options(PLATFORMS["generic"], options)
    assert refused.value.path == path
    parsed = read(ASKED, options=options)
    assert (parsed.facts, [found.type for found in parsed.rejected]) == ([], ["bad-options"])


@given(VALUES, st.lists(VALUES | st.fixed_dictionaries({"author": VALUES, "body": VALUES, "id": VALUES}), max_size=3))
def test_whatever_comes_is_answered(body: object, messages: list[object]) -> None:
    for found in (body, {"data": {"messages": messages}}, {"data": body}):
        parsed = generic.parse(json.dumps(found).encode(), delivery_id="d-1", received_at=NOW, options=MAPS)
        assert len(parsed.facts) == len(parsed.places)


def test_examples() -> None:
    assert doctest.testmod(generic).failed == 0
