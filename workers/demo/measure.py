"""What the labels were worth: the cold classifier, the champion and a random control on the same held-out turns.

All three have the same encoder, redaction, intents and imported examples. The control has as many labels of log turns
as the champion trained on, from a reviewer who errs as often, and sees the same unlabelled log; the choice of the turns
is random. It keeps the champion's C."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import sqlalchemy as sa

from service import database
from service.bots.store import NATIVE, get_bot
from service.classifiers import store
from service.classifiers.schemas import Classifier
from service.context import Context
from service.encoding import EncodeClient, unpack
from service.intents.store import intent_ids, list_intents
from service.learning.head import Head, decide
from service.learning.types import Floats2d, Ints1d
from service.reviews.labels import training_labels
from service.tables import turn, vector
from service.turns.logs import NONE, Conversation
from workers import snapshot, trainer, training
from workers.demo.control import Control, Labelled, accuracy, random_control
from workers.demo.reviewer import Habits
from workers.held_out import Tuning
from workers.progress import Progress
from workers.redaction import Redactor

NONE_ID = 0
IMPORT = "import"  # the source and the origin of an intent's examples


class Measured(NamedTuple):
    """Fields of the demo's result."""

    held_out: int
    accuracy_before: float
    accuracy_after: float
    accuracy_random: float
    random_sd: float
    labels_random: int


class Inputs(NamedTuple):
    """What a fit sees besides the labels of log turns."""

    intent_ids: Ints1d
    names: Floats2d
    examples: Labelled
    log: Floats2d
    tuning: Tuning


def champion_n(context: Context, bot: str) -> int:
    with database.reading(context.engine) as connection:
        n = store.champion_n(connection, bot)
    return n or 0


def truth_by_turn(context: Context, bot: str, log: Sequence[Conversation]) -> Mapping[int, str]:
    """Turn id → the true answer, of stored turns that have one."""
    true = {found.id: found.intent for conversation in log for found in conversation.user_turns if found.intent}
    query = sa.select(turn.c.id, turn.c.external_id).where(turn.c.bot == bot, turn.c.source == NATIVE)
    with database.reading(context.engine) as connection:
        return {row.id: true[row.external_id] for row in connection.execute(query) if row.external_id in true}


def measure(
    context: Context,
    bot: str,
    log: Sequence[Conversation],
    cold: int,
    progress: Progress,
    *,
    runs: int,
    habits: Habits,
) -> Measured:
    """Before, after and random, on the user turns of held-out conversations that have a truth."""
    with database.reading(context.engine) as connection:
        before, after = store.load(connection, bot, cold), store.champion(connection, bot)
        ids = intent_ids(connection, bot) | {NONE: NONE_ID}
    assert after is not None  # noqa: S101 - `before` was in force once, and nothing takes the last champion away
    held_out = _held_out(context, bot, log, ids)
    true = truth_by_turn(context, bot, log)
    pool = _stored(context, after.encoder, {turn_id: ids[name] for turn_id, name in true.items() if name in ids})
    labels = sum(n for origin, n in after.manifest.labels_by_origin.items() if origin != IMPORT)
    with progress.step("random control", runs) as done:
        control = _control(context, bot, after, pool, held_out, min(labels, len(pool.y)), habits, range(runs), done)
    return Measured(
        held_out=len(held_out.y),
        accuracy_before=accuracy(decide, before.head, held_out),
        accuracy_after=accuracy(decide, after.head, held_out),
        accuracy_random=control.mean,
        random_sd=control.sd,
        labels_random=min(labels, len(pool.y)),
    )


def _held_out(context: Context, bot: str, log: Sequence[Conversation], ids: Mapping[str, int]) -> Labelled:
    """Redacted and encoded as posted turns are; an intent that only held-out turns have counts as wrong for
    everybody."""
    turns = [turn for found in log if found.is_held_out for turn in found.user_turns if turn.intent]
    redactor, encoder = Redactor(), EncodeClient(context.settings, context.redis)
    with database.reading(context.engine) as connection:
        patterns = get_bot(connection, bot).patterns
    x = encoder.encode(bot, [redactor.redact(turn.text, patterns).text for turn in turns])
    return Labelled(x, np.array([ids.get(turn.intent or NONE, -1) for turn in turns]))


def _stored(context: Context, encoder: str, ids: Mapping[int, int]) -> Labelled:
    """Vectors of stored turns with their intent's id; `ids`: turn id → intent id."""
    query = sa.select(vector.c.turn_id, vector.c.data).where(vector.c.encoder == encoder).order_by(vector.c.turn_id)
    with database.reading(context.engine) as connection:
        rows = [row for row in connection.execute(query) if row.turn_id in ids]
    return Labelled(unpack([row.data for row in rows]), np.array([ids[row.turn_id] for row in rows], np.int64))


def _control(
    context: Context,
    bot: str,
    champion: Classifier,
    pool: Labelled,
    held_out: Labelled,
    labels: int,
    habits: Habits,
    seeds: Sequence[int],
    on_run: Callable[[int], None],
) -> Control:
    inputs = _inputs(context, bot, champion)

    def fit(x: Floats2d, y: Ints1d, rng: np.random.Generator) -> Head:
        seen = Labelled(np.vstack([inputs.examples.x, x]), np.append(inputs.examples.y, y))
        alone = trainer.Labels(seen.x, seen.y, np.ones(len(seen.y)), np.arange(len(seen.y)))
        seed = int(rng.integers(2**31))
        fitted = trainer.fit(inputs.intent_ids, inputs.names, alone, inputs.log, seed=seed, tuning=inputs.tuning)
        return fitted.head

    return random_control(pool, held_out, labels, fit, decide, seeds=seeds, habits=habits, on_run=on_run)


def _inputs(context: Context, bot: str, champion: Classifier) -> Inputs:
    encoder = EncodeClient(context.settings, context.redis)
    with database.reading(context.engine) as connection:
        intents = list_intents(connection, bot)
        labels = training_labels(connection, bot)
        _, log = snapshot.unlabelled(connection, bot, champion.encoder)
    examples = {label.turn_id: label.intent_id or NONE_ID for label in labels if label.origin == IMPORT}
    found = _stored(context, champion.encoder, examples)
    d = champion.manifest.dimensions
    return Inputs(
        intent_ids=np.array([intent.id for intent in intents]),
        names=training.name_vectors(encoder, bot, intents),
        examples=Labelled(found.x.reshape(-1, d), found.y),
        log=log,
        # Searched at more labels than there are: the control keeps the champion's C.
        tuning=Tuning(champion.manifest.c, champion.manifest.labels),
    )
