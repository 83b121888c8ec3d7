"""Charts in one theme, drawn without a browser."""

import struct

import altair
import pytest
from altair.typing import ChartType

from service import charts

ROWS = [{"x": x, "y": x * x, "name": name} for name in ("ours", "theirs") for x in range(3)]


@pytest.fixture
def chart() -> ChartType:
    lines = altair.Chart(charts.data(ROWS)).mark_line().encode(x="x:Q", y="y:Q", color="name:N")
    return lines.properties(width=300, height=200)


def test_an_svg_keeps_within_a_strict_policy_and_the_themes_colours(chart: ChartType) -> None:
    drawn = charts.svg(chart)
    assert [word for word in ("<script", "<style", "style=", "href") if word in drawn] == []
    assert all(colour in drawn for colour in (charts.BLUE, charts.ORANGE))
    assert 'width="300"' in drawn


def test_a_png_has_two_pixels_for_one(chart: ChartType) -> None:
    assert struct.unpack(">II", charts.png(chart)[16:24]) == (600, 400)
