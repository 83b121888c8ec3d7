"""How the chart of the sources looks. Data are tuples: see figures.py."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import altair
from altair.typing import ChartType

from service.charts import data
from service.console.figures import HEIGHT, WIDTH
from service.console.plots import days


class SourceTurns(NamedTuple):
    day: date
    source: str
    turns: int


def rate(points: Sequence[SourceTurns]) -> ChartType:
    """A line a source."""
    rows = [{"day": str(one.day), "source": one.source, "turns": one.turns} for one in points]
    names = list(dict.fromkeys(one.source for one in points))
    found = altair.Chart(data(rows)).encode(
        x=days(points[0].day, points[-1].day),
        y=altair.Y("turns:Q", title="turns a day", axis=altair.Axis(tickCount=4, format="~s")),
        color=altair.Color("source:N", sort=names, legend=altair.Legend(title=None, orient="top", columns=3)),
    )
    return altair.layer(found.mark_line()).properties(width=WIDTH, height=HEIGHT)
