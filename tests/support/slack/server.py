"""The workspace on a port of loopback: the Web API, response URLs, uploads and Socket Mode."""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from tests.support.slack import api, files, messages
from tests.support.slack.checks import Json
from tests.support.slack.link import Link
from tests.support.slack.stand_in import Slack
from tests.support.slack.workspace import Refused

WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
RATE_LIMITED: Json = {"ok": False, "error": "ratelimited"}
BROKEN: Json = {"ok": False, "error": "internal_error"}
PAGES = {
    "html": b"<html><h1>gateway.example.com forbids this.</h1></html>",
    "html_latin": b"<html>interdit d\xe8s ici</html>",
}
DONE_FIRST = {"error_after", "drop_after", "timeout"}
SOON_S = "1"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    slack: Slack

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""

    def do_GET(self) -> None:
        """Socket Mode: the one address that is asked for."""
        key = self.headers["Sec-WebSocket-Key"].strip() + WEBSOCKET_GUID
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()  # noqa: S324 - RFC 6455 says so
        self.send_response(HTTPStatus.SWITCHING_PROTOCOLS)
        for name, value in {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accept}.items():
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True
        link = Link(self)
        link.send({"type": "hello", "num_connections": 1})
        self.slack.attach(link)
        try:
            link.serve(self.slack)
        finally:
            self.slack.detach(link)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind, _, name = urlsplit(self.path).path.lstrip("/").partition("/")
        {"api": self._api, "response": self._respond, "upload": self._upload}[kind](name, body)

    def _api(self, method: str, body: bytes) -> None:
        self.slack.calls.append(method)
        fault = self.slack.next_fault(method)
        if fault in DONE_FIRST:
            self._call(method, body)
        match fault:
            case "":
                self._answer(*self._call(method, body))
            case "rate_limited":
                self._answer(HTTPStatus.TOO_MANY_REQUESTS, RATE_LIMITED, {"Retry-After": SOON_S})
            case "error" | "error_after":
                self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, BROKEN)
            case "html" | "html_latin":
                self._send(HTTPStatus.FORBIDDEN, PAGES[fault], {"Content-Type": "text/html"})
            case "lag":
                self._answer(HTTPStatus.OK, {"ok": True, "messages": [], "has_more": False})
            case "drop_after":
                self.close_connection = True
            case "timeout":
                self._keep_waiting()
            case error:
                self._answer(HTTPStatus.OK, {"ok": False, "error": error})

    def _keep_waiting(self) -> None:
        """Until the client gives up."""
        self.close_connection = True
        self.rfile.read(1)

    def _call(self, method: str, body: bytes) -> tuple[HTTPStatus, Json, dict[str, str]]:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        scopes = {"x-oauth-scopes": ",".join(sorted(self.slack.scopes))}
        try:
            with self.slack.lock:  # the answer is a copy: the message may change at once
                answer = json.loads(json.dumps(api.call(self.slack, method, token, self._arguments(body))))
        except Refused as error:
            refusal = {"ok": False, "error": error.error}
            if error.retry_after_s:
                return HTTPStatus.TOO_MANY_REQUESTS, refusal, {"Retry-After": str(error.retry_after_s)}
            return HTTPStatus.OK, refusal | {"response_metadata": {"messages": list(error.details)}}, scopes
        return HTTPStatus.OK, answer, scopes

    def _arguments(self, body: bytes) -> Json:
        if body and "json" in self.headers.get("Content-Type", ""):
            given: Json = json.loads(body)
            return given
        text = body.decode() or urlsplit(self.path).query
        return {key: values[-1] for key, values in parse_qs(text).items()}

    def _respond(self, key: str, body: bytes) -> None:
        self.slack.calls.append("response_url")
        try:
            with self.slack.lock:
                messages.respond(self.slack, key, json.loads(body))
        except Refused as error:
            self._answer(HTTPStatus.NOT_FOUND, {"ok": False, "error": error.error})
        else:
            self._answer(HTTPStatus.OK, {"ok": True})

    def _upload(self, file_id: str, body: bytes) -> None:
        with self.slack.lock:
            files.upload(self.slack, file_id, body)
        self._answer(HTTPStatus.OK, {"ok": True})

    def _answer(self, status: HTTPStatus, answer: Json, headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps(answer).encode(), {"Content-Type": "application/json", **(headers or {})})

    def _send(self, status: HTTPStatus, data: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128


@contextmanager
def running(clock: Callable[[], float] = time.time) -> Iterator[Slack]:
    """A workspace that listens on a port of its own."""
    slack = Slack(clock)
    server = _Server(("127.0.0.1", 0), type("Handler", (Handler,), {"slack": slack}))
    slack.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield slack
    server.shutdown()
    thread.join()
    server.server_close()
