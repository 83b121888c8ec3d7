"""The training job: a new classifier from what is known now, and the trial it has to stand.

The first classifier of a bot is put in force at once: there is nothing to compare it with. So is every one until people
have answered cards: an owner who still writes intents wants to see them work. Every later one is a challenger, tried on
up to 40 recent turns that it decides differently from the champion, drawn uniformly, answered blind
(workers/trials.py, workers/gating.py). Where there are too few such turns nothing could be won, and it is held with
that reason.

While labelled turns lack a vector of the bot's encoder (it has changed, and they are being redone) nothing is trained:
a classifier that knows half of the labels is no better than none."""

import time
import zlib
from collections import Counter
from collections.abc import Sequence

import numpy as np
import sqlalchemy as sa
import structlog

from service import clock, database, jobs, tables
from service.access import audit
from service.bots.store import get_bot
from service.classifiers import gates, rules, store
from service.classifiers.history import promoted
from service.classifiers.schemas import Found, Manifest, Phase, Status
from service.context import Context
from service.encoding import Encoder, unit
from service.events import outbox
from service.intents.schemas import Intent
from service.jobs import Job
from service.learning.head import NEVER, NONE, Head
from service.learning.types import Floats2d, Ints1d
from service.reviews.schemas import TrainingLabel
from service.streams import Streams
from workers import gating, platforms, prototypes, tagging, trainer
from workers.held_out import Tuning
from workers.hints import Hints
from workers.platforms import FittedScale
from workers.snapshot import Snapshot, heard, look
from workers.tagging import FittedTagger
from workers.trials import trial

log = structlog.get_logger()

WARM_UNTIL = 10  # labels per intent
PATIENCE_S = 30.0  # for examples imported a moment ago, before the first classifier


def train(context: Context, encoder: Encoder, bot: str, *, patience_s: float = PATIENCE_S) -> int | None:
    """The new classifier's number; None when nothing new could come of it. Running it twice makes one classifier."""
    _await_examples(context, bot, patience_s)
    gating.decide(context, encoder, bot)  # else a gate whose last answer is in might be voided just before its job runs
    seen = look(context, encoder, bot)
    if seen.unembedded:
        log.info("training.waits", bot=bot, unembedded=seen.unembedded)  # the job REEMBED asks again
        return None
    if not rules.wants_training(seen.newest, seen.inputs, trying=seen.trying):
        return None
    outcome = fit(context, encoder, bot, seen, tuning=tuning_of(seen.newest))
    n = seen.newest_n + 1
    if outcome == "stale":
        jobs.enqueue(context.queue, Job.TRAIN, bot)
        return None
    if outcome == "champion":
        jobs.enqueue(context.queue, Job.RESCORE, bot)
        jobs.enqueue(context.queue, Job.RANK, bot)
        jobs.enqueue(context.queue, Job.PROPOSE, bot)
    return n


def fit(context: Context, encoder: Encoder, bot: str, seen: Snapshot, *, tuning: Tuning | None) -> str:
    """Fit and store the next classifier; what became of it. `encoder` is that of the snapshot's vectors."""
    started, n = time.monotonic(), seen.newest_n + 1
    seen = heard(context, bot, seen)
    seed = zlib.crc32(f"{bot}/{n}/{seen.last_label_id}".encode())
    fitted = learn(encoder, bot, seen, seed=seed, tuning=tuning)
    tagger = tagging.fit(context, encoder, bot, seen.labels, seen.log_ids, seed=seed)
    scored = platforms.fit_scale(seen.labels, seen.scores, seen.names, seen.group)
    manifest = _manifest(seen, fitted, tagger, scored, seed, round(time.monotonic() - started, 3))
    outcome = _store(context, bot, seen, fitted.head, tagger, manifest)
    log.info("classifier.trained", bot=bot, n=n, outcome=outcome, labels=manifest.labels, seconds=manifest.seconds)
    return outcome


def learn(encoder: Encoder, bot: str, seen: Snapshot, *, seed: int, tuning: Tuning | None) -> trainer.Fitted:
    """A head on what the snapshot holds, functions being heard; nothing is stored. `encoder` is that of its vectors."""
    arrays = _arrays(seen, name_vectors(encoder, bot, seen.intents))
    return trainer.fit(*arrays, seed=seed, tuning=tuning, hints=_hints(seen))


def _await_examples(context: Context, bot: str, patience_s: float) -> None:
    """An import asks for a training right after sending its examples to ingest: the first classifier should know
    them."""
    with database.reading(context.engine) as connection:
        if get_bot(connection, bot).champion is not None:
            return
    streams = Streams(context.redis, context.keyring, context.settings.stream_bound)
    deadline = time.monotonic() + patience_s
    while streams.depth(bot) and time.monotonic() < deadline:
        time.sleep(0.2)


def name_vectors(encoder: Encoder, bot: str, intents: Sequence[Intent]) -> Floats2d:
    """(k, d) what each intent's name and description mean together."""
    said = [prototypes.say(intent.name, intent.description) for intent in intents]
    vectors = encoder.encode(bot, [text for texts in said for text in texts])
    starts = np.cumsum([0, *(len(texts) for texts in said[:-1])])
    return unit(np.add.reduceat(vectors, starts))


def _arrays(seen: Snapshot, names: Floats2d) -> tuple[Ints1d, Floats2d, trainer.Labels, Floats2d]:
    d = names.shape[1]
    y = np.array([label.intent_id or NONE for label in seen.labels], np.int64)
    weight = np.array([label.weight for label in seen.labels])
    labels = trainer.Labels(seen.x.reshape(-1, d), y, weight, seen.group)
    return np.array([intent.id for intent in seen.intents]), names, labels, seen.log.reshape(-1, d)


def _hints(seen: Snapshot) -> Hints | None:
    said = seen.said
    return Hints(seen.log[said.rows], said.on_log, said.on_labels, said.least_cosine) if said else None


def tuning_of(newest: Manifest | None) -> Tuning | None:
    return None if newest is None else Tuning(newest.c, newest.c_searched_at)


def _manifest(
    seen: Snapshot,
    fitted: trainer.Fitted,
    tagger: FittedTagger | None,
    scored: FittedScale,
    seed: int,
    seconds: float,
) -> Manifest:
    head = fitted.head
    return Manifest(
        encoder=seen.encoder,
        dimensions=head.weights.shape[1],
        intents=seen.inputs.intents,
        names=seen.names,
        labels=len(seen.labels),
        labels_by_origin=dict(Counter(label.origin for label in seen.labels)),
        labels_none=sum(label.intent_id is None for label in seen.labels),
        first_label_id=min((label.id for label in seen.labels), default=None),
        last_label_id=seen.last_label_id,
        log_turns=len(seen.log_ids),
        pseudo_labels=fitted.pseudo,
        phase=phase(seen.labels, len(seen.intents)),
        c=fitted.tuning.c,
        c_searched_at=fitted.tuning.searched_at,
        temperature=head.temperature,
        gate_threshold=None if head.threshold == NEVER else head.threshold,
        seed=seed,
        accuracy=fitted.accuracy,
        accuracy_named=fitted.accuracy_named,
        replaced=None if seen.champion is None else seen.champion.n,
        seconds=seconds,
        adapted=seen.adapted,
        function_set=seen.inputs.function_set,
        weak_examples=fitted.weak,
        functions=_found(seen, fitted),
        span_labels=tagger.labels if tagger else 0,
        entity_types=tagger.types if tagger else (),
        score_slope=scored.scale.slope,
        score_intercept=scored.scale.intercept,
        score_labels=scored.labels,
    )


def _found(seen: Snapshot, fitted: trainer.Fitted) -> tuple[Found, ...]:
    if seen.said is None or fitted.judged is None:
        return ()
    rows = zip(seen.said.functions, *(of.tolist() for of in fitted.judged), strict=True)
    return tuple(
        Found(name=one.name, coverage=coverage, conflict=conflict, accuracy=accuracy, labels=labels)
        for one, coverage, conflict, accuracy, labels in rows
    )


def phase(labels: Sequence[TrainingLabel], intents: int) -> Phase:
    """Imported examples say what an intent means; a bot is cold until people have labelled turns of its log."""
    given = sum(label.origin != "import" for label in labels)
    if not given:
        return "cold"
    return "warm" if given < WARM_UNTIL * intents else "steady"


def _store(
    context: Context, bot: str, seen: Snapshot, head: Head, tagger: FittedTagger | None, manifest: Manifest
) -> str:
    """What became of it: champion, challenger, held; or stale, when another training or promotion came in between."""
    now, compared = clock.now(), seen.champion.n if seen.champion else None
    model = tagger.model if tagger else None
    with database.reading(context.engine) as connection:
        asked = gates.asked_to_train(connection, bot)
    trying = None if seen.champion is None else trial(seen, seen.champion, head, manifest, now, but=asked)
    with database.writing(context.engine) as connection:
        connection.execute(sa.select(tables.bot.c.name).where(tables.bot.c.name == bot).with_for_update())
        if store.newest_n(connection, bot) != seen.newest_n or store.champion_n(connection, bot) != compared:
            return "stale"
        if trying is None or trying[0].status == "open":  # one that is held at once takes no answers away from another
            gates.void(connection, bot, f"classifier {seen.newest_n + 1} was trained", now)
        if trying is None:
            n = store.save(connection, bot, head, manifest, "challenger", now, tagger=model)
            store.promote(connection, bot, n, compared)
            audit.record(connection, bot, "classifier.promoted", now, audit.SYSTEM, n=n, champion=compared)
            outbox.record(connection, bot, "classifier.promoted", promoted(n, compared, "untried"), now)
            return "champion"
        gate, flips = trying
        status: Status = "challenger" if gate.status == "open" else "held"
        store.save(connection, bot, head, manifest, status, now, tagger=model)
        gates.add(connection, bot, gate, flips)
        return status
