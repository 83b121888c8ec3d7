"""Reading a conversation log: JSON Lines, plain or gzip, in either of two shapes, and the deliveries that carry it.

An intent file has a row for each utterance, which is a conversation of its own: `{"text", "intent"?, "entities"?}`. A
dialogue file has a row for each conversation: `{"conversation_id", "turns": [{"speaker", "text", "intent"?, …}]}`,
optionally with `user`, `channel`, `bot_version`, `started_at`, and on turns `offset_s`, `nlu`, `is_slot_fill`,
`fallback`, `reports`.

The truth stays with the reader: a delivery never carries a user turn's `intent`. A turn whose truth is null is context,
and sent as a slot fill; a row without the key `intent` is unlabelled.
"""

import gzip
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from service.errors import BadInput
from service.turns.schemas import TURNS_LIMIT, ReportKind

OUT_OF_SCOPE = ("oos", "none")  # how logs spell what the labels call `none`
NONE = "none"
HELD_OUT = 5  # every fifth conversation
BETWEEN_TURNS_S = 10.0  # where the log has no times
BETWEEN_CONVERSATIONS = timedelta(seconds=30)
UNTIMED = datetime(2026, 1, 5, 9, tzinfo=UTC)


class LoggedReport(msgspec.Struct, frozen=True):
    kind: ReportKind
    comment: str = ""
    intent: str = ""


class LoggedTurn(msgspec.Struct, frozen=True, kw_only=True):
    """What one speaker said.

    `intent`: of a user's turn the truth (`none`: out of scope; None: context), of an agent's turn the bot's own.
    """

    id: str
    speaker: Literal["user", "agent"]
    text: str
    at: datetime
    intent: str | None = None
    is_labelled: bool = False
    also: tuple[str, ...] = ()  # further intents of a turn that holds several
    is_slot_fill: bool = False
    is_fallback: bool = False
    intents: tuple[dict[str, Any], ...] = ()  # the old bot's scores
    entities: tuple[dict[str, Any], ...] = ()  # type, value, start, end
    reports: tuple[LoggedReport, ...] = ()


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    position: int  # in the log, from 0
    turns: tuple[LoggedTurn, ...]
    user: str = ""
    channel: str = ""
    bot_version: str = ""

    @property
    def is_held_out(self) -> bool:
        """Every fifth conversation of a log is kept for testing."""
        return self.position % HELD_OUT == HELD_OUT - 1

    @property
    def user_turns(self) -> list[LoggedTurn]:
        return [turn for turn in self.turns if turn.speaker == "user"]


class Delivery(NamedTuple):
    """One request. The id follows from what is said, so that a repeat is known as one whenever it is sent."""

    id: str
    body: bytes
    turns: int  # the users'
    next: int  # position of the conversation to go on with


class _Turn(msgspec.Struct, frozen=True):
    """A turn as the file has it."""

    text: str
    speaker: Literal["user", "agent"] = "user"
    intent: str | msgspec.UnsetType | None = msgspec.UNSET
    also: tuple[str, ...] = ()
    offset_s: float | None = None
    is_slot_fill: bool = False
    fallback: bool = False
    nlu: dict[str, Any] = {}
    entities: tuple[dict[str, Any], ...] = ()
    reports: tuple[LoggedReport, ...] = ()


class _Dialogue(msgspec.Struct, frozen=True):
    conversation_id: str
    turns: tuple[_Turn, ...]
    user: str = ""
    channel: str = ""
    bot_version: str = ""
    started_at: datetime | None = None


_decode = msgspec.json.Decoder(dict[str, Any]).decode


def read_log(path: Path, *, start: datetime = UNTIMED) -> Iterator[Conversation]:
    """The log's conversations in order; those without a time begin at `start`, 30 s apart.

    BadInput names the line that cannot be read.
    """
    for position, row in enumerate(_rows(path)):
        try:
            dialogue = _dialogue(row, f"{path.name.partition('.')[0]}-{position:06d}")
        except msgspec.ValidationError as error:
            raise BadInput(str(error), path=f"{path.name}, conversation {position + 1}") from error
        yield _conversation(dialogue, position, start + position * BETWEEN_CONVERSATIONS)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        is_packed = file.read(2) == b"\x1f\x8b"
    with gzip.open(path) if is_packed else path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                yield _decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise BadInput(f"not a JSON object: {error}", path=f"{path.name}, line {number}") from error


def _dialogue(row: dict[str, Any], own_id: str) -> _Dialogue:
    """Either shape as the one; an utterance is a conversation of one turn."""
    if "turns" in row:
        return msgspec.convert({"conversation_id": own_id, **row}, _Dialogue)
    return _Dialogue(own_id, (msgspec.convert(row, _Turn),))


def _conversation(row: _Dialogue, position: int, start: datetime) -> Conversation:
    begin = row.started_at or start
    begin = begin.astimezone(UTC) if begin.tzinfo else begin.replace(tzinfo=UTC)
    return Conversation(
        id=row.conversation_id,
        position=position,
        turns=tuple(_turn(turn, f"{row.conversation_id}:{n}", begin, n) for n, turn in enumerate(row.turns)),
        user=row.user,
        channel=row.channel,
        bot_version=row.bot_version,
    )


def _turn(turn: _Turn, own_id: str, begin: datetime, n: int) -> LoggedTurn:
    after_s = n * BETWEEN_TURNS_S if turn.offset_s is None else turn.offset_s
    is_labelled = turn.intent is not msgspec.UNSET
    return LoggedTurn(
        id=own_id,
        speaker=turn.speaker,
        text=turn.text,
        at=begin + timedelta(seconds=after_s),
        intent=_truth(turn.intent),
        is_labelled=is_labelled,
        also=turn.also,
        is_slot_fill=turn.is_slot_fill or (turn.speaker == "user" and turn.intent is None),
        is_fallback=turn.fallback,
        intents=tuple(turn.nlu.get("intents", ())),
        entities=tuple(_entity(entity) for entity in turn.entities),
        reports=turn.reports,
    )


def _truth(intent: str | msgspec.UnsetType | None) -> str | None:
    if intent is msgspec.UNSET or intent is None:
        return None
    return NONE if intent in OUT_OF_SCOPE else intent


def _entity(entity: dict[str, Any]) -> dict[str, Any]:
    """Logs call the value `text`."""
    named = {name: value for name, value in entity.items() if name != "text"}
    return {"value": entity["text"], **named} if "text" in entity else named


# --- to deliveries


class _Piece(NamedTuple):
    conversation: Conversation
    next: int


def deliveries(conversations: Iterable[Conversation], *, turns: int = 1) -> Iterator[Delivery]:
    """Whole conversations, in order, gathered until a delivery holds at least `turns` turns of users.

    One conversation a delivery by default; only a conversation of over 1,000 turns is split.
    """
    batch: list[_Piece] = []
    for piece in (piece for conversation in conversations for piece in _pieces(conversation)):
        if batch and _size(batch) + len(piece.conversation.turns) > TURNS_LIMIT:
            yield _delivery(batch)
            batch = []
        batch.append(piece)
        if sum(len(found.conversation.user_turns) for found in batch) >= turns:
            yield _delivery(batch)
            batch = []
    if batch:
        yield _delivery(batch)


def _pieces(conversation: Conversation) -> Iterator[_Piece]:
    for end in range(TURNS_LIMIT, len(conversation.turns) + TURNS_LIMIT, TURNS_LIMIT):
        turns = conversation.turns[end - TURNS_LIMIT : end]
        is_last = end >= len(conversation.turns)
        yield _Piece(msgspec.structs.replace(conversation, turns=turns), conversation.position + is_last)


def _size(batch: Sequence[_Piece]) -> int:
    return sum(len(piece.conversation.turns) for piece in batch)


def _delivery(batch: Sequence[_Piece]) -> Delivery:
    found = [piece.conversation for piece in batch]
    data = {
        "turns": [_sent_turn(talk, turn) for talk in found for turn in talk.user_turns],
        "replies": [
            _sent_reply(talk, n) for talk in found for n, turn in enumerate(talk.turns) if turn.speaker == "agent"
        ],
        "reports": [
            _sent_report(talk, turn, report) for talk in found for turn in talk.turns for report in turn.reports
        ],
    }
    said = msgspec.json.encode([(turn.id, turn.text) for talk in found for turn in talk.turns])
    body = msgspec.json.encode({"type": "conversation.turns", "data": data})
    return Delivery(f"log-{hashlib.sha256(said).hexdigest()[:32]}", body, len(data["turns"]), batch[-1].next)


def _sent_turn(conversation: Conversation, turn: LoggedTurn) -> dict[str, Any]:
    return {
        "conversation_id": conversation.id,
        "turn_id": turn.id,
        "ts": turn.at,
        "text": turn.text,
        "user": conversation.user,
        "channel": conversation.channel,
        "bot_version": conversation.bot_version,
        "is_fallback": turn.is_fallback,
        "is_slot_fill": turn.is_slot_fill,
        "nlu": {"intents": turn.intents, "entities": turn.entities},
    }


def _sent_reply(conversation: Conversation, n: int) -> dict[str, Any]:
    """It answers the user's turn before it."""
    reply = conversation.turns[n]
    asked = [turn.id for turn in conversation.turns[:n] if turn.speaker == "user"][-1:]
    own = {"conversation_id": conversation.id, "reply_id": reply.id, "ts": reply.at, "text": reply.text}
    return own | {"turn_id": asked[0] if asked else "", "intent": reply.intent or ""}


def _sent_report(conversation: Conversation, turn: LoggedTurn, report: LoggedReport) -> dict[str, Any]:
    own = {"conversation_id": conversation.id, "turn_id": turn.id, "ts": turn.at, "user": conversation.user}
    return own | {name: value for name, value in msgspec.structs.asdict(report).items() if value}
