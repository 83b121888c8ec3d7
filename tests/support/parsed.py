"""What an adapter made of a body, checked to be fit for the stream, for the databases and for an answer."""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import msgspec

from service.turns.parsing import Adapter, Parsed
from service.turns.schemas import Envelope, Turn, decode_envelope, encode_envelope
from tests.support.edge import encode

RECEIVED = datetime(2026, 3, 2, 9, 20, tzinfo=UTC)


def parsed(
    parse: Adapter,
    body: object,
    *,
    delivery_id: str = "d-1",
    received_at: datetime = RECEIVED,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> Parsed:
    found = parse(encode(body), delivery_id=delivery_id, received_at=received_at, options=options)
    assert len(found.facts) == len(found.places)
    assert len({(type(fact), fact.external_id) for fact in found.facts}) == len(found.facts)
    msgspec.json.encode((found.notes, found.rejected))
    for fact in found.facts:
        envelope = Envelope(bot="shop", source="s", delivery_id=delivery_id, received_at=received_at, fact=fact)
        assert decode_envelope(encode_envelope(envelope)) == envelope
        assert b"\\u0000" not in msgspec.json.encode(fact)  # Postgres stores no NUL
        if isinstance(fact, Turn):
            assert all(fact.text[entity.start : entity.end] == entity.value for entity in fact.entities)
    return found


def notes(found: Parsed) -> list[tuple[str, str]]:
    return [(note.path, note.type) for note in found.notes]


def rejections(found: Parsed) -> list[tuple[str, str]]:
    return [(rejected.path, rejected.type) for rejected in found.rejected]
