"""Every format labelled turns can be exported as, by the name the command line knows it under."""

from collections.abc import Iterator, Mapping

import msgspec

from service.exports.schemas import Export, Exporter


def write_jsonl(export: Export) -> Iterator[bytes]:
    """One row a line."""
    for row in export.rows:
        yield msgspec.json.encode(row) + b"\n"


EXPORTERS: Mapping[str, Exporter] = {"jsonl": Exporter(".jsonl", "application/jsonl", True, write_jsonl)}
