"""What is asked of the champion over HTTP, and what it answers."""

from typing import Annotated

import msgspec
from msgspec import Meta

from service.turns.schemas import Entity

TEXTS_LIMIT = 100  # of one request
TOP_LIMIT = 100


class Question(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    texts: Annotated[tuple[str, ...], Meta(min_length=1, max_length=TEXTS_LIMIT, description="1 to 4,000 characters")]
    top: Annotated[int, Meta(ge=1, le=TOP_LIMIT, description="intents of an answer, at most")] = 5


class IntentProbability(msgspec.Struct, frozen=True):
    id: int
    name: str  # as it is now
    probability: float  # calibrated, where any intent is meant


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """Of one text. Entities are spans of the text as it was sent."""

    intent: str | None  # the answer; None: out of scope
    intents: tuple[IntentProbability, ...]  # best first
    out_of_scope: float  # in [0, 1]; 0 while the gate is off
    entities: tuple[Entity, ...]
    redacted: str  # the text as the classifier saw it


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    classifier: int
    encoder: str
    threshold: float | None  # of `out_of_scope`, from which on the answer is None; None: the gate is off
    predictions: tuple[Prediction, ...]  # one per text, in their order
