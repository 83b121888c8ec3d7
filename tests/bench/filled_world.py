"""A made-up bot of 150 intents: what its people say, where that lies for the encoder, and when it was said.

Every third intent lies near the one before it, so that boundaries exist; intents' shares fall off as Zipf's law has it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cached_property
from itertools import product
from typing import NamedTuple

import numpy as np

from service.clock import now
from service.encoding import unit
from service.learning.head import NONE
from service.learning.types import Floats1d, Floats2d, Ints1d

VERBS = (
    "cancel", "change", "track", "return", "pay for", "report a damaged", "ask about", "order another",
    "get money back for", "book", "insure", "renew", "compare", "send a friend", "complain about",
)  # fmt: skip
THINGS = ("order", "parcel", "subscription", "gift card", "ticket", "phone", "sofa", "contract", "appointment", "bill")
NAMES = [f"{verb} {thing}".replace(" ", "_") for verb, thing in product(VERBS, THINGS)]
OPENINGS = (
    "please", "i want to", "how do i", "can you", "i would like to", "hi, i need to", "is it possible to",
    "could somebody", "why can't i", "help me", "my wife asked me to", "i tried twice to", "where can i", "",
)  # fmt: skip
ENDINGS = (
    "", "", "", "today", "from last week", "before friday", "for my mother", "that i bought in june", "on the website",
    "with the app", "without a receipt", "as soon as possible", "if that is still possible", "from the shop in lyon",
)  # fmt: skip
ELSEWHERE = (
    "what is the weather in {}", "tell me a joke about {}", "who won the match in {}", "sing me a song from {}",
    "how far is the moon from {}", "do you dream of {}",
)  # fmt: skip
PLACES = ("oslo", "lyon", "turin", "porto", "ghent", "krakow", "cork", "malmo", "bilbao", "graz", "brno", "split")

DIMENSIONS, SPREAD = 384, 3.5
BEGIN_DAYS = 90  # of the log, up to now
VERSION_DAYS = 20
SCOPELESS = 0.05
SEED = 6
HEAD_START = 10.0  # of the law: the commonest intent is said eleven times as often as the hundredth


class World:
    def __init__(self, turns: int) -> None:
        rng = np.random.default_rng(SEED)
        self.turns, self.until = turns, now()
        centers = unit(rng.standard_normal((len(NAMES), DIMENSIONS), np.float32))
        aside = unit(rng.standard_normal(centers.shape, np.float32))
        centers[2::3] = unit(centers[1::3] + 0.8 * aside[2::3])
        self.centers = centers
        self.said_names = unit(centers + aside)
        self.rng = rng

    @cached_property
    def shares(self) -> Floats1d:
        falling = 1 / (HEAD_START + np.arange(len(NAMES)))
        return np.asarray(falling / falling.sum())

    @cached_property
    def rivals(self) -> Ints1d:
        """(k,) id of the intent that lies nearest to each."""
        near = self.centers @ self.centers.T
        np.fill_diagonal(near, -1)
        return np.asarray(near.argmax(axis=1) + 1)

    def meant(self, rng: np.random.Generator, n: int) -> Ints1d:
        """(n,) intent ids, NONE for out of scope."""
        ids = rng.choice(len(NAMES), n, p=self.shares) + 1
        return np.where(rng.random(n) < SCOPELESS, NONE, ids)

    def vectors(self, rng: np.random.Generator, meant: Ints1d) -> Floats2d:
        noise = unit(rng.standard_normal((len(meant), DIMENSIONS), np.float32))
        centers = np.where((meant == NONE)[:, None], 0, self.centers[meant - 1])
        return unit(centers + SPREAD * noise).astype(np.float32)

    def at(self, place: float) -> datetime:
        """When the turn at this place of the log was said; weekends are quieter."""
        share = place / self.turns
        wave = 0.25 * np.sin(2 * np.pi * (share - 1) * BEGIN_DAYS / 7) / BEGIN_DAYS
        days_ago = BEGIN_DAYS * min(max(1 - share - float(wave), 0.0), 1.0)
        return self.until - timedelta(days=days_ago, seconds=60)

    def place(self, day: float) -> int:
        """How many turns were said before this day of the log."""
        return int(self.turns * day / BEGIN_DAYS)


class Said(NamedTuple):
    text: str
    entities: Sequence[dict[str, object]]


def said(rng: np.random.Generator, meant: Ints1d) -> list[Said]:
    """What people say who mean these."""
    draws = rng.integers(1 << 30, size=(len(meant), 3)).tolist()
    return [_said(one, *draw) for one, draw in zip(meant.tolist(), draws, strict=True)]


def _said(meant: int, first: int, last: int, number: int) -> Said:
    if meant == NONE:
        return Said(ELSEWHERE[first % len(ELSEWHERE)].format(PLACES[last % len(PLACES)]), ())
    words = (OPENINGS[first % len(OPENINGS)], NAMES[meant - 1].replace("_", " "), ENDINGS[last % len(ENDINGS)])
    text = " ".join(filter(None, words))
    if number % 3:
        return Said(text, ())
    value = str(100_000 + number % 900_000)
    whole = f"{text} number {value}"
    return Said(whole, ({"type": "number", "value": value, "start": len(whole) - len(value), "end": len(whole)},))


def version(at: datetime, until: datetime) -> str:
    """The bot's, when this was said."""
    return f"2026.{1 + (BEGIN_DAYS - (until - at).days) // VERSION_DAYS}"
