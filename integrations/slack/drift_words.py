"""Drift of a bot's intents in words, a string a line."""

from integrations.slack.blocks.elements import cut
from service.intents.schemas import NONE
from service.windows.schemas import IntentMove, Mix, Unmeasured, Window

MOST_MOVES = 10
NAME = 80  # characters of an intent's name


def lines(bot: str, found: Mix | Unmeasured) -> list[str]:
    """What moved for certain, the surest first, and how far the whole mix did."""
    if isinstance(found, Unmeasured):
        return [f"Drift of {bot} is not known: {found.reason}."]
    moved = [move(one) for one in found.significant[:MOST_MOVES]] or ["No intent moved for certain."]
    hidden = len(found.significant) - MOST_MOVES
    more = [f"And {hidden} more."] if hidden > 0 else []
    return [_windows(bot, found), *moved, *more, _whole(found), *_undecided(found)]


def _windows(bot: str, found: Mix) -> str:
    return (
        f"What people asked of {bot}, {_window(found.after)}, against {_window(found.before)},"
        f" as classifier {found.n} decides it:"
    )


def _window(window: Window) -> str:
    """
    >>> from datetime import datetime
    >>> _window(Window(since=datetime(2026, 2, 23, 9), until=datetime(2026, 3, 2, 9), turns=120, undecided=0))
    '120 turns of 2026-02-23 09:00 to 2026-03-02 09:00 UTC'
    """
    return f"{window.turns} turns of {window.since:%Y-%m-%d %H:%M} to {window.until:%Y-%m-%d %H:%M} UTC"


def move(found: IntentMove) -> str:
    """
    >>> from service.learning.drift import Estimate, Move
    >>> move(IntentMove("refund", Move(0.12, 0.183, Estimate(0.063, 0.039, 0.087), 0.0001)))
    'refund: 12.0 % before, 18.3 % now: +6.3 points (+3.9 to +8.7).'
    """
    before, after = 100 * found.move.before, 100 * found.move.after
    by, low, high = (100 * value for value in found.move.difference)
    shares = f"{before:.1f} % before, {after:.1f} % now"
    return f"{cut(named(found), NAME)}: {shares}: {by:+.1f} points ({low:+.1f} to {high:+.1f})."


def named(found: IntentMove) -> str:
    return "out of scope" if found.intent == NONE else found.intent


def _whole(found: Mix) -> str:
    psi, js = found.psi, found.jensen_shannon
    return (
        f"The whole mix: PSI {psi.value:.3f}, of which chance alone makes {psi.by_chance:.3f};"
        f" Jensen-Shannon {js.value:.3f} bits, of which chance makes {js.by_chance:.3f}."
    )


def _undecided(found: Mix) -> list[str]:
    turns = found.before.undecided + found.after.undecided
    why = f"classifier {found.n} has not decided them"
    return [f"{turns} more turns of these days do not count: {why}."] if turns else []
