"""From a request's bytes to the bot's stream: who may send, what is opened, what is refused, what the answer says.

The order of a webhook's answers is chosen so that a caller without a secret learns only whether the source exists:
404 unknown bot or source, 401 not signed by one of its secrets, 410 archived bot, 413 too large once decompressed. All
that is left is 202: a sender that is refused something for good must not be made to retry it for days.
"""

import hashlib
import zlib
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import NamedTuple

from service.bots.schemas import NAME, Source
from service.bots.store import NATIVE, active_secrets, get_bot, get_source
from service.context import Context
from service.database import reading
from service.errors import BotArchived, BotNotFound, SourceNotFound, TooLarge
from service.intents.store import intent_ids
from service.streams import Streams
from service.turns.counted import refusals
from service.turns.keying import keyed_ids
from service.turns.parsing import Adapter, Fault, Parsed, Place, Refused, SignatureError, Verifier
from service.turns.schemas import ID_LIMIT, Fact, Note, Receipt, Rejected, Reply, Report, Turn

BODY_LIMIT = 8 << 20  # bytes, as sent and after decompression
NOTES_LIMIT = 1_000  # of one answer; its rejections too


class Sender(NamedTuple):
    """A source as it stands in SQL."""

    source: Source
    secrets: list[str]
    is_archived: bool  # the bot


class Intake:
    """Takes deliveries; holds adapters by format and signature schemes by name. Safe to share between threads."""

    def __init__(self, context: Context, sources: Mapping[str, Adapter], schemes: Mapping[str, Verifier]) -> None:
        self._context, self._sources, self._schemes = context, sources, schemes
        self._streams = Streams(context.redis, context.keyring, context.settings.stream_bound)

    def signed(self, bot: str, source: str, body: bytes, headers: Mapping[str, str], received_at: datetime) -> Receipt:
        """A webhook delivery: lenient, item by item. What is refused is counted where there is such a source."""
        sender = self.find(bot, source)
        with refusals(self._context.redis, bot, source, received_at):
            return self._signed(sender, body, headers, received_at)

    def _signed(self, sender: Sender, body: bytes, headers: Mapping[str, str], received_at: datetime) -> Receipt:
        bot, source = sender.source.bot, sender.source.name
        check = partial(
            self._schemes[sender.source.scheme],
            secrets=sender.secrets,
            now=received_at,
            tolerance_s=sender.source.tolerance_s,
        )
        delivery_id = verify(check, body, headers)
        if sender.is_archived:
            raise BotArchived(bot)
        parse = partial(self._sources[sender.source.format], options=sender.source.options)
        parsed = read(parse, body, headers, delivery_id, received_at)
        return self.append(bot, source, delivery_id, parsed, received_at)

    def keyed(self, bot: str, body: bytes, headers: Mapping[str, str], received_at: datetime) -> Receipt:
        """The same content from a caller that the guard let in: all of it or, on any fault, Refused and nothing."""
        with refusals(self._context.redis, bot, NATIVE, received_at):
            return self._keyed(bot, body, headers, received_at)

    def _keyed(self, bot: str, body: bytes, headers: Mapping[str, str], received_at: datetime) -> Receipt:
        delivery_id = f"v1:{hashlib.sha256(body).hexdigest()}"
        parsed = read(partial(self._sources[NATIVE], options={}), body, headers, delivery_id, received_at)
        faults = [*parsed.rejected, *(Rejected(note.index, note.path, note.note, note.type) for note in parsed.notes)]
        if faults:
            raise Refused(faults)
        return self.append(bot, NATIVE, delivery_id, parsed, received_at)

    def find(self, bot: str, source: str) -> Sender:
        """BotNotFound or SourceNotFound where there is none."""
        check_names(bot, source)
        with reading(self._context.engine) as connection:
            is_archived = get_bot(connection, bot).archived_at is not None
            found = get_source(connection, bot, source)
            secrets = active_secrets(connection, self._context.keyring, bot, source)
        return Sender(found, secrets, is_archived)

    def append(self, bot: str, source: str, delivery_id: str, parsed: Parsed, received_at: datetime) -> Receipt:
        """Put what was parsed into the bot's stream; see Streams.append."""
        rejected, more = parsed.rejected[:NOTES_LIMIT], len(parsed.rejected) - NOTES_LIMIT
        cut = [Note(0, "", f"{more:,} more items were rejected", "too-many")] if more > 0 else []
        notes = [*cut, *parsed.notes, *self._unknown_intents(bot, parsed)]
        receipt = Receipt(len(parsed.facts), tuple(notes[:NOTES_LIMIT]), tuple(rejected))
        facts = [keyed_ids(fact, self._context.keyring, bot) for fact in parsed.facts]
        return self._streams.append(bot, source, short_id(delivery_id), facts, receipt, received_at)

    def _unknown_intents(self, bot: str, parsed: Parsed) -> Iterator[Note]:
        """One note for each name that the bot's intents never had, where it first stands."""
        named = [(name, place) for fact, place in zip(parsed.facts, parsed.places, strict=True) for name in names(fact)]
        if not named:
            return
        with reading(self._context.engine) as connection:
            known = set(intent_ids(connection, bot))
        for name, place in named:
            if name not in known:
                known.add(name)
                yield _not_imported(name, place)


def check_names(bot: str, source: str) -> None:
    """What no bot or source can be called is not looked for: Postgres takes no NUL, not even in a question."""
    if not NAME.fullmatch(bot):
        raise BotNotFound(bot[:80])
    if not NAME.fullmatch(source):
        raise SourceNotFound(bot, source[:80])


def _not_imported(name: str, place: Place) -> Note:
    return Note(place.position, place.path, f"intent {name!r} is kept by name: not imported", "intent-not-imported")


def names(fact: Fact) -> Iterator[str]:
    """The intents that a fact from outside names."""
    match fact:
        case Turn(intents=scores):
            yield from (score.name for score in scores)
        case Reply(intent=name) | Report(intent=name) if name:
            yield name


def short_id(delivery_id: str) -> str:
    """The id, or its digest where it is longer than a column."""
    return delivery_id if len(delivery_id) <= ID_LIMIT else f"sha256:{hashlib.sha256(delivery_id.encode()).hexdigest()}"


def read(
    parse: Callable[..., Parsed], body: bytes, headers: Mapping[str, str], delivery_id: str, received_at: datetime
) -> Parsed:
    """What the body holds, once decompressed. `parse`: an adapter with its source's options."""
    try:
        plain = decompress(body, headers)
    except Fault as fault:
        return Parsed([], [], [Rejected(0, fault.path, fault.detail, fault.type)], [])
    return parse(plain, delivery_id=delivery_id, received_at=received_at)


def verify(check: Callable[[bytes, Mapping[str, str]], str], body: bytes, headers: Mapping[str, str]) -> str:
    """The delivery's id, or SignatureError. The signature covers the bytes as sent, or those that were compressed after
    signing. `check`: a verifier with its source's secrets."""
    found = _checked(check, body, headers)
    if found is None and encoding(headers):
        found = _checked(check, _plain(body, headers), headers)
    if found is None:
        raise SignatureError
    return found


def _checked(check: Callable[[bytes, Mapping[str, str]], str], body: bytes, headers: Mapping[str, str]) -> str | None:
    try:
        return check(body, headers)
    except Exception:  # noqa: BLE001 - whatever a header holds, it is no more than a wrong signature
        return None


def _plain(body: bytes, headers: Mapping[str, str]) -> bytes:
    try:
        return decompress(body, headers)
    except Fault as fault:
        raise SignatureError from fault


def encoding(headers: Mapping[str, str]) -> str:
    """The Content-Encoding; "" when there is none."""
    return headers.get("content-encoding", "").strip().lower().replace("identity", "").removeprefix("x-")


def decompress(body: bytes, headers: Mapping[str, str]) -> bytes:
    """The plain body; TooLarge as soon as it passes BODY_LIMIT, Fault when it cannot be read."""
    match encoding(headers):
        case "":
            return body
        case "gzip":
            return gunzip(body)
        case other:
            raise Fault("bad-encoding", "$", f"content-encoding {other[:40]!a} is not supported; gzip is")


def gunzip(body: bytes, limit: int = BODY_LIMIT) -> bytes:
    """One gzip member of at most `limit` bytes; never holds more than that."""
    member = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        plain = member.decompress(body, limit + 1)
    except zlib.error as error:
        raise Fault("bad-encoding", "$", "the body is not gzip") from error
    if len(plain) > limit:
        raise TooLarge(f"over {limit:,} bytes once decompressed")
    if not member.eof or member.unused_data:
        raise Fault("bad-encoding", "$", "the body is not one whole gzip member")
    return plain
