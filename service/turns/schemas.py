"""What a delivery carries, whatever the platform: turns, replies and reports. Adapters produce these; the stream
carries them; ingest stores them.

Later fields have defaults, so that entries written by an older version still decode."""

from collections import Counter
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

TEXT_LIMIT = 4_000  # characters of a turn, a reply or a comment
ID_LIMIT = 300
TURNS_LIMIT = 1_000  # turns of one delivery

Id = Annotated[str, Meta(min_length=1, max_length=ID_LIMIT)]
OptionalId = Annotated[str, Meta(max_length=ID_LIMIT)]
ReportKind = Literal[
    "thumbs_down", "low_rating", "wrong_answer", "correction", "handoff", "rephrase", "fallback", "abandoned"
]


class IntentScore(msgspec.Struct, frozen=True):
    name: str
    score: float


class Entity(msgspec.Struct, frozen=True, omit_defaults=True):
    """A span of a turn: character offsets, `text[start:end] == value`."""

    type: str
    value: str
    start: int
    end: int
    score: float | None = None


class Turn(msgspec.Struct, frozen=True, kw_only=True, tag="turn", omit_defaults=True):
    """One user utterance, with what the bot made of it when known."""

    external_id: Id
    text: Annotated[str, Meta(min_length=1, max_length=TEXT_LIMIT)]
    at: datetime
    conversation_id: OptionalId = ""
    user: str = ""
    lang: str = ""
    channel: str = ""
    bot_version: str = ""
    intents: tuple[IntentScore, ...] = ()  # best first, top 10
    entities: tuple[Entity, ...] = ()
    is_fallback: bool = False
    is_slot_fill: bool = False  # context: never classified, marked or audited


class Reply(msgspec.Struct, frozen=True, kw_only=True, tag="reply", omit_defaults=True):
    """What the bot answered; points at its turn when the platform says so."""

    external_id: Id
    text: Annotated[str, Meta(max_length=TEXT_LIMIT)]
    at: datetime
    conversation_id: OptionalId = ""
    turn_external_id: OptionalId = ""
    intent: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True, tag="report", omit_defaults=True):
    """A signal that the bot got a turn wrong; points at a turn or at a reply, in any order of arrival."""

    external_id: Id
    kind: ReportKind
    at: datetime
    conversation_id: OptionalId = ""
    turn_external_id: OptionalId = ""
    reply_external_id: OptionalId = ""
    intent: str = ""  # of a correction: the right one
    comment: Annotated[str, Meta(max_length=TEXT_LIMIT)] = ""
    user: str = ""
    is_explicit: bool = True


class Example(msgspec.Struct, frozen=True, kw_only=True, tag="example", omit_defaults=True):
    """An utterance the owner imports with its answer: an intent's example, or a row of the gold set. Travels the stream
    like a turn, for it wants the same redaction and encoder, and becomes a turn of source `import` or `gold` with a
    label of origin `import`."""

    external_id: Id
    text: Annotated[str, Meta(min_length=1, max_length=TEXT_LIMIT)]
    at: datetime
    intent: str  # "": none, out of scope
    use: Literal["train", "gold"] = "train"
    entities: tuple[Entity, ...] = ()
    lang: str = ""


Fact = Turn | Reply | Report | Example


class Rejected(msgspec.Struct, frozen=True):
    """An item that was not taken: its index in the delivery, where the fault stands, what is wrong; `type` is the
    fault's stable name."""

    index: int
    path: str
    reason: str
    type: str = "bad-input"


class Note(msgspec.Struct, frozen=True):
    """Something of an accepted item that was changed or dropped; `type` is its stable name."""

    index: int
    path: str
    note: str
    type: str = "bad-input"


class Receipt(msgspec.Struct, frozen=True):
    """The answer to a delivery; a repeat of the delivery gets the same one."""

    accepted: int = 0
    notes: tuple[Note, ...] = ()
    rejected: tuple[Rejected, ...] = ()

    def counts(self) -> dict[str, int]:
        """What is counted of it (service/turns/counted.py), by name: each type of note and of rejection is one.

        >>> Receipt(2, rejected=(Rejected(0, "$", "the text is empty", "empty-text"),)).counts()
        {'delivery': 1, 'accepted': 2, 'rejected.empty-text': 1}
        """
        named = [f"rejected.{one.type}" for one in self.rejected] + [f"note.{one.type}" for one in self.notes]
        return {"delivery": 1, "accepted": self.accepted, **Counter(named)}


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """One stream entry: one fact and where it came from."""

    bot: str
    source: str
    delivery_id: str
    received_at: datetime
    fact: Fact


encode_envelope = msgspec.msgpack.Encoder().encode
decode_envelope = msgspec.msgpack.Decoder(Envelope).decode
