"""The real app, and a sender that signs: what tests of the HTTP edge begin with."""

import base64
import gzip
import hashlib
import hmac
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

import httpx
from litestar import Litestar
from litestar.testing import TestClient

from integrations.formats.exporters import EXPORTERS
from integrations.webhooks import PLATFORMS, signatures
from service import database
from service.access.keys import create_key
from service.app import create_app
from service.bots.store import add_secret, create_bot
from service.context import Context
from service.settings import Settings
from service.streams import Streams
from service.turns.schemas import Fact

BOT = "shop"
WEBHOOK = f"/webhooks/{BOT}/native"
TURNS = f"/v1/bots/{BOT}/turns"


def build(settings: Settings) -> Litestar:
    return create_app(settings, sources=PLATFORMS, schemes=signatures.SCHEMES, exporters=EXPORTERS)


class Edge(NamedTuple):
    """A bot behind the real app, one of its secrets and its ingest key."""

    client: TestClient[Litestar]
    context: Context
    secret: str
    key: str

    def deliver(self, body: object, *, delivery_id: str = "d-1", path: str = WEBHOOK, **headers: str) -> httpx.Response:
        """Signed as it is sent."""
        data = encode(body)
        return self.client.post(path, content=data, headers=sign(self.secret, data, delivery_id) | named(headers))

    def send(self, body: object, *, path: str = TURNS, **headers: str) -> httpx.Response:
        """With the key."""
        own = {"authorization": f"Bearer {self.key}", "content-type": "application/json"}
        return self.client.post(path, content=encode(body), headers=own | named(headers))

    def facts(self) -> list[Fact]:
        """What stands in the stream, in order."""
        streams = Streams(self.context.redis, self.context.keyring, self.context.settings.stream_bound)
        entries: list[tuple[bytes, dict[bytes, bytes]]] = self.context.redis.xrange("fp:{shop}:v1:turns")  # type: ignore[assignment]  # RESP2
        return [streams.open(BOT, fields[b"e"]).fact for _, fields in entries]


@contextmanager
def opened_edge(context: Context) -> Iterator[Edge]:
    now = datetime.now(UTC)
    with database.writing(context.engine) as connection:
        create_bot(connection, BOT, now)
        secret = add_secret(connection, context.keyring, BOT, "native", now)
        key = create_key(connection, name="sender", role="ingest", bot=BOT, now=now)
    with TestClient(build(context.settings), raise_server_exceptions=False) as client:
        yield Edge(client, context, secret, key)


def encode(body: object) -> bytes:
    """Bytes as they are; anything else as JSON, lone surrogates as escapes."""
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def sign(secret: str, body: bytes, delivery_id: str = "d-1", at: float | None = None) -> dict[str, str]:
    """The headers of Standard Webhooks, written after its specification and not with the library under test."""
    seconds = str(int(time.time() if at is None else at))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{delivery_id}.{seconds}.".encode() + body, hashlib.sha256)
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {"webhook-id": delivery_id, "webhook-timestamp": seconds, "webhook-signature": signature}


def turn(**fields: Any) -> dict[str, Any]:
    """A delivery of one turn."""
    own = {"conversation_id": "c-81", "turn_id": "c-81:4", "text": "my card never came"}
    return {"type": "conversation.turn", "timestamp": "2026-03-02T09:15:04.120Z", "data": own | fields}


def turns(*items: Any) -> dict[str, Any]:
    return {"type": "conversation.turns", "timestamp": "2026-03-02T09:20:00Z", "data": {"turns": list(items)}}


def numbered(count: int) -> list[dict[str, Any]]:
    return [{"conversation_id": "c-1", "turn_id": f"c-1:{n}", "text": f"text {n}"} for n in range(count)]


def gzipped(body: object) -> bytes:
    return gzip.compress(encode(body), mtime=0)
