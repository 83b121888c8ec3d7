"""The newest turns that a classifier decided: a sample whose size does not grow with the log."""

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

import sqlalchemy as sa

from service import tables
from service.reviews import labels

PREDICTION = tables.prediction
NEWEST = 5_000  # turns
Ids = tuple[int, int]  # of two intents, the lower one first


class Between(NamedTuple):
    """A turn with its two likeliest intents; `intent_id` None is out of scope."""

    turn_id: int
    intent_id: int | None
    best_id: int
    second_id: int | None
    p1: float
    p2: float

    @property
    def pair(self) -> Ids | None:
        """None where there is one intent only."""
        if self.second_id is None or self.second_id == self.best_id:
            return None
        return ids(self.best_id, self.second_id)


def ids(one: int, other: int) -> Ids:
    return min(one, other), max(one, other)


def newest(connection: sa.Connection, bot: str, n: int | None) -> list[Between]:
    """Of classifier n, merges followed and archived intents left out; nothing without one."""
    counts_for = labels.counts_for(connection, bot)
    c = PREDICTION.c
    query = sa.select(c.turn_id, c.intent_id, c.best_id, c.second_id, c.p1, c.p2)
    rows = connection.execute(query.where(c.bot == bot, c.n == n).order_by(c.turn_id.desc()).limit(NEWEST)).all()
    return [
        Between(turn_id, counts_for.get(intent_id), counts_for[best_id], counts_for.get(second_id), p1, p2)
        for turn_id, intent_id, best_id, second_id, p1, p2 in rows
        if best_id in counts_for
    ]


def shared(turns: list[Between]) -> Mapping[Ids, list[Between]]:
    """The turns by the pair they lie between."""
    found: defaultdict[Ids, list[Between]] = defaultdict(list)
    for turn in turns:
        if (of := turn.pair) is not None:
            found[of].append(turn)
    return found
