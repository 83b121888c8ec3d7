"""Proposed intents, and how much of the log the intents cover."""

from datetime import datetime
from typing import Literal, NamedTuple

import msgspec

from service.intents.schemas import Description, Intent, Name

Status = Literal["open", "accepted", "dismissed", "lapsed"]  # lapsed: a later look at the log did not find it again


class Growth(NamedTuple):
    """A cluster's shares of the turns, in [0, 1]: before the newest window, and in it."""

    before: float
    now: float


class NewProposal(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster as it was found: in the whole log by the job PROPOSE, or grown by the job DRIFT."""

    turn_ids: tuple[int, ...]  # the medoid first, then by distance from the middle
    middle: bytes  # packed, as a turn's vector is: the mean of all its turns' vectors
    turns: int  # of the log looked at, repeats of a text among them
    tightness: float  # mean cosine with the cluster's middle, in [-1, 1]
    phrases: tuple[str, ...]
    growth: Growth | None = None


class ProposalTurn(msgspec.Struct, frozen=True):
    """`text` is None once it is forgotten."""

    id: int
    text: str | None


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """Turns of the log that are far from every label and mean one thing: perhaps an intent that the bot lacks."""

    id: int
    n: int  # the classifier that was in force
    at: datetime
    status: Status
    turns: int
    tightness: float
    phrases: tuple[str, ...]
    typical: tuple[ProposalTurn, ...]  # the medoid first; none that somebody is asked about blind
    intent: str | None = None  # what it was accepted as
    decided_at: datetime | None = None
    growth: Growth | None = None  # None: it does not grow at present


class Queued(msgspec.Struct, frozen=True):
    """Turns that wait now to be asked about, before all others."""

    queued: tuple[int, ...]


class Acceptance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The intent that a proposal becomes."""

    name: Name
    description: Description = ""


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """`queued`: its typical turns that wait now to be asked about; none of them is labelled by this."""

    intent: Intent
    queued: tuple[int, ...]


class IntentCoverage(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    name: str
    turns: int  # of the window, decided for it
    share: float  # of the window's turns
    labels: int
    is_archived: bool  # since the classifier was trained; with no turn it is not listed


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """What the classifier in force makes of the newest `days` of the log. Its turns are decided for an intent, out of
    scope, or unfamiliar: decided for an intent that they are unlike."""

    n: int | None  # the classifier; None before the first
    days: int
    turns: int
    out_of_scope: float  # shares of the turns, in [0, 1]
    unfamiliar: float
    uncovered: float  # the two together
    intents: tuple[IntentCoverage, ...]  # most turns first
