"""When the next attempt follows, and what an answer means."""

import random
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import NamedTuple

# Seconds after each failed attempt; the first one is made at once. Ten attempts in three days.
DELAYS_S = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
JITTER = 0.1  # at most this share longer: what failed together does not come back together
LONGEST_WAIT_S = 86_400.0
GIVE_UP = timedelta(days=5)  # an endpoint that only failed for so long is disabled
KEPT = timedelta(days=30)  # events
GONE = 410
SLOW_DOWN = frozenset({429, 503})  # who says so may say until when


class Answer(NamedTuple):
    """What came of an attempt. `status_code` None: no answer; `error` "": delivered."""

    status_code: int | None
    error: str
    ms: int
    retry_after_s: float = 0.0

    @property
    def is_delivered(self) -> bool:
        return not self.error


def wait_s(attempts: int, answer: Answer, rng: random.Random) -> float | None:
    """Seconds from the failed attempt, the `attempts`-th, to the next; None: it was the last one."""
    if answer.status_code == GONE or attempts > len(DELAYS_S):
        return None
    asked = answer.retry_after_s if answer.status_code in SLOW_DOWN else 0.0
    return max(DELAYS_S[attempts - 1] * (1 + JITTER * rng.random()), asked)


def retry_after_s(header: str, now: datetime) -> float:
    """Seconds that `Retry-After` asks for, a day at most; 0 where it says nothing we understand.

    >>> retry_after_s("120", datetime(2026, 3, 2, 9, 15, tzinfo=UTC))
    120.0
    >>> retry_after_s("Mon, 02 Mar 2026 09:16:00 GMT", datetime(2026, 3, 2, 9, 15, tzinfo=UTC))
    60.0
    >>> retry_after_s("soon", datetime(2026, 3, 2, 9, 15, tzinfo=UTC))
    0.0
    """
    if header.isascii() and header.isdigit():
        return min(float(header), LONGEST_WAIT_S)
    try:
        then = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return 0.0
    seconds = (then.replace(tzinfo=then.tzinfo or UTC) - now).total_seconds()
    return min(max(seconds, 0.0), LONGEST_WAIT_S)
