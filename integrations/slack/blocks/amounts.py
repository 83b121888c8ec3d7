"""Numbers in words."""

from service.learning.stopping import Estimate


def percent(found: Estimate) -> str:
    """A share with its interval.

    >>> percent(Estimate(0.82, 0.74, 0.88))
    '82 % (74 to 88)'
    """
    return f"{100 * found.estimate:.0f} % ({100 * found.low:.0f} to {100 * found.high:.0f})"


def count(n: int, word: str) -> str:
    """
    >>> count(1, "turn"), count(1200, "turn")
    ('1 turn', '1,200 turns')
    """
    return f"{n:,} {word}{'' if n == 1 else 's'}"
