"""What somebody and their team did for a bot, in numbers."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa

from service import tables
from service.access.roles import SLACK_USER
from service.bots.schemas import Bot
from service.reviews import store

LABEL, VOTE = tables.label, tables.vote
DAY, WEEK = timedelta(days=1), timedelta(days=7)


class Figures(NamedTuple):
    """Answers are votes that were no undo, corrections among them; periods end now."""

    mine_day: int
    mine_week: int
    team_week: int
    open_cards: int
    labelled: int  # turns
    champion: int | None


def read(connection: sa.Connection, bot: Bot, user: str, now: datetime) -> Figures:
    mine = VOTE.c.reviewer == SLACK_USER + user
    return Figures(
        mine_day=_answers(connection, bot.name, now - DAY, mine),
        mine_week=_answers(connection, bot.name, now - WEEK, mine),
        team_week=_answers(connection, bot.name, now - WEEK),
        open_cards=store.count_open(connection, bot.name),
        labelled=_labelled(connection, bot.name),
        champion=bot.champion,
    )


def _answers(connection: sa.Connection, bot: str, since: datetime, *where: sa.ColumnElement[bool]) -> int:
    wanted = (VOTE.c.bot == bot, VOTE.c.at > since, VOTE.c.answer != "undo", *where)
    return connection.scalar(sa.select(sa.func.count()).select_from(VOTE).where(*wanted)) or 0


def _labelled(connection: sa.Connection, bot: str) -> int:
    """Turns."""
    return connection.scalar(sa.select(sa.func.count(LABEL.c.turn_id.distinct())).where(*_by_vote(bot))) or 0


def labelled_at(connection: sa.Connection, bot: str) -> Iterable[datetime]:
    """When each turn was labelled that people's votes label."""
    return connection.scalars(sa.select(sa.func.min(LABEL.c.at)).where(*_by_vote(bot)).group_by(LABEL.c.turn_id))


def _by_vote(bot: str) -> tuple[sa.ColumnElement[bool], ...]:
    """Labels that are the newest of their turn and kind, and a vote's."""
    newest = sa.select(sa.func.max(LABEL.c.id)).where(LABEL.c.bot == bot).group_by(LABEL.c.turn_id, LABEL.c.use)
    return LABEL.c.id.in_(newest), LABEL.c.origin == "vote", LABEL.c.answer != "undo"
