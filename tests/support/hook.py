"""A system that is told what happens: a real HTTP server on loopback, whose answers are given."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from typing import Any, NamedTuple

from workers.posting import Route, resolve

LOOPBACK = Route(resolve, [ip_network("127.0.0.0/8")], ssl.create_default_context())


class Request(NamedTuple):
    path: str
    headers: dict[str, str]  # by lower-case name
    body: bytes


class Hook:
    """`answer` is called in the request's thread; what it writes is what is answered."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[Request] = []
        self.answer: Callable[[BaseHTTPRequestHandler], None] = with_status(204)
        self.release = threading.Event()  # what an answer may wait for; set at the end

    @property
    def ids(self) -> list[str]:
        return [request.headers["webhook-id"] for request in self.requests]


def with_status(code: int, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


@contextmanager
def listening(tls: ssl.SSLContext | None = None) -> Iterator[Hook]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.requests.append(Request(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            self.close_connection = True
            with suppress(OSError):  # whoever asked may have gone
                hook.answer(self)

        do_GET = do_POST

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that does not trust us hangs up
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    hook = Hook(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield hook
    finally:
        hook.release.set()
        server.shutdown()
        thread.join()
        server.server_close()
