"""Where people, or a champion and its challengers, took one intent for the other."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import sqlalchemy as sa

from service import tables
from service.boundary.recent import Ids, ids
from service.intents.store import merges
from service.learning.agreement import alpha_of
from service.reviews import labels
from service.reviews.listing import CLOSED
from service.reviews.schemas import TrainingLabel

CONTRADICTION, FLIP, GATE = tables.contradiction, tables.flip, tables.gate
CARD, VOTE = tables.card, tables.vote
CARDS = 1_000  # newest ones looked at
NO_ANSWER = ("unsure", "undo")
GATES = 5  # newest ones whose flips count
CONTRADICTIONS = 500  # newest ones looked at


class Votes(NamedTuple):
    """What people said of each blind card that two of them at least have answered and that wants no answer any more:
    intents' ids, and other answers by their names."""

    said: Sequence[Sequence[int | str]]

    @property
    def on(self) -> Counter[int | str]:
        """Answer → cards on which somebody gave it."""
        return Counter(answer for card in self.said for answer in set(card))

    @property
    def split(self) -> Counter[Ids]:
        """Pair → cards on which both were said."""
        named = (sorted({one for one in card if isinstance(one, int)}) for card in self.said)
        return Counter(pair for card in named for pair in combinations(card, 2))

    def alphas(self) -> dict[int, float | None]:
        """Krippendorff's α of each intent against all other answers."""
        answers = list(self.on)
        column = {answer: place for place, answer in enumerate(answers)}
        counts = np.zeros((len(self.said), len(answers)), np.int64)
        for row, card in enumerate(self.said):
            np.add.at(counts[row], [column[answer] for answer in card], 1)
        return {one: alpha_of(counts, column[one]) for one in answers if isinstance(one, int)}


def votes(connection: sa.Connection, bot: str) -> Votes:
    """Of the newest cards, merges followed."""
    newest = (
        sa.select(CARD.c.id)
        .where(CARD.c.bot == bot, CARD.c.is_blind, CARD.c.status.in_(CLOSED))
        .order_by(CARD.c.created_at.desc(), CARD.c.id)
        .limit(CARDS)
    )
    c = VOTE.c
    query = sa.select(c.card_id, c.reviewer, c.answer, c.intent_id).where(c.card_id.in_(newest), ~c.is_adjudication)
    into, by_card = merges(connection, bot), defaultdict[str, dict[str, int | str]](dict)
    for card_id, reviewer, answer, intent_id in connection.execute(query.order_by(c.id)).all():
        by_card[card_id][reviewer] = into.get(intent_id, intent_id) if answer == "intent" else answer
    said = ([one for one in card.values() if one not in NO_ANSWER] for card in by_card.values())
    return Votes([card for card in said if len(card) > 1])


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
    counts_for, found = labels.counts_for(connection, bot), Counter[Ids]()
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
