"""A batch of one bot's facts becomes rows: redacted, embedded, assessed, stored in one transaction.

Repeating a batch, whole or in part, changes nothing: what is stored already is left as it is, and what follows the
transaction (the neighbour index, the reports job) is done again in full, for the first time may have died before it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

import msgspec
import numpy as np
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError

from service import database, jobs
from service.bots.schemas import Bot
from service.bots.store import get_bot
from service.classifiers.cache import Champions
from service.context import Context
from service.encoding import Encoder, pack
from service.errors import DatabaseDown
from service.intents.examples import ExampleLabel, example_label, insert_example_labels
from service.intents.store import intent_ids
from service.jobs import Job
from service.learning.structure import entity_signature
from service.learning.types import Floats2d
from service.reports import store as reports
from service.reports.store import NewReport
from service.reviews.candidates import vectors_of
from service.streams import redis_errors
from service.turns import store
from service.turns.rules import person, text_key
from service.turns.schemas import Entity, Envelope, Example, Reply, Report, Turn
from service.turns.store import Arrival, ExternalKey, NewReply, NewTurn
from workers.redaction import Redacted, Redactor, move_entities
from workers.scoring import Assessment, assess, store_assessments


class Batch(NamedTuple):
    """Facts ready to be stored, in the order they came; each key once."""

    turns: dict[ExternalKey, NewTurn]
    replies: list[NewReply]
    reports: list[NewReport]
    labels: dict[ExternalKey, ExampleLabel]  # of the turns that are examples


class Seen(NamedTuple):
    """What the encoder and the champion make of a batch's turns, in their order."""

    encoder: str
    vectors: Floats2d
    n: int = 0  # the champion; 0 when there is none, or none for this encoder
    assessments: Sequence[Assessment | None] = ()


class Recorder:
    """Holds the redactor and the champions of all bots."""

    def __init__(self, context: Context, encoder: Encoder, redactor: Redactor) -> None:
        self._context, self._encoder, self._redactor = context, encoder, redactor
        self._champions = Champions(context.engine)

    def record(self, bot: str, envelopes: Sequence[Envelope], now: datetime) -> None:
        """Unavailable when the database, Redis or the encoder is down; any other error is the facts' own."""
        with sql_errors():
            known = self._read(bot, envelopes)
            batch = self._prepare(*known, envelopes)
            seen = self._look(known[0], list(batch.turns.values()))
            self._store(bot, batch, seen, now)
            self._follow(bot, batch, seen)

    def _read(self, bot: str, envelopes: Iterable[Envelope]) -> tuple[Bot, Mapping[str, int]]:
        has_examples = any(isinstance(envelope.fact, Example) for envelope in envelopes)
        with database.reading(self._context.engine) as connection:
            return get_bot(connection, bot), intent_ids(connection, bot) if has_examples else {}

    def _prepare(self, bot: Bot, ids: Mapping[str, int], envelopes: Iterable[Envelope]) -> Batch:
        batch = Batch({}, [], [], {})
        for envelope in envelopes:
            arrival = Arrival(envelope.source, envelope.delivery_id, envelope.received_at)
            match envelope.fact:
                case Turn() as turn:
                    new = self._turn(bot, arrival, turn)
                    batch.turns.setdefault(new.key, new)
                case Example() as example:
                    new = self._turn(bot, arrival, _turn_of(example))
                    if batch.turns.setdefault(new.key, new) is new:
                        batch.labels[new.key] = example_label(bot.name, example, new.turn.entities, ids)
                case Reply() as reply:
                    batch.replies.append(NewReply(arrival, self._reply(bot, reply)))
                case Report() as report:
                    batch.reports.append(self._report(bot, arrival, report))
        return batch

    def _redact(self, bot: Bot, text: str) -> Redacted:
        return self._redactor.redact(text, bot.patterns)

    def _turn(self, bot: Bot, arrival: Arrival, turn: Turn) -> NewTurn:
        redacted = self._redact(bot, turn.text)
        entities = move_entities(redacted, turn.entities, len(turn.text))
        keyring = self._context.keyring
        return NewTurn(
            arrival,
            msgspec.structs.replace(turn, text=redacted.text, entities=entities, user=""),
            redacted.redactions,
            person(keyring, bot.name, turn.user),
            text_key(keyring, redacted.text),
            _signature(entities),
        )

    def _reply(self, bot: Bot, reply: Reply) -> Reply:
        return msgspec.structs.replace(reply, text=self._redact(bot, reply.text).text)

    def _report(self, bot: Bot, arrival: Arrival, report: Report) -> NewReport:
        clean = msgspec.structs.replace(report, comment=self._redact(bot, report.comment).text, user="")
        return NewReport(arrival, clean, person(self._context.keyring, bot.name, report.user))

    def _look(self, bot: Bot, turns: Sequence[NewTurn]) -> Seen:
        if not turns:
            return Seen("", np.zeros((0, 0), np.float32))
        identity = self._encoder.identity(bot.name)
        vectors = self._encoder.encode(bot.name, [new.turn.text for new in turns])
        champion = self._champions.get(bot.name)
        if champion is None or champion.encoder != identity:
            return Seen(identity, vectors)  # the job RESCORE, or REEMBED, brings these turns before a champion
        return Seen(identity, vectors, champion.n, assess(champion, bot, vectors, turns, self._context.keyring))

    def _store(self, bot: str, batch: Batch, seen: Seen, now: datetime) -> None:
        vectors = dict(zip(batch.turns, seen.vectors, strict=True))
        assessed = dict(zip(batch.turns, seen.assessments, strict=True)) if seen.n else {}
        with database.writing(self._context.engine) as connection:
            new = store.insert_turns(connection, bot, list(batch.turns.values()))
            store.insert_vectors(
                connection, seen.encoder, {turn_id: pack(vectors[key]) for key, turn_id in new.items()}
            )
            labels = {new[key]: label for key, label in batch.labels.items() if key in new}
            insert_example_labels(connection, bot, labels, now)
            kept = {new[key]: one for key, one in assessed.items() if key in new and one}
            store_assessments(connection, bot, seen.n, kept, now)
            store.insert_replies(connection, bot, batch.replies)
            reports.insert_reports(connection, bot, batch.reports)

    def _follow(self, bot: str, batch: Batch, seen: Seen) -> None:
        """Make the turns findable as neighbours, as they are stored, and have reports on any of these facts weighed."""
        turns = list(batch.turns)
        replies = [(new.arrival.source, new.reply.external_id) for new in batch.replies]
        with database.reading(self._context.engine) as connection:
            ids, vectors = vectors_of(connection, store.turn_ids(connection, bot, turns).values(), seen.encoder)
            is_reported = bool(batch.reports) or reports.is_any_reported(connection, bot, turns, replies)
        if len(ids):
            self._encoder.add(bot, ids.tolist(), vectors)
        if is_reported:
            with redis_errors():
                jobs.enqueue(self._context.queue, Job.REPORTS, bot)


def _turn_of(example: Example) -> Turn:
    shared = ("external_id", "text", "at", "entities", "lang")
    return Turn(**{name: getattr(example, name) for name in shared})


def _signature(entities: Iterable[Entity]) -> str:
    return entity_signature((entity.start, entity.type) for entity in entities)


@contextmanager
def sql_errors() -> Iterator[None]:
    """Turn an outage of the database, or waiting for it in vain, into DatabaseDown; any other error of its passes."""
    try:
        yield
    except sa.exc.TimeoutError as error:
        raise DatabaseDown("no free connection to the database") from error
    except DBAPIError as error:
        if isinstance(error, OperationalError) or error.connection_invalidated:
            raise DatabaseDown(f"the database does not answer: {type(error.orig).__name__}") from error
        raise
