"""How a bot's labels grew, day by day, and when new classifiers came into force."""

from collections import Counter
from datetime import date
from itertools import accumulate

import msgspec
import sqlalchemy as sa

from integrations.slack.figures import labelled_at
from service.classifiers.history import in_force
from service.classifiers.operations import versions

IN_FORCE = ("champion", "retired")  # now, or once
MOST_NAMED = 20  # champions, in words


class Progress(msgspec.Struct, frozen=True):
    """Days are UTC's; both are in order of time."""

    labelled: tuple[tuple[date, int], ...]  # turns, up to and with each day that labelled some; never empty
    champions: tuple[tuple[date, int], ...]  # when each first came into force


def read(connection: sa.Connection, bot: str) -> Progress | None:
    """None without a label."""
    by_day = sorted(Counter(at.date() for at in labelled_at(connection, bot)).items())
    if not by_day:
        return None
    totals = accumulate(turns for _, turns in by_day)
    return Progress(
        tuple((day, total) for (day, _), total in zip(by_day, totals, strict=True)), _champions(connection, bot)
    )


def _champions(connection: sa.Connection, bot: str) -> tuple[tuple[date, int], ...]:
    found = (one for one in versions(connection, bot) if one.status in IN_FORCE)
    return tuple(sorted((in_force(connection, bot, one).since.date(), one.n) for one in found))


def words(bot: str, found: Progress) -> str:
    r"""
    >>> days, champions = ((date(2026, 2, 3), 40), (date(2026, 3, 2), 412)), ((date(2026, 2, 5), 1),)
    >>> print(words("shop", Progress(days, champions)).replace(". ", ".\n"))
    Turns of shop labelled by people: 40 on 2026-02-03, 412 by 2026-03-02.
    New classifiers: 1 on 2026-02-05.
    """
    (first, few), (last, many) = found.labelled[0], found.labelled[-1]
    grown = f"{many} on {last}" if first == last else f"{few} on {first}, {many} by {last}"
    newest = ", ".join(f"{n} on {day}" for day, n in found.champions[-MOST_NAMED:])
    return f"Turns of {bot} labelled by people: {grown}." + (f" New classifiers: {newest}." if newest else "")
