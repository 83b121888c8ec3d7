"""Charts of pages: drawn once for the same data, and harmless whatever the data say."""

import doctest
from collections.abc import Sequence
from datetime import date, timedelta

from altair.typing import ChartType

from service.console import drift, figures, overview_plots, words
from service.console.figures import Figure
from service.console.overview_plots import DailyTurns
from service.console.plots import Marker, lines_at

DAY = date(2026, 3, 2)


def figure(turns: int, name: str = "version 2") -> Figure:
    days = tuple(DailyTurns(DAY + timedelta(days=n), turns + n) for n in range(3))
    return Figure(overview_plots.came_in, (days, (Marker(DAY + timedelta(days=1), name),)), "Turns a day.", (), ())


def test_the_same_data_are_drawn_once() -> None:
    drawn: list[int] = []

    def draw(bars: Sequence[tuple[str, int]]) -> ChartType:
        drawn.append(bars[0][1])
        return overview_plots.marked(bars)

    pictures = [figures.svg(Figure(draw, (("reported", n),), "", (), ())) for n in (1, 2, 1)]
    assert drawn == [1, 2] and pictures[0] == pictures[2] != pictures[1]


def test_a_name_is_text_in_a_picture_whatever_it_holds() -> None:
    drawn = figures.svg(figure(10, '"><script>alert(1)</script>'))
    assert "alert(1)" in drawn and "<script" not in drawn and 'style="' not in drawn


def test_names_that_would_run_into_a_later_one_are_left_out() -> None:
    markers = [Marker(DAY + timedelta(days=n), f"version {n}") for n in (0, 3, 20)]
    lines, names = lines_at(markers, overview_plots.days(DAY, markers[-1].day), markers[-1].day - DAY)
    assert [len(layer.to_dict()["data"]["values"]) for layer in (lines, names)] == [3, 2]


def test_examples() -> None:
    assert [doctest.testmod(module).failed for module in (words, drift)] == [0, 0]
