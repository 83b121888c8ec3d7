"""Deliveries of each platform, written after the page that publishes its format: `NAME.json` names the page, and holds
the bodies of POSTs and, where a source needs them, its options."""

import importlib
import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from service.turns.parsing import Parsed
from service.turns.schemas import Envelope, Turn, decode_envelope, encode_envelope

FOLDER = Path(__file__).parent
NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.json"))


@cache
def _golden(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_bytes())
    return found


def deliveries(name: str) -> list[Any]:
    """The bodies of one platform's POSTs, in order."""
    return list(_golden(name)["deliveries"])


def options(name: str) -> dict[str, Any]:
    return dict(_golden(name).get("options", {}))


def read(name: str, body: object, *, delivery_id: str = "d-1", received_at: datetime = NOW) -> Parsed:
    """Parsed, and checked to be fit for the stream, the database and an answer."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    parse = importlib.import_module(f"integrations.webhooks.{name}").parse
    parsed: Parsed = parse(data, delivery_id=delivery_id, received_at=received_at, options=options(name))
    msgspec.json.encode((parsed.notes, parsed.rejected))
    assert len(parsed.facts) == len(parsed.places)
    assert len({(type(fact), fact.external_id) for fact in parsed.facts}) == len(parsed.facts)
    for fact in parsed.facts:
        envelope = Envelope(bot="shop", source=name, delivery_id=delivery_id, received_at=received_at, fact=fact)
        assert decode_envelope(encode_envelope(envelope)) == envelope
        assert b"\\u0000" not in msgspec.json.encode(fact)  # Postgres stores no NUL
        if isinstance(fact, Turn):
            assert all(fact.text[entity.start : entity.end] == entity.value for entity in fact.entities)
    return parsed
