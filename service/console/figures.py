"""Charts on pages: drawn here, once for the same data, each with its values as a table beside it.

A page makes a `Figure` and its template says `{{ figure(found) }}` (templates/figure.html). Building a chart takes
Altair some 30 ms and drawing it 100: neither is done again while what is drawn is the same, so what changes by the
minute, as today's turns, belongs into words and not into a chart."""

from collections.abc import Callable, Hashable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import altair
import sqlalchemy as sa
from altair.typing import ChartType
from markupsafe import Markup

from service import charts

WIDTH, HEIGHT = 380, 230  # pixels; a page shows it somewhat larger, or smaller on a phone
KEPT = 256  # pictures of 15 to 100 KB


class Figure(NamedTuple):
    """`draw` makes the chart from `data` alone, which is hashable: tuples all the way down."""

    draw: Callable[[Any], ChartType]
    data: Hashable
    label: str  # what is to be seen, in a sentence: for those who do not see it
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]  # the values as text, as the table shows them


Found = Callable[[sa.Connection, str, datetime], Figure | None]  # of a bot, now; None: there is nothing to show yet


def svg(figure: Figure) -> Markup:
    return _svg(figure.draw, figure.data)


def png(figure: Figure) -> bytes:
    return charts.png(figure.draw(figure.data))


def spec(figure: Figure) -> dict[str, Any]:
    """Vega-Lite, with the data and the theme."""
    return charts.spec(figure.draw(figure.data))


@lru_cache(maxsize=KEPT)
def _svg(draw: Callable[[Any], ChartType], data: Hashable) -> Markup:
    return Markup(charts.svg(draw(data)))  # noqa: S704 - texts in it are escaped by the engine


def warm_up() -> None:
    """Start the engine, which takes a second, before somebody waits for it."""
    charts.svg(altair.Chart(charts.data([{"x": 0}])).mark_point().encode(x="x:Q"))
