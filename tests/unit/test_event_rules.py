"""When the next attempt follows."""

import random
from datetime import UTC, datetime

import pytest

from service.events.rules import DELAYS_S, Answer, retry_after_s, wait_s

NOW = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
FAILED = Answer(500, "answered 500", 3)


class Unmoved(random.Random):
    """No jitter."""

    def random(self) -> float:
        return 0.0


def test_ten_attempts_in_three_days() -> None:
    waits = [wait_s(n, FAILED, Unmoved()) for n in range(1, 11)]
    assert waits == [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400, None]


def test_waits_are_a_tenth_longer_at_most() -> None:
    rng = random.Random(7)
    waits = [wait_s(2, FAILED, rng) or 0 for _ in range(500)]
    assert (min(waits) >= 300, max(waits) <= 330, max(waits) - min(waits) > 25) == (True, True, True)


def test_gone_is_the_end() -> None:
    assert wait_s(1, Answer(410, "answered 410", 3), Unmoved()) is None


@pytest.mark.parametrize(("code", "seconds"), [(429, 90.0), (503, 90.0), (500, 5.0), (302, 5.0)])
def test_who_is_asked_to_slow_down_does(code: int, seconds: float) -> None:
    answer = Answer(code, "no", 3, retry_after_s=90.0)
    assert wait_s(1, answer, Unmoved()) == seconds
    assert wait_s(3, answer, Unmoved()) == DELAYS_S[2]  # the schedule's is later


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("90", 90.0),
        ("999999999999", 86_400.0),
        ("-5", 0.0),
        ("1e9", 0.0),
        ("", 0.0),
        ("²", 0.0),
        ("Mon, 02 Mar 2026 09:14:00 GMT", 0.0),
        ("Mon, 02 Mar 2026 09:16:30 -0000", 90.0),
        ("Mon, 02 Mar 2099 09:16:30 GMT", 86_400.0),
        ("Mon, 99 Mar 2026 09:16:30 GMT", 0.0),
        ("Mon, 02 Mar 99999999999999999999 09:16:30 GMT", 0.0),
        ("Mon, 02 Mar 2026 09:16:30 +99999999999999999999", 0.0),
    ],
)
def test_retry_after_is_read_leniently_and_bounded(header: str, seconds: float) -> None:
    assert retry_after_s(header, NOW) == seconds
