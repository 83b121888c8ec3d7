"""Labelled texts to measure on: JSON Lines, plain or gzip, a row for each utterance.

`{"text", "intent", "split": "train|val|test"?, "entities"?: [{"start", "end", "type"}]}`: the shape of an intent file
in service/turns/logs.py, so an owner can measure on what `fencepost replay` reads. Without splits every fifth row
tests. A row is known by its place in the file, from 0.
"""

import gzip
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from service.errors import BadInput
from service.turns.logs import OUT_OF_SCOPE

TEST_EVERY = 5


class Span(msgspec.Struct, frozen=True):
    """`text[start:end]` is an entity of this type."""

    start: int
    end: int
    type: str


class Row(msgspec.Struct, frozen=True):
    text: str
    intent: str
    split: str = ""
    domain: str = ""  # of the intent, where a file groups them
    entities: tuple[Span, ...] = ()
    place: int = 0  # in the file

    @property
    def is_out_of_scope(self) -> bool:
        return self.intent in OUT_OF_SCOPE


class Data(NamedTuple):
    """What is asked about, and what it is scored on."""

    name: str
    train: Sequence[Row]
    test: Sequence[Row]
    val: Sequence[Row] = ()  # left alone, but for the out-of-scope rows of the production scenario


_decode = msgspec.json.Decoder(Row).decode


def read(path: Path) -> Data:
    """BadInput names the line that is no row."""
    rows = _rows(path)
    if any(row.split for row in rows):
        train, test, val = ([row for row in rows if row.split == split] for split in ("train", "test", "val"))
    else:
        train, test, val = [row for row in rows if row.place % TEST_EVERY], rows[::TEST_EVERY], []
    if not train or not test:
        raise BadInput(f"{path} has no rows to learn from or none to test on", hint="splits are train and test")
    return Data(path.name.removesuffix(".gz").removesuffix(".jsonl"), train, test, val)


def _rows(path: Path) -> list[Row]:
    with path.open("rb") as file:
        try:
            return list(_decoded(gzip.open(file) if path.suffix == ".gz" else file, path.name))
        except (OSError, EOFError) as error:
            raise BadInput(f"{path} cannot be read: {error}") from error


def _decoded(lines: Iterable[bytes], name: str) -> Iterator[Row]:
    place = 0
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield msgspec.structs.replace(_row(line, f"{name}:{number}"), place=place)
            place += 1


def _row(line: bytes, where: str) -> Row:
    try:
        return _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        hint = 'a row is {"text": …, "intent": …, "split": "train" or "test"}'
        raise BadInput(f"no row: {error}", path=where, hint=hint) from error
