"""The desk of the encode process: an answer to every request, however it came."""

import time
from collections.abc import Sequence

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
from workers.encoders import Encoders, Loader
from workers.neighbours import NeighbourIndexes
from workers.predicting import Predictor
from workers.redaction import redactor

log = structlog.get_logger()

LONGEST_S = 600.0
LENGTH_TOLERANCE = 0.01


class Desk:
    """Answers requests; any number of threads may ask at once."""

    def __init__(self, context: Context, load: Loader, threads: int) -> None:
        self._context = context
        self._indexes = NeighbourIndexes(context.engine, threads)
        self.encoders = Encoders(context, load, threads)
        self._predictor = Predictor(context, self.encoders, redactor())
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
            refusal = wire.Refusal(error.type, error.detail, error.hint, error.path)
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
            case wire.Predict(sealed):
                return wire.Answer(identity, sealed=self._predictor.reply(request.bot, sealed, deadline))
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
