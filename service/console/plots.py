"""What the pages' charts have in common. Data are tuples: see figures.py."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import NamedTuple

import altair

from service.charts import FAINT, data

TICKS = 4
NEAR = 0.3  # of the chart's width: what a marker's name takes
DAY = timedelta(days=1)


class Marker(NamedTuple):
    """Something that happened on a day."""

    day: date
    name: str


def days(first: date, last: date) -> altair.X:
    """From the first to the last day, with few dates: the engine's own run into each other."""
    step = max(1, (last - first).days // (TICKS - 1))
    shown = [instant(first + n * step * DAY) for n in range(TICKS) if first + n * step * DAY <= last]
    axis = altair.Axis(values=shown, format="%-d %b", grid=False, labelFlush=True)
    scale = altair.Scale(type="utc", domain=[instant(first), instant(max(last, first + DAY))])
    return altair.X("day:T", title=None, scale=scale, axis=axis)


def instant(day: date) -> int:
    """Milliseconds, as the engine counts them."""
    return int(datetime.combine(day, time(), UTC).timestamp() * 1000)


def lines_at(markers: Sequence[Marker], x: altair.X, shown: timedelta) -> list[altair.Chart]:
    """Upright ones; above each its name, unless a later one is too near. `shown`: from the first day to the last."""
    if not markers:
        return []
    near = NEAR * shown
    named = [one for one, later in pairwise([*markers, None]) if one and (later is None or later.day - one.day >= near)]
    lines, names = (
        altair.Chart(data([{"day": str(one.day), "name": one.name} for one in those])).encode(x=x)
        for those in (markers, named)
    )
    above = names.mark_text(baseline="bottom", color=FAINT, limit=110).encode(y=altair.value(-4), text="name:N")
    return [lines.mark_rule(color=FAINT, strokeDash=[4, 4], strokeWidth=1.5), above]
