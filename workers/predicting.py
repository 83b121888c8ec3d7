"""Predictions in the encode process, where the encoder is: redact, encode, score, tag, in one question.

Texts are redacted and scored as ingest does, by the same functions, so a turn's answer is its stored prediction. What a
bot's owner changes counts within `MAX_AGE_S`: the champion, the names of intents, the patterns of personal data.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from threading import Lock
from typing import NamedTuple

import numpy as np

from service import database
from service.bots import patterns
from service.bots.schemas import Pattern
from service.bots.store import get_bot
from service.classifiers.cache import Champions
from service.classifiers.schemas import Classifier
from service.context import Context
from service.encoding import EncoderChanged
from service.errors import BadInput, NoClassifier
from service.intents.store import list_intents, merges
from service.learning.head import NEVER, NONE, Head, decide, out_of_scope, probabilities
from service.learning.tagging import Span, distinct
from service.learning.types import Floats2d, Ints1d
from service.predict import sealing
from service.predict.schemas import Answer, IntentProbability, Prediction, Question
from service.turns.schemas import Entity
from workers import tagging
from workers.batching import Batcher
from workers.encoders import Encoders
from workers.redaction import Redacted, Redactor, origin

MAX_AGE_S = 1.0


class _Known(NamedTuple):
    """What an owner has set; `into`: every intent's id → the id it counts for now."""

    patterns: Sequence[Pattern]
    names: Mapping[int, str]
    into: Mapping[int, int]
    read_at: float


class Predictor:
    """Any number of threads may ask at once."""

    def __init__(self, context: Context, encoders: Encoders, redactor: Redactor) -> None:
        self._context, self._encoders, self._redactor = context, encoders, redactor
        self._champions = Champions(context.engine, MAX_AGE_S)
        self._known: dict[str, _Known] = {}
        self._tagging = Lock()

    def reply(self, bot: str, sealed: bytes, deadline: float) -> bytes:
        """The sealed answer to a sealed question. NoClassifier; EncoderChanged while none reads the bot's vectors."""
        keyring = self._context.keyring
        question = sealing.open_question(keyring, bot, sealed)
        return sealing.seal(keyring, bot, self.predict(bot, question, deadline))

    def predict(self, bot: str, question: Question, deadline: float) -> Answer:
        champion, batcher = self._in_force(bot, deadline)
        known = self._look(bot)
        redacted = list(self._redacted(question.texts, known.patterns))
        x = batcher.encode([one.text for one in redacted], deadline)
        scored = _scored(champion.head, x, known, question.top)
        spans = self._spans(champion, redacted, x)
        found = zip(question.texts, redacted, scored, spans, strict=True)
        threshold = champion.head.threshold
        return Answer(
            classifier=champion.n,
            encoder=champion.encoder,
            threshold=threshold if threshold < NEVER else None,
            predictions=tuple(_prediction(*one) for one in found),
        )

    def _in_force(self, bot: str, deadline: float) -> tuple[Classifier, Batcher]:
        """The champion, and the encoder whose vectors it takes."""
        for now in (False, True):  # a promotion may change both, and both are remembered for a while
            champion, batcher = self._champions.get(bot, now=now), self._encoders.of(bot, deadline, now=now)
            if champion is None:
                raise NoClassifier(f"bot {bot!r} has no classifier yet", hint="import its intents: one is trained then")
            if champion.encoder == batcher.identity:
                return champion, batcher
        raise EncoderChanged(
            f"bot {bot!r} has the encoder {batcher.identity} now, and no classifier for it yet",
            hint="one is trained once the turns' vectors are redone",
        )

    def _look(self, bot: str) -> _Known:
        known = self._known.get(bot)
        if known is None or time.monotonic() - known.read_at > MAX_AGE_S:
            with database.reading(self._context.engine) as connection:
                names = {intent.id: intent.name for intent in list_intents(connection, bot, archived=True)}
                into = merges(connection, bot)
                known = _Known(get_bot(connection, bot).patterns, names, into, time.monotonic())
            self._known[bot] = known
        return known

    def _redacted(self, texts: Sequence[str], own: Sequence[Pattern]) -> Iterator[Redacted]:
        for position, text in enumerate(texts):
            try:
                yield self._redactor.redact(text, own)
            except patterns.PatternTooSlow as error:
                raise BadInput(error.detail, hint=error.hint, path=f"texts[{position}]") from error

    def _spans(self, champion: Classifier, redacted: Sequence[Redacted], x: Floats2d) -> list[list[Span]]:
        if champion.tagger is None or not len(champion.head.intent_ids):
            return [[] for _ in redacted]
        best = champion.head.intent_ids[probabilities(champion.head, x).argmax(axis=1)].tolist()
        with self._tagging:
            return tagging.spans_of(
                champion.tagger.data, [(one.text, intent) for one, intent in zip(redacted, best, strict=True)]
            )


class _Scored(NamedTuple):
    """Of one text."""

    intents: tuple[IntentProbability, ...]
    is_none: bool
    out_of_scope: float


def _scored(head: Head, x: Floats2d, known: _Known, top: int) -> Iterator[_Scored]:
    ids, proba = _as_now(head.intent_ids, probabilities(head, x), known.into)
    best = np.argsort(-proba, axis=1, kind="stable")[:, :top]
    values = np.take_along_axis(proba, best, axis=1).tolist()
    is_none, outside = (decide(head, x) == NONE).tolist(), out_of_scope(head, x).tolist()
    for columns, row, none, gate in zip(ids[best].tolist(), values, is_none, outside, strict=True):
        named = (IntentProbability(one, known.names.get(one, str(one)), p) for one, p in zip(columns, row, strict=True))
        yield _Scored(tuple(named), none, gate)


def _as_now(intent_ids: Ints1d, proba: Floats2d, into: Mapping[int, int]) -> tuple[Ints1d, Floats2d]:
    """Intents that were merged since the training count for one: their probabilities are added up."""
    ids, column = np.unique([into.get(one, one) for one in intent_ids.tolist()], return_inverse=True)
    if len(ids) == len(intent_ids) and np.array_equal(ids, intent_ids):
        return intent_ids, proba
    added = np.zeros((len(proba), len(ids)), proba.dtype)
    np.add.at(added.T, column, proba.T)
    return ids, added


def _prediction(text: str, redacted: Redacted, scored: _Scored, spans: Sequence[Span]) -> Prediction:
    return Prediction(
        intent=None if scored.is_none else scored.intents[0].name,
        intents=scored.intents,
        out_of_scope=scored.out_of_scope,
        entities=tuple(_entities(text, redacted, spans)),
        redacted=redacted.text,
    )


def _entities(text: str, redacted: Redacted, spans: Sequence[Span]) -> Iterator[Entity]:
    """In the text as it was sent: who asks knows it, and acts on what stands there."""
    for start, end, kind in distinct(Span(*origin(redacted, span.start, span.end), span.type) for span in spans):
        yield Entity(kind, text[start:end], start, end)
