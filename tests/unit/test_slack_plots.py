"""Pictures for Slack: what is written in them, and that each of the extremes can be drawn."""

import doctest
import html
import re
import struct
import subprocess
import sys
from datetime import date, timedelta

import pytest

from integrations.slack import moved, plots, progress
from integrations.slack.moved import Moved, Row
from integrations.slack.progress import Progress
from service import charts

FIRST = date(2026, 1, 5)
UNTIL = date(2026, 3, 2)
LONG = "a_very_long_intent_name_that_nobody_would_read"


def texts(found: Progress | Moved) -> list[str]:
    """What the picture says."""
    chart = plots.progress(found) if isinstance(found, Progress) else plots.mix(found)
    return [
        " ".join(html.unescape(text).split()) for text in re.findall(r"<t(?:ext|span)[^>]*>([^<]+)<", charts.svg(chart))
    ]


def grown(days: int, *champions: tuple[int, int]) -> Progress:
    """A hundred labels a day; champions as (day, number)."""
    labelled = tuple((FIRST + timedelta(n), 100 * (n + 1)) for n in range(days))
    return Progress(labelled, tuple((FIRST + timedelta(day), n) for day, n in champions))


@pytest.mark.parametrize(
    ("days", "dates"),
    [
        (1, ["5 Jan", "6 Jan"]),
        (2, ["5 Jan", "6 Jan", "7 Jan"]),
        (30, ["5 Jan", "15 Jan", "25 Jan", "4 Feb"]),
        (900, ["Jan 2026", "Nov 2026", "Aug 2027", "Jun 2028"]),
    ],
)
def test_a_few_dates_stand_below_however_long_it_took(days: int, dates: list[str]) -> None:
    assert [text for text in texts(grown(days)) if re.fullmatch(r"\d+ \w{3}|\w{3} \d{4}", text)] == dates


def test_champions_are_numbered_where_there_is_room_the_newest_always() -> None:
    said = texts(grown(100, (0, 1), (40, 2), (41, 3), (90, 8), (99, 9)))
    assert [text for text in said if re.fullmatch(r"\d", text) and text != "0"] == ["9", "8", "3", "1"]
    assert "dashed: a new classifier, by its number" in said
    assert "dashed: a new classifier, by its number" not in texts(grown(100))


def test_champions_outside_of_the_labels_days_widen_the_picture() -> None:
    points = list(plots._points(grown(2, (-1, 1), (4, 2))))
    assert [(at.date() - FIRST).days for at, _ in points] == [-1, 0, 1, 1, 2, 5]
    assert [turns for _, turns in points] == [0, 0, 100, 100, 200, 200]


def test_intents_are_named_and_long_names_cut() -> None:
    rows = (Row("refund", 0.1, 0.3, True), Row(f"{LONG}_1", 0.2, 0.1, True), Row(f"{LONG}_2", 0.1, 0.1, False))
    said = texts(Moved(UNTIL, rows))
    assert "○ the week before ● the week up to 2 Mar 2026" in said
    assert "pale: perhaps by chance" in said
    cut = [text for text in said if text.startswith("a_very_long") and text.endswith("…")]
    assert ("refund" in said, len(cut)) == (True, 2)
    assert "pale: perhaps by chance" not in texts(Moved(UNTIL, rows[:2]))


@pytest.mark.parametrize(
    ("found", "height"),
    [
        (grown(1), plots.HEIGHT),
        (Progress(((FIRST, 1),), ((FIRST, 1), (FIRST, 2))), plots.HEIGHT),
        (grown(900, *((20 * n, n) for n in range(45))), plots.HEIGHT),
        (Moved(UNTIL, (Row("refund", 1.0, 1.0, False),)), plots.AROUND + plots.ROW),
        (Moved(UNTIL, tuple(Row(f"{LONG}_{n}", 0.001, 0.002, n < 4) for n in range(8))), plots.AROUND + 8 * plots.ROW),
    ],
)
def test_extremes_are_drawn_in_the_same_size(found: Progress | Moved, height: int) -> None:
    drawn = plots.draw(found)
    assert drawn.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", drawn[16:24]) == (2 * plots.WIDTH, 2 * height)


def test_who_only_listens_loads_no_engine() -> None:
    modules = "sys, integrations.slack.run, integrations.slack.app, integrations.slack.jobs"
    code = f"import {modules}; print({{'altair', 'vl_convert'}} & {{*sys.modules}})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"set()\n"


def test_the_examples_are_true() -> None:
    assert [doctest.testmod(module).failed for module in (moved, progress)] == [0, 0]
