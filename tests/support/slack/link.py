"""Socket Mode: the server's side of a WebSocket (RFC 6455), envelopes out, acks in."""

import json
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

from tests.support.slack.checks import Json
from tests.support.slack.signing import is_event

if TYPE_CHECKING:
    from tests.support.slack.stand_in import Slack

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


def envelope(payload: Json, envelope_id: str) -> Json:
    """As the kind of payload wants it."""
    if is_event(payload):
        kind = {"type": "events_api", "accepts_response_payload": False, "retry_attempt": 0, "retry_reason": ""}
    else:
        kind = {"type": "slash_commands" if "command" in payload else "interactive", "accepts_response_payload": True}
    return {"envelope_id": envelope_id, "payload": payload, **kind}


class Link:
    """One connection."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        self._handler, self._lock = handler, threading.Lock()
        self.is_leaving = False

    def send(self, message: Json) -> None:
        self._write(json.dumps(message).encode())

    def disconnect(self) -> None:
        """Ask the client to connect anew, as Slack does every few hours; then this link is closed."""
        self.is_leaving = True
        self.send({"type": "disconnect", "reason": "refresh_requested", "debug_info": {"host": "test"}})

    def drop(self) -> None:
        """Gone without a word."""
        self._handler.connection.shutdown(2)

    def serve(self, slack: "Slack") -> None:
        while (frame := self._read()) is not None and frame[0] != CLOSE:
            if frame[0] == PING:
                self._write(frame[1], opcode=PONG)
            if frame[0] == TEXT:
                at, ack = time.perf_counter(), json.loads(frame[1])
                slack.acked(ack["envelope_id"], ack.get("payload") or {}, at)

    def _write(self, data: bytes, opcode: int = TEXT) -> None:
        with self._lock:
            self._handler.wfile.write(bytes([0x80 | opcode]) + _size(len(data)) + data)

    def _read(self) -> tuple[int, bytes] | None:
        """Opcode and data of the next frame; None at the end."""
        try:
            head = self._handler.rfile.read(2)
            if len(head) < 2:
                return None
            size = head[1] & 0x7F
            if size > 125:
                layout, width = ("!H", 2) if size == 126 else ("!Q", 8)
                (size,) = struct.unpack(layout, self._handler.rfile.read(width))
            mask = self._handler.rfile.read(4)
            return head[0] & 0x0F, _unmasked(self._handler.rfile.read(size), mask)
        except (OSError, struct.error):
            return None


def _size(size: int) -> bytes:
    if size < 126:
        return bytes([size])
    return struct.pack("!BH", 126, size) if size < 1 << 16 else struct.pack("!BQ", 127, size)


def _unmasked(data: bytes, mask: bytes) -> bytes:
    """The mask is four bytes, again and again."""
    stream = (mask * (len(data) // 4 + 1))[: len(data)]
    return (int.from_bytes(data) ^ int.from_bytes(stream)).to_bytes(len(data))
