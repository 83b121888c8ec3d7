"""Files of logs, in pieces that an adapter reads: JSON, JSON Lines or CSV, plain or gzip.

Lines, and elements of a list, go together by the thousand, for some records can only be told apart in the light of
those before them. A row of a CSV is an object of its columns, with a `row_id` that is the same when the file is read
again.
"""

import csv
import gzip
import hashlib
import io
import json
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import msgspec

from service.errors import BadInput
from service.turns.parsing import DERIVED
from service.turns.schemas import TURNS_LIMIT

LINES = (".jsonl", ".ndjson", ".log")
TABLES = {".csv": ",", ".tsv": "\t"}
ROW_ID = "row_id"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
ROW_LIMIT = 8 << 20  # characters that are looked through for the end of a quoted cell
BROKEN = (EOFError, gzip.BadGzipFile, zlib.error)

_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Piece(NamedTuple):
    """Bodies that stand one after the other in a file. `unit` says what they are and `first` counts from 1; "" where
    the body is the whole file; blank lines do not count. `read`: bytes of the file so far, as it lies on the disk."""

    bodies: Sequence[bytes]
    file: str
    unit: str
    first: int
    read: int

    def place(self, index: int, path: str) -> str:
        """Where a person finds it; `path` is within the body of that index.

        >>> Piece([], "log.jsonl", "line", 7, 0).place(2, "text"), Piece([], "dump.json", "", 1, 0).place(0, "$")
        ('log.jsonl, line 9: text', 'dump.json: $')
        """
        where = f"{self.file}, {self.unit} {self.first + index}" if self.unit else self.file
        return f"{where}: {path}" if path else where


def pieces(path: Path) -> Iterator[Piece]:
    """The file's, in order; BadInput where it cannot be unpacked, or is no CSV."""
    with path.open("rb") as packed, _unpacked(packed) as file, _readable(path):
        unit, bodies = _bodies(path, file)
        first = 1
        while part := list(islice(bodies, TURNS_LIMIT)):
            yield Piece(part, path.name, unit, first, packed.tell())
            first += len(part)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """BadInput where it cannot be unpacked, or is no CSV."""
    try:
        yield
    except BROKEN as error:
        raise BadInput("the file is not one whole gzip", path=path.name) from error
    except csv.Error as error:
        raise BadInput(f"not a CSV: {error}", path=path.name) from error


@contextmanager
def _unpacked(packed: IO[bytes]) -> Iterator[IO[bytes]]:
    is_packed = packed.read(2) == b"\x1f\x8b"
    packed.seek(0)
    with gzip.open(packed) if is_packed else nullcontext(packed) as file:
        yield cast(IO[bytes], file)


def kind(path: Path) -> str:
    """
    >>> kind(Path("log.JSONL.gz")), kind(Path("log"))
    ('.jsonl', '')
    """
    return Path(path.name.lower().removesuffix(".gz")).suffix


def is_table(path: Path) -> bool:
    return kind(path) in TABLES


def columns(path: Path) -> list[str]:
    """Of a CSV; BadInput where it cannot be unpacked, or is none."""
    with path.open("rb") as packed, _unpacked(packed) as file, _text(file) as text, _readable(path):
        return next(_cells(text, TABLES[kind(path)]), [])


def _bodies(path: Path, file: IO[bytes]) -> tuple[str, Iterator[bytes]]:
    """What the bodies are, and they."""
    if is_table(path):
        return "row", _rows(file, TABLES[kind(path)])
    first, second = file.readline().removeprefix(BYTE_ORDER_MARK), file.readline()
    are_lines = second.strip() and is_json(first) and not first.lstrip().startswith(b"[")
    if kind(path) in LINES or are_lines:
        return "line", (line.strip() for line in chain([first, second], file) if line.strip())
    whole = first + second + file.read()
    try:
        return "item", map(bytes, _elements(whole))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "", iter([whole])


def is_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _rows(file: IO[bytes], delimiter: str) -> Iterator[bytes]:
    with _text(file) as text:
        rows = _cells(text, delimiter)
        header = next(rows, [])
        for number, cells in enumerate(rows):
            row = _row(header, cells)
            own = DERIVED + hashlib.sha256(json.dumps([number, row]).encode()).hexdigest()[:32]
            yield json.dumps({**row, ROW_ID: own}).encode()


def _row(header: Sequence[str], cells: Sequence[str]) -> dict[str, Any]:
    """
    >>> _row(["text", "user"], ["hi"]), _row(["text"], ["hi", "you"])
    ({'text': 'hi', 'user': None}, {'text': 'hi', '': ['you']})
    """
    row: dict[str, Any] = dict(zip_longest(header, cells[: len(header)]))
    return row if len(cells) <= len(header) else row | {"": cells[len(header) :]}


class _Lines:
    """The lines of a table; `row` are those of the row that is being read."""

    def __init__(self, text: IO[str]) -> None:
        self._text, self.row = text, list[str]()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.row.append(next(self._text))
        return self.row[-1]

    def whole_row(self, delimiter: str) -> str:
        """The row's text, to the end of a quoted cell that goes on."""
        row = "".join(self.row)
        begun = (found.start(2) for found in _cell(delimiter).finditer(row) if (found[2] or "").startswith('"'))
        quotes, length = row.count('"', next(begun, len(row))), len(row)
        while quotes % 2:
            line = next(self, None)
            if line is None or length > ROW_LIMIT:
                raise csv.Error(f"a quoted cell begins at {self.row[0][:40]!a} and does not end")
            quotes, length = quotes + line.count('"'), length + len(line)
        return "".join(self.row)


def _cells(text: IO[str], delimiter: str) -> Iterator[list[str]]:
    """Rows that are not blank. The csv module gives up on a cell of over 131,072 characters, and that limit is the
    whole process's: such a row is read here."""
    lines = _Lines(text)
    rows = csv.reader(lines, delimiter=delimiter)
    while True:
        lines.row.clear()
        try:
            cells = next(rows, None)
        except csv.Error:
            cells = _split(lines.whole_row(delimiter), delimiter)
        if cells is None:
            return
        if cells:
            yield cells


def _split(row: str, delimiter: str) -> list[str]:
    """
    >>> _split('a,"b ""c"", d",,e\\r\\n', ",")
    ['a', 'b "c", d', '', 'e']
    """
    return [
        quoted.replace('""', '"') if quoted is not None else bare
        for quoted, bare in (found.groups() for found in _cell(delimiter).finditer(row.rstrip("\r\n")))
    ]


def _cell(delimiter: str) -> re.Pattern[str]:
    """Group 1 is what quotes enclose, group 2 a bare cell; one that begins with a quote does not end in its row."""
    return re.compile(rf'(?:\A|{delimiter})(?:"((?:[^"]|"")*+)"|([^{delimiter}]*))')


@contextmanager
def _text(file: IO[bytes]) -> Iterator[IO[str]]:
    """Whatever the bytes: what is no UTF-8 is for the adapter to refuse."""
    text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
    yield text
    text.detach()  # else it would close the file
