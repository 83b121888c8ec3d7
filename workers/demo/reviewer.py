"""A simulated member of a support team. Sees only what the card shows, knows what the user meant, errs and hesitates at
stated rates."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import msgspec
import numpy as np

from service.reviews.schemas import CardView, Vote

NONE = "none"  # the true answer of a turn that is out of scope


class Habits(msgspec.Struct, frozen=True):
    """Chances, per card, of a wrong answer and of *Unsure*."""

    errs: float = 0.05
    unsure: float = 0.05


class Reviewer:
    """Answers cards; `truth` maps a turn's id to an intent's name or NONE, and is asked for the card on screen only."""

    def __init__(self, truth: Mapping[int, str], seed: int, habits: Habits | None = None) -> None:
        self._truth, self._seed, self._habits = truth, seed, habits or Habits()

    def answer(self, card: CardView) -> Vote:
        # A person errs on the same turn whenever it is asked: what a demo finds does not hang on the order of cards.
        rng = np.random.default_rng([self._seed, card.turn_id])
        drawn = rng.random()
        true = self._truth.get(card.turn_id)
        if true is None or drawn < self._habits.unsure:
            return _vote("unsure")
        if drawn < self._habits.unsure + self._habits.errs:
            true = mistaken(true, [choice.intent for choice in card.choices], rng)
        return _vote("none") if true == NONE else _vote("intent", intent=true)


def mistaken(true: str, offered: Sequence[str], rng: np.random.Generator) -> str:
    """A wrong answer among those offered; NONE when nothing else is."""
    others = [name for name in offered if name != true] or [NONE]
    return others[int(rng.integers(len(others)))]


def _vote(answer: Any, *, intent: str | None = None) -> Vote:
    return Vote(answer=answer, intent=intent, click_id=uuid4().hex)
