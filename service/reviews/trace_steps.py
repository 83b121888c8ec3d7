"""A trace as records: what became of a turn, step by step, each event with when, what, numbers and where it is kept."""

from datetime import datetime
from typing import Literal

import msgspec

from service.reviews.schemas import Around

StepName = Literal[
    "delivery",
    "redaction",
    "reports",
    "probabilities",
    "marks",
    "ranking",
    "card",
    "votes",
    "label",
    "training",
    "changes",
]
WITHHELD = "withheld: somebody is asked about it blind"


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """`at` None: it was not kept. `origin`: the record it comes from."""

    what: str
    at: datetime | None = None
    names: dict[str, str] = {}
    numbers: dict[str, float] = {}
    origin: str = ""
    turn: int | None = None  # another turn it is about
    classifier: int | None = None  # it is about, by number


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """`missing` says what one might look for and is not there."""

    step: StepName
    events: tuple[Event, ...] = ()
    missing: str = ""


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """`text` None: forgotten. `is_withheld`: a blind card of it is open, so nothing is told that might give it away."""

    bot: str
    turn: int
    text: str | None
    context: Around
    is_withheld: bool
    steps: tuple[Step, ...]


def given(**names: str | None) -> dict[str, str]:
    """
    >>> given(intent="refund", second=None, channel="")
    {'intent': 'refund'}
    """
    return {name: value for name, value in names.items() if value}


def measured(**numbers: float | None) -> dict[str, float]:
    """
    >>> measured(p1=0.7, confidence=None)
    {'p1': 0.7}
    """
    return {name: value for name, value in numbers.items() if value is not None}
