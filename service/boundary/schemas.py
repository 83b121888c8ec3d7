"""The boundaries between a bot's intents, and what is advised of weak intents, as surfaces show them."""

from typing import Literal

import msgspec

from service.learning.curve import Answer
from service.learning.stopping import Estimate

Verdict = Literal["label", "fix_labels", "merge_or_redefine", "other_encoder", "new_intent", "not_data"]
Weakness = Literal["few_labels", "recall", "reports"]
Measure = Literal["labels", "recall", "agreement", "contradicted", "neighbours", "reports", "proposals"]


class Side(msgspec.Struct, frozen=True):
    """An intent of a pair."""

    id: int
    name: str


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Two intents, `a` the one with the lower id, and how far they run into each other."""

    a: Side
    b: Side
    shared: float  # mean over the recent turns of the second probability, where these two are the likeliest; in [0, ½]
    turns: int  # of these, with the two as the likeliest
    compared: int  # cards that two people at least have answered, one of them with one of the two
    split: int  # of these, on which both were said
    flips: int  # recent ones of gates, between the two
    contradictions: int  # turns that say the same, one labelled with each


class BoundaryMap(msgspec.Struct, frozen=True, kw_only=True):
    n: int | None  # the classifier in force; None: there is none yet, and nothing is shared
    turns: int  # recent turns looked at
    pairs: tuple[Pair, ...]  # those that share most first


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate between the two, which may be asked about."""

    turn_id: int
    text: str
    best: str
    p1: float
    p2: float


class NearLabel(msgspec.Struct, frozen=True, kw_only=True):
    """A label near the boundary; `side`: what all other labels of the two say, from 1 = as it is labelled, over 0 = on
    the boundary, to −1 = the other intent."""

    turn_id: int
    text: str
    intent: str
    side: float


class Contradicting(msgspec.Struct, frozen=True):
    """A turn of two that say the same."""

    turn_id: int
    text: str
    intent: str


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """Whether labels would settle the pair: not known with fewer than twenty, settled already, so many labels would, or
    no number that anybody would give. `more`: how many, and between how many; `high` None: perhaps no number would."""

    answer: Answer
    labels: int  # there are, of both
    bound: float  # error from which on the pair counts as settled
    error: Estimate | None = None  # of telling the two apart, with these labels
    more: int | None = None
    low: int | None = None
    high: int | None = None


class PairView(msgspec.Struct, frozen=True, kw_only=True):
    pair: Pair
    settlement: Settlement
    waiting: tuple[Waiting, ...]  # the most undecided first
    near: tuple[NearLabel, ...]  # of both sides, the nearest first
    contradictions: tuple[tuple[Contradicting, Contradicting], ...]


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """A number that the advice rests on, beside the bound it is held against."""

    what: Measure
    value: float | None  # None: too little is known
    interval: Estimate | None = None
    n: int  # cases it was measured on
    bound: float
    is_beyond: bool  # on the bad side of its bound


class IntentAdvice(msgspec.Struct, frozen=True, kw_only=True):
    """What would help a weak intent most."""

    id: int
    name: str
    weak: Weakness
    verdict: Verdict
    labels: int | None  # of "label": how many more, about
    rival: Side | None  # the intent that it is taken for most often
    measured: tuple[Measured, ...]


class IntentsAdvice(msgspec.Struct, frozen=True, kw_only=True):
    n: int | None  # the classifier in force; None: nothing is advised before the first
    goal: float  # recall below which an intent is weak
    usual_reports: float  # share of the recent turns that are reported
    intents: tuple[IntentAdvice, ...]  # the weak ones, the weakest first
