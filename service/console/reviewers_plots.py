"""How the reviewers' charts look. Data are tuples: see figures.py."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import altair
from altair.typing import ChartType

from service.charts import BLUE, INK, data
from service.console.figures import HEIGHT, WIDTH

ROW = 34  # pixels of a reviewer
SHORT = "length(datum.label) > 14 ? slice(datum.label, 0, 13) + '…' : datum.label"


class Pace(NamedTuple):
    """Votes a day of a whole week."""

    reviewer: str
    monday: date
    votes: float


def table(paces: Sequence[Pace]) -> ChartType:
    """A row a reviewer, a column a week."""
    found = altair.Chart(data(_rows(paces))).encode(
        x=altair.X("week:N", sort=None, title="week from Monday", axis=altair.Axis(labelAngle=-90)),
        y=altair.Y("reviewer:N", sort=None, title=None, axis=altair.Axis(labelExpr=SHORT, labelLimit=0)),
    )
    colour = altair.Color("votes:Q", scale=altair.Scale(scheme="blues", domainMin=0), legend=None)
    numbers = found.mark_text(color=INK, fontSize=12, aria=False).encode(text=altair.Text("votes:Q", format=".0f"))
    people = len({one.reviewer for one in paces})
    both = altair.layer(found.mark_rect(opacity=0.5).encode(color=colour), numbers)
    return both.properties(width=WIDTH, height=ROW * people + 90)


def bars(paces: Sequence[Pace]) -> ChartType:
    """Of one reviewer."""
    found = altair.Chart(data(_rows(paces))).encode(
        x=altair.X("week:N", sort=None, title="week from Monday", axis=altair.Axis(labelAngle=-90)),
        y=altair.Y("votes:Q", title="votes a day", axis=altair.Axis(tickCount=4)),
    )
    return altair.layer(found.mark_bar(color=BLUE)).properties(width=WIDTH, height=HEIGHT)


def _rows(paces: Sequence[Pace]) -> list[dict[str, object]]:
    return [{"reviewer": one.reviewer, "week": f"{one.monday:%-d %b}", "votes": one.votes} for one in paces]
