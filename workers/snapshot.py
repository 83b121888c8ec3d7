"""What a training looks at, read at one moment."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import sqlalchemy as sa

from service import database, tables
from service.classifiers import gates, store
from service.classifiers.rules import Inputs
from service.classifiers.schemas import Adapted, Classifier, Manifest
from service.context import Context
from service.encoding import Encoder, EncoderChanged, unpack
from service.intents.schemas import Intent
from service.intents.store import intent_ids, list_intents
from service.learning.types import Floats2d, Ints1d
from service.reviews.labels import training_labels
from service.reviews.schemas import TrainingLabel
from service.turns.schemas import IntentScore
from service.turns.store import scores_of, texts_of
from service.weak import store as weak
from workers import trainer
from workers.listening import Said, listen

LABEL, TURN, VECTOR, CANDIDATE = tables.label, tables.turn, tables.vector, tables.candidate
CHUNK = 500  # ids in one IN


class Snapshot(NamedTuple):
    """Everything a training looks at, read at one moment."""

    live: str  # the encoder in force
    encoder: str  # whose vectors `x` and `log` are: the one in force, or one that is tried out
    adapted: Adapted | None  # where `encoder` came from, if it was tuned
    intents: list[Intent]
    names: dict[str, int]  # that these ever had -> id
    labels: list[TrainingLabel]  # those with a vector
    scores: dict[int, IntentScore]  # the platform's best intent, by labelled turn
    x: Floats2d  # (n, d) of the labels
    group: Ints1d  # (n,) labels of one group came of one card
    log_ids: list[int]  # recent turns without a label of any use, newest first
    log: Floats2d  # (m, d)
    live_log: Floats2d  # (m, d') the same turns as the encoder in force sees them
    unembedded: int  # labelled turns that still lack a vector
    last_label_id: int | None
    newest: Manifest | None  # of the newest classifier of the encoder in force
    newest_n: int  # of all
    champion: Classifier | None
    trying: Manifest | None  # of the challenger whose gate is open
    function_set: int | None  # id of the bot's labelling functions
    said: Said | None = None  # by these, once they were heard

    @property
    def inputs(self) -> Inputs:
        intents = {intent.name: intent.id for intent in self.intents}
        return Inputs(self.encoder, intents, len(self.labels), self.last_label_id, len(self.log_ids), self.function_set)


def look(context: Context, encoder: Encoder, bot: str) -> Snapshot:
    """The snapshot of now. EncoderChanged when a promotion or rollback changes the encoder at this very moment: the
    champion and the vectors would be those of different encoders."""
    identity = encoder.identity(bot)
    with database.reading(context.engine) as connection:
        seen = _read(connection, bot, identity)
    if encoder.identity(bot) != identity:
        raise EncoderChanged(f"the encoder of bot {bot!r} has just changed")
    return seen


def heard(context: Context, bot: str, seen: Snapshot) -> Snapshot:
    """The snapshot with what the bot's labelling functions say about its turns: up to a minute's work."""
    if seen.function_set is None:
        return seen
    turn_ids = [label.turn_id for label in seen.labels]
    return seen._replace(said=listen(context, bot, seen.function_set, turn_ids, seen.log_ids, seen.intents))


def _read(connection: sa.Connection, bot: str, encoder: str) -> Snapshot:
    known = training_labels(connection, bot)
    labels, x = _with_vectors(connection, encoder, known)
    log_ids, recent = unlabelled(connection, bot, encoder)
    champion = store.champion(connection, bot)
    intents = list_intents(connection, bot)
    live = {intent.id for intent in intents}
    return Snapshot(
        live=encoder,
        encoder=encoder,
        adapted=champion.manifest.adapted if champion and champion.encoder == encoder else None,
        intents=intents,
        names={name: found for name, found in intent_ids(connection, bot).items() if found in live},
        labels=labels,
        scores=scores_of(connection, [label.turn_id for label in labels]),
        x=x,
        group=_groups(connection, bot, labels),
        log_ids=log_ids,
        log=recent,
        live_log=recent,
        unembedded=len(known) - len(labels) and _unembedded(connection, known, labels),
        last_label_id=_last_label(connection, bot),
        newest=store.newest_of(connection, bot, encoder),
        newest_n=store.newest_n(connection, bot),
        champion=champion,
        trying=gates.on_trial(connection, bot),
        function_set=weak.newest_id(connection, bot),
    )


def _last_label(connection: sa.Connection, bot: str) -> int | None:
    """The newest label that trains now or, a flip's, once its gate is decided."""
    query = sa.select(sa.func.max(LABEL.c.id)).where(LABEL.c.bot == bot, LABEL.c.use.in_(("train", "flip")))
    last: int | None = connection.scalar(query)
    return last


def _with_vectors(
    connection: sa.Connection, encoder: str, labels: Sequence[TrainingLabel]
) -> tuple[list[TrainingLabel], Floats2d]:
    """The labels whose turn has a vector of this encoder: forgotten turns have none, nor those not re-embedded yet."""
    data: dict[int, bytes] = {}
    for start in range(0, len(labels), CHUNK):
        ids = [label.turn_id for label in labels[start : start + CHUNK]]
        query = sa.select(VECTOR.c.turn_id, VECTOR.c.data).where(VECTOR.c.turn_id.in_(ids), VECTOR.c.encoder == encoder)
        data |= {row.turn_id: row.data for row in connection.execute(query)}
    kept = [label for label in labels if label.turn_id in data]
    return kept, unpack([data[label.turn_id] for label in kept])


def _unembedded(connection: sa.Connection, known: Sequence[TrainingLabel], embedded: Sequence[TrainingLabel]) -> int:
    """Labels whose turn has a text, but no vector yet; a forgotten turn has neither."""
    missing = list({label.turn_id for label in known}.difference(label.turn_id for label in embedded))
    return len(texts_of(connection, missing))


def unlabelled(connection: sa.Connection, bot: str, encoder: str) -> tuple[list[int], Floats2d]:
    """The newest turns that may be learnt from without a label, and asked about: never those that test."""
    is_labelled = sa.exists().where(LABEL.c.turn_id == TURN.c.id)
    is_audit = sa.exists().where(tables.mark.c.turn_id == TURN.c.id, tables.mark.c.kind == "audit")
    rows = connection.execute(
        sa.select(TURN.c.id, VECTOR.c.data)
        .join(VECTOR, (VECTOR.c.turn_id == TURN.c.id) & (VECTOR.c.encoder == encoder))
        .where(TURN.c.bot == bot, TURN.c.source.not_in(tables.NOT_SAID), TURN.c.is_slot_fill.is_(False))
        .where(~is_labelled, ~is_audit)
        .order_by(TURN.c.at.desc(), TURN.c.id.desc())
        .limit(trainer.LOG_LIMIT)
    ).all()
    return [row.id for row in rows], unpack([row.data for row in rows])


def _groups(connection: sa.Connection, bot: str, labels: Sequence[TrainingLabel]) -> Ints1d:
    """Turns folded into one card say the same: apart, they would let a head be tested on what it saw."""
    query = sa.select(CANDIDATE.c.turn_id, CANDIDATE.c.folded_into)
    rows = connection.execute(query.where(CANDIDATE.c.bot == bot, CANDIDATE.c.folded_into.is_not(None)))
    into = {row.turn_id: row.folded_into for row in rows}
    return np.array([into.get(label.turn_id, label.turn_id) for label in labels], np.int64)
