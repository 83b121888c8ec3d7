"""Measured windows and alerts in words, a string a line."""

from collections.abc import Callable, Mapping
from datetime import timedelta

from service.windows.schemas import Alert, DriftWindow, Finding, Moved

MOST = 10  # findings told

SUBJECTS: Mapping[str, str] = {
    "psi": "the mix of intents (PSI)",
    "jensen_shannon": "the mix of intents (Jensen-Shannon)",
    "confidence": "how sure the classifier is",
    "margin": "how far ahead its first choice is",
    "out_of_scope": "turns out of scope",
    "fallback": "fallbacks",
    "reports": "reported turns",
    "embeddings": "what is said",
    "novel": "turns unlike those before",
}


def subject(moved: Moved | Finding) -> str:
    """What a statistic is about.

    >>> subject(Moved("intent", "refund")), subject(Moved("structure", "city>date")), subject(Moved("novel", None))
    ('intent refund', 'entities city>date', 'turns unlike those before')
    """
    kind = {"intent": "intent", "structure": "entities"}.get(moved.name)
    return f"{kind} {moved.subject}" if kind else SUBJECTS[moved.name]


def lines(bot: str, found: DriftWindow | None) -> list[str]:
    """The newest window: what of it is an alarm, the surest first."""
    if found is None:
        return [f"Drift of {bot} is not measured yet: it needs a classifier in force and turns."]
    days = f"{found.since} to {found.day}" if found.since != found.day else f"{found.day}"
    if found.reason:
        return [f"Drift of {bot} on {days} is not known: {found.reason}."]
    before = f"{found.reference_turns} of {found.reference_since} to {found.since - timedelta(days=1)}"
    compared = f"{found.turns} turns of {days} against {before}, as classifier {found.n} sees them"
    alarms = sorted(found.alarms, key=lambda one: (one.corrected, one.p))
    moved = [line(one) for one in alarms[:MOST]] or ["Nothing moved for certain."]
    more = [f"And {len(alarms) - MOST} more."] if len(alarms) > MOST else []
    return [f"What people said to {bot}, {compared}:", *moved, *more]


def line(found: Finding) -> str:
    """
    >>> line(Finding(name="reports", subject=None, value=0.09, by_chance=0.05, p=0.0, corrected=0.0, is_alarm=True))
    'reported turns: 5.0 % before, 9.0 % now.'
    """
    return f"{subject(found)}: {_SAID.get(found.name, _share)(found)}."


def _share(found: Finding) -> str:
    return f"{100 * found.by_chance:.1f} % before, {100 * found.value:.1f} % now"


def _distance(found: Finding) -> str:
    return f"{found.value:.3f}, of which chance alone makes {found.by_chance:.3f}"


def _auc(found: Finding) -> str:
    told = "a classifier tells the turns from those before with an AUC of"
    return f"{told} {found.value:.3f}, by chance alone {found.by_chance:.3f}"


def _novel(found: Finding) -> str:
    now, chance = (f"{100 * share:.0f} %" for share in (found.value, found.by_chance))
    return f"of the most unlike ones {now} are of this window, by chance alone {chance}"


_SAID: Mapping[str, Callable[[Finding], str]] = {
    "psi": _distance,
    "jensen_shannon": _distance,
    "confidence": _distance,
    "margin": _distance,
    "embeddings": _auc,
    "novel": _novel,
}


def moved(alert: Alert) -> str:
    """
    >>> from datetime import UTC, date, datetime
    >>> both = (Moved("novel", None), Moved("intent", "refund"))
    >>> moved(Alert(id=1, since=date(2026, 3, 2), opened_at=datetime(2026, 3, 2, tzinfo=UTC), closed_at=None,
    ...             moved=both, turns=(), proposals=()))
    'turns unlike those before, intent refund'
    """
    told = [subject(one) for one in alert.moved]
    return ", ".join([*told[:MOST], *([f"and {len(told) - MOST} more"] if len(told) > MOST else [])])
