"""Reading logs from files into a bot's stream, as its webhook would: by the same adapters, and once however often."""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

import msgspec
from msgspec.structs import replace

from service.bots.schemas import Source
from service.context import Context
from service.errors import Unavailable
from service.streams import Streams
from service.turns.files import Piece, is_json
from service.turns.intake import names
from service.turns.keying import keyed_ids
from service.turns.parsing import Adapter, Parsed
from service.turns.replay import Remark
from service.turns.schemas import Fact, Note, Receipt, Rejected

ENOUGH = 500  # facts of one append
PAUSE_S = 1.0
WHOLE = "$"  # path of a fault that is the whole body's
REPEATED = "repeated"

Read = Callable[[bytes], Parsed]
Append = Callable[[str, list[Fact]], None]


class Imported(msgspec.Struct, kw_only=True):
    """What became of files: facts by kind, what was noted and what was skipped, by type with where it first stood."""

    turns: int = 0
    replies: int = 0
    reports: int = 0
    notes: dict[str, Remark] = {}
    rejected: dict[str, Remark] = {}
    intents: dict[str, int] = {}  # that are not the bot's, with the facts that name them


def reader(parse: Adapter, options: Mapping[str, Any], received_at: datetime) -> Read:
    """The adapter with all that it is told besides the body."""

    def read(body: bytes) -> Parsed:
        delivery_id = hashlib.sha256(body).hexdigest()
        return parse(body, delivery_id=delivery_id, received_at=received_at, options=options)

    return read


def appender(context: Context, source: Source, received_at: datetime, patience_s: float) -> Append:
    """Puts facts into the bot's stream, and waits while it is full."""
    streams = Streams(context.redis, context.keyring, context.settings.stream_bound)

    def append(delivery_id: str, facts: list[Fact]) -> None:
        kept = [keyed_ids(fact, context.keyring, source.bot) for fact in facts]
        receipt = Receipt(accepted=len(kept))
        # What is said would be found by trying, of few facts: the id is keyed.
        own_id = f"import-{context.keyring.hash('import', source.bot, delivery_id).hex()[:32]}"
        patiently(partial(streams.append, source.bot, source.name, own_id, kept, receipt, received_at), patience_s)

    return append


def patiently(call: Callable[[], object], patience_s: float) -> None:
    """Again and again while a dependency is down or full; Unavailable after `patience_s`."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            call()
        except Unavailable:
            if time.monotonic() + PAUSE_S > deadline:
                raise
            time.sleep(PAUSE_S)
        else:
            return


def import_pieces(
    imported: Imported,
    pieces: Iterable[Piece],
    read: Read,
    append: Append,
    known: Collection[str],
    on_piece: Callable[[Piece], None],
) -> None:
    """Hand all facts to `append`, some hundred at a time, and count them. `known`: the names of the bot's intents."""
    for piece in pieces:
        parsed = read_piece(piece, read)
        _count(imported, parsed, known)
        for start in range(0, len(parsed.facts), ENOUGH):
            facts = parsed.facts[start : start + ENOUGH]
            append(_delivery_id(facts), facts)
        on_piece(piece)


def _delivery_id(facts: list[Fact]) -> str:
    """Follows from what is said, so that a repeat is known as one."""
    return hashlib.sha256(msgspec.msgpack.encode(facts)).hexdigest()


def _count(imported: Imported, parsed: Parsed, known: Collection[str]) -> None:
    kinds = Counter(type(fact).__name__ for fact in parsed.facts)
    imported.turns += kinds["Turn"]
    imported.replies += kinds["Reply"]
    imported.reports += kinds["Report"]
    unknown = Counter(name for fact in parsed.facts for name in set(names(fact)) if name not in known)
    imported.intents = dict(Counter(imported.intents) + unknown)
    for note in parsed.notes:
        imported.notes.setdefault(note.type, Remark(0, f"{note.path}: {note.note}")).count += 1
    for found in parsed.rejected:
        imported.rejected.setdefault(found.type, Remark(0, f"{found.path}: {found.reason}")).count += 1


def read_piece(piece: Piece, read: Read) -> Parsed:
    """Its bodies together, as a list; one by one where the format knows no lists, and again those that were no element
    of one: a line may be an envelope of its own. Paths say where in the file."""
    together = _together(piece, read)
    if together is None:
        return merged(_alone(piece, index, read) for index in range(len(piece.bodies)))
    again = {one.index for one in together.rejected if one.type != REPEATED and one.index < len(piece.bodies)}
    rest = Parsed(
        together.facts,
        [note for note in together.notes if note.index not in again],
        [one for one in together.rejected if one.index not in again],
        together.places,
    )
    return merged([_located(piece, rest), *(_alone(piece, index, read) for index in sorted(again))])


def _together(piece: Piece, read: Read) -> Parsed | None:
    """None where they cannot be read so; one that is not JSON stands as null, and is no element."""
    if len(piece.bodies) < 2:
        return None
    parsed = read(b"[" + b",".join(body if is_json(body) else b"null" for body in piece.bodies) + b"]")
    return None if any(one.path == WHOLE for one in parsed.rejected) else parsed


def _alone(piece: Piece, index: int, read: Read) -> Parsed:
    parsed = read(piece.bodies[index])
    notes = [replace(note, path=piece.place(index, note.path)) for note in parsed.notes]
    rejected = [replace(one, path=piece.place(index, one.path)) for one in parsed.rejected]
    return Parsed(parsed.facts, notes, rejected, parsed.places)


def _located(piece: Piece, parsed: Parsed) -> Parsed:
    notes = [replace(note, path=_place(piece, note)) for note in parsed.notes]
    rejected = [replace(one, path=_place(piece, one)) for one in parsed.rejected]
    return Parsed(parsed.facts, notes, rejected, parsed.places)


def _place(piece: Piece, said: Note | Rejected) -> str:
    """Of something in a list of bodies: the index in its path is the body's."""
    return piece.place(said.index, said.path.removeprefix(f"[{said.index}]").removeprefix("."))


def merged(parts: Iterable[Parsed]) -> Parsed:
    """All of them; of a fact that stands twice the first."""
    found, seen = Parsed([], [], [], []), set[tuple[type, str]]()
    for part in parts:
        found.notes.extend(part.notes)
        found.rejected.extend(part.rejected)
        for fact, place in zip(part.facts, part.places, strict=True):
            if (key := (type(fact), fact.external_id)) not in seen:
                seen.add(key)
                found.facts.append(fact)
                found.places.append(place)
    return found
