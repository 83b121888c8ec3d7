"""`workers ingest`: facts from the streams into SQL, exactly once.

Bots take turns, a quota of entries each. An entry is settled, acknowledged and deleted, only after the transaction that
stored it, and storing twice changes nothing, so a death at any point costs a repeat and no more. A batch that fails is
tried again one entry at a time; so is one that was in hand when a worker died. Each such try is counted *before* it is
made and forgotten on success: an entry that fails five times alone, or kills its worker, becomes a dead letter. When
the database, Redis or the encoder is down nothing is counted: ingest waits, and begins where it stopped.
"""

import threading
import time
from collections.abc import Callable, Iterator

import structlog

from service import clock
from service.context import Context
from service.encoding import Encoder
from service.errors import EncoderDown, Unavailable
from service.streams import Entry, Streams
from workers.recording import Recorder
from workers.redaction import Redactor

QUOTA = 32  # entries of a bot in one round and one transaction: under 20 ms on SQLite and Postgres
TRIES = 5
RETRY_S = 1.0  # before entries that failed alone are tried again
RECLAIM_EVERY_S = 5.0
# A live worker holds entries for a batch's time: at most the encoder's deadline (10 s) and a wait for SQLite (15 s).
# Older claims belong to a worker that died. This one's own are taken up at once, at its start.
RECLAIM_IDLE_S = 30.0
IDLE_S = (0.02, 0.05, 0.1, 0.2)  # waits after rounds without an entry
DOWN_S = (0.2, 0.5, 1.0, 2.0, 5.0)  # waits while a dependency is down

log = structlog.get_logger()


def run(context: Context, encoder: Encoder, stop: threading.Event, consumer: str) -> None:
    """Ingest until told to stop; then the batch in hand is finished. `consumer` names this process among others."""
    streams = Streams(context.redis, context.keyring, context.settings.stream_bound)
    reader = Reader(streams, Recorder(context, encoder, Redactor()), consumer, stop)
    log.info("ingest.started", consumer=consumer)
    idle, down = Waits(IDLE_S), Waits(DOWN_S)
    while not stop.is_set():
        try:
            worked = reader.round()
        except Unavailable as error:
            wait = down.next()
            log.warning("ingest.paused", error=error.type, wait_s=wait)
        else:
            down.reset()
            wait = idle.reset() if worked else idle.next()
        stop.wait(wait)
    log.info("ingest.stopped", consumer=consumer)


class Waits:
    """Longer and longer waits, until reset."""

    def __init__(self, seconds: tuple[float, ...]) -> None:
        self._seconds, self._position = seconds, 0

    def next(self) -> float:
        wait = self._seconds[min(self._position, len(self._seconds) - 1)]
        self._position += 1
        return wait

    def reset(self) -> float:
        self._position = 0
        return 0.0


class Reader:
    """Deals rounds: each bot its quota, a different bot first each time."""

    def __init__(self, streams: Streams, recorder: Recorder, consumer: str, stop: threading.Event) -> None:
        self._streams, self._recorder, self._consumer, self._stop = streams, recorder, consumer, stop
        self._lanes: dict[str, Lane] = {}
        self._first = 0

    def round(self) -> bool:
        """Whether anything was done. An outage ends the round; what was in hand stays in hand."""
        worked = False
        for lane in self._in_turn():
            if self._stop.is_set():
                break
            worked = lane.step() or worked
        return worked

    def _in_turn(self) -> "Iterator[Lane]":
        bots = self._streams.bots()
        self._first += 1  # before the steps: a bot whose step ends the round does not come first again
        for i in range(len(bots)):
            yield self._lane(bots[(self._first + i) % len(bots)])

    def _lane(self, bot: str) -> "Lane":
        if bot not in self._lanes:
            self._lanes[bot] = Lane(bot, self._streams, self._recorder, self._consumer, self._stop)
        return self._lanes[bot]


class Lane:
    """One bot's entries in hand: a batch, and suspects that are tried alone."""

    def __init__(
        self,
        bot: str,
        streams: Streams,
        recorder: Recorder,
        consumer: str,
        stop: threading.Event,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bot, self._streams, self._recorder = bot, streams, recorder
        self._consumer, self._stop, self._elapsed = consumer, stop, elapsed
        self._batch: list[Entry] = []
        self._suspects: dict[str, Entry] = {}
        self._is_past_taken_up = False  # what an earlier life of this consumer left
        self._retry_at = self._reclaim_at = self._resume_at = 0.0
        self._down = Waits(DOWN_S)

    def step(self) -> bool:
        """Read and store up to a quota of entries; whether there were any.

        An outage leaves all in hand. The encoder's concerns this bot alone, for bots may have encoders of their own.
        """
        if self._elapsed() < self._resume_at:
            return False
        try:
            worked = self._work()
        except EncoderDown as error:
            wait = self._down.next()
            self._resume_at = self._elapsed() + wait
            log.warning("bot.paused", bot=self._bot, error=error.type, wait_s=wait)
            return False
        self._down.reset()
        return worked

    def _work(self) -> bool:
        if not self._batch and not self._suspects:
            self._suspects = self._left_behind()
        worked = self._try_alone()
        if len(self._suspects) < QUOTA:  # where everything fails, take no more until some of it is settled or buried
            worked = self._try_batch() or worked
        return worked

    def _left_behind(self) -> dict[str, Entry]:
        """Entries in the hand of a worker that died: of an earlier life of this consumer, then of others."""
        if not self._is_past_taken_up:
            found = self._streams.pending(self._bot, self._consumer, QUOTA)
            self._is_past_taken_up = not found
            return _by_id(found)
        if self._elapsed() < self._reclaim_at:
            return {}
        found = self._streams.reclaim(self._bot, self._consumer, QUOTA, RECLAIM_IDLE_S)
        self._reclaim_at = self._elapsed() + (0 if found else RECLAIM_EVERY_S)
        return _by_id(found)

    def _try_batch(self) -> bool:
        self._batch = self._batch or self._streams.fresh(self._bot, self._consumer, QUOTA)
        if not self._batch:
            return False
        try:
            self._record(self._batch)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, each entry now has to show whether it is its own
            log.warning("batch.failed", bot=self._bot, entries=len(self._batch), error=_name(error))
            self._suspects |= _by_id(self._batch)
        self._batch = []
        return True

    def _try_alone(self) -> bool:
        if not self._suspects or self._elapsed() < self._retry_at:
            return False
        for entry in list(self._suspects.values()):
            if self._stop.is_set():
                return True
            if self._is_done_with(entry):
                del self._suspects[entry.id]
        self._retry_at = self._elapsed() + RETRY_S
        return True

    def _is_done_with(self, entry: Entry) -> bool:
        """Try an entry alone: stored, buried, or somebody else's by now; else it has to be tried again."""
        tries = self._streams.charge(self._bot, self._consumer, entry.id)
        if tries is None:
            return True
        if tries > TRIES:
            return self._bury(entry, "WorkerDied")
        try:
            self._record([entry])
        except Unavailable:
            self._streams.refund(self._bot, entry.id)
            raise
        except Exception as error:  # noqa: BLE001 - the entry's own failure, counted above
            log.warning("entry.failed", bot=self._bot, entry=entry.id, tries=tries, error=_name(error))
            return tries == TRIES and self._bury(entry, _name(error))
        return True

    def _record(self, entries: list[Entry]) -> None:
        started = self._elapsed()
        envelopes = [self._streams.open(self._bot, entry.sealed) for entry in entries]
        self._recorder.record(self._bot, envelopes, clock.now())
        self._streams.settle(self._bot, [entry.id for entry in entries])
        ms = round(1000 * (self._elapsed() - started))
        log.debug("batch.stored", bot=self._bot, entries=len(entries), ms=ms)

    def _bury(self, entry: Entry, error: str) -> bool:
        self._streams.bury(self._bot, entry, failures=TRIES, error=error, now=clock.now())
        log.error("entry.buried", bot=self._bot, entry=entry.id, error=error)
        return True


def _by_id(entries: list[Entry]) -> dict[str, Entry]:
    return {entry.id: entry for entry in entries}


def _name(error: Exception) -> str:
    """The class only: messages quote what they complain of, and so a person."""
    return type(error).__name__
