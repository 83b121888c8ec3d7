"""Redis: every key in one table, and the stream of facts per bot.

A delivery is appended whole, with the answer to it, by one script. `workers ingest` reads a stream as the consumer
group `ingest` and settles an entry (acknowledges *and* deletes it) once its SQL transaction has committed, so what is
in a stream is what is not yet in SQL. Everything that could hold a person's words is sealed. Commands are those of
Redis 6.2; an outage of any kind is RedisDown.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import resources
from typing import Any, NamedTuple, cast

import msgspec
from redis import Redis
from redis.client import Pipeline
from redis.commands.core import Script
from redis.exceptions import ClusterDownError, OutOfMemoryError, ReadOnlyError, ResponseError, TryAgainError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from service.errors import NotFound, RedisDown, StreamFull
from service.keyring import Keyring
from service.turns.schemas import Envelope, Fact, Receipt, decode_envelope, encode_envelope


class Key(NamedTuple):
    """A key's pattern; `{bot}` becomes the hash tag, so that all keys of a bot live in one slot of a Redis Cluster."""

    pattern: str

    def of(self, bot: str, **parts: str) -> str:
        return self.pattern.format(bot="{" + bot + "}", **parts)


TURNS = Key("fp:{bot}:v1:turns")  # stream of sealed envelopes; group "ingest"
DEAD = Key("fp:{bot}:v1:dead")  # stream of sealed envelopes that failed five times on their own
FAILURES = Key("fp:{bot}:v1:failures")  # hash: entry id -> its own failures so far
DELIVERY = Key("fp:{bot}:v1:delivery:{source}:{id}")  # the first answer to a delivery, sealed; 8 days
COUNTED = Key("fp:{bot}:v1:counted")  # hash: source:what -> how often since the beginning
COUNTED_ON = Key("fp:{bot}:v1:counted:{day}")  # the same of a day of UTC; 60 days
HEARD = Key("fp:{bot}:v1:heard")  # hash: source -> when its newest delivery was taken, seconds since 1970
PENDING = Key("fp:{bot}:v1:pending:{job}")  # flag: the job is queued and has not begun; 2 minutes
ENCODE_REQUESTS = "fp:encode:v1:requests"  # list: requests to the encode process asked over Redis; 1 minute
ENCODE_REPLY = "fp:encode:v1:reply:"  # + the request's id, list: its one reply; 1 minute
BOTS = "fp:bots"  # set: bots that ever had a stream

GROUP = "ingest"
STREAM_ID = re.compile(r"\d+-\d+")
DELIVERY_S = 8 * 24 * 3600  # senders retry for 75 hours at most
COUNTED_S = 60 * 24 * 3600
# Answers that mean "not now" rather than "never": disk or memory full, a replica, a cluster or replicas away.
OUTAGES = (OutOfMemoryError, ReadOnlyError, ClusterDownError, TryAgainError)
# … and those redis-py has no class for, or that a script of Redis 6.2 wraps into an error of its own.
OUTAGE_WORDS = ("MISCONF", "OOM command not allowed", "READONLY", "NOREPLICAS")

_decode_receipt = msgspec.msgpack.Decoder(Receipt).decode
_encode_receipt = msgspec.msgpack.Encoder().encode


class Entry(NamedTuple):
    """One entry of a stream, still sealed."""

    id: str
    sealed: bytes


class DeadLetter(NamedTuple):
    id: str
    entry_id: str  # its id while it was in the stream
    failures: int
    error: str  # the error's class: messages may quote a person
    at: datetime
    sealed: bytes


class Waiting(NamedTuple):
    """How much stands in a bot's stream, since when, and how many dead letters it has."""

    entries: int
    since: datetime | None
    dead: int


class DeadLetterNotFound(NotFound):
    type = "dead-letter-not-found"

    def __init__(self, bot: str, dead_id: str) -> None:
        super().__init__(f"bot {bot!r} has no dead letter {dead_id!r}", hint="`fencepost dead list` names them")


@contextmanager
def redis_errors() -> Iterator[None]:
    """Turn an outage of Redis into RedisDown; any other error of its passes."""
    try:
        yield
    except (RedisConnectionError, RedisTimeoutError) as error:
        raise RedisDown(f"no answer from Redis: {error}", hint="is `fencepost up` running?") from error
    except ResponseError as error:
        if isinstance(error, OUTAGES) or any(word in str(error) for word in OUTAGE_WORDS):
            raise RedisDown(f"Redis takes no writes: {error}") from error
        raise


class Streams:
    """The streams of all bots. Safe to share between threads."""

    def __init__(self, redis: Redis, keyring: Keyring, bound: int) -> None:
        self._redis, self._keyring, self._bound = redis, keyring, bound
        self._append, self._charge, self._replay = (_script(redis, name) for name in ("append", "charge", "replay"))

    def append(
        self, bot: str, source: str, delivery_id: str, facts: Sequence[Fact], receipt: Receipt, received_at: datetime
    ) -> Receipt:
        """Append a delivery's facts, durably; the answer to give. A known delivery appends nothing and gets its first.

        StreamFull at the bound, RedisDown when Redis is away: then nothing was appended, or a repeat will find it all.
        """
        day = received_at.date().isoformat()
        keys = [TURNS.of(bot), DELIVERY.of(bot, source=source, id=delivery_id)]
        keys += [COUNTED.of(bot), COUNTED_ON.of(bot, day=day), HEARD.of(bot)]
        answer = self._keyring.seal(f"receipt:{bot}", _encode_receipt(receipt))
        entries = [
            self._seal(Envelope(bot=bot, source=source, delivery_id=delivery_id, received_at=received_at, fact=fact))
            for fact in facts
        ]
        with redis_errors():
            self._redis.sadd(BOTS, bot)  # first: a stream that no reader knows of would wait for ever
            counts = [part for pair in receipt.counts().items() for part in pair]
            told = [source, int(received_at.timestamp()), COUNTED_S, len(counts), *counts]
            outcome, first = self._append(keys, [self._bound, DELIVERY_S, answer, *told, *entries])
        if outcome == b"full":
            raise StreamFull(bot, self._bound)
        return _decode_receipt(self._keyring.open(f"receipt:{bot}", first)) if outcome == b"known" else receipt

    def knows(self, bot: str, source: str, delivery_id: str) -> bool:
        """Whether the delivery was appended, within the last eight days."""
        with redis_errors():
            return bool(self._redis.exists(DELIVERY.of(bot, source=source, id=delivery_id)))

    def _seal(self, envelope: Envelope) -> bytes:
        return self._keyring.seal(f"stream:{envelope.bot}", encode_envelope(envelope))

    def open(self, bot: str, sealed: bytes) -> Envelope:
        """Undecipherable when another key sealed it, msgspec.DecodeError when it is not an envelope."""
        return decode_envelope(self._keyring.open(f"stream:{bot}", sealed))

    def depth(self, bot: str) -> int:
        """Entries not yet settled."""
        with redis_errors():
            return int(self._redis.xlen(TURNS.of(bot)))

    def waiting(self, bots: Sequence[str]) -> dict[str, Waiting]:
        """Of each bot, in one round trip. An entry's id begins with when it was appended, in milliseconds."""
        with redis_errors(), self._redis.pipeline(transaction=False) as pipeline:
            for bot in bots:
                pipeline.xlen(TURNS.of(bot))
                pipeline.xrange(TURNS.of(bot), count=1)
                pipeline.xlen(DEAD.of(bot))
            found = pipeline.execute()
        return {bot: _waiting(*found[3 * n : 3 * n + 3]) for n, bot in enumerate(bots)}

    def bots(self) -> list[str]:
        with redis_errors():
            return sorted(cast(bytes, name).decode() for name in self._redis.smembers(BOTS))

    def fresh(self, bot: str, consumer: str, count: int) -> list[Entry]:
        """Entries no consumer has seen; they are this consumer's from now on."""
        return self._read(bot, consumer, count, ">")

    def pending(self, bot: str, consumer: str, count: int) -> list[Entry]:
        """Entries this consumer has read and not settled, oldest first."""
        return self._read(bot, consumer, count, "0")

    def _read(self, bot: str, consumer: str, count: int, start: str) -> list[Entry]:
        stream = TURNS.of(bot)
        with redis_errors():
            answer = self._in_group(stream, lambda: self._redis.xreadgroup(GROUP, consumer, {stream: start}, count))
            return self._entries(stream, answer[0][1] if answer else [])

    def reclaim(self, bot: str, consumer: str, count: int, idle_s: float) -> list[Entry]:
        """Take over entries that some consumer, this one or another, read and has held for `idle_s`."""
        stream, idle_ms = TURNS.of(bot), int(idle_s * 1000)
        with redis_errors():
            # Two parts on Redis 6.2, three from 7.0 on: the entries are the second.
            parts = self._in_group(
                stream, lambda: self._redis.xautoclaim(stream, GROUP, consumer, idle_ms, count=count)
            )
            return self._entries(stream, parts[1])

    def _in_group(self, stream: str, call: Callable[[], Any]) -> Any:
        """The call's answer; the group is made first where there is none: a new stream, or a Redis that was flushed."""
        try:
            return call()
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
        self._create_group(stream)
        return call()

    def _create_group(self, stream: str) -> None:
        try:
            self._redis.xgroup_create(stream, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):  # another reader was first
                raise

    def _entries(self, stream: str, rows: Sequence[tuple[bytes | None, Mapping[bytes, bytes] | None]]) -> list[Entry]:
        """Leave out, and acknowledge, entries deleted while pending: no fields, on Redis 6.2 not even an id."""
        if gone := [entry_id for entry_id, fields in rows if entry_id and not fields]:
            self._redis.xack(stream, GROUP, *gone)
        return [Entry(entry_id.decode(), fields[b"e"]) for entry_id, fields in rows if entry_id and fields]

    def charge(self, bot: str, consumer: str, entry_id: str) -> int | None:
        """Count a try of an entry alone, before it is made; how many that makes. None: another consumer has it."""
        stream, arguments = TURNS.of(bot), [GROUP, consumer, entry_id]
        with redis_errors():
            tries = self._in_group(stream, lambda: self._charge([stream, FAILURES.of(bot)], arguments))
        return None if tries is None else int(tries)

    def refund(self, bot: str, entry_id: str) -> None:
        """Take a charge back: the try ended for a reason that was not the entry's."""
        with redis_errors():
            self._redis.hincrby(FAILURES.of(bot), entry_id, -1)

    def settle(self, bot: str, entry_ids: Sequence[str]) -> None:
        """Acknowledge and delete, at once: their effects are committed in SQL."""
        if entry_ids:
            with redis_errors(), self._redis.pipeline(transaction=True) as pipeline:
                self._settle(pipeline, bot, entry_ids)
                pipeline.execute()

    def _settle(self, pipeline: Pipeline, bot: str, entry_ids: Sequence[str]) -> None:
        pipeline.xack(TURNS.of(bot), GROUP, *entry_ids)
        pipeline.xdel(TURNS.of(bot), *entry_ids)
        pipeline.hdel(FAILURES.of(bot), *entry_ids)

    def bury(self, bot: str, entry: Entry, *, failures: int, error: str, now: datetime) -> None:
        """Move an entry to the dead letters, still sealed. `error` is a class name, in the clear."""
        letter = {"e": entry.sealed, "id": entry.id, "failures": failures, "error": error, "at": now.isoformat()}
        with redis_errors(), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.xadd(DEAD.of(bot), cast(Any, letter))
            self._settle(pipeline, bot, [entry.id])
            pipeline.execute()

    def dead_count(self, bot: str) -> int:
        with redis_errors():
            return int(self._redis.xlen(DEAD.of(bot)))

    def dead_list(self, bot: str, *, after: str = "", count: int = 100) -> list[DeadLetter]:
        """Dead letters, oldest first; the next page starts after the last one's id."""
        with redis_errors():
            rows = cast(Any, self._redis.xrange(DEAD.of(bot), min=f"({after}" if after else "-", count=count))
        return [_dead_letter(dead_id, fields) for dead_id, fields in rows]

    def dead_letter(self, bot: str, dead_id: str) -> DeadLetter:
        """DeadLetterNotFound when there is none of that id."""
        if STREAM_ID.fullmatch(dead_id):
            with redis_errors():
                rows = cast(Any, self._redis.xrange(DEAD.of(bot), dead_id, dead_id))
            if rows:
                return _dead_letter(*rows[0])
        raise DeadLetterNotFound(bot, dead_id)

    def dead_replay(self, bot: str, dead_id: str) -> None:
        """Put a dead letter at the end of the stream again, at the bound too; DeadLetterNotFound."""
        self.dead_letter(bot, dead_id)
        with redis_errors():
            moved = self._replay([DEAD.of(bot), TURNS.of(bot)], [dead_id])
        if not moved:
            raise DeadLetterNotFound(bot, dead_id)

    def dead_drop(self, bot: str, dead_id: str) -> None:
        """Delete a dead letter for good; DeadLetterNotFound."""
        self.dead_letter(bot, dead_id)
        with redis_errors():
            self._redis.xdel(DEAD.of(bot), dead_id)


def _script(redis: Redis, name: str) -> Script:
    return redis.register_script(resources.files("service").joinpath(f"lua/{name}.lua").read_text("utf-8"))


def _waiting(entries: int, oldest: Sequence[tuple[bytes, Any]], dead: int) -> Waiting:
    return Waiting(entries, _instant(oldest[0][0]) if oldest else None, dead)


def _instant(entry_id: bytes) -> datetime:
    """The milliseconds that an id begins with.

    >>> _instant(b"1772442904120-0").isoformat()
    '2026-03-02T09:15:04.120000+00:00'
    """
    return datetime.fromtimestamp(int(entry_id.partition(b"-")[0]) / 1000, UTC)


def _dead_letter(dead_id: bytes, fields: Mapping[bytes, bytes]) -> DeadLetter:
    return DeadLetter(
        dead_id.decode(),
        fields[b"id"].decode(),
        int(fields[b"failures"]),
        fields[b"error"].decode(),
        datetime.fromisoformat(fields[b"at"].decode()),
        fields[b"e"],
    )
