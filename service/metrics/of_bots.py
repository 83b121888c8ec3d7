"""What SQL knows of a bot, in numbers: from kept aggregates, indices, and rows of a week."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time, timedelta

import numpy as np
import sqlalchemy as sa

from service import tables
from service.bots.schemas import Bot
from service.classifiers.accuracy import Accuracy, Change, graded
from service.metrics import catalogue as m
from service.metrics.samples import Sample
from service.reviews import budget
from service.turns import tally
from service.windows import ledger, store

ALERT, CANDIDATE, CARD, LABEL, VOTE = tables.alert, tables.candidate, tables.card, tables.label, tables.vote
WINDOW = tables.drift_window

WEEK, DAY = timedelta(days=7), timedelta(days=1)
NEWEST = 1000  # labels whose latency is looked at


def measure(connection: sa.Connection, bot: Bot, at: datetime) -> Iterator[Sample]:
    counts = tally.read(connection, bot.name)
    yield from _came_in(connection, bot.name, counts)
    yield from _reviews(connection, bot.name)
    yield from _latency(connection, bot.name, at)
    yield from _budget(connection, bot, at)
    if bot.champion is not None:
        yield Sample(m.CLASSIFIER, bot.champion, (bot.name,))
    yield from _accuracy(bot.name, graded(connection, bot.name, counts))
    yield from _drift(connection, bot.name)


def _came_in(connection: sa.Connection, bot: str, counts: Mapping[tally.Day, int]) -> Iterator[Sample]:
    totals = {what: 0 for what in (tally.TURNS, tally.FALLBACKS, tally.REPORTS, tally.INFERRED)}
    for one, n in counts.items():
        totals[one.what] = totals.get(one.what, 0) + n
    yield Sample(m.TURNS, totals[tally.TURNS], (bot,))
    yield Sample(m.FALLBACKS, totals[tally.FALLBACKS], (bot,))
    yield Sample(m.REPORTS, totals[tally.REPORTS], (bot, "filed"))
    yield Sample(m.REPORTS, totals[tally.INFERRED], (bot, "inferred"))
    for what in sorted(totals):
        if what.startswith(tally.MARKED):
            yield Sample(m.MARKS, totals[what], (bot, what.removeprefix(tally.MARKED)))
    newest = store.newest(connection, bot)
    if newest is not None:
        yield Sample(m.NEWEST_TURN, newest.timestamp(), (bot,))


def _reviews(connection: sa.Connection, bot: str) -> Iterator[Sample]:
    waiting = sa.select(sa.func.count()).where(CANDIDATE.c.bot == bot, CANDIDATE.c.status == "open")
    yield Sample(m.CANDIDATES, connection.scalar(waiting) or 0, (bot,))
    cards = sa.select(CARD.c.purpose, CARD.c.status, sa.func.count()).where(CARD.c.bot == bot)
    for purpose, status, n in connection.execute(cards.group_by(CARD.c.purpose, CARD.c.status)):
        yield Sample(m.CARDS, n, (bot, purpose, status))
    yield Sample(m.VOTES, connection.scalar(sa.select(sa.func.count()).where(VOTE.c.bot == bot)) or 0, (bot,))
    labels = sa.select(LABEL.c.use, sa.func.count()).where(LABEL.c.bot == bot).group_by(LABEL.c.use)
    for use, n in connection.execute(labels):
        yield Sample(m.LABELS, n, (bot, use))


def _latency(connection: sa.Connection, bot: str, at: datetime) -> Iterator[Sample]:
    made = (LABEL.c.bot == bot, LABEL.c.at > at - WEEK, LABEL.c.origin == "vote", LABEL.c.answer != "undo")
    query = sa.select(CARD.c.created_at, LABEL.c.at).join(CARD, CARD.c.id == LABEL.c.card_id).where(*made)
    rows = connection.execute(query.order_by(LABEL.c.at.desc()).limit(NEWEST)).all()
    waits = [(labelled_at - created_at).total_seconds() for created_at, labelled_at in rows]
    for quantile in m.VALUES["quantile"] if waits else ():
        yield Sample(m.LATENCY, float(np.quantile(waits, float(quantile))), (bot, quantile))


def _budget(connection: sa.Connection, bot: Bot, at: datetime) -> Iterator[Sample]:
    week = budget.week(connection, bot, at)
    yield Sample(m.GRANTED, week.granted, (bot.name,))
    yield Sample(m.GIVEN, week.given, (bot.name,))
    yield Sample(m.ASKED, week.asked, (bot.name,))


def _accuracy(bot: str, found: Accuracy) -> Iterator[Sample]:
    who: Mapping[str, Change] = {"bot": found.bot, "champion": found.champion}
    for name, one in who.items():
        now, change = (m.RIGHT, m.RIGHT_LOW, m.RIGHT_HIGH), (m.CHANGE, m.CHANGE_LOW, m.CHANGE_HIGH)
        for metrics, estimate in ((now, one.after), (change, one.difference)):
            for metric, value in zip(metrics, estimate or (), strict=False):
                yield Sample(metric, value, (bot, name))
        yield Sample(m.RIGHT_TURNS, one.n_after, (bot, name))


def _drift(connection: sa.Connection, bot: str) -> Iterator[Sample]:
    is_open = sa.select(sa.exists().where(ALERT.c.bot == bot, ALERT.c.closed_at.is_(None)))
    yield Sample(m.ALERT, bool(connection.scalar(is_open)), (bot,))
    window = ledger.newest(connection, bot, WINDOW.c.reason == "")
    if window is None:
        return
    yield Sample(m.WINDOW, datetime.combine(window.day + DAY, time(), UTC).timestamp(), (bot,))
    for name in sorted({one.name for one in window.findings}):
        found = [one for one in window.findings if one.name == name]
        yield Sample(m.P, min(one.corrected for one in found), (bot, name))
        yield Sample(m.ALARMS, sum(one.is_alarm for one in found), (bot, name))
        if found[0].subject is None:
            yield Sample(m.EFFECT, found[0].value - found[0].by_chance, (bot, name))
