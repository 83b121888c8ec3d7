"""The training job: a new classifier from what is known now, and the trial it has to stand.

The first classifier of a bot is put in force at once: there is nothing to compare it with. So is every one until people
have answered cards: an owner who still writes intents wants to see them work. Every later one is a challenger, tried on
up to 40 recent turns that it decides differently from the champion, drawn uniformly, answered blind
(workers/gating.py). Where there are too few such turns nothing could be won, and it is held with that reason.

While labelled turns lack a vector of the bot's encoder (it has changed, and they are being redone) nothing is trained:
a classifier that knows half of the labels is no better than none."""

import time
import zlib
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
import sqlalchemy as sa
import structlog

from service import clock, database, jobs, tables
from service.access import audit
from service.bots.store import get_bot
from service.classifiers import gates, rules, store
from service.classifiers.gates import Flip
from service.classifiers.rules import Inputs
from service.classifiers.schemas import Adapted, Classifier, Found, Gate, Manifest, Phase, Status
from service.context import Context
from service.encoding import Encoder, EncoderChanged, unit, unpack
from service.intents.schemas import Intent
from service.intents.store import intent_ids, list_intents
from service.jobs import Job
from service.learning.head import NEVER, NONE, Head, decide
from service.learning.types import Bools1d, Floats2d, Ints1d
from service.reviews.labels import training_labels
from service.reviews.schemas import TrainingLabel
from service.streams import Streams
from service.turns.schemas import IntentScore
from service.turns.store import scores_of, texts_of
from workers import gating, platforms, prototypes, tagging, trainer
from workers.hints import Hints
from workers.listening import Said, listen
from workers.platforms import FittedScale
from workers.tagging import FittedTagger

log = structlog.get_logger()

LABEL, TURN, VECTOR, CANDIDATE = tables.label, tables.turn, tables.vector, tables.candidate
NOT_LOG = ("import", "gold")  # sources
WARM_UNTIL = 10  # labels per intent
PATIENCE_S = 30.0  # for examples imported a moment ago, before the first classifier
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
    said: Said | None = None  # by the bot's labelling functions

    @property
    def inputs(self) -> Inputs:
        intents = {intent.name: intent.id for intent in self.intents}
        set_id = self.said.set_id if self.said else None
        return Inputs(self.encoder, intents, len(self.labels), self.last_label_id, len(self.log_ids), set_id)


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


def look(context: Context, encoder: Encoder, bot: str) -> Snapshot:
    """The snapshot of now. EncoderChanged when a promotion or rollback changes the encoder at this very moment: the
    champion and the vectors would be those of different encoders."""
    identity = encoder.identity(bot)
    with database.reading(context.engine) as connection:
        seen = _read(connection, bot, identity)
    if encoder.identity(bot) != identity:
        raise EncoderChanged(f"the encoder of bot {bot!r} has just changed")
    return heard(context, bot, seen)


def heard(context: Context, bot: str, seen: Snapshot) -> Snapshot:
    """The snapshot with what the bot's labelling functions say about its turns."""
    return seen._replace(
        said=listen(context, bot, [label.turn_id for label in seen.labels], seen.log_ids, seen.intents)
    )


def fit(context: Context, encoder: Encoder, bot: str, seen: Snapshot, *, tuning: trainer.Tuning | None) -> str:
    """Fit and store the next classifier; what became of it. `encoder` is that of the snapshot's vectors."""
    started, n = time.monotonic(), seen.newest_n + 1
    seed = zlib.crc32(f"{bot}/{n}/{seen.last_label_id}".encode())
    fitted = learn(encoder, bot, seen, seed=seed, tuning=tuning)
    tagger = tagging.fit(context, encoder, bot, seen.labels, seen.log_ids, seed=seed)
    scored = platforms.fit_scale(seen.labels, seen.scores, seen.names)
    manifest = _manifest(seen, fitted, tagger, scored, seed, round(time.monotonic() - started, 3))
    outcome = _store(context, bot, seen, fitted.head, tagger, manifest)
    log.info("classifier.trained", bot=bot, n=n, outcome=outcome, labels=manifest.labels, seconds=manifest.seconds)
    return outcome


def learn(encoder: Encoder, bot: str, seen: Snapshot, *, seed: int, tuning: trainer.Tuning | None) -> trainer.Fitted:
    """A head on what the snapshot holds; nothing is stored. `encoder` is that of its vectors."""
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
        .where(TURN.c.bot == bot, TURN.c.source.not_in(NOT_LOG), TURN.c.is_slot_fill.is_(False))
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


def tuning_of(newest: Manifest | None) -> trainer.Tuning | None:
    return None if newest is None else trainer.Tuning(newest.c, newest.c_searched_at)


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
    trial = None if seen.champion is None else _trial(seen, seen.champion, head, manifest, now)
    with database.writing(context.engine) as connection:
        connection.execute(sa.select(tables.bot.c.name).where(tables.bot.c.name == bot).with_for_update())
        if store.newest_n(connection, bot) != seen.newest_n or store.champion_n(connection, bot) != compared:
            return "stale"
        if trial is None or trial[0].status == "open":  # one that is held at once takes no answers away from another
            gates.void(connection, bot, f"classifier {seen.newest_n + 1} was trained", now)
        if trial is None:
            n = store.save(connection, bot, head, manifest, "challenger", now, tagger=model)
            store.promote(connection, bot, n, compared)
            audit.record(connection, bot, "classifier.promoted", now, audit.SYSTEM, n=n, champion=compared)
            return "champion"
        gate, flips = trial
        status: Status = "challenger" if gate.status == "open" else "held"
        store.save(connection, bot, head, manifest, status, now, tagger=model)
        gates.add(connection, bot, gate, flips)
        return status


def _trial(
    seen: Snapshot, champion: Classifier, head: Head, manifest: Manifest, now: datetime
) -> tuple[Gate, list[Flip]] | None:
    """The gate and its flips, each of the two deciding by its own encoder; None when there is nothing to defend: the
    champion's encoder is gone, and with it everything it could read, or nobody has answered a card yet, and both know
    only what the owner wrote. A challenger that brings an encoder of its own is always tried."""
    both_cold = manifest.phase == "cold" and champion.manifest.phase == "cold"
    if champion.encoder != seen.live or (both_cold and seen.encoder == seen.live):
        return None
    before, after = decide(champion.head, seen.live_log), decide(head, seen.log)
    differ = before != after
    reason = rules.hopeless(len(seen.log_ids), int(differ.sum()))
    gate = Gate(
        challenger=seen.newest_n + 1,
        champion=champion.n,
        status="held" if reason else "open",
        compared=len(seen.log_ids),
        disagreed=int(differ.sum()),
        opened_at=now,
        decided_at=now if reason else None,
        reason=reason,
    )
    picked = [] if reason else draw(differ, np.random.default_rng(manifest.seed))
    return gate, [Flip(seen.log_ids[i], int(before[i]) or None, int(after[i]) or None) for i in picked]


def draw(differ: Bools1d, rng: np.random.Generator) -> list[int]:
    """Up to 40 of the rows that differ, each with the same chance."""
    rows = np.flatnonzero(differ)
    picked: list[int] = rng.choice(rows, min(rules.MOST_FLIPS, len(rows)), replace=False).tolist()
    return picked
