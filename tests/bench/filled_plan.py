"""Which turns were asked about, and why: the plan that the log's rows and those of cards, votes and labels follow."""

from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np

from service.learning.types import Floats2d, Ints1d
from service.reviews.schemas import CardStatus, Purpose
from tests.bench.filled_world import World

WHOLE = 100_000  # turns from which on there is as much of everything as here
EXAMPLES, GOLD = 4_500, 500
RANKED, AUDITED, FOLDED, FLIPS = 7_000, 1_500, 2_000, 40
PROMOTED = (3.0, 15.0, 32.0, 50.0, 70.0)  # days of the log on which classifiers 1, 2, … were put in force
TRIED = 88.0  # the day on which the challenger was
OPEN = {"rank": 60, "audit": 40, "flip": 30}  # cards that wait, the newest
UNDECIDED = {"rank": 12, "audit": 8, "flip": 0}
RATE = 0.005  # of the audit slice
BEFORE = 2.0  # days of the log that a new classifier decided again


class Card(NamedTuple):
    turn_id: int
    purpose: Purpose
    status: CardStatus
    challenger: int  # of a flip, else 0
    made_at: datetime

    @property
    def id(self) -> str:
        return f"{self.purpose}{self.turn_id}"


class Plan(NamedTuple):
    """`known`: turns whose meaning is drawn before the log's, for they are labelled, with vectors and what is right."""

    first: int  # id of the first turn that somebody said: examples and the gold set come before it
    gold: int  # id of the first of the gold set
    cards: list[Card]  # in the order they were made
    folds: dict[int, int]  # turn → the one whose card stands for it
    place: dict[int, int]  # row of each known turn
    x: Floats2d
    y: Ints1d

    def at(self, world: World, turn_id: int) -> datetime:
        return world.at(turn_id - self.first)


def planned(world: World) -> Plan:
    scale = min(world.turns, WHOLE) / WHOLE
    examples, gold, ranked, audited, folded = (
        max(round(scale * n), 40) for n in (EXAMPLES, GOLD, RANKED, AUDITED, FOLDED)
    )
    first = 1 + examples + gold
    drawn = world.rng.choice(world.turns, ranked + audited + folded, replace=False) + first
    asked = {"rank": np.sort(drawn[:ranked]), "audit": np.sort(drawn[ranked : ranked + audited])}
    folds = drawn[ranked + audited :]
    cards = [card for purpose, ids in asked.items() for card in _cards(world, first, purpose, ids)]  # type: ignore[arg-type]
    for n, day in enumerate((*PROMOTED[1:], TRIED), 2):
        cards += _flips(world, first, n, day, drawn)
    known = np.unique([*range(1, first), *drawn, *(card.turn_id for card in cards)])
    y = world.meant(world.rng, len(known))
    return Plan(
        first,
        1 + examples,
        sorted(cards, key=lambda card: card.made_at),
        dict(zip(folds.tolist(), world.rng.choice(asked["rank"][: ranked // 2], len(folds)).tolist(), strict=True)),
        {turn_id: row for row, turn_id in enumerate(known.tolist())},
        world.vectors(world.rng, y),
        y,
    )


def _cards(world: World, first: int, purpose: Purpose, ids: Ints1d, challenger: int = 0) -> list[Card]:
    """Of turns in the order of time: the newest wait."""
    left = len(ids) - OPEN[purpose] - UNDECIDED[purpose]
    found = []
    for place, turn_id in enumerate(ids.tolist()):
        status: CardStatus = (
            "resolved" if place < left else "adjudicate" if place < left + UNDECIDED[purpose] else "open"
        )
        made_at = min(world.at(turn_id - first) + timedelta(hours=6), world.until)
        found.append(Card(turn_id, purpose, status, challenger, made_at))
    return found


def _flips(world: World, first: int, challenger: int, day: float, taken: Ints1d) -> list[Card]:
    """Of the turns before that day; those of gates that ended are all answered."""
    free = np.setdiff1d(np.arange(world.place(day - BEFORE), world.place(day)) + first, taken)
    cards = _cards(world, first, "flip", np.sort(world.rng.choice(free, FLIPS, replace=False)), challenger)
    return cards if day == TRIED else [card._replace(status="resolved") for card in cards]
