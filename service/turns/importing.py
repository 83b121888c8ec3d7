"""Reading logs from files into a bot's stream, as its webhook would: by the same adapters, and once however often."""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from service.bots.schemas import Source
from service.context import Context
from service.database import reading
from service.errors import Unavailable
from service.streams import Streams
from service.turns.files import Piece, is_json
from service.turns.intake import names
from service.turns.keying import keyed_ids
from service.turns.parsing import Adapter, Parsed, Place
from service.turns.replay import Remark
from service.turns.schemas import Fact, Receipt, Rejected
from service.turns.store import stored_keys

ENOUGH = 500  # facts of one append
PAUSE_S = 1.0
WHOLE = "$"  # path of a fault that is the whole body's
REPEATED = "repeated"

Read = Callable[[bytes], Parsed]
Append = Callable[[list[Fact]], list[Fact]]  # the new ones
T = TypeVar("T")


class Imported(msgspec.Struct, kw_only=True):
    """What became of files: new facts by kind, those that were known and those that stand again; what was noted and
    what was skipped, by type with where it first stood."""

    turns: int = 0
    replies: int = 0
    reports: int = 0
    known: int = 0  # stored, or on their way from an import like this one
    repeated: int = 0  # within the files
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
    """Puts new facts into the bot's stream, and waits while it is full."""
    streams = Streams(context.redis, context.keyring, context.settings.stream_bound)

    def append(facts: list[Fact]) -> list[Fact]:
        own_id, new = _delivery_id(context, source, facts), _unstored(context, source, facts)
        if not new or patiently(partial(streams.knows, source.bot, source.name, own_id), patience_s):
            return []
        receipt = Receipt(accepted=len(new))
        patiently(partial(streams.append, source.bot, source.name, own_id, new, receipt, received_at), patience_s)
        return new

    return append


def dry(context: Context, source: Source) -> Append:
    """Says which facts are new. Redis need not be there: then nothing is on its way."""
    streams = Streams(context.redis, context.keyring, context.settings.stream_bound)

    def look(facts: list[Fact]) -> list[Fact]:
        with suppress(Unavailable):
            if streams.knows(source.bot, source.name, _delivery_id(context, source, facts)):
                return []
        return _unstored(context, source, facts)

    return look


def _delivery_id(context: Context, source: Source, facts: list[Fact]) -> str:
    """Follows from what is said, so that a repeat is known as one. It would be found by trying, of few facts: it is
    keyed."""
    digest = hashlib.sha256(msgspec.msgpack.encode(facts)).hexdigest()
    return f"import-{context.keyring.hash('import', source.bot, digest).hex()[:32]}"


def _unstored(context: Context, source: Source, facts: list[Fact]) -> list[Fact]:
    """The facts as they are kept, without those that are stored."""
    kept = [keyed_ids(fact, context.keyring, source.bot) for fact in facts]
    with reading(context.engine) as connection:
        stored = stored_keys(connection, source.bot, source.name, kept)
    return [fact for fact in kept if (type(fact), fact.external_id) not in stored]


def patiently(call: Callable[[], T], patience_s: float) -> T:
    """Again and again while a dependency is down or full; Unavailable after `patience_s`."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return call()
        except Unavailable:
            if time.monotonic() + PAUSE_S > deadline:
                raise
            time.sleep(PAUSE_S)


class Import:
    """Files on their way to `append`, some hundred facts at a time; `done` says what became of them so far. `intents`:
    the names of the bot's."""

    def __init__(self, done: Imported, append: Append, intents: Collection[str]) -> None:
        self.done, self._append, self._intents = done, append, intents
        self._seen = set[bytes]()

    def add(self, pieces: Iterable[Piece], read: Read, on_piece: Callable[[Piece], None]) -> None:
        for piece in pieces:
            parsed = read_piece(piece, read)
            self._remark(parsed)
            facts = [fact for fact in parsed.facts if self._is_first(fact)]
            self.done.repeated += len(parsed.facts) - len(facts)
            for start in range(0, len(facts), ENOUGH):
                some = facts[start : start + ENOUGH]
                self._count(some, self._append(some))
            on_piece(piece)

    def _is_first(self, fact: Fact) -> bool:
        """Of all the files; a digest of each key is kept, for there may be millions."""
        key = hashlib.blake2b(f"{type(fact).__name__} {fact.external_id}".encode(), digest_size=12).digest()
        is_first = key not in self._seen
        self._seen.add(key)
        return is_first

    def _count(self, facts: list[Fact], new: list[Fact]) -> None:
        kinds = Counter(type(fact).__name__ for fact in new)
        self.done.turns += kinds["Turn"]
        self.done.replies += kinds["Reply"]
        self.done.reports += kinds["Report"]
        self.done.known += len(facts) - len(new)
        unknown = Counter(name for fact in facts for name in set(names(fact)) if name not in self._intents)
        self.done.intents = dict(Counter(self.done.intents) + unknown)

    def _remark(self, parsed: Parsed) -> None:
        for note in parsed.notes:
            self.done.notes.setdefault(note.type, Remark(0, f"{note.path}: {note.note}")).count += 1
        for found in parsed.rejected:
            if found.type == REPEATED:
                self.done.repeated += 1
            else:
                self.done.rejected.setdefault(found.type, Remark(0, f"{found.path}: {found.reason}")).count += 1


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
    places = [Place(index, piece.place(index, place.path)) for place in parsed.places]
    return Parsed(parsed.facts, notes, rejected, places)


def _located(piece: Piece, parsed: Parsed) -> Parsed:
    notes = [replace(note, path=_place(piece, note.index, note.path)) for note in parsed.notes]
    rejected = [replace(one, path=_place(piece, one.index, one.path)) for one in parsed.rejected]
    places = [Place(place.position, _place(piece, *place)) for place in parsed.places]
    return Parsed(parsed.facts, notes, rejected, places)


def _place(piece: Piece, index: int, path: str) -> str:
    """Of something in a list of bodies: the index in its path is the body's."""
    return piece.place(index, path.removeprefix(f"[{index}]").removeprefix("."))


def merged(parts: Iterable[Parsed]) -> Parsed:
    """All of them; of a fact that stands twice the first, and a word of the other."""
    found, seen = Parsed([], [], [], []), set[tuple[type, str]]()
    for part in parts:
        found.notes.extend(part.notes)
        found.rejected.extend(part.rejected)
        for fact, place in zip(part.facts, part.places, strict=True):
            if (key := (type(fact), fact.external_id)) not in seen:
                seen.add(key)
                found.facts.append(fact)
                found.places.append(place)
            else:
                found.rejected.append(Rejected(place.position, place.path, "stands earlier", REPEATED))
    return found
