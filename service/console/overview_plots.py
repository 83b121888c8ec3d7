"""How the overview's charts look. Data are tuples: see figures.py."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import altair
from altair.typing import ChartType

from service.charts import BLUE, FAINT, GREEN, ORANGE, data
from service.console.figures import HEIGHT, WIDTH

ROW = 30  # pixels of a bar that lies


class Line(NamedTuple):
    """A point of a line, with its interval."""

    monday: date
    who: str
    estimate: float
    low: float
    high: float


class DailyTurns(NamedTuple):
    day: date
    turns: int


class Marker(NamedTuple):
    """Something that happened on a day."""

    day: date
    name: str


def right(drawn: tuple[Sequence[Line], Sequence[Marker]]) -> ChartType:
    lines, markers = drawn
    rows = [{**one._asdict(), "monday": str(one.monday)} for one in lines]
    found = altair.Chart(data(rows))
    x = altair.X("monday:T", title=None, scale=altair.Scale(type="utc"), axis=dates())
    names = altair.Scale(domain=["the bot's own", "the champion's"], range=[ORANGE, BLUE])
    who = altair.Color("who:N", scale=names, legend=altair.Legend(title=None, orient="top"))
    whole = altair.Scale(zero=False)
    y = altair.Y("estimate:Q", title=None, axis=altair.Axis(format="%", tickCount=5), scale=whole)
    return altair.layer(
        found.mark_rule(strokeWidth=2, opacity=0.45).encode(
            x=x, y=altair.Y("low:Q", title=None), y2="high:Q", color=who
        ),
        found.mark_line(point=altair.OverlayMarkDef(size=60)).encode(x=x, y=y, color=who),
        *lines_at(markers),
    ).properties(width=WIDTH, height=HEIGHT)


def came_in(drawn: tuple[Sequence[DailyTurns], Sequence[Marker]]) -> ChartType:
    days, markers = drawn
    rows = [{"day": str(one.day), "turns": one.turns} for one in days]
    x = altair.X("day:T", title=None, scale=altair.Scale(type="utc"), axis=dates())
    y = altair.Y("turns:Q", title=None, axis=altair.Axis(tickCount=4, format="~s"))
    grown = altair.Chart(data(rows)).mark_area(color=BLUE, fillOpacity=0.2, line={"color": BLUE}).encode(x=x, y=y)
    return altair.layer(grown, *lines_at(markers)).properties(width=WIDTH, height=HEIGHT)


def marked(bars: Sequence[tuple[str, int]]) -> ChartType:
    rows = [{"why": why, "turns": n} for why, n in bars]
    found: altair.Chart = altair.Chart(data(rows)).encode(
        x=altair.X("turns:Q", title=None, axis=altair.Axis(tickCount=3, format="~s")),
        y=altair.Y("why:N", title=None, sort=None, axis=altair.Axis(labelLimit=220)),
    )
    return found.mark_bar(color=BLUE).properties(width=WIDTH, height=ROW * len(bars) + 60)


def labels(weeks: Sequence[tuple[date, int]]) -> ChartType:
    rows = [{"week": str(monday), "turns": n} for monday, n in weeks]
    found: altair.Chart = altair.Chart(data(rows)).encode(
        x=altair.X("week:T", title=None, scale=altair.Scale(type="utc"), axis=dates()),
        y=altair.Y("turns:Q", title=None, axis=altair.Axis(tickCount=4, format="~s")),
    )
    return found.mark_bar(color=GREEN, size=18).properties(width=WIDTH, height=HEIGHT)


def dates() -> altair.Axis:
    return altair.Axis(format="%-d %b", tickCount=4, grid=False, labelOverlap=True)


def lines_at(markers: Sequence[Marker]) -> list[altair.Chart]:
    """Upright ones, with their names."""
    if not markers:
        return []
    rows = [{"day": str(one.day), "name": one.name} for one in markers]
    at = altair.Chart(data(rows)).encode(x=altair.X("day:T", scale=altair.Scale(type="utc")))
    return [
        at.mark_rule(color=FAINT, strokeDash=[4, 4], strokeWidth=1.5),
        at.mark_text(align="left", dx=4, baseline="top", color=FAINT, limit=90).encode(
            y=altair.value(2), text="name:N"
        ),
    ]
