"""How the pages of a classifier look. Data are tuples: see figures.py."""

from collections.abc import Sequence
from typing import NamedTuple

import altair
from altair.typing import ChartType

from service.charts import BLUE, FAINT, data
from service.console.figures import HEIGHT, WIDTH


class Dot(NamedTuple):
    """Turns that were said to be right with a probability, and the share that was, with its interval."""

    said: float
    right: float
    low: float
    high: float


def reliability(dots: Sequence[Dot]) -> ChartType:
    whole = altair.Scale(domain=[0, 1])
    axis = altair.Axis(format="%", tickCount=4)
    x = altair.X("said:Q", title="probability that it said", axis=axis, scale=whole)
    found = altair.Chart(data([dot._asdict() for dot in dots])).encode(x=x)
    line = altair.Chart(data([{"said": end, "right": end} for end in (0, 1)]))
    right = altair.Y("right:Q", title="share that was right", axis=axis, scale=whole)
    return altair.layer(
        line.mark_line(color=FAINT, strokeDash=[4, 4], strokeWidth=1.5).encode(x=x, y=right),
        found.mark_rule(color=BLUE, strokeWidth=2, opacity=0.45).encode(y=altair.Y("low:Q", scale=whole), y2="high:Q"),
        found.mark_point(color=BLUE, filled=True, size=70, opacity=1).encode(y=right),
    ).properties(width=WIDTH, height=HEIGHT + 70)
