"""How the boundary map looks. Data are tuples: see figures.py."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import altair
from altair.typing import ChartType

from service.charts import BLUE, data

CELL = 26  # pixels
NAMES = 240  # pixels for the intents' names
# Cut by letters: to cut fifty names by pixels takes the engine half a second.
SHORT = "length(datum.label) > 20 ? slice(datum.label, 0, 19) + '…' : datum.label"


class Cell(NamedTuple):
    row: str  # intents' names
    column: str
    shared: float  # turns of a hundred


def heatmap(drawn: tuple[Sequence[str], Sequence[Cell]]) -> ChartType:
    """Of intents in their order; both halves are drawn, for one finds an intent in its row."""
    names, cells = drawn
    rows = [{"row": a, "column": b, "shared": cell.shared} for cell in cells for a, b in _both(cell)]
    axis: dict[str, Any] = {"labelExpr": SHORT, "labelLimit": 0, "title": None}
    colour = altair.Color(
        "shared:Q",
        scale=altair.Scale(scheme="blues", domainMin=0),
        legend=altair.Legend(title=None, orient="top", tickCount=3, format="~g"),
    )
    found: altair.Chart = altair.Chart(data(rows)).mark_rect(stroke=BLUE, strokeWidth=0.5, aria=False)
    return altair.layer(
        found.encode(
            x=altair.X(
                "column:N", sort=None, scale=altair.Scale(domain=list(names)), axis=altair.Axis(labelAngle=-90, **axis)
            ),
            y=altair.Y("row:N", scale=altair.Scale(domain=list(names)), axis=altair.Axis(**axis)),
            color=colour,
        )
    ).properties(width=CELL * len(names) + NAMES, height=CELL * len(names) + NAMES)


def _both(cell: Cell) -> tuple[tuple[str, str], tuple[str, str]]:
    return (cell.row, cell.column), (cell.column, cell.row)
