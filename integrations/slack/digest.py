"""A bot's week in numbers, told on the Monday after it, in the bot's time zone."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from integrations.slack import notices, pictures
from integrations.slack.blocks.digest import Digest, Share
from integrations.slack.drift_words import named
from integrations.slack.notices import Due
from service import tables
from service.bots.hours import MORNING, at_time, local_date
from service.bots.schemas import Bot
from service.classifiers.advice import ENOUGH, audited_of
from service.reviews import store
from service.windows.rules import mix
from service.windows.schemas import Mix

GATE, LABEL, MARK, REPORT, TURN, VOTE = (
    tables.gate,
    tables.label,
    tables.mark,
    tables.report,
    tables.turn,
    tables.vote,
)
WEEK = timedelta(days=7)
MOST_MOVED = 5  # intents


class Period(NamedTuple):
    """From `start` to before `end`."""

    start: datetime
    end: datetime

    def holds(self, at: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        return (at >= self.start) & (at < self.end)


def due(connection: sa.Connection, bot: Bot, now: datetime) -> Iterator[Due]:
    """Last week's digest, unless it was written, it is too early, or nothing happened."""
    today = local_date(bot, now)
    monday = today - timedelta(days=today.weekday())
    key = f"digest:{monday}"
    if now < at_time(bot, monday, MORNING) or notices.is_known(connection, bot.name, key):
        return
    if found := read(connection, bot, monday, now):
        yield Due(key, found)


def read(connection: sa.Connection, bot: Bot, monday: date, now: datetime) -> Digest | None:
    """Of the week before that Monday; None when nobody said or answered anything."""
    first = monday - WEEK
    week = Period(at_time(bot, first), at_time(bot, monday))
    before = Period(at_time(bot, first - WEEK), week.start)
    turns, (answers, people) = _turns(connection, bot.name, week), _answers(connection, bot.name, week)
    if not turns + answers:
        return None
    audited = audited_of(connection, bot)
    return Digest(
        first_day=first,
        last_day=monday - timedelta(days=1),
        turns=turns,
        turns_before=_turns(connection, bot.name, before),
        marked=_turns(connection, bot.name, week, _is_marked()),
        reports=_reports(connection, bot.name, week),
        reports_before=_reports(connection, bot.name, before),
        answers=answers,
        people=people,
        labelled=_labelled(connection, bot.name, week),
        open_cards=store.count_open(connection, bot.name),
        champion=bot.champion,
        promoted=_gates(connection, bot.name, week, "promoted"),
        held=_gates(connection, bot.name, week, "held"),
        answered=audited.answered,
        accuracy=audited.accuracy if audited.answered >= ENOUGH else None,
        moved=_moved(connection, bot, week) if turns else (),
        pictures=tuple(pictures.shown(connection, bot.name, now).values()),
    )


def _moved(connection: sa.Connection, bot: Bot, week: Period) -> tuple[Share, ...]:
    """For certain, in the seven days up to the week's newest turn."""
    found = mix(connection, bot, week.end)
    moves = found.significant[:MOST_MOVED] if isinstance(found, Mix) else []
    return tuple(Share(named(one), one.move.before, one.move.after) for one in moves)


def _count(connection: sa.Connection, counted: sa.ColumnElement[int], *where: sa.ColumnElement[bool]) -> int:
    return connection.scalar(sa.select(counted).where(*where)) or 0


def _turns(connection: sa.Connection, bot: str, period: Period, *where: sa.ColumnElement[bool]) -> int:
    log = (TURN.c.bot == bot, period.holds(TURN.c.at), TURN.c.source.not_in(tables.NOT_SAID))
    return _count(connection, sa.func.count(TURN.c.id), *log, *where)


def _is_marked() -> sa.ColumnElement[bool]:
    """For what it is: the audit slice is drawn at random."""
    return sa.exists().where(MARK.c.turn_id == TURN.c.id, MARK.c.kind != "audit")


def _reports(connection: sa.Connection, bot: str, period: Period) -> int:
    filed = (REPORT.c.bot == bot, period.holds(REPORT.c.at), REPORT.c.is_explicit)
    return _count(connection, sa.func.count(REPORT.c.id), *filed)


def _answers(connection: sa.Connection, bot: str, period: Period) -> tuple[int, int]:
    """Cards that people answered, corrections counted once, and how many people."""
    given = (VOTE.c.bot == bot, period.holds(VOTE.c.at), VOTE.c.answer != "undo")
    each = sa.select(VOTE.c.card_id, VOTE.c.reviewer).where(*given).distinct().subquery()
    counted = sa.select(sa.func.count(), sa.func.count(each.c.reviewer.distinct())).select_from(each)
    answers, people = connection.execute(counted).one()
    return answers, people


def _labelled(connection: sa.Connection, bot: str, period: Period) -> int:
    made = (LABEL.c.bot == bot, period.holds(LABEL.c.at), LABEL.c.origin == "vote", LABEL.c.answer != "undo")
    return _count(connection, sa.func.count(LABEL.c.turn_id.distinct()), *made)


def _gates(connection: sa.Connection, bot: str, period: Period, status: str) -> int:
    return _count(
        connection,
        sa.func.count(),
        GATE.c.bot == bot,
        GATE.c.status == status,
        period.holds(GATE.c.decided_at),
    )
