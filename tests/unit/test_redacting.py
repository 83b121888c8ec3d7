"""What people type for others to read: what could reach a person is redacted by patterns alone."""

import pytest

from service.bots.patterns import check
from service.bots.redacting import OURS, redacted
from service.bots.schemas import Pattern
from service.errors import BadInput

OWN = (Pattern("order", r"ORD-\d+"),)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("write to Anna.Berg@example.org, please", "write to <EMAIL>, please"),
        ("(+44 20 7946 0958)", "(<NUMBER>)"),
        ("4111 1111 1111 1111 and 536-90-4399", "<NUMBER> and <NUMBER>"),
        ("DE89370400440532013000 or GB82 WEST 1234 5698 7654 32", "<IBAN> or <IBAN>"),
        ("from 192.168.7.21", "from <IP>"),
        ("070 - 123 45 67 or 12\u201334\u201356\u201378 or 555\u00a01234", "<NUMBER> or <NUMBER> or <NUMBER>"),
        ("https://shop.example.com/orders/anna?token=s3cr3t or shop.example.com/anna", "<URL> or <URL>"),
        ("ORD-4711, anna-ORD-1@example.org", "<ORDER>, <EMAIL>"),
        (
            "as turns 10231 and 10255 say: 3 of 12, classifier 4.",
            "as turns 10231 and 10255 say: 3 of 12, classifier 4.",
        ),
        ("from 2026-11-27 to 2026-11-28 us20 some more than that: 3.5/4", None),
    ],
)
def test_what_could_reach_a_person_is_redacted(typed: str, kept: str | None) -> None:
    """None: it stays."""
    assert redacted(typed, OWN, "reason") == (typed if kept is None else kept)


def test_a_pattern_that_does_not_finish_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.bots.patterns.SEARCH_S", 0.05)
    with pytest.raises(BadInput, match="pattern slow took over") as refused:
        redacted("a" * 1_000 + "!", (Pattern("slow", r"(a+)+$"),), "reason")
    assert refused.value.path == "reason"


def test_our_own_patterns_finish() -> None:
    for pattern in OURS:
        check(pattern, pattern.name)


@pytest.mark.parametrize("unit", ["1.", "a.", "a-", "a.b-", "a@", "ab12", "1 (", "a" * 20 + "@" + "." * 20])
def test_our_own_patterns_take_no_longer_for_a_text_of_which_they_find_nothing(
    unit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were it the square of its length, so long a text would take minutes."""
    monkeypatch.setattr("service.bots.patterns.SEARCH_S", 5)
    redacted("".join(character * (80_000 // len(unit)) for character in unit), (), "reason")
    redacted(unit * (80_000 // len(unit)) + "!", (), "reason")
