"""The overview: whether the bot is better, what came in, what was marked and why, what labelling costs and brings."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from litestar import Controller, Response, get

from service import tables
from service.access.guard import requires
from service.access.roles import Principal
from service.bots.controllers import BotName
from service.bots.schemas import Bot
from service.bots.store import get_bot
from service.classifiers import store as classifiers
from service.classifiers.accuracy import Accuracy, graded, releases
from service.classifiers.advice import advise
from service.classifiers.schemas import Manifest
from service.clock import now
from service.console import overview_plots as plots
from service.console.figures import Figure, svg
from service.console.frame import bot_page
from service.console.overview_plots import DailyTurns, Line
from service.console.plots import Marker
from service.console.words import better, change, share
from service.context import Context
from service.database import reading
from service.learning.stopping import Estimate
from service.renewed import Renewed
from service.reviews import budget, store
from service.reviews.reasons import MARKS
from service.turns import tally
from service.turns.tally import MARKED, Day
from service.windows.alerts import list_alerts
from service.windows.words import moved

LABEL = tables.label
DAY, WEEK, TICK = timedelta(days=1), timedelta(days=7), timedelta(microseconds=1)
DAYS = 56  # shown of what came in
WEEKS = 12  # shown of the labels
SPANS = 4 * WEEK  # of what was marked

REASONS = {**MARKS, "audit": "drawn at random"}


class OverviewController(Controller):
    path, include_in_schema = "/bots/{bot:str}", False

    @get("/", guards=[requires("reader")], sync_to_thread=True)
    def show(self, context: Context, principal: Principal, bot: BotName) -> Response[str]:
        with reading(context.engine) as connection:
            fields = overview(connection, get_bot(connection, bot), now())
        return bot_page("overview.html", principal, bot, "Overview", **fields)


def overview(connection: sa.Connection, bot: Bot, at: datetime) -> dict[str, Any]:
    """What the template shows."""
    return {
        **_kept.of(connection, bot.name, bot.champion),
        "queue": queue(connection, bot, at),
        "saved": saved(connection, bot),
        "alerts": [(one.since, moved(one)) for one in list_alerts(connection, bot.name, "open", None, 1).items],
        "share": share,
    }


def _look(connection: sa.Connection, bot: str) -> dict[str, Any]:
    """What takes long of it, with the charts drawn."""
    at, counts = now(), tally.read(connection, bot)
    found = graded(connection, bot, counts)
    figures = {
        "right": right_figure(found, counts),
        "came_in": came_in_figure(counts, at.date()),
        "marked": marked_figure(counts, found.until),
        "labels": labels_figure(labels_a_week(connection, bot, at)),
    }
    for figure in filter(None, figures.values()):
        svg(figure)
    return figures | {
        "accuracy": found,
        "better": better(found.bot),
        "versions": [(one, change(one.accuracy), change(one.reports)) for one in found.versions],
        "advice": advise(connection, bot, at),
        "week": came_in(counts, found.until),
    }


_kept = Renewed(_look)


class Queue(NamedTuple):
    open: int  # cards
    undecided: int  # that wait for an adjudicator
    audited: int  # answered of the audit slice
    week: budget.Week


def queue(connection: sa.Connection, bot: Bot, at: datetime) -> Queue:
    return Queue(
        store.count_open(connection, bot.name),
        store.count_undecided(connection, bot.name),
        store.count_resolved(connection, bot.name, "audit"),
        budget.week(connection, bot, at),
    )


def saved(connection: sa.Connection, bot: Bot) -> Mapping[str, int] | None:
    """Turns with a label that trained the champion, by where it came from. None: there is no champion."""
    if bot.champion is None:
        return None
    manifest: Manifest = classifiers.manifest(connection, bot.name, bot.champion)
    return {origin: manifest.labels_by_origin.get(origin, 0) for origin in ("vote", "import", "fold", "weak")}


class CameIn(NamedTuple):
    """Of seven days and the seven before."""

    what: str
    now: str
    before: str


def came_in(counts: Mapping[Day, int], until: date | None) -> list[CameIn]:
    if until is None:
        return []
    named = {"turns": tally.TURNS, "fallbacks": tally.FALLBACKS, "reports by people": tally.REPORTS}
    named["reports by what was said next"] = tally.INFERRED
    return [
        CameIn(what, *(f"{_sum(counts, key, end - WEEK, end):,}" for end in (until, until - WEEK)))
        for what, key in named.items()
    ]


def _sum(counts: Mapping[Day, int], what: str, after: date, until: date) -> int:
    return sum(n for one, n in counts.items() if one.what == what and after < one.day <= until)


def right_figure(found: Accuracy, counts: Mapping[Day, int]) -> Figure | None:
    lines = tuple(_lines(found))
    if not lines:
        return None
    first = min(one.day for one in lines)
    markers = _markers(counts, first)
    rows = [(f"from {one.monday}", one.answered, share(one.bot), share(one.champion)) for one in reversed(found.weeks)]
    columns = ("week", "turns answered", "the bot's own", "the champion's")
    label = "Share of turns answered right, by week, with 95 % intervals: the bot's own answers and the champion's."
    return Figure(plots.right, (lines, markers), label, columns, rows)


def _markers(counts: Mapping[Day, int], since: date) -> tuple[Marker, ...]:
    return tuple(Marker(day, f"version {version}") for day, version in releases(counts).items() if day >= since)


def _lines(found: Accuracy) -> Iterator[Line]:
    for week in found.weeks:
        for who, one in (("the bot's own", week.bot), ("the champion's", week.champion)):
            if one is not None:
                yield Line(week.monday, who, *Estimate(*(round(value, 3) for value in one)))


def came_in_figure(counts: Mapping[Day, int], today: date) -> Figure | None:
    """Of whole days: today's is not over."""
    by_day: dict[date, int] = {}
    for one, n in counts.items():
        if one.what == tally.TURNS and one.day < today:
            by_day[one.day] = by_day.get(one.day, 0) + n
    if not by_day:
        return None
    last = max(by_day)
    days = tuple(DailyTurns(day, by_day.get(day, 0)) for day in _days(last, min(by_day)))
    markers = _markers(counts, days[0].day)
    rows = [(str(one.day), f"{one.turns:,}") for one in reversed(days)]
    return Figure(plots.came_in, (days, markers), "Turns a day, in UTC.", ("day", "turns"), rows)


def _days(last: date, first: date) -> Iterator[date]:
    start = max(first, last - (DAYS - 1) * DAY)
    return (start + n * DAY for n in range((last - start).days + 1))


def marked_figure(counts: Mapping[Day, int], until: date | None) -> Figure | None:
    if until is None:
        return None
    of_kind = {kind: _sum(counts, MARKED + kind, until - SPANS, until) for kind in REASONS}
    bars = tuple(sorted(((REASONS[kind], n) for kind, n in of_kind.items() if n), key=lambda bar: -bar[1]))
    if not bars:
        return None
    label = "Turns of 28 days by why they were marked; one may be marked for several reasons."
    return Figure(plots.marked, bars, label, ("why", "turns"), [(why, f"{n:,}") for why, n in bars])


def labels_a_week(connection: sa.Connection, bot: str, at: datetime) -> dict[date, int]:
    """Turns that people's votes labelled, by the Monday of the week."""
    this = at.date() - timedelta(days=at.weekday())
    mondays = [this - n * WEEK for n in reversed(range(WEEKS))]
    begins = [datetime.combine(monday, time(), UTC) for monday in mondays]
    made = (LABEL.c.bot == bot, LABEL.c.at >= begins[0], LABEL.c.origin == "vote", LABEL.c.answer != "undo")
    first = sa.select(sa.func.min(LABEL.c.at).label("at")).where(*made).group_by(LABEL.c.turn_id).subquery()
    # The database counts: thousands of rows would take longer to read than all else on the page.
    weeks = [sa.func.count(sa.case((first.c.at.between(begin, begin + WEEK - TICK), 1))) for begin in begins]
    return dict(zip(mondays, connection.execute(sa.select(*weeks).select_from(first)).one(), strict=True))


def labels_figure(weeks: Mapping[date, int]) -> Figure | None:
    if not any(weeks.values()):
        return None
    bars = tuple(weeks.items())
    rows = [(f"from {monday}", f"{n:,}") for monday, n in reversed(bars)]
    return Figure(plots.labels, bars, "Turns labelled by people, by week.", ("week", "turns"), rows)


def _right(connection: sa.Connection, bot: str, at: datetime) -> Figure | None:
    counts = tally.read(connection, bot)
    return right_figure(graded(connection, bot, counts), counts)


def _came_in(connection: sa.Connection, bot: str, at: datetime) -> Figure | None:
    return came_in_figure(tally.read(connection, bot), at.date())


def _marked(connection: sa.Connection, bot: str, at: datetime) -> Figure | None:
    counts = tally.read(connection, bot)
    return marked_figure(counts, tally.newest(counts))


def _labels(connection: sa.Connection, bot: str, at: datetime) -> Figure | None:
    return labels_figure(labels_a_week(connection, bot, at))


CHARTS = {"accuracy": _right, "turns": _came_in, "marks": _marked, "labels": _labels}
