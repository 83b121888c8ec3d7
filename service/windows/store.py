"""What the turns of a bot's log were decided to be, counted."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from service import tables
from service.intents.schemas import NONE
from service.intents.store import list_intents, merges

TURN, PREDICTION = tables.turn, tables.prediction


class Counts(NamedTuple):
    """Of the turns of a span of event time; `decided` by intent's name, `none` among them."""

    decided: Mapping[str, int]
    undecided: int


def newest(connection: sa.Connection, bot: str, until: datetime | None = None) -> datetime | None:
    """Event time of the log's newest turn, of those until then."""
    is_early = sa.true() if until is None else TURN.c.at <= until
    return connection.scalar(sa.select(TURN.c.at).where(*_log(bot), is_early).order_by(TURN.c.at.desc()).limit(1))


def count(connection: sa.Connection, bot: str, n: int, since: datetime, until: datetime) -> Counts:
    """Turns after `since`, up to and with `until`, by what classifier n decided; those of a merged intent are the
    other's."""
    into, names = merges(connection, bot), {one.id: one.name for one in list_intents(connection, bot, archived=True)}
    by_n = (PREDICTION.c.turn_id == TURN.c.id) & (PREDICTION.c.n == n)
    query = (
        sa.select(PREDICTION.c.turn_id.is_not(None), PREDICTION.c.intent_id, sa.func.count())
        .select_from(TURN.outerjoin(PREDICTION, by_n))
        .where(*_log(bot), TURN.c.at > since, TURN.c.at <= until)
        .group_by(PREDICTION.c.turn_id.is_not(None), PREDICTION.c.intent_id)
    )
    decided, undecided = Counter[str](), 0
    for is_decided, intent_id, turns in connection.execute(query):
        if is_decided:
            decided[NONE if intent_id is None else names[into[intent_id]]] += turns
        else:
            undecided += turns
    return Counts(decided, undecided)


def _log(bot: str) -> tuple[sa.ColumnElement[bool], ...]:
    """What people said to the bot, but for answers to its questions, which have no intent."""
    return TURN.c.bot == bot, TURN.c.source.not_in(tables.NOT_SAID), TURN.c.is_slot_fill.is_(False)
