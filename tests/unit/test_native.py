"""The native adapter is total: whatever the bytes, it answers facts, notes and rejections that can be kept and sent."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.webhooks.loading import DEPTH, TOO_DEEP, load, prune
from integrations.webhooks.native import parse
from service.errors import TooLarge
from service.turns.intake import gunzip
from service.turns.parsing import Fault, Parsed
from service.turns.schemas import Envelope, Reply, Report, Turn, decode_envelope, encode_envelope
from tests.support.edge import encode, gzipped, turn

NOW = datetime(2026, 3, 2, 9, 20, tzinfo=UTC)


def read(body: object) -> Parsed:
    """Parsed, and checked to be fit for the stream and for an answer."""
    parsed = parse(encode(body), delivery_id="d-1", received_at=NOW, options={})
    assert len(parsed.facts) == len(parsed.places)
    msgspec.json.encode((parsed.notes, parsed.rejected))
    for fact in parsed.facts:
        envelope = Envelope(bot="shop", source="native", delivery_id="d-1", received_at=NOW, fact=fact)
        assert decode_envelope(encode_envelope(envelope)) == envelope
        if isinstance(fact, Turn):
            assert all(fact.text[entity.start : entity.end] == entity.value for entity in fact.entities)
    return parsed


@given(st.binary(max_size=200))
def test_any_bytes_are_answered(body: bytes) -> None:
    assert read(body).facts == []


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
ENTITIES = st.fixed_dictionaries(
    {}, optional={name: VALUES | st.integers(-2, 9) for name in ("type", "value", "start", "end", "score")}
)
INTENTS = st.fixed_dictionaries({}, optional={"name": VALUES, "score": VALUES})
NLU = st.fixed_dictionaries(
    {}, optional={"entities": VALUES | st.lists(ENTITIES | VALUES), "intents": VALUES | st.lists(INTENTS)}
)
NAMES = (
    "turn_id",
    "reply_id",
    "report_id",
    "conversation_id",
    "text",
    "ts",
    "user",
    "lang",
    "channel",
    "bot_version",
    "intent",
    "comment",
)
ITEMS = st.fixed_dictionaries(
    {}, optional={**{name: VALUES for name in NAMES}, "nlu": NLU | VALUES, "is_slot_fill": VALUES}
)
TYPES = st.sampled_from(["conversation.turn", "conversation.reply", "conversation.report"])


@given(TYPES, ITEMS, VALUES)
def test_any_single_item_is_answered(type: str, item: dict[str, Any], timestamp: object) -> None:
    parsed = read(
        {
            "type": type,
            "timestamp": timestamp,
            "data": {"turn_id": "t", "reply_id": "r", "kind": "handoff", "text": "my card", **item},
        }
    )
    assert len(parsed.facts) + len(parsed.rejected) == 1


@given(st.lists(ITEMS | VALUES, max_size=4), st.lists(ITEMS, max_size=2), st.lists(ITEMS, max_size=2))
def test_any_batch_is_answered_item_by_item(turns: list[Any], replies: list[Any], reports: list[Any]) -> None:
    parsed = read({"type": "conversation.turns", "data": {"turns": turns, "replies": replies, "reports": reports}})
    assert len(parsed.facts) + len(parsed.rejected) == len(turns) + len(replies) + len(reports)


def test_the_four_events_of_the_format() -> None:
    (asked,) = read(
        turn(
            lang="en", nlu={"intents": [{"name": "lost_card", "score": 0.39}, {"name": "card_arrival", "score": 0.41}]}
        )
    ).facts
    assert isinstance(asked, Turn)
    assert (asked.external_id, asked.lang, [intent.name for intent in asked.intents]) == (
        "c-81:4",
        "en",
        ["card_arrival", "lost_card"],
    )
    assert asked.at == datetime(2026, 3, 2, 9, 15, 4, 120_000, tzinfo=UTC)
    answered = {
        "conversation_id": "c-81",
        "reply_id": "c-81:5",
        "turn_id": "c-81:4",
        "text": "It is on its way.",
        "intent": "card_arrival",
    }
    assert read({"type": "conversation.reply", "data": answered}).facts == [
        Reply(
            external_id="c-81:5",
            text="It is on its way.",
            at=NOW,
            conversation_id="c-81",
            turn_external_id="c-81:4",
            intent="card_arrival",
        )
    ]
    told = {"conversation_id": "c-81", "reply_id": "c-81:5", "kind": "thumbs_down", "comment": "late", "ts": 1772443520}
    (report,) = read({"type": "conversation.report", "data": told}).facts
    assert isinstance(report, Report)
    assert (report.kind, report.reply_external_id, report.comment) == ("thumbs_down", "c-81:5", "late")
    assert report.at == datetime(2026, 3, 2, 9, 25, 20, tzinfo=UTC)


def test_a_report_without_an_id_is_known_by_what_it_says_and_not_by_when() -> None:
    def own_id(**fields: object) -> str:
        (fact,) = read({"type": "conversation.report", "data": {"turn_id": "t", "kind": "handoff", **fields}}).facts
        return fact.external_id

    assert own_id() == own_id(ts="2026-03-01T00:00:00Z") != own_id(user="u-1") != own_id(comment="u-1")
    assert own_id(report_id="r-1") == "r-1"


def test_a_correction_that_names_no_intent_still_says_that_the_bot_was_wrong() -> None:
    parsed = read({"type": "conversation.report", "data": {"turn_id": "t", "kind": "correction"}})
    assert [
        (fact.kind, note.path)
        for fact, note in zip(parsed.facts, parsed.notes, strict=True)
        if isinstance(fact, Report)
    ] == [("wrong_answer", "data.intent")]


def test_only_the_ten_best_intents_and_the_first_hundred_entities_are_kept() -> None:
    intents = [{"name": f"i{n}", "score": n / 20} for n in range(20)]
    entities = [{"type": "card", "start": 3, "end": 7}] * 101
    parsed = read(turn(nlu={"intents": intents, "entities": entities}))
    (fact,) = parsed.facts
    assert isinstance(fact, Turn)
    assert [intent.name for intent in fact.intents] == [f"i{n}" for n in range(19, 9, -1)]
    assert (len(fact.entities), [note.type for note in parsed.notes]) == (100, ["too-many"])


def test_offsets_count_characters() -> None:
    (fact,) = read(
        turn(text="🙈 my card", nlu={"entities": [{"type": "card", "start": 5, "end": 9, "value": "card"}]})
    ).facts
    assert isinstance(fact, Turn)
    assert fact.entities[0].value == "card"


@given(VALUES)
def test_what_is_not_too_deep_is_not_pruned(value: object) -> None:
    text = json.dumps(value)
    assert prune(text) == text


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_what_is_too_deep_is_cut_and_its_neighbours_stay(opening: str) -> None:
    closing = "]" if opening == "[" else "}"
    deep = opening * 200_000 + '"x"' + closing * 200_000  # newer Pythons parse 10,000 levels
    value = load(f'{{"before": ["]"], "deep": {deep}, "after": "\\"[{{"}}'.encode())
    assert (value["before"], value["after"]) == (["]"], '"[{')
    for _ in range(DEPTH - 1):
        value = value["deep"] if "deep" in value else next(iter(value.values() if isinstance(value, dict) else value))
    assert TOO_DEEP in (value.values() if isinstance(value, dict) else value)


def test_gzip_is_opened_up_to_the_limit_and_no_further() -> None:
    assert gunzip(gzipped(b"x" * 100), limit=100) == b"x" * 100
    with pytest.raises(TooLarge):
        gunzip(gzipped(b"x" * 101), limit=100)
    with pytest.raises(Fault, match="one whole gzip member"):
        gunzip(gzipped(b"x" * 100)[:-1], limit=100)
