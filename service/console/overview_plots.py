"""How the overview's charts look. Data are tuples: see figures.py."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import altair
from altair.typing import ChartType

from service.charts import BLUE, GREEN, ORANGE, data
from service.console.figures import HEIGHT, WIDTH
from service.console.plots import Marker, days, lines_at

ROW = 30  # pixels of a bar that lies


class Line(NamedTuple):
    """A point of a line, with its interval."""

    day: date  # Monday
    who: str
    estimate: float
    low: float
    high: float


class DailyTurns(NamedTuple):
    day: date
    turns: int


def right(drawn: tuple[Sequence[Line], Sequence[Marker]]) -> ChartType:
    lines, markers = drawn
    found = altair.Chart(data([{**one._asdict(), "day": str(one.day)} for one in lines]))
    first, last = min(one.day for one in lines), max([*(one.day for one in lines), *(one.day for one in markers)])
    x = days(first, last)
    names = altair.Scale(domain=["the bot's own", "the champion's"], range=[ORANGE, BLUE])
    who = altair.Color("who:N", scale=names, legend=altair.Legend(title=None, orient="top"))
    whole = altair.Scale(zero=False)
    y = altair.Y("estimate:Q", title="answered right", axis=altair.Axis(format="%", tickCount=5), scale=whole)
    return altair.layer(
        found.mark_rule(strokeWidth=2, opacity=0.45).encode(
            x=x, y=altair.Y("low:Q", title="answered right"), y2="high:Q", color=who
        ),
        found.mark_line(point=altair.OverlayMarkDef(size=60)).encode(x=x, y=y, color=who),
        *lines_at(markers, x, last - first),
    ).properties(width=WIDTH, height=HEIGHT)


def came_in(drawn: tuple[Sequence[DailyTurns], Sequence[Marker]]) -> ChartType:
    turns, markers = drawn
    rows = [{"day": str(one.day), "turns": one.turns} for one in turns]
    first, last = turns[0].day, max([turns[-1].day, *(one.day for one in markers)])
    x = days(first, last)
    y = altair.Y("turns:Q", title="turns a day", axis=altair.Axis(tickCount=4, format="~s"))
    grown = altair.Chart(data(rows)).mark_area(color=BLUE, fillOpacity=0.2, line={"color": BLUE}).encode(x=x, y=y)
    return altair.layer(grown, *lines_at(markers, x, last - first)).properties(width=WIDTH, height=HEIGHT)


def marked(bars: Sequence[tuple[str, int]]) -> ChartType:
    rows = [{"why": why, "turns": n} for why, n in bars]
    found = altair.Chart(data(rows)).encode(
        x=altair.X("turns:Q", title="turns", axis=altair.Axis(tickCount=3, format="~s")),
        y=altair.Y("why:N", title=None, sort=None, axis=altair.Axis(labelLimit=220)),
    )
    return altair.layer(found.mark_bar(color=BLUE)).properties(width=WIDTH, height=ROW * len(bars) + 60)


def labels(weeks: Sequence[tuple[date, int]]) -> ChartType:
    rows = [{"week": f"{monday:%-d %b}", "turns": n} for monday, n in weeks]
    found = altair.Chart(data(rows)).encode(
        x=altair.X("week:O", title="week from Monday", sort=None, axis=altair.Axis(labelAngle=0, labelOverlap=True)),
        y=altair.Y("turns:Q", title="turns a week", axis=altair.Axis(tickCount=4, format="~s")),
    )
    return altair.layer(found.mark_bar(color=GREEN)).properties(width=WIDTH, height=HEIGHT)
