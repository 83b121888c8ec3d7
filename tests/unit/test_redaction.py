"""What redaction finds, covers and moves."""

import logging
import re
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.bots.patterns import PatternTooSlow
from service.bots.schemas import Pattern
from service.turns.schemas import TEXT_LIMIT, Entity
from workers import redaction
from workers.redaction import SUSPECT, Find, Redacted, Redactor, merge, move, move_entities, origin, replace

PERSONAL = {
    "EMAIL": ["anna.berg+shop@example.org", "ANNA@mail.internal", "o'neil@sub.example.co.uk"],
    "PHONE": ["+44 20 7946 0958", "(415) 555-2671", "0171 2345678"],
    "CARD": ["4111 1111 1111 1111", "5555-5555-5555-4444", "378282246310005"],
    "IBAN": ["DE89370400440532013000", "GB82 WEST 1234 5698 7654 32", "de89 3704 0044 0532 0130 00"],
    "SSN": ["536-90-4399", "536 90 4399"],
    "IP": ["192.168.7.21", "2001:db8::8a2e:370:7334"],
    "URL": [
        "https://shop.example.com/o?x=1",
        "www.example.community/anna",
        "http://localhost:8080/u/anna?t=1",
        "example.com:8443/a",
    ],
}
ALL = [(kind, value) for kind, values in PERSONAL.items() for value in values]
ORDER = Pattern("order_id", r"\bORD-\d{6}\b")


@pytest.fixture(scope="module")
def redactor() -> Redactor:
    return Redactor()


@pytest.mark.parametrize(("kind", "value"), ALL)
def test_each_kind_is_replaced_by_its_placeholder(redactor, kind, value):
    assert redactor.redact(f"please use {value} for this").text == f"please use <{kind}_1> for this"


@pytest.mark.parametrize(
    "text",
    [
        "where is my card it never came",
        "i paid 20 pounds on 12 march",
        "see you at 10:30, not 9.45",
        "is that it?bad.Thanks anyway",
        "",
        "  \n ",
        "naïve café, 東京 – 😀",
        "the year 2024 and the code 1234",
    ],
)
def test_ordinary_text_stays_as_it_is(redactor, text):
    assert redactor.redact(text) == Redacted(text)


def test_context_makes_nine_digits_a_social_security_number(redactor):
    assert redactor.redact("my ssn: 536904399").text == "my ssn: <SSN_1>"
    assert redactor.redact("my code: 536904399").text == "my code: 536904399"


def test_equal_values_share_a_number(redactor):
    text = "from anna@example.org to ben@example.org, not Anna@Example.org"
    assert redactor.redact(text).text == "from <EMAIL_1> to <EMAIL_2>, not <EMAIL_1>"


def test_the_bots_own_pattern_names_what_it_covers(redactor):
    redacted = redactor.redact("ORD-123456 and 1234567890, ORD-1", [ORDER, Pattern("ticket", r"\d{10}")])
    assert redacted.text == "<ORDER_ID_1> and <TICKET_1>, ORD-1"
    assert redacted.redactions == ((0, 10, 0, 12, "ORDER_ID"), (15, 25, 17, 27, "TICKET"))


def test_redacted_text_is_redacted_to_itself(redactor):
    once = redactor.redact(" ".join(value for _, value in ALL)).text
    assert redactor.redact(once).text == once


def test_a_pattern_that_does_not_finish_lets_no_text_through(redactor, monkeypatch):
    monkeypatch.setattr("service.bots.patterns.SEARCH_S", 0.05)
    with pytest.raises(PatternTooSlow):
        redactor.redact("x" * 999 + "!", [Pattern("evil", r"([a-z]+)*\d")])


def test_nothing_is_asked_of_the_network(redactor, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("redaction opened a socket")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert Redactor().redact("anna@example.org").text == "<EMAIL_1>"


def test_nothing_is_logged(redactor, caplog):
    with caplog.at_level(logging.DEBUG):
        redactor.redact("my ssn: 536904399, anna@example.org, IBAN DE00370400440532013000")
    assert caplog.text == ""


def test_a_long_hostile_text_ends(redactor):
    for unit in ("a.", "!", ":", "1 ", "www.", "a@a.", "12 ", "<"):
        redactor.redact((unit * TEXT_LIMIT)[:TEXT_LIMIT])


def test_what_overlaps_becomes_one_placeholder_named_by_the_surest():
    finds = [Find(4, 8, "PHONE", 0.4), Find(0, 5, "EMAIL", 1.0), Find(9, 10, "IP", 0.6), Find(8, 9, "URL", 0.5)]
    assert merge(finds) == [Find(0, 8, "EMAIL", 1.0), Find(8, 9, "URL", 0.5), Find(9, 10, "IP", 0.6)]


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ((0, 3), (0, 3)),
        ((4, 20), (4, 13)),
        ((8, 10), (4, 13)),
        ((0, 6), (4, 13)),
        ((10, 24), (4, 13)),
        ((21, 24), (14, 17)),
        ((0, 30), (4, 26)),
        ((25, 26), (18, 26)),
    ],
    ids=["before", "equal", "inside", "from before", "to after", "between", "over both", "inside the second"],
)
def test_a_span_moves_or_becomes_the_placeholder_it_touches(span, expected):
    redacted = replace("fly anna@example.org now 10.0.0.1", [Find(4, 20, "EMAIL", 1), Find(25, 33, "IP", 1)])
    assert redacted.text == "fly <EMAIL_1> now <IP_1>"[:18] + "<IP_1>"
    start, end = move(redacted, *span)
    assert (start, min(end, 26)) == expected if expected[1] != 26 else (start, end) == (expected[0], 24)


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ((0, 2), "to"),
        ((3, 12), "a@b.de"),
        ((4, 11), "a@b.de"),  # a part of the placeholder
        ((0, 8), "to a@b.de"),
        ((13, 16), "now"),
        ((10, 23), "a@b.de now 1.2.3.4"),
        ((22, 24), "1.2.3.4!"),
    ],
)
def test_a_span_of_the_redacted_text_is_found_in_the_original(span, expected):
    text = "to a@b.de now 1.2.3.4!"
    redacted = replace(text, [Find(3, 9, "EMAIL", 1.0), Find(14, 21, "IP", 1.0)])
    assert redacted.text == "to <EMAIL_1> now <IP_1>!"
    start, end = origin(redacted, *span)
    assert text[start:end] == expected


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@st.composite
def finds_in_texts(draw) -> tuple[str, list[Find], list[Entity]]:
    text = draw(texts)
    spans = (
        st.tuples(st.integers(0, len(text)), st.integers(0, len(text)))
        .map(sorted)
        .filter(lambda span: span[0] < span[1])
    )
    some = st.lists(spans, max_size=5) if text else st.just([])
    finds = [
        Find(*span, draw(st.sampled_from(["EMAIL", "IP"])), draw(st.sampled_from([0.4, 0.6, 1.0])))
        for span in draw(some)
    ]
    return text, finds, [Entity("city", text[start:end], start, end) for start, end in draw(some)]


@given(finds_in_texts())
def test_every_find_is_covered_and_every_entity_is_a_span_of_the_redacted_text(drawn):
    text, finds, entities = drawn
    redacted = replace(text, merge(finds))
    covered = {i for find in finds for i in range(find.start, find.end)}
    replaced = {i for start, end, *_ in redacted.redactions for i in range(start, end)}
    assert covered == replaced
    kept = "".join(character for i, character in enumerate(text) if i not in covered)
    shown = {i for _, _, start, end, _ in redacted.redactions for i in range(start, end)}
    assert "".join(character for i, character in enumerate(redacted.text) if i not in shown) == kept
    for entity in move_entities(redacted, entities, len(text)):
        assert redacted.text[entity.start : entity.end] == entity.value != ""


@given(finds_in_texts())
def test_an_untouched_entity_keeps_its_value(drawn):
    text, finds, entities = drawn
    redacted = replace(text, merge(finds))
    for entity in entities:
        start, end = move(redacted, entity.start, entity.end)
        if all(find.end <= entity.start or entity.end <= find.start for find in finds):
            assert redacted.text[start:end] == entity.value
            assert origin(redacted, start, end) == (entity.start, entity.end)
        else:
            starts, ends = zip(
                *((new_start, new_end) for _, _, new_start, new_end, _ in redacted.redactions), strict=True
            )
            assert start in starts and end in ends


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(texts, st.sampled_from([value for _, value in ALL])), max_size=6))
def test_no_personal_value_among_words_survives(redactor, parts):
    text = " and ".join(parts)  # digits beside digits are another number
    redacted = redactor.redact(text)
    for start, end, new_start, new_end, kind in redacted.redactions:
        assert redacted.text[new_start:new_end].startswith(f"<{kind}_")
        assert text[start:end] != ""
    planted = {part for part in parts if part in {value for _, value in ALL}}
    assert not [value for value in planted if value in redacted.text]


@pytest.mark.parametrize(("start", "end"), [(-1, 3), (2, 2), (3, 1), (0, 99)])
def test_a_span_outside_the_text_is_dropped(start, end):
    assert move_entities(Redacted("hello"), [Entity("city", "x", start, end)], 5) == ()


def test_entities_that_fall_onto_one_placeholder_are_told_once():
    redacted = replace("anna@example.org", [Find(0, 16, "EMAIL", 1.0)])
    entities = [Entity("name", "anna", 0, 4), Entity("name", "example", 5, 12), Entity("mail", "org", 13, 16)]
    expected = (Entity("name", "<EMAIL_1>", 0, 9), Entity("mail", "<EMAIL_1>", 0, 9))
    assert move_entities(redacted, entities, 16) == expected


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(texts, st.text("aAzw/_- .:,?#[]()+'\"<>\n", max_size=40)).filter(lambda text: not SUSPECT.search(text))
)
def test_what_is_not_suspect_holds_nothing(redactor, text):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workers.redaction.SUSPECT", re.compile(""))
        assert redactor.redact(text) == Redacted(text)


def test_kinds_name_every_recognizer():
    assert set(redaction.KINDS.values()) == set(PERSONAL)
