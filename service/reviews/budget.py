"""How many cards there is room for: the low-water mark, the week's budget of votes, the audit slice's share of it."""

from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa

from service import tables
from service.access import audit as audit_log
from service.bots.schemas import Bot
from service.reviews import store
from service.reviews.overlap import terms

CARD, VOTE, MARK, PREDICTION, LOG = tables.card, tables.vote, tables.mark, tables.prediction, tables.audit_log
TURN = tables.turn

WEEK = timedelta(days=7)
EARLY_SHARE, LATE_SHARE = 0.20, 0.10  # of the budget, until that many audit cards were answered, and after
ENOUGH_ANSWERED = 200
LOWEST_RATE = 0.001
RATE_SET = "audit-rate.set"


class Week(NamedTuple):
    """The budget of the seven days up to now, in votes."""

    granted: int
    given: int
    asked: int  # cards that are open

    @property
    def left(self) -> int:
        """Neither given nor asked for; negative when the budget was lowered."""
        return self.granted - self.given - self.asked


def rank_room(connection: sa.Connection, bot: Bot, now: datetime) -> int:
    """Rank cards to make: a batch below the low-water mark, as far as the week's budget goes; else none. The blind one
    in twenty asks more people: the next batch has the less."""
    if store.count_waiting(connection, bot.name) >= bot.low_water:
        return 0
    return max(0, min(bot.batch_size, _left(connection, bot, now)))


def audit_room(connection: sa.Connection, bot: Bot, now: datetime) -> int:
    """Audit cards to make: as many as the audit slice's share of the week's votes, less what the week's cards want,
    is enough for."""
    week = (CARD.c.bot == bot.name, CARD.c.purpose == "audit", CARD.c.created_at > now - WEEK)
    asked = connection.scalar(sa.select(sa.func.sum(CARD.c.overlap)).where(*week)) or 0
    votes = min(audit_votes_a_week(connection, bot) - asked, _left(connection, bot, now))
    return max(0, votes // terms(connection, bot, now).overlap)


def audit_votes_a_week(connection: sa.Connection, bot: Bot) -> int:
    is_early = store.count_resolved(connection, bot.name, "audit") < ENOUGH_ANSWERED
    return int(bot.weekly_budget * (EARLY_SHARE if is_early else LATE_SHARE))


def room_at(connection: sa.Connection, bot: Bot, now: datetime) -> datetime | None:
    """When the week's budget, used up now, has room again: a week after the oldest vote that counts. None: it has."""
    if _left(connection, bot, now) > 0:
        return None
    oldest = sa.select(sa.func.min(VOTE.c.at)).where(VOTE.c.bot == bot.name, VOTE.c.at > now - WEEK)
    first: datetime | None = connection.scalar(oldest.where(VOTE.c.answer != "undo"))
    return None if first is None else first + WEEK


def _left(connection: sa.Connection, bot: Bot, now: datetime) -> int:
    return week(connection, bot, now).left


def week(connection: sa.Connection, bot: Bot, now: datetime) -> Week:
    given = _count(connection, VOTE, VOTE.c.bot == bot.name, VOTE.c.at > now - WEEK, VOTE.c.answer != "undo")
    return Week(bot.weekly_budget, given, store.count_wanted(connection, bot.name))


def set_audit_rate(connection: sa.Connection, bot: Bot, now: datetime) -> float:
    """Once a week: the rate at which a week's turns fill the audit slice's share of the budget. The rate in force."""
    last = sa.select(sa.func.max(LOG.c.at)).where(LOG.c.bot == bot.name, LOG.c.action == RATE_SET)
    if now - (connection.scalar(last) or bot.created_at) < WEEK:
        return bot.audit_rate
    arrived = (TURN.c.bot == bot.name, TURN.c.received_at > now - WEEK, TURN.c.source.not_in(tables.NOT_SAID))
    turns = _count(connection, TURN, *arrived, TURN.c.is_slot_fill.is_(False))
    cards = audit_votes_a_week(connection, bot) // terms(connection, bot, now).overlap
    rate = audit_rate(cards, turns)
    connection.execute(sa.update(tables.bot).where(tables.bot.c.name == bot.name).values(audit_rate=rate))
    audit_log.record(connection, bot.name, RATE_SET, now, audit_log.SYSTEM, rate=rate, turns=turns)
    return rate


def audit_rate(cards: int, turns: int) -> float:
    """The chance that gives so many cards of so many turns, in [0.001, 1]; 0 when no card is wanted.

    >>> audit_rate(100, 2_000), audit_rate(100, 20), audit_rate(0, 20)
    (0.05, 1.0, 0.0)
    """
    return 0.0 if cards <= 0 else min(1.0, max(LOWEST_RATE, cards / max(turns, 1)))


def audit_marked(connection: sa.Connection, bot: str, limit: int) -> list[tuple[int, float]]:
    """Turns of the audit slice that have no audit card yet, with their draw, in its order.

    The draw is a hash: whatever part of the slice is asked, it is a part drawn at random.
    """
    has_card = sa.exists().where(CARD.c.turn_id == MARK.c.turn_id, CARD.c.purpose == "audit")
    has_content = sa.exists().where(tables.turn_content.c.turn_id == MARK.c.turn_id)
    query = (
        sa.select(MARK.c.turn_id, MARK.c.value)
        .where(MARK.c.bot == bot, MARK.c.kind == "audit", ~has_card, has_content)
        .order_by(MARK.c.value, MARK.c.turn_id)
        .limit(limit)
    )
    return [(row.turn_id, row.value) for row in connection.execute(query)]


def _count(connection: sa.Connection, table: sa.Table, *where: sa.ColumnElement[bool]) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(table).where(*where)) or 0
