"""What other systems are told. An *event* happened; an *endpoint* is a URL that is told of it; an *attempt* is one
request. How far an event is on its way to an endpoint is a *sending*.

An endpoint hears of an event at least once, in no promised order: `webhook-id` is the event's id and the same in every
attempt, and `timestamp` says when it happened."""

import re
from datetime import datetime
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import UNSET, Meta, UnsetType

EventType = Literal[
    "label.resolved",
    "classifier.promoted",
    "classifier.held",
    "drift.alert",
    "intent.proposed",
    "release.created",
]
EVENT_TYPES: tuple[EventType, ...] = get_args(EventType)
PING = "fencepost.ping"  # asked for, by `endpoints test`: no endpoint has to want it
EVENT_ID = re.compile(r"evt_[0-9a-f]{32}")

Because = Literal["", "owner", "gone", "failing"]
SendingStatus = Literal["pending", "delivered", "failed"]
Url = Annotated[str, Meta(min_length=1, max_length=2000)]
Wanted = Annotated[tuple[EventType, ...], Meta(max_length=len(EVENT_TYPES))]


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """`events` empty: all types. `disabled_because`: its owner said so, it answered 410, or it failed for days."""

    id: int
    bot: str
    url: str
    events: tuple[EventType, ...] = ()
    created_at: datetime
    disabled_at: datetime | None = None
    disabled_because: Because = ""
    failing_since: datetime | None = None


class NewEndpoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    url: Url
    events: Wanted = ()


class EndpointChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is left out stays as it is."""

    url: Url | UnsetType = UNSET
    events: Wanted | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class OpenedEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """`secret` verifies what the endpoint receives; it is shown this once."""

    endpoint: Endpoint
    secret: str


class Sending(msgspec.Struct, frozen=True, kw_only=True):
    """`attempts` since it was last put on its way; `next_at` None: none follows."""

    endpoint: int
    status: SendingStatus
    attempts: int
    next_at: datetime | None


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """`status_code` None: no answer, `error` says why."""

    endpoint: int
    at: datetime
    ms: int
    status_code: int | None
    error: str


class Event(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    type: str
    at: datetime
    data: dict[str, Any]
    sendings: tuple[Sending, ...] = ()


class EventView(Event, frozen=True, kw_only=True):
    """With every attempt, oldest first."""

    attempts: tuple[Attempt, ...] = ()


class Replay(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`endpoint` None: each one that is enabled and wants the type."""

    endpoint: int | None = None


class Missed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happened from then on and did not reach the endpoint."""

    since: Annotated[datetime, Meta(tz=True)]


class Replayed(msgspec.Struct, frozen=True):
    """How many sendings were put on their way again."""

    sendings: int
