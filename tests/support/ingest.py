"""Ingest in the test's own thread, one round at a time, on a clock the test moves."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import sqlalchemy as sa

from service import database
from service.bots.schemas import Pattern
from service.bots.store import create_bot
from service.context import Context
from service.encoding import Encoder
from service.intents.store import create_intents
from service.streams import DeadLetter, Streams
from service.turns.schemas import Entity, Example, Fact, Receipt, Reply, Report, Turn
from tests.support.encoder import FakeEncoder
from workers import ingest
from workers.ingest import Lane, Reader
from workers.recording import Recorder
from workers.redaction import redactor

BOT = "shop"
AT = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
ORDER = Pattern("order_id", r"ORD-\d{6}")


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Desk(NamedTuple):
    """A bot, its stream, and a worker's hand on it."""

    context: Context
    encoder: Encoder
    streams: Streams
    stop: threading.Event
    clock: Clock

    def send(self, *facts: Fact, delivery_id: str = "d-1", bot: str = BOT, source: str = "native") -> Receipt:
        return self.streams.append(bot, source, delivery_id, facts, Receipt(accepted=len(facts)), AT)

    def reader(self, consumer: str = "a", *, recorder: Recorder | None = None) -> Reader:
        """A worker that has just started."""
        recorder = recorder or Recorder(self.context, self.encoder, redactor())
        return ClockedReader(self.streams, recorder, consumer, self.stop, self.clock)

    def ingest(self, reader: Reader | None = None, *, rounds: int = 50) -> Reader:
        """Rounds until nothing is left to do, time passing between them."""
        reader = reader or self.reader()
        for _ in range(rounds):
            self.clock.seconds += 60
            if not reader.round():
                return reader
        raise AssertionError(f"not done after {rounds} rounds")

    def dead(self) -> list[DeadLetter]:
        return self.streams.dead_list(BOT)

    def rows(self, table: sa.Table, *columns: str) -> list[tuple[object, ...]]:
        """In the order of the primary key."""
        query = sa.select(*(table.c[name] for name in columns)).order_by(*table.primary_key)
        with database.reading(self.context.engine) as connection:
            return [tuple(row) for row in connection.execute(query)]


class ClockedReader(Reader):
    """A reader whose lanes read the test's clock."""

    def __init__(
        self, streams: Streams, recorder: Recorder, consumer: str, stop: threading.Event, clock: Clock
    ) -> None:
        super().__init__(streams, recorder, consumer, stop)
        self._clock = clock

    def _lane(self, bot: str) -> Lane:
        if bot not in self._lanes:
            self._lanes[bot] = Lane(bot, self._streams, self._recorder, self._consumer, self._stop, self._clock)
        return self._lanes[bot]


def open_desk(context: Context, encoder: Encoder | None = None, *, bots: Sequence[str] = (BOT,)) -> Desk:
    """Bots with the intents `refund` and `cancel_order` and a pattern of their own."""
    for bot in bots:
        with database.writing(context.engine) as connection:
            create_bot(connection, bot, AT, patterns=[ORDER])
            create_intents(connection, bot, {"refund": "", "cancel_order": ""}, AT)
    streams = Streams(context.redis, context.keyring, context.settings.stream_bound)
    return Desk(context, encoder or FakeEncoder(), streams, threading.Event(), Clock())


def turn(external_id: str, text: str = "where is my card", **fields: object) -> Turn:
    return Turn(**{"external_id": external_id, "text": text, "at": AT, "conversation_id": "c-1"} | fields)  # type: ignore[arg-type]


def turns(count: int, prefix: str = "t") -> list[Turn]:
    return [turn(f"{prefix}-{n}", f"question number {n}") for n in range(count)]


def reply(external_id: str, text: str = "on its way", **fields: object) -> Reply:
    return Reply(**{"external_id": external_id, "text": text, "at": AT, "conversation_id": "c-1"} | fields)  # type: ignore[arg-type]


def report(external_id: str, **fields: object) -> Report:
    return Report(**{"external_id": external_id, "kind": "thumbs_down", "at": AT} | fields)  # type: ignore[arg-type]


def example(
    external_id: str, text: str, intent: str, *, entities: tuple[Entity, ...] = (), use: str = "train"
) -> Example:
    return Example(external_id=external_id, text=text, at=AT, intent=intent, entities=entities, use=use)  # type: ignore[arg-type]


__all__ = (
    "AT",
    "BOT",
    "Clock",
    "Desk",
    "example",
    "ingest",
    "open_desk",
    "redactor",
    "reply",
    "report",
    "turn",
    "turns",
)
