"""What the rest of the system knows of the encoder: texts become unit vectors, and turns have neighbours.

A vector is kept as float16: half the bytes, and a cosine off by less than 0.001.
"""

import threading
import time
from collections.abc import Sequence
from copy import copy
from typing import Protocol

import msgspec
import numpy as np
from redis import Redis

from service import encoding_wire as wire
from service.encoding_transport import open_transport
from service.errors import BadInput, ConfigError, EncoderDown, FencepostError, NoClassifier
from service.learning.types import Floats1d, Floats2d, Ints2d
from service.settings import Settings

IDENTITY_LENGTH = 80  # of the column `vector.encoder`
NO_TURN = -1
# Small enough that a slow machine answers within the deadline, large enough that the wire does not count.
CHUNK = 256


class EncoderChanged(EncoderDown):
    """The bot has another encoder than the one `identity` last told this thread: begin again from `identity`."""

    type = "encoder-changed"


class EncoderUnknown(EncoderDown):
    """The encode process answers, but cannot load the encoder, or has other weights under its name."""

    type = "encoder-unknown"


class Encoder(Protocol):
    """Raises EncoderDown when it does not answer in time."""

    def identity(self, bot: str) -> str:
        """`<name>@<first 12 of the weights' sha256>`: vectors of different identities are never compared."""

    def encode(self, bot: str, texts: Sequence[str]) -> Floats2d:
        """float32 (n, d), each row of length 1; the same text, the same row."""

    def neighbours(self, bot: str, vectors: Floats2d, k: int) -> tuple[Ints2d, Floats2d]:
        """Turn ids and cosines, both (n, k), nearest first; -1 and -1 where the bot has no more turns."""

    def add(self, bot: str, turn_ids: Sequence[int], vectors: Floats2d) -> None:
        """Make turns findable as neighbours; repeating it changes nothing. Call it once their vectors are committed."""

    def named(self, name: str) -> "Encoder":
        """The encoder of this folder or hub id, whichever the bot has: it knows texts and no neighbours."""


def insist(encoder: Encoder, bot: str, name: str, identity: str) -> None:
    """EncoderUnknown unless the encode process can load the encoder of this name, and it is the one meant."""
    found = encoder.named(name).identity(bot)
    if found != identity:
        raise EncoderUnknown(f"the encoder {name!r} is {found} for the encode process, not {identity}")


def pack(vector: Floats1d) -> bytes:
    """The bytes of `vector.data`."""
    return np.asarray(vector, dtype="<f2").tobytes()


def unpack(rows: Sequence[bytes]) -> Floats2d:
    """float32 (n, d), brought back to length 1; (0, 0) for no rows."""
    if not rows:
        return np.zeros((0, 0), dtype=np.float32)
    return unit(np.frombuffer(b"".join(rows), dtype="<f2").reshape(len(rows), -1).astype(np.float32))


def unit(vectors: Floats2d) -> Floats2d:
    """Each row of length 1; a row of zeros stays zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Floats2d = vectors / np.where(lengths > 0, lengths, 1)
    return scaled


class EncodeClient:
    """The Encoder of every process but `workers encode`. Threads may share one, and a forked child its parent's.

    Once a thread has asked `identity`, its other requests hold for that identity only: should the bot's encoder
    change in between, they raise EncoderChanged until `identity` is asked again. So ask it at the head of each batch.
    """

    def __init__(self, settings: Settings, redis: Redis, deadline_s: float = 10.0) -> None:
        self._transport = open_transport(settings, redis)
        self._deadline_s = deadline_s
        self._name: str | None = None
        self._told = threading.local()

    def named(self, name: str) -> "EncodeClient":
        """Over the same connections: `close` closes both."""
        other = copy(self)
        other._name, other._told = name, threading.local()
        return other

    def identity(self, bot: str) -> str:
        told = self._ask(bot, wire.Identify(), expects="").identity
        self._expected()[bot] = told
        return told

    def encode(self, bot: str, texts: Sequence[str]) -> Floats2d:
        chunks = [list(texts[i : i + CHUNK]) for i in range(0, len(texts), CHUNK)]
        found = [_floats(self._ask(bot, wire.Encode(chunk))) for chunk in chunks]
        return np.concatenate(found) if found else np.zeros((0, 0), np.float32)

    def neighbours(self, bot: str, vectors: Floats2d, k: int) -> tuple[Ints2d, Floats2d]:
        if not len(vectors):
            return np.zeros((0, k), np.int64), np.zeros((0, k), np.float32)
        chunks = [wire.floats(vectors[i : i + CHUNK]) for i in range(0, len(vectors), CHUNK)]
        answers = [self._ask(bot, wire.Neighbours(chunk, k)) for chunk in chunks]
        return np.concatenate([_ints(answer) for answer in answers]), np.concatenate([_floats(a) for a in answers])

    def add(self, bot: str, turn_ids: Sequence[int], vectors: Floats2d) -> None:
        for i in range(0, len(turn_ids), CHUNK):
            ids = [int(turn_id) for turn_id in turn_ids[i : i + CHUNK]]
            self._ask(bot, wire.Add(ids, wire.floats(vectors[i : i + CHUNK])))

    def remove(self, bot: str, turn_ids: Sequence[int]) -> None:
        """Forget turns as neighbours; unknown ones do not matter."""
        for i in range(0, len(turn_ids), CHUNK):
            self._ask(bot, wire.Remove([int(turn_id) for turn_id in turn_ids[i : i + CHUNK]]))

    def predict(self, bot: str, sealed: bytes, deadline_s: float) -> bytes:
        """The sealed answer to a sealed question (service/predict), by whatever encoder the bot has now."""
        return self._ask(bot, wire.Predict(sealed), expects="", deadline_s=deadline_s).sealed

    def close(self) -> None:
        self._transport.close()

    def _ask(
        self, bot: str, ask: wire.Ask, *, expects: str | None = None, deadline_s: float | None = None
    ) -> wire.Answer:
        if expects is None:
            expects = self._expected().get(bot, "")
        seconds = self._deadline_s if deadline_s is None else deadline_s
        request = wire.Request(bot=bot, expects=expects, named=self._name, deadline_s=seconds, ask=ask)
        return _answer(self._transport.ask(wire.encode_message(request), time.monotonic() + seconds))

    def _expected(self) -> dict[str, str]:
        """Per thread: identity by bot, as told."""
        if not hasattr(self._told, "identities"):
            self._told.identities = {}
        identities: dict[str, str] = self._told.identities
        return identities


def _answer(message: bytes) -> wire.Answer:
    try:
        reply: wire.Answer | wire.Refusal = wire.decode_reply(message)
    except msgspec.DecodeError as error:
        raise EncoderDown(f"the encoder answers in another version's words: {error}") from error
    if isinstance(reply, wire.Refusal):
        raise _error(reply)
    return reply


def _error(refusal: wire.Refusal) -> FencepostError:
    kinds: dict[str, type[FencepostError]] = {
        BadInput.type: BadInput,
        EncoderChanged.type: EncoderChanged,
        ConfigError.type: EncoderUnknown,
        NoClassifier.type: NoClassifier,
    }
    return kinds.get(refusal.kind, EncoderDown)(refusal.detail, hint=refusal.hint, path=refusal.path)


def _floats(answer: wire.Answer) -> Floats2d:
    if answer.floats is None:
        raise EncoderDown("the encoder's answer holds no vectors")
    return answer.floats.floats()


def _ints(answer: wire.Answer) -> Ints2d:
    if answer.ints is None:
        raise EncoderDown("the encoder's answer holds no turns")
    return answer.ints.ints()
