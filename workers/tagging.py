"""The tagger in the product: trained from labels whose entities a reviewer looked at and the words of the log, and what
it makes of turns.

It is trained with each classifier and in force at once: it moves no turn to another intent, it only says what is worth
asking, so it stands no trial.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np

from service import database
from service.context import Context
from service.encoding import Encoder
from service.learning import coverage
from service.learning.structure import entity_signature
from service.learning.tagging import Span, Token, to_labels, to_spans
from service.learning.types import Ints1d
from service.reviews.schemas import TrainingLabel
from service.turns.schemas import Entity
from service.turns.store import texts_of
from workers import lexicon, tagger
from workers.lexicon import Clusters
from workers.tagger import Tagger


class FittedTagger(NamedTuple):
    model: bytes
    labels: int
    types: tuple[str, ...]


def fit(
    context: Context, encoder: Encoder, bot: str, labels: Sequence[TrainingLabel], log_ids: Sequence[int], *, seed: int
) -> FittedTagger | None:
    """None when no label has a span. EncoderDown."""
    looked_at = [label for label in labels if label.spans is not None and label.origin != "fold"]
    if not any(label.spans for label in looked_at):
        return None
    with database.reading(context.engine) as connection:
        texts = texts_of(connection, [label.turn_id for label in looked_at])
        log = texts_of(connection, log_ids)
    clusters = lexicon.cluster([*texts.values(), *log.values()], lambda words: encoder.encode(bot, words), seed=seed)
    known = [label for label in looked_at if label.turn_id in texts]
    model = tagger.fit([_labelled(label, texts[label.turn_id], clusters) for label in known], clusters)
    types = {kind for label in known for _, _, kind in label.spans or ()}
    return FittedTagger(model, len(known), tuple(sorted(types))) if model else None


def _labelled(label: TrainingLabel, text: str, clusters: Clusters) -> tagger.Labelled:
    spans = tuple(Span(*span) for span in label.spans or ())
    return tagger.Labelled(tagger.prepare(text, clusters), spans, intent_name(label.intent_id))


class TurnLike(Protocol):
    """A delivered turn, or one read back from SQL."""

    @property
    def text(self) -> str: ...
    @property
    def entities(self) -> Sequence[Entity]: ...


class Look(NamedTuple):
    """What a tagger makes of a turn."""

    signature: str  # of the entities it finds
    ambiguity: float  # of their boundaries, in [0, 1]
    probability: float  # of all of them together
    differs: bool  # from the platform's


def look(model: bytes, intent_id: int, turn: TurnLike) -> Look:
    """`intent_id` is what the classifier makes of the turn."""
    found = opened(model)
    text = found.prepare(turn.text)
    tagged, ambiguity = found.assess(text, intent_name(intent_id))
    signature = entity_signature((span.start, span.type) for span in tagged.spans)
    theirs = [Span(entity.start, entity.end, entity.type) for entity in turn.entities if entity.type in found.types]
    return Look(signature, ambiguity, tagged.probability, differ(text.tokens, tagged.spans, theirs))


def covering(model: bytes, turns: Sequence[tuple[str, int | None]], n: int) -> Ints1d:
    """Up to n rows of the turns, each a text with what the classifier makes of it: together they show the tagger most
    of the contexts it doubts (service/learning/coverage.py); none that it is sure of."""
    found = opened(model)
    texts = [found.prepare(text) for text, _ in turns]
    tagged = [found.tag(text, intent_name(intent_id)) for text, (_, intent_id) in zip(texts, turns, strict=True)]
    doubt = coverage.doubts((text.words, 1 - one.confidence) for text, one in zip(texts, tagged, strict=True))
    picks = coverage.cover(doubt, n)
    return picks[np.asarray(doubt[picks].sum(axis=1)).ravel() > 0]


def spans_of(model: bytes, turns: Sequence[tuple[str, int | None]]) -> list[list[Span]]:
    """The entities of each of the turns, each a text with what the classifier makes of it."""
    found = opened(model)
    return [found.tag(found.prepare(text), intent_name(intent_id)).spans for text, intent_id in turns]


def differ(tokens: Sequence[Token], ours: Sequence[Span], theirs: Sequence[Span]) -> bool:
    """Whether the platform sees other entities than the tagger. Only types that the tagger knows are compared, and
    starts and ends by whole tokens; a platform that names no such entity says nothing about them."""
    return bool(theirs) and to_spans(tokens, to_labels(tokens, theirs)) != list(ours)


@lru_cache(maxsize=8)
def opened(model: bytes) -> Tagger:
    """Kept, for a champion's tagger is used again and again."""
    return Tagger(model)


def intent_name(intent_id: int | None) -> str:
    """What the tagger calls an intent."""
    return "" if intent_id is None else str(intent_id)
