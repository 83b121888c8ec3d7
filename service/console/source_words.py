"""What sources did, in words."""

from collections.abc import Iterator, Mapping

from service.turns import counted
from service.turns.activity import Activity

# what is told of seven days; each stands for all types that begin so
COUNTS: Mapping[str, str] = {
    counted.DELIVERIES: "deliveries taken",
    counted.REPEATS: "came again",
    counted.ACCEPTED: "turns, replies and reports in them",
    counted.REJECTED: "items rejected",
    counted.NOTED: "items changed or incomplete",
    counted.REFUSED: "requests refused",
}
TYPES: Mapping[str, str] = {
    "bad-signature": "signature missing, wrong or too old",
    "intent-not-imported": "names an intent that was not imported",
    "stream-full": "too many waited to be stored",
    "missing": "a field is missing",
    "too-large": "over 8 MiB once decompressed",
    "bot-archived": "the bot is archived",
}


def told(counts: Mapping[str, int]) -> Iterator[tuple[str, str, str]]:
    """What, how many, and of which types.

    >>> list(told({"delivery": 3, "refused.bad-signature": 2}))
    [('deliveries taken', '3', ''), ('requests refused', '2', 'signature missing, wrong or too old 2')]
    """
    for what, words in COUNTS.items():
        named = {
            name: n for name, n in counts.items() if name == what or (what.endswith(".") and name.startswith(what))
        }
        types = sorted(((n, name.removeprefix(what)) for name, n in named.items() if name != what), reverse=True)
        if sum(named.values()):
            yield words, f"{sum(named.values()):,}", ", ".join(f"{TYPES.get(name, name)} {n:,}" for n, name in types)


def lag(found: Activity) -> str:
    """How far ingest is behind, in words."""
    if not found.waiting:
        return "Nothing waits: all that was taken is stored."
    waits = "waits" if found.waiting == 1 else "wait"
    return f"{found.waiting:,} {waits} to be stored, the oldest for {_span(found.lag_s or 0.0)}."


def _span(seconds: float) -> str:
    """
    >>> _span(0.4), _span(90), _span(7200)
    ('less than a second', '90 s', '2.0 hours')
    """
    if seconds < 1:
        return "less than a second"
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 3600:.1f} hours"
