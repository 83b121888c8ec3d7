"""Two ways to the encode process: a Unix socket on the same machine, Redis lists from another one.

Every request may be repeated without effect, so a connection that breaks is simply tried again until the deadline.
"""

import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, cast

from redis import Redis
from redis.exceptions import RedisError

from service.encoding_wire import FrameTooLong, receive_body, receive_length, remaining, send_frame
from service.errors import ConfigError, EncoderDown
from service.settings import Settings
from service.streams import ENCODE_REPLY, ENCODE_REQUESTS

RETRY_S = 0.05
LIST_S = 60  # an entry that nobody takes is gone after this
# Below the socket timeout of service.context.connect_redis, or a quiet wait would look like a dead connection.
BLOCK_S = 10.0
HINT = "is `fencepost up` (or `workers encode`) running?"


class Transport(Protocol):
    def ask(self, message: bytes, deadline: float) -> bytes:
        """The reply; EncoderDown when there is none by `deadline` (monotonic)."""

    def close(self) -> None: ...


def open_transport(settings: Settings, redis: Redis) -> Transport:
    """By `FENCEPOST_ENCODE_URL`; nothing is connected yet."""
    if settings.encode_url == "redis":
        return RedisTransport(redis)
    if not settings.encode_url:
        return SocketTransport(settings.encode_socket)
    raise ConfigError(f"FENCEPOST_ENCODE_URL: {settings.encode_url!r} is neither empty nor `redis`")


class SocketTransport:
    """One connection per request in flight, so that threads do not wait for each other; idle ones are kept."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._idle: list[socket.socket] = []
        self._pid = os.getpid()

    def ask(self, message: bytes, deadline: float) -> bytes:
        while True:
            try:
                return self._exchange(message, deadline)
            except TimeoutError as error:
                raise EncoderDown("no answer from the encoder in time", hint=HINT) from error
            except (OSError, FrameTooLong) as error:
                if time.monotonic() + RETRY_S >= deadline:
                    raise EncoderDown(f"no answer from the encoder: {error}", hint=HINT) from error
                time.sleep(RETRY_S)

    def _exchange(self, message: bytes, deadline: float) -> bytes:
        with self._connected(deadline) as connection:
            send_frame(connection, message, deadline)
            length = receive_length(connection, deadline)
            if length is None:
                raise ConnectionResetError("the encoder closed the connection")
            return receive_body(connection, length, deadline)

    @contextmanager
    def _connected(self, deadline: float) -> Iterator[socket.socket]:
        """A connection that is kept after a clean exit, and closed after an error: a reply may still be on its way."""
        connection = self._take() or self._connect(deadline)
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        with self._lock:
            self._idle.append(connection)

    def _take(self) -> socket.socket | None:
        with self._lock:
            if self._pid != os.getpid():  # a forked child must not talk over its parent's connections
                self._close_idle()
                self._pid = os.getpid()
            return self._idle.pop() if self._idle else None

    def _connect(self, deadline: float) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(remaining(deadline))
            connection.connect(str(self._path))
        except OSError:
            connection.close()
            raise
        return connection

    def _close_idle(self) -> None:
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    def close(self) -> None:
        with self._lock:
            self._close_idle()


class RedisTransport:
    """A request is `<32 hex digits of its id><message>` on one list, its reply the only entry of a list of its own.

    Texts lie in Redis as they lie in SQL, redacted; those of predictions sealed.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def ask(self, message: bytes, deadline: float) -> bytes:
        request_id = uuid.uuid4().hex
        entry = request_id.encode() + message
        try:
            self._push(entry)
            reply = self._await(ENCODE_REPLY + request_id, deadline)
            if reply is None:
                self._redis.lrem(ENCODE_REQUESTS, 1, entry)  # type: ignore[arg-type]  # bytes are values like any other
        except RedisError as error:
            raise EncoderDown(f"no answer from the encoder: {error}", hint="is Redis running?") from error
        if reply is None:
            raise EncoderDown("no answer from the encoder in time", hint=HINT)
        return reply

    def _push(self, entry: bytes) -> None:
        with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.rpush(ENCODE_REQUESTS, entry)
            pipeline.expire(ENCODE_REQUESTS, LIST_S)
            pipeline.execute()

    def _await(self, key: str, deadline: float) -> bytes | None:
        while (left := deadline - time.monotonic()) > 0:
            found = self._redis.blpop([key], timeout=max(0.01, min(left, BLOCK_S)))  # 0 would mean for ever
            if found:
                return cast(bytes, found[1])
        return None

    def close(self) -> None:
        pass
