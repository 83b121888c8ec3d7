"""What a platform's adapter and a source's signature scheme must be, and what makes a text unfit to keep.

Adapters and verifiers live in integrations/webhooks and are handed to `create_app`; the service knows their protocols.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol

import msgspec

from service.errors import BadInput, Unauthorized
from service.turns.schemas import ID_LIMIT, TEXT_LIMIT, Fact, Note, Rejected

# Starts an id that an adapter derived from what somebody said, or from who they are. The edge keys it before it is
# kept: what went into a bare digest, such as a telephone number, could be guessed.
DERIVED = "content:"
ID_FIELDS = ("external_id", "conversation_id", "turn_external_id", "reply_external_id")  # of a fact


class Place(NamedTuple):
    """Where an item stands in its delivery."""

    position: int
    path: str


class Parsed(NamedTuple):
    """What a body held. A note says what was dropped or changed of a fact; `rejected` are items that were not taken."""

    facts: list[Fact]
    notes: list[Note]
    rejected: list[Rejected]
    places: list[Place]  # of the facts, one for one


class Adapter(Protocol):
    """Translates one platform's body into facts. Pure and total: where nothing is usable, it answers rejections.

    `options` are the source's own settings; an adapter that has none takes no notice of them.
    """

    def __call__(
        self, body: bytes, *, delivery_id: str, received_at: datetime, options: Mapping[str, Any]
    ) -> Parsed: ...


class NoOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of a platform whose sources have no settings of their own."""


# Whether turns come with the scores of several intents; "sometimes": where the bot, or the way they come by, says them.
Margin = Literal["yes", "sometimes", "no"]


class Platform(NamedTuple):
    """A format that logs may come in."""

    parse: Adapter
    scheme: str  # that a new source gets
    margin: Margin
    unverified: tuple[str, ...] = ()  # fields that no public page was found for: read leniently
    options: type[msgspec.Struct] = NoOptions
    connect: str = ""  # what the owner does on the platform's side, in a sentence


class Verifier(Protocol):
    """Checks a signature that any of the secrets may have made; the delivery's id, or any exception.

    `tolerance_s`: how far the signed time may be from `now`.
    """

    def __call__(
        self, body: bytes, headers: Mapping[str, str], secrets: Sequence[str], *, now: datetime, tolerance_s: int
    ) -> str: ...


class SignatureError(Unauthorized):
    """Unsigned, wrongly signed, not a signature at all, or too old: the caller learns no more than that."""

    type = "bad-signature"

    def __init__(self) -> None:
        super().__init__(
            "the delivery's signature is missing, wrong or too old", hint="sign the raw body by the source's scheme"
        )


class Fault(BadInput):
    """One thing that is wrong, at `path`; `type` is its stable name."""

    def __init__(self, type: str, path: str, detail: str) -> None:
        super().__init__(detail, path=path)
        self.type = type


class Refused(BadInput):
    """A request of which nothing was stored: the first fault is the problem's own, all of them are listed."""

    def __init__(self, faults: Sequence[Rejected]) -> None:
        first, others = faults[0], len(faults) - 1
        more = f" (and {others} more)" if others else ""
        super().__init__(
            first.reason + more, path=first.path, hint="nothing was stored: mend it and send all of it again"
        )
        self.type, self.faults = first.type, tuple(faults)


def check_text(text: str, path: str, *, may_be_empty: bool = False) -> None:
    """Fault unless the text can be kept as it is: encodable, free of NUL, not blank, at most 4,000 characters."""
    check_characters(text, path)
    if not may_be_empty and not text.strip():
        raise Fault("empty-text", path, "the text is empty")
    if len(text) > TEXT_LIMIT:
        raise Fault("text-too-long", path, f"{len(text)} characters; at most {TEXT_LIMIT:,} are taken")


def check_id(text: str, path: str) -> None:
    check_characters(text, path)
    if not 0 < len(text) <= ID_LIMIT:
        raise Fault("bad-id", path, f"an id has 1 to {ID_LIMIT} characters, this one {len(text)}")


def check_characters(text: str, path: str) -> None:
    """Fault on what Postgres cannot store (NUL) or no database can (halves of a surrogate pair)."""
    if "\0" in text:
        raise Fault("nul-in-text", path, "the text holds a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Fault("not-unicode", path, "the text holds invalid UTF-8 or half of a surrogate pair") from error
