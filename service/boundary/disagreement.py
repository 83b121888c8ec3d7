"""Where people, or a champion and its challengers, took one intent for the other."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import sqlalchemy as sa

from service import tables
from service.boundary.recent import Ids, ids, live
from service.reviews import answers, labels
from service.reviews.listing import CLOSED
from service.reviews.schemas import TrainingLabel

CONTRADICTION, FLIP, GATE, CARD = tables.contradiction, tables.flip, tables.gate, tables.card
GATES = 5  # newest ones whose flips count
CONTRADICTIONS = 500  # newest ones looked at


class Votes(NamedTuple):
    """Of cards that two people at least have answered."""

    said: Counter[int]  # intent → cards on which somebody said it
    split: Counter[Ids]  # pair → cards on which both were said

    def compared(self, pair: Ids) -> int:
        """Cards on which one of the two was said."""
        return self.said[pair[0]] + self.said[pair[1]] - self.split[pair]


def votes(connection: sa.Connection, bot: str) -> Votes:
    said, split = Counter[int](), Counter[Ids]()
    for one in answers.closed(connection, bot):
        named = sorted({vote.intent_id for vote in one.independent if vote.intent_id is not None})
        said.update(named)
        split.update(combinations(named, 2))
    return Votes(said, split)


def flips(connection: sa.Connection, bot: str) -> Counter[Ids]:
    """Of the newest gates, by what the two classifiers decided."""
    newest = sa.select(GATE.c.challenger).where(GATE.c.bot == bot).order_by(GATE.c.challenger.desc()).limit(GATES)
    c = FLIP.c
    query = (
        sa.select(c.champion_intent_id, c.challenger_intent_id, sa.func.count())
        .where(c.bot == bot, c.challenger.in_(list(connection.scalars(newest))))
        .where(c.champion_intent_id.is_not(None), c.challenger_intent_id.is_not(None))
        .group_by(c.champion_intent_id, c.challenger_intent_id)
    )
    counts_for, found = live(connection, bot), Counter[Ids]()
    for champion, challenger, n in connection.execute(query):
        one, other = counts_for.get(champion), counts_for.get(challenger)
        if one is not None and other is not None and one != other:
            found[ids(one, other)] += n
    return found


def contradictions(connection: sa.Connection, bot: str) -> Mapping[Ids, Sequence[tuple[TrainingLabel, TrainingLabel]]]:
    """Turns that say the same and are labelled with two intents to this day, by the pair, newest first."""
    c = CONTRADICTION.c
    query = sa.select(c.low_turn, c.high_turn).where(c.bot == bot).order_by(c.label_id.desc()).limit(CONTRADICTIONS)
    turns = connection.execute(query).all()
    given = labels.given(connection, bot, sorted({turn_id for pair in turns for turn_id in pair}))
    found: defaultdict[Ids, list[tuple[TrainingLabel, TrainingLabel]]] = defaultdict(list)
    for low, high in turns:
        one, other = given.get(low), given.get(high)
        if one and other and one.intent_id and other.intent_id and one.intent_id != other.intent_id:
            found[ids(one.intent_id, other.intent_id)].append((one, other))
    return found


def blind(connection: sa.Connection, turn_ids: Sequence[int]) -> set[int]:
    """Those of the turns with an open blind card: of these nothing is shown."""
    c = CARD.c
    is_open = (c.is_blind, c.status.not_in(CLOSED))
    return set(connection.scalars(sa.select(c.turn_id).where(c.turn_id.in_(turn_ids), *is_open)))
