"""Tokens, labels and spans, and how sure a tagger is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.learning.tagging import (
    Span,
    boundary_ambiguity,
    distinct,
    span_f1,
    to_labels,
    to_spans,
    token_margins,
    tokenize,
)

TEXTS = st.text(max_size=40) | st.text(alphabet="ab 1.,'é\u0301\n東京ไป", max_size=40)


def words(text: str) -> list[str]:
    return [text[start:end] for start, end in tokenize(text)]


@st.composite
def tiled(draw: st.DrawFn) -> tuple[str, list[Span]]:
    """A text, and spans of whole tokens that do not overlap."""
    text = draw(TEXTS)
    tokens = tokenize(text)
    cuts = sorted(draw(st.sets(st.integers(0, len(tokens)), max_size=6)))
    spans = []
    for first, last in zip(cuts[::2], cuts[1::2], strict=False):
        spans.append(Span(tokens[first].start, tokens[last - 1].end, draw(st.sampled_from(["city", "I-day", "B"]))))
    return text, spans


@given(TEXTS)
def test_tokens_cover_the_text_in_order_but_for_white_space(text: str) -> None:
    tokens = tokenize(text)
    assert all(start < end for start, end in tokens)
    assert "".join(words(text)) == "".join(text.split())
    ends = [0, *(token.end for token in tokens)]
    starts = [*(token.start for token in tokens), len(text)]
    assert all(not text[end:start].strip() for end, start in zip(ends, starts, strict=True))


@given(tiled())
def test_spans_of_whole_tokens_come_back_exactly(tiled: tuple[str, list[Span]]) -> None:
    text, spans = tiled
    tokens = tokenize(text)
    assert to_spans(tokens, to_labels(tokens, spans)) == spans


@given(TEXTS, st.lists(st.tuples(st.integers(0, 45), st.integers(0, 45), st.sampled_from(["a", "b"])), max_size=6))
def test_any_spans_give_labels_whose_spans_lie_in_the_text(text: str, raw: list[tuple[int, int, str]]) -> None:
    tokens = tokenize(text)
    spans = to_spans(tokens, to_labels(tokens, [Span(*one) for one in raw]))
    assert all(0 <= start < end <= len(text) for start, end, _ in spans)
    assert distinct(spans) == spans
    assert all(not text[end - 1].isspace() and not text[start].isspace() for start, end, _ in spans)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n\t", []),
        ("Ed's, ok?", ["Ed", "'", "s", ",", "ok", "?"]),
        ("cafe\u0301 at 7pm", ["cafe\u0301", "at", "7pm"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("東京へ行く", ["東", "京", "へ", "行", "く"]),
        ("flug LH123-4", ["flug", "LH123", "-", "4"]),
        ("\u0301", ["\u0301"]),
    ],
)
def test_words_of_many_scripts(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_a_span_that_ends_inside_a_token_takes_all_of_it() -> None:
    tokens = tokenize("go to Romenow")
    assert to_spans(tokens, to_labels(tokens, [Span(6, 10, "city")])) == [Span(6, 13, "city")]


def test_two_spans_in_one_token_leave_it_to_one() -> None:
    tokens = tokenize("sevenpm")
    assert to_labels(tokens, [Span(0, 5, "hour"), Span(5, 7, "half")]) == ["B-hour"]


def test_of_overlapping_spans_the_longer_stays() -> None:
    assert distinct([Span(0, 3, "a"), Span(0, 3, "b"), Span(2, 8, "c"), Span(8, 9, "d"), Span(9, 9, "e")]) == [
        Span(2, 8, "c"),
        Span(8, 9, "d"),
    ]


def test_spans_side_by_side_stay_apart() -> None:
    tokens = tokenize("red green")
    spans = [Span(0, 3, "colour"), Span(4, 9, "colour")]
    assert to_spans(tokens, to_labels(tokens, spans)) == spans


def test_a_stray_inside_label_opens_a_span() -> None:
    assert to_spans(tokenize("a b c"), ["I-x", "I-y", "I-y"]) == [Span(0, 1, "x"), Span(2, 5, "y")]


@pytest.mark.parametrize(
    ("probability", "marginals", "expected"),
    [
        (1.0, [[1.0, 0.0]], 0.0),
        (0.5, [[0.5, 0.5]], 1.0),
        (0.75, [[0.75, 0.25], [1.0, 0.0]], 0.5),  # two labellings: both measures agree
        (0.1, [[0.6, 0.4], [0.9, 0.1]], 0.9),
        (1.0, [[1.0]], 0.0),
    ],
)
def test_known_ambiguities(probability: float, marginals: list[list[float]], expected: float) -> None:
    assert boundary_ambiguity(probability, np.array(marginals)) == pytest.approx(expected)


def test_no_tokens_are_not_ambiguous() -> None:
    assert boundary_ambiguity(1.0, np.zeros((0, 3))) == 0.0


@given(st.lists(st.lists(st.floats(0.01, 1), min_size=3, max_size=3), min_size=1, max_size=5), st.floats(0, 1))
def test_ambiguity_is_a_fraction_and_less_when_surer(raw: list[list[float]], probability: float) -> None:
    marginals = np.array(raw) / np.array(raw).sum(axis=1, keepdims=True)
    assert ((token_margins(marginals) >= 0) & (token_margins(marginals) <= 1)).all()
    found = boundary_ambiguity(probability, marginals)
    assert 0 <= found <= 1
    assert boundary_ambiguity(min(1.0, probability + 0.2), marginals) <= found


def test_f1_wants_start_end_and_type() -> None:
    truth = [[Span(0, 4, "city"), Span(5, 8, "day")], [Span(0, 1, "day")]]
    found = [[Span(0, 4, "city"), Span(5, 8, "city")], []]
    assert span_f1(found, truth) == pytest.approx(2 * 1 / (2 + 3))
    assert span_f1(truth, truth) == 1.0
    assert span_f1([[]], [[]]) == 1.0
