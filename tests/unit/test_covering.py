"""What people type for others to read: what could reach a person is covered by patterns alone."""

import pytest

from service.bots.covering import OURS, covered
from service.bots.patterns import check
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
        ("https://shop.example.com/orders/anna?token=s3cr3t or shop.example.com/anna", "<URL> or <URL>"),
        ("ORD-4711, anna-ORD-1@example.org", "<ORDER>, <EMAIL>"),
        (
            "as turns 10231 and 10255 say: 3 of 12, classifier 4.",
            "as turns 10231 and 10255 say: 3 of 12, classifier 4.",
        ),
    ],
)
def test_what_could_reach_a_person_is_covered(typed: str, kept: str) -> None:
    assert covered(typed, OWN, "reason") == kept


def test_a_pattern_that_does_not_finish_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.bots.patterns.SEARCH_S", 0.05)
    with pytest.raises(BadInput, match="pattern slow took over") as refused:
        covered("a" * 1_000 + "!", (Pattern("slow", r"(a+)+$"),), "reason")
    assert refused.value.path == "reason"


def test_our_own_patterns_finish() -> None:
    for pattern in OURS:
        check(pattern, pattern.name)
