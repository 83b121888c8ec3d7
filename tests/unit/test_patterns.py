"""An owner's pattern is refused where it is set, or stopped where it runs; it never hangs."""

import pytest

from service.bots import patterns
from service.bots.patterns import Match, PatternTooSlow
from service.bots.schemas import Pattern
from service.errors import BadInput


@pytest.mark.parametrize(
    "source",
    [r"ORD-\d{6}", r"\b[A-Z]{2}\d{7}\b", r"(?i)kundennr\.?\s*\d+", r"[\w.]+#\d{4}", r"\p{Lu}{3}-[0-9]+", r"^\d+$"],
)
def test_an_ordinary_pattern_is_taken(source):
    patterns.check(Pattern("order", source), "patterns[0].regex")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (r"(\d+", "missing \\)|unterminated"),
        (r"[a-", "bad|unterminated|missing"),
        (r"*a", "nothing to repeat"),
        (r"\d*", "matches the empty text"),
        (r"a|", "matches the empty text"),
        (r"(x+x+)+y", "takes too long"),
        (r"(\d+,?)+;", "takes too long"),
        (r"(\w+\s?)+:", "takes too long"),
        (r"([a-z]+)*\d", "takes too long"),
    ],
)
def test_a_bad_pattern_is_refused_with_its_place(source, reason):
    with pytest.raises(BadInput, match=reason) as caught:
        patterns.check(Pattern("order", source), "patterns[3].regex")
    assert caught.value.path == "patterns[3].regex"


def test_matches_are_found_in_order():
    assert patterns.find(Pattern("order", r"ORD-\d+"), "ORD-1 and ORD-22") == [Match(0, 5), Match(10, 16)]


def test_a_pattern_that_does_not_finish_is_stopped(monkeypatch):
    monkeypatch.setattr(patterns, "SEARCH_S", 0.05)
    with pytest.raises(PatternTooSlow, match="order"):
        patterns.find(Pattern("order", r"([a-z]+)*\d"), "x" * 999 + "!")
