"""Pictures for Slack as PNG, to be read on a phone: they are shown there at some 360 pixels' width."""

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

import altair
from altair.typing import ChartType

from integrations.slack.moved import Moved, Row
from integrations.slack.progress import Progress
from service.charts import BLUE, FAINT, INK, data, png

WIDTH, HEIGHT = 480, 320
ROW, AROUND = 32, 140  # pixels of an intent's row, and of what is above and below them
NAME = 170  # pixels of an intent's name, which is cut there
TICKS = 3  # dates, beside the first
APART = 0.07  # of the time shown: a champion nearer than this to a later one has no number
DAY, NOON = timedelta(days=1), timedelta(hours=12)
PALE_BLUE, PALE = "#9fc6e0", "#c4c4c4"


def draw(found: Progress | Moved) -> bytes:
    return png(progress(found) if isinstance(found, Progress) else mix(found))


def progress(found: Progress) -> ChartType:
    """Labelled turns as a line over the days; a dashed line where a classifier came into force."""
    points = list(_points(found))
    start, end = points[0][0], points[-1][0]
    x = altair.X("at:T", title=None, axis=_dates(start, end), scale=altair.Scale(type="utc", nice=False))
    heights = altair.Axis(tickCount=min(4, points[-1][1]), format=",d")
    y = altair.Y("turns:Q", title=None, axis=heights, stack=False, scale=altair.Scale(nice=False))
    rows = [{"at": at.isoformat(), "turns": turns} for at, turns in points]
    grown = altair.Chart(data(rows)).mark_area(color=BLUE, fillOpacity=0.15, line={"color": BLUE}).encode(x=x, y=y)
    title = altair.Title("Turns labelled by people")
    if found.champions:
        title.subtitle = "dashed: a new classifier, by its number"
    layers = [grown, *_champions(found, end - start)]
    return altair.layer(*layers).properties(width=WIDTH, height=HEIGHT, title=title)


def _points(found: Progress) -> Iterator[tuple[datetime, int]]:
    """What came in the course of a day is drawn as a slope from its start to its end."""
    before = 0
    yield _start(min(day for day, _ in (*found.labelled, *found.champions))), before
    for day, turns in found.labelled:
        yield _start(day), before
        yield _start(day) + DAY, turns
        before = turns
    yield _start(max(day for day, _ in (*found.labelled, *found.champions))) + DAY, before


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _dates(start: datetime, end: datetime) -> altair.Axis:
    """A date at the start, and as many after it as have room: the engine's own are too few, or too near."""
    step = DAY * math.ceil((end - start) / DAY / TICKS)
    dates = [int((start + n * step).timestamp() * 1000) for n in range(TICKS + 1) if start + n * step <= end]
    by = "%-d %b" if end - start < timedelta(days=330) else "%b %Y"
    return altair.Axis(values=dates, format=by, grid=False, labelFlush=True, labelOverlap=True)


def _champions(found: Progress, shown: timedelta) -> Iterator[altair.Chart]:
    rows = [{"at": (_start(day) + NOON).isoformat(), "n": str(n)} for day, n in found.champions]
    named = [{"at": (_start(day) + NOON).isoformat(), "n": str(n)} for day, n in _apart(found, shown)]
    yield altair.Chart(data(rows)).mark_rule(color=FAINT, strokeDash=[5, 4], opacity=0.7).encode(x="at:T")
    text = altair.Chart(data(named)).mark_text(baseline="bottom", dy=-3, color=INK)
    yield text.encode(x="at:T", y=altair.value(0), text="n:N")


def _apart(found: Progress, shown: timedelta) -> list[tuple[date, int]]:
    """The newest, and those before that stand far enough from the next one that is numbered."""
    named: list[tuple[date, int]] = []
    for day, n in reversed(found.champions):
        if not named or named[-1][0] - day >= APART * shown:
            named.append((day, n))
    return named


def mix(found: Moved) -> ChartType:
    """A row for each intent: from its share before to the one after."""
    y = altair.Y("intent:N", title=None, sort=None, axis=altair.Axis(labelLimit=NAME, grid=False))
    x = altair.X("before:Q", title=None, axis=altair.Axis(format="%", tickCount=4, labelFlush=False))
    base = altair.Chart(data(list(map(_dumbbell, found.rows)))).encode(y=y)
    line, point = (altair.Color(f"{name}:N", scale=None) for name in ("line", "point"))
    between = base.mark_rule(strokeWidth=3).encode(x=x, x2="after:Q", color=line)
    before = base.mark_point(filled=True, size=110, opacity=1, fill="white", strokeWidth=2.5)
    after = base.mark_point(filled=True, size=150, opacity=1).encode(x="after:Q", color=point)
    ends = before.encode(x="before:Q", stroke=altair.Stroke("line:N", scale=None)), after
    span = f"○ the week before   ● the week up to {found.until:%-d %b %Y}"
    has_pale = not all(row.is_significant for row in found.rows)
    title = altair.Title("What people ask for", subtitle=[span, *["pale: perhaps by chance"] * has_pale])
    height = AROUND + ROW * len(found.rows)
    return altair.layer(between, *ends).properties(width=WIDTH, height=height, title=title)


def _dumbbell(row: Row) -> dict[str, object]:
    line, point = (FAINT, BLUE) if row.is_significant else (PALE, PALE_BLUE)
    return {"intent": row.intent, "before": row.before, "after": row.after, "line": line, "point": point}
