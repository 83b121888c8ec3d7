"""The desk of the encode process: which encoder a bot has, and an answer to every request, however it came."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import sqlalchemy as sa
import structlog
from redis.exceptions import RedisError

from service import database, tables
from service import encoding_wire as wire
from service.context import Context
from service.encoding import EncoderChanged
from service.errors import BadInput, ConfigError, EncoderDown, FencepostError
from service.jobs import Job, enqueue
from service.learning.types import Floats2d
from service.turns.vectors import encoder_changed
from workers.batching import Batcher
from workers.encoder import Model
from workers.neighbours import NeighbourIndexes

log = structlog.get_logger()

Loader = Callable[[str, int], Model]

SETTING_S = 2.0  # a bot's changed encoder is noticed this late at most
FAILED_S = 10.0  # a model that could not be loaded is not tried again sooner
LONGEST_S = 600.0
LENGTH_TOLERANCE = 0.01


class _Setting(NamedTuple):
    name: str
    read_at: float


class Encoders:
    """One loaded model per name, shared by the bots that use it; loaded when first asked for, and kept."""

    def __init__(self, context: Context, load: Loader, threads: int) -> None:
        self._context, self._load, self._threads = context, load, threads
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._settings: dict[str, _Setting] = {}
        self._batchers: dict[str, Batcher] = {}
        self._failed: dict[str, tuple[float, ConfigError]] = {}

    def of(self, bot: str, deadline: float, *, now: bool = False) -> Batcher:
        """ConfigError when the bot's model cannot be loaded: another one must not stand in for it. `now`: a setting
        changed a moment ago counts already."""
        return self.named(self._name(bot, 0.0 if now else SETTING_S), deadline)

    def named(self, name: str, deadline: float) -> Batcher:
        if name not in self._batchers:
            # A model of the hub takes minutes to arrive: who asks meanwhile does not wait for ever.
            if not self._loading.acquire(timeout=min(wire.remaining(deadline), threading.TIMEOUT_MAX)):
                raise EncoderDown(f"the encoder {name!r} is being loaded")
            try:
                if name not in self._batchers:
                    self._batchers[name] = Batcher(self._loaded(name))
            finally:
                self._loading.release()
        return self._batchers[name]

    def _loaded(self, name: str) -> Model:
        failed_at, failure = self._failed.get(name, (-FAILED_S, None))
        if failure is not None and time.monotonic() - failed_at < FAILED_S:
            raise ConfigError(failure.detail, hint=failure.hint)
        try:
            return self._load(name, self._threads)
        except ConfigError as error:
            log.error("encoder.failed", encoder=name, reason=str(error))
            self._failed[name] = (time.monotonic(), error)
            raise

    def _name(self, bot: str, max_age_s: float) -> str:
        """The bot's own setting, else the installation's; a bot that is not there yet has the latter."""
        with self._lock:
            known = self._settings.get(bot)
        if known is None or time.monotonic() - known.read_at > max_age_s:
            with database.reading(self._context.engine) as connection:
                own = connection.scalar(sa.select(tables.bot.c.encoder).where(tables.bot.c.name == bot))
            known = _Setting(own or self._context.settings.encoder, time.monotonic())
            with self._lock:
                self._settings[bot] = known
        return known.name

    def close(self) -> None:
        for batcher in self._batchers.values():
            batcher.close()


class Desk:
    """Answers requests; any number of threads may ask at once."""

    def __init__(self, context: Context, load: Loader, threads: int) -> None:
        self._context = context
        self._indexes = NeighbourIndexes(context.engine, threads)
        self.encoders = Encoders(context, load, threads)
        self._seen: dict[str, str] = {}

    def reply(self, message: bytes) -> bytes:
        """The reply to a message, whatever it holds: a bad one is refused, and nothing gets out of here as an error."""
        started = time.monotonic()
        try:
            request = wire.decode_request(message)
            return wire.encode_message(self.answer(request, started + min(request.deadline_s, LONGEST_S)))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            refusal = wire.Refusal("bad-input", f"not a request: {error}")
        except TimeoutError:
            refusal = wire.Refusal(EncoderDown.type, "not done in time")
        except FencepostError as error:
            refusal = wire.Refusal(error.type, error.detail, error.hint)
        except sa.exc.OperationalError as error:
            refusal = wire.Refusal(EncoderDown.type, f"the encoder cannot read the database: {error.orig}")
        except Exception as error:  # the process's main loop: one request must not end it
            log.exception("encode.failed")
            refusal = wire.Refusal(EncoderDown.type, f"the encoder failed: {type(error).__name__}")
        return wire.encode_message(refusal)

    def answer(self, request: wire.Request, deadline: float) -> wire.Answer:
        if request.named is not None:
            return _lent(self.encoders.named(request.named, deadline), request.ask, deadline)
        # Who asks which encoder the bot has goes on to compare it with the champion's, read from SQL.
        batcher = self.encoders.of(request.bot, deadline, now=isinstance(request.ask, wire.Identify))
        identity = batcher.identity
        self._notice(request.bot, identity)
        if request.expects and request.expects != identity:
            raise EncoderChanged(f"bot {request.bot!r} has the encoder {identity} now, not {request.expects}")
        match request.ask:
            case wire.Encode(texts):
                return _encoded(batcher, texts, deadline)
            case wire.Neighbours(rows, k):
                if not 1 <= k <= wire.NEIGHBOURS_LIMIT:
                    raise BadInput(f"k is {k}, not within 1 … {wire.NEIGHBOURS_LIMIT}")
                ids, cosines = self._indexes.search(request.bot, identity, checked(rows), k, deadline)
                return wire.Answer(identity, floats=wire.floats(cosines), ints=wire.ints(ids))
            case wire.Add(turn_ids, rows):
                vectors = checked(rows)
                if len(turn_ids) != len(vectors):
                    raise BadInput(f"{len(turn_ids)} turns, but {len(vectors)} vectors")
                self._indexes.add(request.bot, identity, turn_ids, vectors)
            case wire.Remove(turn_ids):
                self._indexes.remove(request.bot, identity, turn_ids, deadline)
        return wire.Answer(identity)

    def prepare(self) -> None:
        """Begin to build every living bot's index; that of a bot whose encoder cannot be loaded waits until it can."""
        with database.reading(self._context.engine) as connection:
            bots = list(connection.scalars(sa.select(tables.bot.c.name).where(tables.bot.c.archived_at.is_(None))))
        for bot in bots:
            try:
                identity = self.encoders.of(bot, wire.FOREVER).identity
            except ConfigError:
                continue
            self._notice(bot, identity)
            self._indexes.prepare(bot, identity)

    def _notice(self, bot: str, identity: str) -> None:
        """On a bot's first request, and when its encoder changes: have the vectors of another encoder redone."""
        if self._seen.get(bot) == identity:
            return
        with database.reading(self._context.engine) as connection:
            is_changed = encoder_changed(connection, bot, identity)
        try:
            if is_changed and enqueue(self._context.queue, Job.REEMBED, bot):
                log.info("encoder.changed", bot=bot, encoder=identity)
        except RedisError as error:  # then the next request tries again
            log.warning("encode.redis_down", reason=str(error))
            return
        self._seen[bot] = identity

    def close(self) -> None:
        self._indexes.close()
        self.encoders.close()


def _lent(batcher: Batcher, ask: wire.Ask, deadline: float) -> wire.Answer:
    """What an encoder says that is asked for by name, whichever the bot has."""
    match ask:
        case wire.Identify():
            return wire.Answer(batcher.identity)
        case wire.Encode(texts):
            return _encoded(batcher, texts, deadline)
    raise BadInput("an encoder asked for by name knows no neighbours")


def _encoded(batcher: Batcher, texts: Sequence[str], deadline: float) -> wire.Answer:
    _at_most(len(texts), wire.TEXTS_LIMIT, "texts")
    return wire.Answer(batcher.identity, floats=wire.floats(batcher.encode(texts, deadline)))


def checked(rows: wire.Rows) -> Floats2d:
    """The matrix, whole, finite, of unit rows; else BadInput."""
    try:
        vectors = rows.floats()
    except (ValueError, ZeroDivisionError) as error:
        raise BadInput(f"no matrix of {rows.columns} columns") from error
    _at_most(len(vectors), wire.VECTORS_LIMIT, "vectors")
    lengths = np.linalg.norm(vectors, axis=1)
    if not np.all(np.abs(lengths - 1) <= LENGTH_TOLERANCE):  # NaN fails, too
        raise BadInput("the vectors are not of length 1")
    return vectors


def _at_most(count: int, limit: int, what: str) -> None:
    if count > limit:
        raise BadInput(f"{count} {what} in one request; at most {limit}")
