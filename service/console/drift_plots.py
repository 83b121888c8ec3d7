"""How the drift page's charts look."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import altair
from altair.typing import ChartType

from service.charts import BLUE, FAINT, VERMILION, data
from service.console.figures import HEIGHT, WIDTH
from service.console.plots import Marker, days, lines_at


class Point(NamedTuple):
    """A day's value, with its interval where it is a rate, and what chance makes of it, or what it was before."""

    day: date
    value: float
    low: float
    high: float
    by_chance: float
    p: float
    is_alarm: bool


class Track(NamedTuple):
    points: Sequence[Point]
    markers: Sequence[Marker]
    is_rate: bool


def track(drawn: Track) -> ChartType:
    """The value as a line; grey: by chance, or before; the alarms' points are red and filled."""
    points = drawn.points
    first, last = points[0].day, max([points[-1].day, *(one.day for one in drawn.markers)])
    x = days(first, last)
    axis = altair.Axis(format="%" if drawn.is_rate else "~g", tickCount=4)
    y = altair.Y("value:Q", title=None, axis=axis, scale=altair.Scale(zero=False))
    all_days = altair.Chart(data([{**one._asdict(), "day": str(one.day)} for one in points]))
    chance = all_days.mark_line(color=FAINT, strokeWidth=1.5).encode(x=x, y=altair.Y("by_chance:Q", title=None))
    interval = all_days.mark_rule(color=BLUE, opacity=0.4, strokeWidth=2)
    value = all_days.mark_line(color=BLUE).encode(x=x, y=y)
    dots = all_days.mark_point(filled=True, opacity=1, size=60).encode(
        x=x, y=y, color=altair.when(altair.datum.is_alarm).then(altair.value(VERMILION)).otherwise(altair.value(BLUE))
    )
    spread = [interval.encode(x=x, y=altair.Y("low:Q", title=None), y2="high:Q")] if drawn.is_rate else []
    return altair.layer(chance, *spread, value, dots, *lines_at(drawn.markers, x, last - first)).properties(
        width=WIDTH, height=HEIGHT
    )
