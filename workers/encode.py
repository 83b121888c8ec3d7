"""The encode process: holds the models and the neighbour indexes and answers for everybody else.

Over a Unix socket, one thread per connection; or, for processes on other machines, over Redis lists. One per
installation, for an index must see every `add`.
"""

import fcntl
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import structlog
from redis.exceptions import RedisError

from service import encoding_wire as wire
from service.context import Context
from service.encoding_transport import LIST_S
from service.errors import BadInput, ConfigError
from service.settings import SOCKET_PATH_BYTES
from service.streams import ENCODE_REPLY, ENCODE_REQUESTS
from workers import encoder
from workers.encode_desk import Desk
from workers.encoders import Loader

log = structlog.get_logger()

CONNECTIONS = 256
POLL_S = 0.2  # how soon a stop is noticed
FRAME_S = 30.0  # a frame that has begun is through within this, or the connection is cut
GOODBYE_S = 5.0
READERS = 8  # requests over Redis that are answered at once
ID_LENGTH = 32


def run(context: Context, stop: threading.Event, load: Loader = encoder.load) -> None:
    """Serve until `stop`. ConfigError when the model cannot be loaded, or when another process serves already."""
    threads = encoder.threads_of(context.settings.threads)
    with alone(context.settings.folder / "encode.lock"):
        desk = Desk(context, load, threads)
        try:
            desk.encoders.named(
                context.settings.encoder, wire.FOREVER
            )  # a wrong setting ends the process here, with its reason
            desk.prepare()
            log.info("encode.ready")
            _serve(context, desk, stop)
        finally:
            desk.close()
    log.info("encode.stopped")


def _serve(context: Context, desk: Desk, stop: threading.Event) -> None:
    if context.settings.encode_url == "redis":
        RedisServer(context, desk).serve(stop)
    elif not context.settings.encode_url:
        SocketServer(context.settings.encode_socket, desk).serve(stop)
    else:
        raise ConfigError(f"FENCEPOST_ENCODE_URL: {context.settings.encode_url!r} is neither empty nor `redis`")


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the lock file, which the kernel lets go of however the process ends; ConfigError when it is held."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(f"another encode process serves {path.parent}") from error
        yield


class SocketServer:
    """Frames in, frames out; a connection may ask any number of times, one request after the other."""

    def __init__(self, path: Path, desk: Desk) -> None:
        if len(str(path).encode()) > SOCKET_PATH_BYTES:
            raise ConfigError(f"the path {path} is too long for a Unix socket", hint="a shorter FENCEPOST_DATA_DIR")
        self._path, self._desk = path, desk
        self._lock = threading.Lock()
        self._connections: dict[socket.socket, threading.Thread] = {}

    def serve(self, stop: threading.Event) -> None:
        self._path.unlink(missing_ok=True)  # left behind by a killed process: `alone` says that nobody serves it
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(str(self._path))
            self._path.chmod(0o600)  # before listen(): nobody gets in between
            listener.listen(CONNECTIONS)
            listener.settimeout(POLL_S)
            while not stop.is_set():
                self._accept(listener)
        self._path.unlink(missing_ok=True)
        self._say_goodbye()

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            return
        with self._lock:
            if len(self._connections) >= CONNECTIONS:
                connection.close()
                return
            thread = threading.Thread(target=self._converse, args=(connection,), name="connection", daemon=True)
            self._connections[connection] = thread
        thread.start()

    def _converse(self, connection: socket.socket) -> None:
        try:
            with connection:
                while self._answer_one(connection):
                    pass
        except OSError as error:  # the other side is gone, or too slow
            log.debug("encode.cut", reason=str(error))
        finally:
            with self._lock:
                self._connections.pop(connection, None)

    def _answer_one(self, connection: socket.socket) -> bool:
        """False when the connection is to be closed: the asker has left, or talks nonsense."""
        try:
            length = wire.receive_length(connection, wire.FOREVER)
        except wire.FrameTooLong as error:
            refusal = wire.encode_message(wire.Refusal(BadInput.type, str(error)))
            wire.send_frame(connection, refusal, time.monotonic() + FRAME_S)
            return False
        if length is None:
            return False
        message = wire.receive_body(connection, length, time.monotonic() + FRAME_S)
        wire.send_frame(connection, self._desk.reply(message), time.monotonic() + FRAME_S)
        return True

    def _say_goodbye(self) -> None:
        """No new request from anybody; those in hand are answered."""
        with self._lock:
            connections = dict(self._connections)
        deadline = time.monotonic() + GOODBYE_S
        for connection in connections:
            _stop_reading(connection)
        for thread in connections.values():
            thread.join(max(0.0, deadline - time.monotonic()))


def _stop_reading(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RD)
    except OSError:  # closed meanwhile
        log.debug("encode.closed_already")


class RedisServer:
    """Takes requests off a list; as many at once as there are readers, so that they share forward passes."""

    def __init__(self, context: Context, desk: Desk) -> None:
        self._redis, self._desk = context.redis, desk

    def serve(self, stop: threading.Event) -> None:
        readers = [threading.Thread(target=self._read, args=(stop,), name=f"reader {i}") for i in range(READERS)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()

    def _read(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                found = self._redis.blpop([ENCODE_REQUESTS], timeout=1)
                if found:
                    self._answer(cast(bytes, found[1]))
            except RedisError as error:
                log.warning("encode.redis_down", reason=str(error))
                stop.wait(1)

    def _answer(self, entry: bytes) -> None:
        request_id, message = entry[:ID_LENGTH].decode("ascii", "replace"), entry[ID_LENGTH:]
        reply = self._desk.reply(message)
        with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.rpush(ENCODE_REPLY + request_id, reply)
            pipeline.expire(ENCODE_REPLY + request_id, LIST_S)
            pipeline.execute()
