"""One request to somebody else's URL, without being led into our own network.

The name is resolved once, every address it has is looked at, and the connection goes to one of those very addresses:
a name that means something else a moment later changes nothing. TLS asks for the name's certificate all the same. No
redirect is followed, no proxy of the environment used, and the answer's body is not read, so that nobody can read by
way of us what only we can reach. httpcore is used as it is, below httpx, for there the network is an argument."""

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

import httpcore
from httpcore import SOCKET_OPTION, NetworkBackend, NetworkStream, SyncBackend

from service.events.addresses import Address, Networks, may_post
from service.events.rules import Answer, retry_after_s

CONNECT_S = 5.0
TOTAL_S = 20.0
TRIED = 3  # addresses of a host; all are looked at

Resolve = Callable[[str, int], Sequence[Address]]


class Refused(Exception):
    """The URL leads where nobody may post; it says to whoever reads it no more than that."""


class Route(NamedTuple):
    """How names are resolved, which networks may be posted to besides the internet, and whose certificates are
    believed: to read those takes a tenth of a second."""

    resolve: Resolve
    networks: Networks
    tls: ssl.SSLContext


def resolve(host: str, port: int) -> list[Address]:
    """All addresses of a host, in the system's order; OSError when it has none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # of a name that is none, say with a part of 64 characters
        raise socket.gaierror(socket.EAI_NONAME, "no such name") from error
    # A link-local address may name its interface behind a %.
    return list(dict.fromkeys(ip_address(str(address[0]).partition("%")[0]) for *_, address in found))


def post(url: str, body: bytes, headers: Mapping[str, str], route: Route, now: datetime) -> Answer:
    """Post, and say what came of it within TOTAL_S, or a little more where a name takes long to resolve. Nothing is
    raised that the other side can cause."""
    start = time.monotonic()
    try:
        status, asked = _exchange(url, body, headers, route, start + TOTAL_S)
    except (Refused, httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
        return Answer(None, _words(error), _ms(start))
    return Answer(status, _verdict(status), _ms(start), retry_after_s(asked, now))


def _verdict(status: int) -> str:
    """
    >>> [_verdict(status) for status in (204, 308, 500)]
    ['', 'a redirect is not followed', 'answered 500']
    """
    if 200 <= status < 300:
        return ""
    return "a redirect is not followed" if 300 <= status < 400 else f"answered {status}"


def _ms(start: float) -> int:
    return round(1000 * (time.monotonic() - start))


def _words(error: Exception) -> str:
    if isinstance(error, Refused):
        return "its address is not one that may be posted to"
    if isinstance(error, httpcore.TimeoutException):
        return "no answer in time"
    if isinstance(error, httpcore.ProtocolError):
        return "its answer is no HTTP"
    is_tls = isinstance(error, ssl.SSLError) or isinstance(error.__cause__ or error.__context__, ssl.SSLError)
    return "TLS failed: is its certificate valid?" if is_tls else "it cannot be connected to"


def _exchange(url: str, body: bytes, headers: Mapping[str, str], route: Route, deadline: float) -> tuple[int, str]:
    """Status and `Retry-After`."""
    scheme = url.partition(":")[0].lower()
    network = _Guarded(scheme, route, deadline)
    # Of an IPv6 address httpcore leaves the brackets out.
    named: list[tuple[bytes | str, bytes | str]] = [("Host", urlsplit(url).netloc), *headers.items()]
    with (
        httpcore.ConnectionPool(ssl_context=route.tls, network_backend=network) as pool,
        pool.stream("POST", url, headers=named, content=body) as response,
    ):
        asked = next((value for name, value in response.headers if name.lower() == b"retry-after"), b"")
        return response.status, asked.decode("latin-1")


class _Guarded(NetworkBackend):
    """Connects to addresses that were looked at, and to no other."""

    def __init__(self, scheme: str, route: Route, deadline: float) -> None:
        self._scheme, self._route, self._deadline, self._inner = scheme, route, deadline, SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> NetworkStream:
        addresses = self._route.resolve(host, port)
        if not addresses or not may_post(self._scheme, addresses, self._route.networks):
            raise Refused
        return _Timed(self._first(addresses, port), self._deadline)

    def _first(self, addresses: Sequence[Address], port: int) -> NetworkStream:
        """To the first that answers; they share CONNECT_S, for one that is silent leaves the next its part."""
        tried = addresses[:TRIED]
        failure: Exception = Refused()
        for address in tried:
            try:
                return self._inner.connect_tcp(str(address), port, timeout=CONNECT_S / len(tried))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


class _Timed(NetworkStream):
    """A connection that ends at the deadline: what drips byte by byte keeps within every timeout of its own."""

    def __init__(self, inner: NetworkStream, deadline: float) -> None:
        self._inner, self._deadline = inner, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(self._deadline))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> NetworkStream:
        return _Timed(self._inner.start_tls(ssl_context, server_hostname, _left(self._deadline)), self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._inner.get_extra_info(info)


def _left(deadline: float) -> float:
    """Seconds; ReadTimeout when none are."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise httpcore.ReadTimeout
    return seconds
