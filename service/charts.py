"""Charts, drawn without a browser, in one theme. Altair takes a second to import and the engine 220 MB: import this
module only where something is drawn."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair
import vl_convert
from altair.typing import ChartType

SCALE = 2  # pixels of a PNG for one of the chart

# Okabe and Ito 2008, "Color universal design": told apart by the colour-blind too.
BLUE, ORANGE, GREEN, PINK, SKY, VERMILION, YELLOW = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#d55e00",
    "#f0e442",
)
INK, FAINT, GRID = "#333333", "#767676", "#e3e3e3"
TEXT, TITLE = 15, 17  # pixels: to be read on a phone, where a chart is shown at three quarters of its size

THEME: Mapping[str, Any] = {
    "background": "white",
    "font": "sans-serif",
    "padding": 12,
    "autosize": {"type": "fit", "contains": "padding"},  # width and height are the whole picture's
    "view": {"stroke": None},
    "range": {"category": [BLUE, ORANGE, GREEN, PINK, SKY, VERMILION, YELLOW]},
    "axis": {
        "labelFontSize": TEXT,
        "titleFontSize": TEXT,
        "titleFontWeight": "normal",
        "labelColor": INK,
        "titleColor": INK,
        "gridColor": GRID,
        "domain": False,
        "ticks": False,
        "labelPadding": 6,
    },
    "legend": {"labelFontSize": TEXT, "titleFontSize": TEXT, "labelColor": INK, "titleColor": INK},
    "title": {
        "anchor": "start",
        "fontSize": TITLE,
        "color": INK,
        "subtitleFontSize": TEXT,
        "subtitleColor": FAINT,
        "offset": 12,
    },
    "text": {"fontSize": TEXT, "color": INK},
    "line": {"strokeWidth": 2.5},
}


def png(chart: ChartType) -> bytes:
    return vl_convert.vegalite_to_png(chart.to_json(), scale=SCALE, config=dict(THEME))


def svg(chart: ChartType) -> str:
    """Without scripts and styles: a strict Content-Security-Policy leaves it whole."""
    return vl_convert.vegalite_to_svg(chart.to_json(), config=dict(THEME))


def spec(chart: ChartType) -> dict[str, Any]:
    """Vega-Lite in the theme: drawn by others, it looks the same."""
    return {**chart.to_dict(), "config": dict(THEME)}


def data(rows: Sequence[Mapping[str, object]]) -> altair.Data:
    return altair.Data(values=list(rows))  # type: ignore[no-untyped-call]  # theirs
