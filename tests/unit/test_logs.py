"""Logs: both shapes, what is truth and what is sent."""

import gzip
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from integrations.webhooks.native import parse
from service.errors import BadInput
from service.turns.logs import Conversation, LoggedReport, LoggedTurn, deliveries, read_log
from service.turns.schemas import Entity, Fact, IntentScore, Reply, Report, Turn

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
SHIPPED = Path(__file__).parents[2] / "workers" / "demo" / "log.jsonl"

DIALOGUE = {
    "conversation_id": "c001",
    "user": "u001",
    "channel": "web",
    "bot_version": "7",
    "started_at": "2026-03-02T08:57:04Z",
    "turns": [
        {
            "speaker": "user",
            "text": "my Alder sofa is late",
            "offset_s": 0,
            "intent": "track_order",
            "also": ["refund_status"],
            "entities": [{"start": 3, "end": 13, "type": "product", "text": "Alder sofa"}],
            "nlu": {"intents": [{"name": "return_item", "score": 0.4}, {"name": "track_order", "score": 0.5}]},
            "fallback": True,
            "reports": [{"kind": "correction", "intent": "track_order", "comment": "late, not broken"}],
        },
        {
            "speaker": "agent",
            "text": "Which order?",
            "offset_s": 3,
            "intent": "return_item",
            "entities": [],
            "acts": [],
        },
        {"speaker": "user", "text": "48213", "offset_s": 9, "intent": None, "is_slot_fill": True},
        {"speaker": "user", "text": "sing me a song", "offset_s": 20, "intent": "oos"},
    ],
}


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def sent(conversations: list[Conversation], **options: int) -> list[Fact]:
    """What an adapter makes of it, free of notes and rejections."""
    facts: list[Fact] = []
    for delivery in deliveries(conversations, **options):
        parsed = parse(delivery.body, delivery_id=delivery.id, received_at=START, options={})
        assert (parsed.notes, parsed.rejected) == ([], [])
        facts.extend(parsed.facts)
    return facts


def test_a_dialogue_keeps_its_truth_and_sends_the_rest(tmp_path: Path) -> None:
    (conversation,) = read_log(write(tmp_path / "log.jsonl", DIALOGUE))
    truth = [(turn.intent, turn.is_labelled, turn.is_slot_fill) for turn in conversation.user_turns]
    assert truth == [("track_order", True, False), (None, True, True), ("none", True, False)]
    assert conversation.turns[0].also == ("refund_status",)
    facts = sent([conversation])
    assert facts == [
        Turn(
            external_id="c001:0",
            text="my Alder sofa is late",
            at=datetime(2026, 3, 2, 8, 57, 4, tzinfo=UTC),
            conversation_id="c001",
            user="u001",
            channel="web",
            bot_version="7",
            intents=(IntentScore("track_order", 0.5), IntentScore("return_item", 0.4)),
            entities=(Entity("product", "Alder sofa", 3, 13),),
            is_fallback=True,
        ),
        msgspec.structs.replace(facts[1], external_id="c001:2", text="48213", is_slot_fill=True),
        msgspec.structs.replace(facts[2], external_id="c001:3", text="sing me a song", is_slot_fill=False),
        Reply(
            external_id="c001:1",
            text="Which order?",
            at=datetime(2026, 3, 2, 8, 57, 7, tzinfo=UTC),
            conversation_id="c001",
            turn_external_id="c001:0",
            intent="return_item",
        ),
        msgspec.structs.replace(
            facts[4], kind="correction", intent="track_order", comment="late, not broken", user="u001"
        ),
    ]
    assert isinstance(facts[4], Report)
    assert facts[4].turn_external_id == "c001:0"


def test_a_delivery_never_says_the_truth(tmp_path: Path) -> None:
    row = {"text": "wie viel kostet das", "intent": "secret_truth", "split": "test", "domain": "shop"}
    (delivery,) = deliveries(read_log(write(tmp_path / "log.jsonl", row)))
    assert b"secret_truth" not in delivery.body
    assert b"test" not in delivery.body


def test_an_intent_file_has_a_conversation_a_row(tmp_path: Path) -> None:
    rows = [{"text": "hi", "intent": "greet"}, {"text": "what is love", "intent": "oos"}, {"text": "hm"}]
    packed = tmp_path / "small.jsonl.gz"
    packed.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    found = list(read_log(packed, start=START))
    assert [
        (talk.id, talk.turns[0].intent, talk.turns[0].is_labelled, talk.turns[0].is_slot_fill) for talk in found
    ] == [
        ("small-000000", "greet", True, False),
        ("small-000001", "none", True, False),
        ("small-000002", None, False, False),
    ]
    assert [(talk.turns[0].at - START).total_seconds() for talk in found] == [0, 30, 60]


def test_every_fifth_conversation_is_held_out(tmp_path: Path) -> None:
    found = read_log(write(tmp_path / "log.jsonl", *({"text": str(n)} for n in range(12))))
    assert [talk.position for talk in found if talk.is_held_out] == [4, 9]


def talk(position: int, size: int) -> Conversation:
    turns = [
        LoggedTurn(id=f"{position}:{n}", speaker="user", text=f"text {position} {n}", at=START) for n in range(size)
    ]
    return Conversation(id=str(position), position=position, turns=tuple(turns))


def test_deliveries_gather_whole_conversations_up_to_a_size() -> None:
    found = list(deliveries([talk(n, 3) for n in range(5)], turns=5))
    assert [(delivery.turns, delivery.next) for delivery in found] == [(6, 2), (6, 4), (3, 5)]


def test_only_a_conversation_of_over_a_thousand_turns_is_split() -> None:
    found = list(deliveries([talk(0, 600), talk(1, 600), talk(2, 2500)], turns=900))
    assert [(delivery.turns, delivery.next) for delivery in found] == [
        (600, 1),
        (600, 2),
        (1000, 2),
        (1000, 2),
        (500, 3),
    ]
    assert len(sent([talk(2, 2500)])) == 2500


def test_a_delivery_is_known_again_whenever_it_is_sent(tmp_path: Path) -> None:
    log = write(tmp_path / "log.jsonl", *({"text": str(n)} for n in range(3)))
    first, later = ([found.id for found in deliveries(read_log(log, start=at))] for at in (START, datetime.now(UTC)))
    assert first == later
    assert len(set(first)) == 3


@pytest.mark.parametrize(
    ("line", "path", "detail"),
    [
        ("hello", "log.jsonl, line 2", "not a JSON object"),
        ("[1]", "log.jsonl, line 2", "not a JSON object"),
        ('{"text": 5}', "log.jsonl, conversation 2", "Expected `str`"),
        ('{"turns": [{"text": "x", "speaker": "cat"}]}', "log.jsonl, conversation 2", "Invalid enum value 'cat'"),
        ('{"text": "\\ud800"}', "log.jsonl, line 2", "not a JSON object"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, line: str, path: str, detail: str) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(f'{{"text": "fine"}}\n{line}\n')
    with pytest.raises(BadInput, match=detail) as raised:
        list(read_log(log))
    assert raised.value.path == path


def test_the_shipped_log_is_sent_without_a_note() -> None:
    found = list(read_log(SHIPPED))
    facts = sent(found, turns=100)
    assert sum(isinstance(fact, Turn) for fact in facts) == sum(len(talk.user_turns) for talk in found)
    assert sum(isinstance(fact, Report) for fact in facts) == len(
        {report for talk in found for report in reports(talk)}
    )


def reports(talk: Conversation) -> list[tuple[str, LoggedReport]]:
    return [(turn.id, report) for turn in talk.turns for report in turn.reports]


@pytest.mark.data
@pytest.mark.skipif("FENCEPOST_DATA" not in os.environ, reason="FENCEPOST_DATA is not set")
@pytest.mark.parametrize(
    ("name", "turns", "none", "context"), [("clinc150", 23_700, 1_200, 0), ("sgd_dev", 19_384, 0, 14_745)]
)
def test_the_public_logs_are_sent_whole(name: str, turns: int, none: int, context: int) -> None:
    found = list(read_log(Path(os.environ["FENCEPOST_DATA"]) / f"{name}.jsonl.gz"))
    said = [turn for talk in found for turn in talk.user_turns]
    assert (len(said), sum(turn.intent == "none" for turn in said), sum(turn.is_slot_fill for turn in said)) == (
        turns,
        none,
        context,
    )
    facts = [fact for fact in sent(found, turns=200) if isinstance(fact, Turn)]
    assert [fact.text for fact in facts] == [turn.text for turn in said]
