"""Bracket notation: what is written is read again, and every fault is named with its place."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import BadInput
from service.reviews.brackets import parse, write
from service.reviews.schemas import SPANS_LIMIT, TYPE_LIMIT, Span

SIGNS = "ab [](\\)\r\n\u00a0\u2028\u200dé\u0301東ไ👩‍👩‍👧\U0001d11e"
TEXTS = st.text(max_size=30) | st.text(alphabet=SIGNS, max_size=30)
TYPES = (st.text(max_size=TYPE_LIMIT) | st.text(alphabet=SIGNS, max_size=8)).map(str.strip).filter(bool)
LYON = "fly to Lyon"


@st.composite
def marked(draw: st.DrawFn) -> tuple[str, tuple[Span, ...]]:
    """A text, and spans of it in order that do not overlap; some touch."""
    text = draw(TEXTS)
    cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=8)))
    pairs = pairwise(cuts)
    return text, tuple(Span(start, end, draw(TYPES)) for start, end in pairs if draw(st.booleans()))


@given(marked())
def test_what_is_written_is_read_again(marked: tuple[str, tuple[Span, ...]]) -> None:
    text, spans = marked
    assert parse(text, write(text, spans)) == spans


@given(TEXTS, st.text(alphabet="a[](\\) \n", max_size=20))
def test_whatever_is_typed_gives_spans_of_the_text_or_a_fault(text: str, typed: str) -> None:
    try:
        spans = parse(text, typed)
    except BadInput as fault:
        assert fault.path == "entities" and fault.hint
    else:
        assert all(0 <= span.start < span.end <= len(text) and span.type for span in spans)
        assert all(one.end <= other.start for one, other in pairwise(spans))


@pytest.mark.parametrize(
    ("text", "spans", "written"),
    [
        (LYON, [Span(7, 11, "city")], "fly to [Lyon](city)"),
        ("a [b] (c) \\", [], "a \\[b\\] (c) \\\\"),
        ("x(y)", [Span(0, 1, "a(b)c")], "[x](a\\(b\\)c)(y)"),
        ("New York", [Span(4, 8, "city"), Span(0, 8, "city")], "[New York](city)"),  # of two that overlap the longer
    ],
)
def test_written_as_expected(text: str, spans: list[Span], written: str) -> None:
    assert write(text, spans) == written


@pytest.mark.parametrize(
    ("text", "typed", "spans"),
    [
        (LYON, "  fly to [Lyon](city)\n", [(7, 11, "city")]),
        (LYON, "fly to [Lyon]( city )", [(7, 11, "city")]),
        ("  hi Lyon ", "hi [Lyon](city)", [(5, 9, "city")]),
        ("hi\nLyon", "[hi](x)\r\n[Lyon](city)", [(0, 2, "x"), (3, 7, "city")]),  # as a browser sends it
        ("hi\r\nLyon", "hi\n[Lyon](city)", [(4, 8, "city")]),
        ("hi\r\nLyon", "[hi\nLyon](x)", [(0, 8, "x")]),
        (":) (Lyon)", ":) ([Lyon](city))", [(4, 8, "city")]),
        (":) (Lyon)", r":\) \([Lyon](city)\)", [(4, 8, "city")]),
        (LYON, LYON, []),
    ],
)
def test_read_as_a_person_would_expect(text: str, typed: str, spans: list[tuple[int, int, str]]) -> None:
    assert list(parse(text, typed)) == spans


@pytest.mark.parametrize(
    ("typed", "fault"),
    [
        ("fly to [Lyons](city)", "after “fly to Lyon” the text says nothing more, not “s”"),
        ("fly to [Paris](city)", "after “fly to ” the text says “Lyon”, not “Paris”"),
        ("to [Lyon](city)", "at the start the text says “fly to Lyon”, not “to Lyon”"),
        ("Fly to [Lyon](city)", "at the start the text says “fly to Lyon”, not “Fly to Lyon”"),
        ("fly  to [Lyon](city)", "after “fly ” the text says “to Lyon”, not “ to Lyon”"),
        ("fly to ", "after “fly to” the text says “ Lyon”, not nothing more"),
        ("fly to [Lyon(city)", "after “fly to ” a [ is not closed"),
        ("fly to [Lyon](city", "after “fly to [Lyon]” a ( is not closed"),
        ("fly to [Lyon]", "after “fly to [Lyon]” the type is missing"),
        ("fly to [Lyon] (city)", "after “fly to [Lyon]” the type is missing"),
        ("fly to [Lyon]()", "after “fly to [Lyon]” () is empty"),
        ("fly to [Lyon]( )", "after “fly to [Lyon]” the type is empty"),
        ("fly to [](city)Lyon", "after “fly to ” [] is empty"),
        ("fly to [[Lyon](city)](place)", "after “fly to [” a [ inside an entity"),
        ("fly to [Lyon](ci(ty))", "after “fly to [Lyon](ci” a ( inside an entity"),
        ("fly to Lyon]", "after “fly to Lyon” a ] closes nothing"),
        ("fly to \\Lyon", "after “fly to ” a lone \\"),
        ("fly to [Ly\\on](city)", "after “fly to [Ly” a lone \\"),
        ("[ ](city)fly to Lyon", "at the start an entity of white space that the text does not have"),
        (f"fly to [Lyon]({'x' * (TYPE_LIMIT + 1)})", "after “fly to [Lyon]” the type is longer than 100 characters"),
    ],
)
def test_a_fault_is_named_with_its_place(typed: str, fault: str) -> None:
    with pytest.raises(BadInput) as raised:
        parse(LYON, typed)
    assert (raised.value.detail, raised.value.path) == (fault, "entities")
    assert "[Lyon](city)" in raised.value.hint


def test_too_many_entities_are_a_fault() -> None:
    text = "ab" * (SPANS_LIMIT + 1)
    with pytest.raises(BadInput, match="more than 100 entities"):
        parse(text, "[a](x)b" * (SPANS_LIMIT + 1))
    assert len(parse(text[2:], "[a](x)b" * SPANS_LIMIT)) == SPANS_LIMIT
