"""Slack, as far as Fencepost uses it: the Web API and Socket Mode over real HTTP and WebSocket on loopback.

Strict: unknown methods, wrong tokens, missing scopes, unknown channels, bad Block Kit and more than one post a second
and channel are refused. On demand it fails as Slack fails. It clicks as named users and signs as Slack signs."""

import base64
import hashlib
import hmac
import json
import struct
import threading
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.support.block_kit import option_problems, problems

BOT_TOKEN, APP_TOKEN, SIGNING_SECRET = "xoxb-test", "xapp-test", "8f742231b10e8888abcd99yyyzzz85a5"
CHANNEL, TEAM, BOT_USER = "C0SUPPORT", "T0TEAM", "U0BOT"
SCOPES = {
    "chat.postMessage": "chat:write",
    "chat.postEphemeral": "chat:write",
    "chat.update": "chat:write",
    "chat.delete": "chat:write",
    "conversations.history": "channels:history",
}
WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

# rate_limited, error: refused; *_after: done, but the answer is lost; lag: history does not know it yet
Fault = Literal["rate_limited", "error", "error_after", "drop_after", "lag"]
Json = dict[str, Any]


class Refused(Exception):
    """Slack's `ok: false`."""

    def __init__(self, error: str, *details: str) -> None:
        super().__init__(error)
        self.error, self.details = error, details


class Slack:
    """The workspace."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.messages: dict[str, list[Json]] = {CHANNEL: []}
        self.ephemerals: list[Json] = []
        self.calls: list[str] = []
        self.scopes = set(SCOPES.values())
        self.token_error = ""
        self.faults: dict[str, deque[Fault]] = defaultdict(deque)
        self.acks: dict[str, Json] = {}
        self.answered = threading.Condition()
        self.links: list[Link] = []
        self.url = ""
        self._lock = threading.RLock()

    def fail(self, method: str, *faults: Fault) -> None:
        """The next calls of the method fail in these ways."""
        self.faults[method].extend(faults)

    def call(self, method: str, token: str, arguments: Json) -> Json:
        with self._lock:
            handler = getattr(self, "_" + method.replace(".", "_"), None)
            if handler is None:
                raise Refused("unknown_method")
            self._authorise(method, token)
            answer: Json = handler(arguments)
            return {"ok": True, **answer}

    def _authorise(self, method: str, token: str) -> None:
        if token != (APP_TOKEN if method == "apps.connections.open" else BOT_TOKEN):
            raise Refused("invalid_auth" if token else "not_authed")
        if self.token_error:
            raise Refused(self.token_error)
        if SCOPES.get(method, "") not in {"", *self.scopes}:
            raise Refused("missing_scope")

    def _auth_test(self, _arguments: Json) -> Json:
        return {"user_id": BOT_USER, "team_id": TEAM, "bot_id": "B0BOT", "url": self.url}

    def _apps_connections_open(self, _arguments: Json) -> Json:
        return {"url": self.url.replace("http://", "ws://") + "/link/?ticket=1"}

    def _chat_postMessage(self, arguments: Json) -> Json:
        messages = self._channel(arguments)
        if messages and self.clock() - float(messages[-1]["ts"]) < 0.999:
            raise Refused("ratelimited")
        message = self._message(arguments) | {"ts": f"{self.clock():.6f}", "metadata": arguments.get("metadata")}
        messages.append(message)
        return {"channel": arguments["channel"], "ts": message["ts"], "message": message}

    def _chat_update(self, arguments: Json) -> Json:
        message = self.message(arguments["ts"], arguments["channel"])
        message.update(self._message(arguments))
        return {"channel": arguments["channel"], "ts": message["ts"], "message": message}

    def _chat_delete(self, arguments: Json) -> Json:
        self._channel(arguments).remove(self.message(arguments["ts"], arguments["channel"]))
        return {"channel": arguments["channel"], "ts": arguments["ts"]}

    def _chat_postEphemeral(self, arguments: Json) -> Json:
        self._channel(arguments)
        self.ephemerals.append({"user": arguments["user"], "text": arguments["text"]})
        return {"message_ts": f"{self.clock():.6f}"}

    def _conversations_history(self, arguments: Json) -> Json:
        oldest, limit = float(arguments.get("oldest", 0)), int(arguments.get("limit", 100))
        found = [message for message in reversed(self._channel(arguments)) if float(message["ts"]) > oldest]
        start = int(arguments.get("cursor") or 0)
        has_more = start + limit < len(found)
        shown = [self._shown(message, arguments) for message in found[start : start + limit]]
        cursor = {"response_metadata": {"next_cursor": str(start + limit)}} if has_more else {}
        return {"messages": shown, "has_more": has_more, **cursor}

    @staticmethod
    def _shown(message: Json, arguments: Json) -> Json:
        wants_metadata = str(arguments.get("include_all_metadata")).lower() in ("1", "true")
        return message if wants_metadata else {key: value for key, value in message.items() if key != "metadata"}

    def _channel(self, arguments: Json) -> list[Json]:
        try:
            return self.messages[arguments["channel"]]
        except KeyError as error:
            raise Refused("channel_not_found") from error

    @staticmethod
    def _message(arguments: Json) -> Json:
        if not arguments.get("text"):
            raise Refused("no_text")
        if found := problems(arguments.get("blocks") or []):
            raise Refused("invalid_blocks", *found)
        return {"type": "message", "user": BOT_USER, "text": arguments["text"], "blocks": arguments["blocks"]}

    def message(self, ts: str, channel: str = CHANNEL) -> Json:
        found = next((message for message in self.messages[channel] if message["ts"] == ts), None)
        if found is None:
            raise Refused("message_not_found")
        return found

    def buttons(self, message: Json) -> list[str]:
        return [element["text"]["text"] for _, element in _elements(message) if element["type"] == "button"]

    def click(self, user: str, message: Json, button: str) -> Json:
        """The payload of a click on the button whose text begins so."""
        block, element = next(
            (block, element)
            for block, element in _elements(message)
            if element["type"] == "button" and element["text"]["text"].startswith(button)
        )
        action = {key: element[key] for key in ("type", "action_id", "text", "value")}
        return self._actions(user, message, block, action)

    def choose(self, user: str, message: Json, option: Json) -> Json:
        """The payload of choosing one of the select's options."""
        block, element = next(pair for pair in _elements(message) if pair[1]["type"] == "external_select")
        action = {"type": element["type"], "action_id": element["action_id"], "selected_option": option}
        return self._actions(user, message, block, action)

    def type_into(self, user: str, message: Json, typed: str) -> Json:
        """The payload that asks for the select's options."""
        block, element = next(pair for pair in _elements(message) if pair[1]["type"] == "external_select")
        asked = {"action_id": element["action_id"], "block_id": block["block_id"], "value": typed}
        return {"type": "block_suggestion", **self._common(user, message), **asked}

    def _actions(self, user: str, message: Json, block: Json, action: Json) -> Json:
        action |= {"block_id": block["block_id"], "action_ts": f"{time.time():.6f}"}
        return {
            "type": "block_actions",
            **self._common(user, message),
            "trigger_id": uuid.uuid4().hex,
            "response_url": f"{self.url}/response",
            "actions": [action],
        }

    def _common(self, user: str, message: Json) -> Json:
        return {
            "user": {"id": user, "username": user.lower(), "team_id": TEAM},
            "team": {"id": TEAM, "domain": "test"},
            "api_app_id": "A0APP",
            "container": {"type": "message", "message_ts": message["ts"], "channel_id": CHANNEL},
            "channel": {"id": CHANNEL, "name": "support"},
            "message": message,
        }

    def send(self, payload: Json, timeout: float = 10.0) -> Json:
        """Send over Socket Mode and wait for the ack: its payload."""
        envelope = {"envelope_id": uuid.uuid4().hex, "type": "interactive", "accepts_response_payload": True}
        self.links[-1].write(json.dumps(envelope | {"payload": payload}).encode())
        with self.answered:
            if not self.answered.wait_for(lambda: envelope["envelope_id"] in self.acks, timeout):
                raise TimeoutError("no ack")
        return self.acks[str(envelope["envelope_id"])]


def _elements(message: Json) -> Iterator[tuple[Json, Json]]:
    return ((block, one) for block in message["blocks"] if block["type"] == "actions" for one in block["elements"])


def signed(
    payload: Json, *, secret: str = SIGNING_SECRET, at: float | None = None, body: str = ""
) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a request to the events URL, as Slack signs it; `body` stands in for the payload."""
    body = body or urlencode({"payload": json.dumps(payload)})
    stamp = str(int(time.time() if at is None else at))
    digest = hmac.digest(secret.encode(), f"v0:{stamp}:{body}".encode(), "sha256").hex()
    headers = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}"}
    return body.encode(), headers | {"Content-Type": "application/x-www-form-urlencoded"}


def options_of(answer: Json) -> list[Json]:
    """The options of an answer to `type_into`, once they passed Slack's checks."""
    assert option_problems(answer["options"]) == []
    found: list[Json] = answer["options"]
    return found


class Link:
    """The server's side of a WebSocket (RFC 6455): text out, acks in."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        self._handler, self._lock = handler, threading.Lock()

    def write(self, data: bytes, opcode: int = 1) -> None:
        size = bytes([len(data)]) if len(data) < 126 else struct.pack("!BH", 126, len(data))
        with self._lock:
            self._handler.wfile.write(bytes([0x80 | opcode]) + size + data)

    def read(self) -> tuple[int, bytes] | None:
        """Opcode and data of the next frame; None at the end."""
        head = self._handler.rfile.read(2)
        if len(head) < 2:
            return None
        size = head[1] & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", self._handler.rfile.read(2))
        mask = self._handler.rfile.read(4)
        data = bytes(byte ^ mask[index % 4] for index, byte in enumerate(self._handler.rfile.read(size)))
        return head[0] & 0x0F, data

    def serve(self, slack: Slack) -> None:
        while (frame := self.read()) is not None and frame[0] != 8:
            if frame[0] == 9:
                self.write(frame[1], opcode=10)
            if frame[0] == 1:
                ack = json.loads(frame[1])
                with slack.answered:
                    slack.acks[ack["envelope_id"]] = ack.get("payload") or {}
                    slack.answered.notify_all()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    slack: Slack

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""

    def do_GET(self) -> None:
        key = self.headers["Sec-WebSocket-Key"].strip() + WEBSOCKET_GUID
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()  # noqa: S324 - RFC 6455 says so
        self.send_response(101)
        for name, value in {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accept}.items():
            self.send_header(name, value)
        self.end_headers()
        link = Link(self)
        link.write(json.dumps({"type": "hello", "num_connections": 1}).encode())
        self.slack.links.append(link)
        self.close_connection = True
        link.serve(self.slack)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        method = urlsplit(self.path).path.removeprefix("/api/")
        self.slack.calls.append(method)
        faults = self.slack.faults[method]
        fault = faults.popleft() if faults else None
        if fault == "rate_limited":
            return self._answer(429, {"ok": False, "error": "ratelimited"}, {"Retry-After": "1"})
        if fault == "error":
            return self._answer(500, {"ok": False, "error": "internal_error"})
        if fault == "lag":
            return self._answer(200, {"ok": True, "messages": [], "has_more": False})
        status, answer = self._call(method, body)
        if fault == "error_after":
            return self._answer(500, {"ok": False, "error": "internal_error"})
        if fault == "drop_after":
            self.close_connection = True
            return None
        return self._answer(status, answer, {"Retry-After": "1"} if status == 429 else {})

    def _call(self, method: str, body: bytes) -> tuple[int, Json]:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        try:
            return 200, self.slack.call(method, token, self._arguments(body))
        except Refused as error:
            details = {"response_metadata": {"messages": list(error.details)}}
            return 429 if error.error == "ratelimited" else 200, {"ok": False, "error": error.error, **details}

    def _arguments(self, body: bytes) -> Json:
        if body and "json" in self.headers.get("Content-Type", ""):
            given: Json = json.loads(body)
            return given
        text = body.decode() or urlsplit(self.path).query
        return {key: values[-1] for key, values in parse_qs(text).items()}

    def _answer(self, status: int, answer: Json, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        sent = {"Content-Type": "application/json", "Content-Length": str(len(data)), **(headers or {})}
        for name, value in sent.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False


@contextmanager
def running(clock: Callable[[], float] = time.time) -> Iterator[Slack]:
    """A workspace that listens on a port of its own."""
    slack = Slack(clock)
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"slack": slack}))
    slack.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield slack
    server.shutdown()
    thread.join()
    server.server_close()
