"""The module that a Rasa owner adds posts what the adapter reads, signed, until it is taken."""

import asyncio
import importlib
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from standardwebhooks.webhooks import Webhook

from integrations.webhooks import rasa
from integrations.webhooks.commands import rasa_broker

SECRET = "whsec_" + "QUFB" * 8


class Server(HTTPServer):
    """Fencepost's end: refuses the first request, takes the others."""

    seen: list[tuple[dict[str, str], bytes]]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.seen.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(503 if len(self.server.seen) == 1 else 202)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as found:
        found.seen = []
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield found
        found.shutdown()
        thread.join()


@pytest.fixture
def broker_class(monkeypatch: pytest.MonkeyPatch) -> Any:
    """As Rasa would load it: of Rasa, only the base class is stood in for."""
    base = ModuleType("rasa.core.brokers.broker")
    base.EventBroker = object  # type: ignore[attr-defined]
    for name in ("rasa", "rasa.core", "rasa.core.brokers"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, base.__name__, base)
    module = importlib.import_module("integrations.webhooks.rasa_broker")
    monkeypatch.setattr(module, "time", SimpleNamespace(time=time.time, sleep=lambda _: None))
    return module.FencepostBroker


def test_events_arrive_signed_and_as_often_as_it_takes(server: Server, broker_class: Any) -> None:
    async def talk() -> None:
        config = SimpleNamespace(url=f"http://127.0.0.1:{server.server_port}/", kwargs={"secret": SECRET})
        broker = await broker_class.from_endpoint_config(config)
        said = {"sender_id": "u1", "timestamp": 1772442904.5, "text": "where is it", "message_id": "m1"}
        broker.publish({"event": "action", "name": "action_listen", "sender_id": "u1"})
        broker.publish({"event": "user", "parse_data": {"intent": {"name": "track", "confidence": 0.4}}, **said})
        await broker.close()

    asyncio.run(talk())
    (first, refused), (second, taken) = server.seen
    assert refused == taken
    assert first["webhook-id"] == second["webhook-id"]
    Webhook(SECRET).verify(taken.decode(), second)
    parsed = rasa.parse(taken, delivery_id="d-1", received_at=datetime(2026, 3, 3, tzinfo=UTC), options={})
    assert [getattr(fact, "text", "") for fact in parsed.facts] == ["where is it"]


def test_the_command_prints_a_module_that_stands_alone() -> None:
    printed = CliRunner().invoke(rasa_broker).output
    compile(printed, "fencepost_broker.py", "exec")
    assert "type: fencepost_broker.FencepostBroker" in printed
    assert "import service" not in printed
    assert "from integrations" not in printed
