"""Whether people ask for other things than they did, as surfaces show it.

`mix`: the newest seven days against the seven before, by event time. Both windows are decided by the champion, so that
a new classifier is never taken for drift. `drift_of`: what the job DRIFT measured day by day."""

from datetime import date, datetime, timedelta

import numpy as np
import sqlalchemy as sa

from service.bots.schemas import Bot
from service.errors import BadInput
from service.learning import drift
from service.windows import ledger, store
from service.windows.markers import markers
from service.windows.schemas import Drift, IntentMove, Mix, Unmeasured, Window
from service.windows.store import Counts

SPAN = timedelta(days=7)
ENOUGH = 100  # turns of a window, below which nothing is said
SHOWN = timedelta(days=28)
MOST = timedelta(days=366)


def mix(connection: sa.Connection, bot: Bot, at: datetime | None = None) -> Mix | Unmeasured:
    """How the mix of intents moved up to the newest turn, or the newest until `at`; or why that is not said."""
    until = store.newest(connection, bot.name, at)
    if bot.champion is None or until is None:
        return Unmeasured("no classifier is in force yet" if bot.champion is None else "the log holds no turn yet")
    before, after = (store.count(connection, bot.name, bot.champion, end - SPAN, end) for end in (until - SPAN, until))
    turns = [sum(counts.decided.values()) for counts in (before, after)]
    if min(turns) < ENOUGH:
        return Unmeasured(
            f"classifier {bot.champion} has decided {turns[1]} turns of the seven days up to {until:%Y-%m-%d} and"
            f" {turns[0]} of the seven before; {ENOUGH} of each are needed"
        )
    return _compare(bot.champion, until, before, after)


def _compare(n: int, until: datetime, before: Counts, after: Counts) -> Mix:
    names = sorted(before.decided.keys() | after.decided.keys())
    counts = [np.array([window.decided.get(name, 0) for name in names]) for window in (before, after)]
    moves = map(IntentMove, names, drift.moves(*counts))
    return Mix(
        n=n,
        before=_window(until - SPAN, before),
        after=_window(until, after),
        psi=drift.psi(*counts),
        jensen_shannon=drift.jensen_shannon(*counts),
        moves=tuple(sorted(moves, key=lambda one: (one.move.p, -abs(one.move.difference.estimate)))),
    )


def _window(until: datetime, counts: Counts) -> Window:
    turns = sum(counts.decided.values())
    return Window(since=until - SPAN, until=until, turns=turns, undecided=counts.undecided)


def drift_of(connection: sa.Connection, bot: str, since: date | None, until: date | None, today: date) -> Drift:
    """Of the days from `since` up to and with `until`; BadInput when that is too long, or no time at all."""
    until = until or today
    since = since or until - SHOWN
    if not since <= until <= since + MOST:
        raise BadInput(f"{since} to {until} is not a year or less", path="from", hint="ask for up to 366 days at once")
    return Drift(ledger.windows(connection, bot, since, until), markers(connection, bot, since, until))
