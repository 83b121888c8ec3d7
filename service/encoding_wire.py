"""What is said to the encode process and what it answers: msgpack, in frames on a Unix socket or in Redis lists.

A frame is a length (4 bytes, big endian) and that many bytes of msgpack.
"""

import math
import socket
import time

import msgspec
import numpy as np

from service.learning.types import Floats2d, Ints2d

FRAME_LIMIT = 64 << 20  # bytes; a full request of either kind below fits with room to spare
TEXTS_LIMIT = 1024  # texts of one request
VECTORS_LIMIT = 4096  # vectors of one request
NEIGHBOURS_LIMIT = 1000  # k
LENGTH_BYTES = 4
FOREVER = math.inf  # a deadline


class FrameTooLong(Exception):
    def __init__(self, length: int) -> None:
        super().__init__(f"a frame of {length} bytes; at most {FRAME_LIMIT} are taken")


class Rows(msgspec.Struct, frozen=True, array_like=True):
    """A matrix: little-endian float32 or int64, row by row."""

    columns: int
    data: bytes

    def floats(self) -> Floats2d:
        """ValueError when the bytes are no such matrix."""
        return np.frombuffer(self.data, "<f4").reshape(-1, self.columns).astype(np.float32, copy=False)

    def ints(self) -> Ints2d:
        return np.frombuffer(self.data, "<i8").reshape(-1, self.columns).astype(np.int64, copy=False)


def floats(matrix: Floats2d) -> Rows:
    return Rows(matrix.shape[1], np.ascontiguousarray(matrix, "<f4").tobytes())


def ints(matrix: Ints2d) -> Rows:
    return Rows(matrix.shape[1], np.ascontiguousarray(matrix, "<i8").tobytes())


class Identify(msgspec.Struct, frozen=True, tag="identify"):
    pass


class Encode(msgspec.Struct, frozen=True, tag="encode"):
    texts: list[str]


class Neighbours(msgspec.Struct, frozen=True, tag="neighbours"):
    vectors: Rows
    k: int


class Add(msgspec.Struct, frozen=True, tag="add"):
    turn_ids: list[int]
    vectors: Rows


class Remove(msgspec.Struct, frozen=True, tag="remove"):
    turn_ids: list[int]


class Predict(msgspec.Struct, frozen=True, tag="predict"):
    """A question of service/predict, sealed: its texts are as people said them."""

    sealed: bytes


Ask = Identify | Encode | Neighbours | Add | Remove | Predict


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """`expects`: the identity the asker goes by, "" for any; under another one the request is refused. `named`: not
    the bot's encoder but the one of this folder or hub id, which knows texts and no neighbours."""

    bot: str
    expects: str = ""
    named: str | None = None
    deadline_s: float
    ask: Ask


class Answer(msgspec.Struct, frozen=True, tag="answer"):
    identity: str
    floats: Rows | None = None
    ints: Rows | None = None
    sealed: bytes = b""


class Refusal(msgspec.Struct, frozen=True, tag="refusal"):
    """`kind` is the `type` of a FencepostError."""

    kind: str
    detail: str
    hint: str = ""
    path: str = ""


encode_message = msgspec.msgpack.Encoder().encode
decode_request = msgspec.msgpack.Decoder(Request).decode
decode_reply = msgspec.msgpack.Decoder(Answer | Refusal).decode


def send_frame(connection: socket.socket, message: bytes, deadline: float) -> None:
    """All of it by `deadline` (monotonic), or TimeoutError."""
    connection.settimeout(remaining(deadline))
    connection.sendall(len(message).to_bytes(LENGTH_BYTES, "big") + message)


def receive_length(connection: socket.socket, deadline: float) -> int | None:
    """How long the next frame is; None when the other side has closed between two frames."""
    head = _receive(connection, LENGTH_BYTES, deadline)
    if not head:
        return None
    length = int.from_bytes(head, "big")
    if length > FRAME_LIMIT:
        raise FrameTooLong(length)
    return length


def receive_body(connection: socket.socket, length: int, deadline: float) -> bytes:
    body = _receive(connection, length, deadline)
    if len(body) < length:
        raise ConnectionResetError("closed inside a frame")
    return body


def _receive(connection: socket.socket, length: int, deadline: float) -> bytes:
    """`length` bytes, or nothing when the connection closes before the first of them."""
    parts = bytearray()
    while len(parts) < length:
        connection.settimeout(None if deadline == FOREVER else remaining(deadline))
        part = connection.recv(min(length - len(parts), 1 << 20))
        if not part and parts:
            raise ConnectionResetError("closed inside a frame")
        if not part:
            break
        parts += part
    return bytes(parts)


def remaining(deadline: float) -> float:
    """Seconds left; TimeoutError when there are none."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the deadline has passed")
    return left
