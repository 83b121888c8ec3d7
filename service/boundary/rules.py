"""Which intents run into each other: by what the champion makes of the newest turns, and by where people disagree."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import sqlalchemy as sa

from service.bots.store import get_bot
from service.boundary import disagreement, recent
from service.boundary.recent import Between, Ids
from service.boundary.schemas import BoundaryMap, Pair, Side
from service.intents.store import list_intents
from service.reviews.schemas import TrainingLabel

SHOWN = 50  # pairs


class Found(NamedTuple):
    """Everything that is known of all pairs."""

    names: Mapping[int, str]  # of the intents that are offered
    turns: int
    between: Mapping[Ids, Sequence[Between]]
    said: Counter[int | str]  # of cards that two people at least have answered, those on which an intent was said
    split: Counter[Ids]  # of these, those on which both were
    flips: Mapping[Ids, int]
    contradictions: Mapping[Ids, Sequence[tuple[TrainingLabel, TrainingLabel]]]

    def pair(self, of: Ids) -> Pair:
        between = self.between.get(of, ())
        a, b = (Side(one, self.names[one]) for one in of)
        return Pair(
            a=a,
            b=b,
            shared=round(sum(turn.p2 for turn in between) / max(self.turns, 1), 6),
            turns=len(between),
            compared=self.said[of[0]] + self.said[of[1]] - self.split[of],
            split=self.split[of],
            flips=self.flips.get(of, 0),
            contradictions=len(self.contradictions.get(of, ())),
        )


def look(connection: sa.Connection, bot: str) -> Found:
    """BotNotFound."""
    turns = recent.newest(connection, bot, get_bot(connection, bot).champion)
    votes = disagreement.votes(connection, bot)
    return Found(
        {intent.id: intent.name for intent in list_intents(connection, bot)},
        len(turns),
        recent.shared(turns),
        votes.on,
        votes.split,
        disagreement.flips(connection, bot),
        disagreement.contradictions(connection, bot),
    )


def boundary(connection: sa.Connection, bot: str) -> BoundaryMap:
    """BotNotFound."""
    found = look(connection, bot)
    met = found.between.keys() | found.split.keys() | found.flips.keys() | found.contradictions.keys()
    pairs = [found.pair(one) for one in met if one[0] in found.names and one[1] in found.names]
    first = sorted(pairs, key=lambda pair: (-pair.shared, -pair.split, -pair.flips, pair.a.id, pair.b.id))
    n = get_bot(connection, bot).champion
    return BoundaryMap(n=n, turns=found.turns, pairs=tuple(first[:SHOWN]))
