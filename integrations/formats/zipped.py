"""Zip archives, written piece by piece to a stream that cannot seek, and read with a bound on what they unfold to."""

import io
import lzma
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TypeVar

import msgspec

from service.errors import BadInput

Entry = tuple[str, Iterable[bytes]]  # a file's path and content
Files = Mapping[str, bytes]  # contents by path
Shape = TypeVar("Shape")
UNZIPPED_LIMIT = 256 << 20  # bytes, of all files together
# What zipfile and its decompressors raise; NotImplementedError is a RuntimeError.
BROKEN = (zipfile.BadZipFile, RuntimeError, EOFError, ValueError, OSError, lzma.LZMAError, zlib.error)


class _Sink:
    """What zipfile writes to; no seek and no tell, so sizes follow each file instead of leading it."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None: ...

    def taken(self) -> Iterator[bytes]:
        pieces, self._pieces = self._pieces, []
        if pieces:
            yield b"".join(pieces)


def write(entries: Iterable[Entry], at: datetime) -> Iterator[bytes]:
    """The same entries at the same instant give the same bytes. An entry's content is read when its turn comes."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w") as archive:  # type: ignore[call-overload]  # it writes, and never asks where
        for path, pieces in entries:
            with archive.open(_info(path, at), "w") as file:
                for piece in pieces:
                    file.write(piece)
                    yield from sink.taken()
    yield from sink.taken()


def _info(path: str, at: datetime) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(path, at.timetuple()[:6])
    info.compress_type = zipfile.ZIP_DEFLATED  # stored files without a size up front cannot be read as a stream
    return info


def read(data: bytes) -> Files:
    """The files' contents by path; BadInput when it is no zip, or too large unfolded."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(info.file_size for info in archive.infolist()) > UNZIPPED_LIMIT:
                raise BadInput("the zip unfolds to too much", path="", hint=f"at most {UNZIPPED_LIMIT >> 20} MB")
            return {info.filename: archive.read(info) for info in archive.infolist() if not info.is_dir()}
    except BROKEN as error:
        raise BadInput(
            "not a zip that can be read", path="", hint="is the file whole, and without a password?"
        ) from error


def decoded(files: Files, path: str, shape: type[Shape]) -> Shape:
    """A file's JSON; BadInput with the file as path."""
    try:
        return msgspec.json.decode(files[path], type=shape)
    except msgspec.ValidationError as error:
        message, _, at = str(error).partition(" - at `$.")
        raise BadInput(message, path=f"{path}, {at.rstrip('`')}" if at else path) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput("the file is not JSON in UTF-8", path=path) from error
