"""Estimates as the pages say them."""

from service.classifiers.accuracy import Change
from service.learning.stopping import Estimate

LEAST = 20  # answers of each span, below which no difference is told


def share(found: Estimate | None) -> str:
    """
    >>> share(Estimate(0.912, 0.88, 0.95)), share(None)
    ('91.2 % (88.0 to 95.0)', 'not known')
    """
    if found is None:
        return "not known"
    return f"{100 * found.estimate:.1f} % ({100 * found.low:.1f} to {100 * found.high:.1f})"


def points(found: Estimate | None) -> str:
    """A difference of shares.

    >>> points(Estimate(0.05, -0.01, 0.11))
    '+5.0 points (−1.0 to +11.0)'
    """
    if found is None:
        return "not known"
    by, low, high = (f"{100 * value:+.1f}".replace("-", "−") for value in found)
    return f"{by} points ({low} to {high})"


def change(found: Change) -> str:
    """Before, after, and the difference."""
    if found.difference is None:
        return f"{share(found.before)} before, {share(found.after)} since"
    return f"{share(found.before)} before, {share(found.after)} since: {points(found.difference)}"


def better(found: Change) -> str:
    """Whether the share of right answers grew.

    >>> grew = Estimate(0.14, 0.05, 0.23)
    >>> better(Change(before=None, after=None, difference=grew, n_before=190, n_after=194))
    'Yes: +14.0 points (+5.0 to +23.0) against the 28 days before'
    >>> better(Change(before=None, after=None, difference=grew, n_before=1, n_after=194))
    'Not known yet: 194 answers of the last 28 days, 1 of the 28 before'
    """
    if found.difference is None or min(found.n_before, found.n_after) < LEAST:
        return f"Not known yet: {found.n_after} answers of the last 28 days, {found.n_before} of the 28 before"
    moved = f"{points(found.difference)} against the 28 days before"
    if found.difference.low > 0:
        return f"Yes: {moved}"
    return f"No, it got worse: {moved}" if found.difference.high < 0 else f"Not for certain: {moved}"
