"""What adapters are built of."""

import doctest
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from integrations.webhooks import collecting, lenient
from integrations.webhooks.collecting import ITEMS_LIMIT, Item, collect, derived, joined, kept, span, spoken, unpacked
from integrations.webhooks.lenient import Fields
from service.keyring import Keyring
from service.turns.keying import keyed_ids
from service.turns.parsing import DERIVED, Fault, Parsed, Place
from service.turns.schemas import Fact, Note, Reply, Turn
from tests.support.edge import encode

AT = datetime(2026, 3, 2, tzinfo=UTC)


def test_doctests() -> None:
    assert [doctest.testmod(module).failed for module in (collecting, lenient)] == [0, 0]


def both(fields: Fields) -> Iterator[Fact]:
    """A turn, and the reply to it."""
    fields.note("id", "seen", "read")
    yield Turn(external_id=fields.id("id"), text=fields.text("text"), at=AT)
    yield Reply(external_id=fields.id("reply"), text="", at=AT)


def collected(*values: Any) -> Parsed:
    def items(body: Any, notes: list[Note]) -> Iterator[Item]:
        return (Item(Place(index, f"[{index}]"), value, both) for index, value in enumerate(body))

    return collect(encode(list(values)), items)


def test_an_item_gives_all_of_its_facts_or_none() -> None:
    found = collected({"id": "a", "text": "hi", "reply": "a"}, {"id": "b", "text": "hi"})
    assert [(type(fact), fact.external_id) for fact in found.facts] == [(Turn, "a"), (Reply, "a")]
    assert [place.path for place in found.places] == ["[0]", "[0]"]
    assert [(note.index, note.path) for note in found.notes] == [(0, "[0].id")]
    assert [(one.index, one.path, one.type) for one in found.rejected] == [(1, "[1].reply", "missing")]


def test_what_stands_twice_is_taken_once_and_the_rest_of_its_item_stays() -> None:
    found = collected({"id": "a", "text": "hi", "reply": "a"}, {"id": "a", "text": "hi", "reply": "b"})
    assert [fact.external_id for fact in found.facts] == ["a", "a", "b"]
    assert [(one.index, one.path, one.type) for one in found.rejected] == [(1, "[1]", "repeated")]


def test_a_body_of_endless_items_is_refused() -> None:
    found = collected(*[{}] * (ITEMS_LIMIT + 1))
    assert ([one.type for one in found.rejected], found.facts) == (["too-many"], [])


@pytest.mark.parametrize(
    "instant",
    [
        "2026-03-02T09:15:04.250Z",
        "2026-03-02T10:15:04.25+01:00",
        "2026-03-02 09:15:04.25 UTC",
        1772442904.25,
        1772442904250,
        "1772442904.25",
    ],
)
def test_an_instant_in_every_way_it_is_written(instant: object) -> None:
    notes: list[Note] = []
    assert Fields({"at": instant}, "", 0, notes).instant("at", AT) == datetime(
        2026, 3, 2, 9, 15, 4, 250_000, tzinfo=UTC
    )
    assert notes == []


@pytest.mark.parametrize("instant", ["soon UTC", " UTC", True, 10**400, float("nan"), float("inf"), -(10**20), [], ""])
def test_an_instant_that_is_none_is_noted(instant: object) -> None:
    notes: list[Note] = []
    assert Fields({"at": instant}, "", 0, notes).instant("at", AT) == AT
    assert [(note.path, note.type) for note in notes] == [("at", "bad-instant")]


def test_a_number_may_be_a_string_and_is_finite() -> None:
    assert [Fields({"score": score}, "", 0, []).number("score") for score in (1, 0.5, "0.63")] == [1.0, 0.5, 0.63]
    for score in (True, None, "", "high", "nan", float("inf"), 10**400, [1]):
        with pytest.raises(Fault, match="a finite number"):
            Fields({"score": score}, "", 0, []).number("score")


def test_a_span_counts_what_its_platform_counts() -> None:
    text, offsets = "🙈 my card", {"start": 6, "end": 10}
    assert text[span(Fields(offsets, "", 0, []), text, unit="utf-16")] == "card"
    with pytest.raises(Fault, match="no span"):
        span(Fields(offsets, "", 0, []), text)
    with pytest.raises(Fault, match="no span"):
        span(Fields({"start": 1, "end": 4}, "", 0, []), text, unit="utf-16")


def test_a_long_id_is_shortened_and_still_its_own() -> None:
    assert joined("c" * 298, "1") == "c" * 298 + "/1"
    assert joined("c" * 299, "1").startswith(DERIVED)  # a conversation may be called after a person: it is keyed
    assert joined("c" * 299, "1") != joined("c" * 299, "2")


def test_what_a_reply_cannot_keep_is_noted() -> None:
    notes: list[Note] = []
    fields = Fields({}, "", 0, notes)
    assert (
        spoken(fields, "text", "a\0b"),
        len(spoken(fields, "text", "x" * 4_001)),
        spoken(fields, "text", " hi "),
    ) == (
        "",
        4_000,
        "hi",
    )
    assert [note.type for note in notes] == ["nul-in-text", "text-too-long"]


def test_json_in_a_string_is_read_however_it_is_damaged() -> None:
    assert unpacked('{"a": "\ud800"}') == {"a": "\udced\udca0\udc80"}
    assert unpacked("[" * 100_000) == "[" * 100_000


def test_an_id_that_may_be_a_persons_is_keyed_and_what_was_alike_stays_alike() -> None:
    keyring, number = Keyring(b"k" * 32), "whatsapp:+33612345678"
    turn = Turn(external_id=derived(number, "1"), text="hi", at=AT, conversation_id=derived(number))
    reply = Reply(external_id="r-1", text="hi", at=AT, conversation_id=derived(number))
    kept_turn, kept_reply = (keyed_ids(fact, keyring, "shop") for fact in (turn, reply))
    assert isinstance(kept_turn, Turn) and isinstance(kept_reply, Reply)
    assert kept_turn.conversation_id == kept_reply.conversation_id
    assert kept_reply.external_id == "r-1"
    for found in (kept_turn.external_id, kept_turn.conversation_id):
        assert re.fullmatch("[0-9a-f]{32}", found)
        assert found not in (turn.external_id[-32:], turn.conversation_id[-32:])
    assert keyed_ids(turn, Keyring(b"l" * 32), "shop") != kept_turn


def test_a_list_without_end_is_looked_at_so_far() -> None:
    notes: list[Note] = []
    found = kept(Fields({}, "", 0, notes), "intents", [{}] * 5_000, lambda fields: 1)
    assert (len(found), [(note.path, note.type) for note in notes]) == (1_000, [("intents", "too-many")])


@pytest.mark.parametrize("given", [1772442904.12, "1772442904120", 1772442904120, "2026-03-02T09:15:04.12Z"])
def test_an_instant_is_read_however_it_is_written(given: object) -> None:
    notes: list[Note] = []
    found = Fields({"at": given}, "", 0, notes).instant("at", AT)
    assert (found, notes) == (datetime(2026, 3, 2, 9, 15, 4, 120_000, tzinfo=UTC), [])
