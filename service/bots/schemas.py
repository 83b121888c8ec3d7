"""Records of bots and sources, and what an owner can set."""

import re
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from service.learning.confidence import Whose

Policy = Literal["single", "majority", "dawid_skene"]

NAME = re.compile(r"[a-z0-9_-]{1,40}")


class Pattern(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of personal data of the bot's own: what matches becomes `<NAME_1>`."""

    name: Annotated[str, Meta(pattern="^[A-Za-z][A-Za-z0-9_]{0,39}$")]
    regex: Annotated[str, Meta(min_length=1, max_length=300)]


class Bot(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `bot`; what each setting means stands in tables.py."""

    name: str
    created_at: datetime
    archived_at: datetime | None = None
    encoder: str = ""
    champion: int | None = None
    audit_rate: float = 0.05
    weekly_budget: int = 500
    batch_size: int = 20
    low_water: int = 10
    patterns: tuple[Pattern, ...] = ()
    slack_channel: str = ""
    target: float | None = None
    minutes_per_error: float | None = None
    uncertainty: Whose = "ours"
    overlap: int = 2
    policy: Policy = "majority"
    quiet_hours: str = ""
    timezone: str = "UTC"
    daily_limit: int = 0


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an owner can set; what is left out stays as it is."""

    encoder: Annotated[str, Meta(max_length=500)] | UnsetType = UNSET
    audit_rate: Annotated[float, Meta(ge=0, le=1)] | UnsetType = UNSET
    weekly_budget: Annotated[int, Meta(ge=0, le=1_000_000)] | UnsetType = UNSET
    batch_size: Annotated[int, Meta(ge=1, le=500)] | UnsetType = UNSET
    low_water: Annotated[int, Meta(ge=0, le=10_000)] | UnsetType = UNSET
    patterns: Annotated[tuple[Pattern, ...], Meta(max_length=50)] | UnsetType = UNSET
    slack_channel: Annotated[str, Meta(max_length=40)] | UnsetType = UNSET
    target: Annotated[float, Meta(gt=0, lt=1)] | UnsetType | None = UNSET
    minutes_per_error: Annotated[float, Meta(gt=0, le=1_000)] | UnsetType | None = UNSET
    # A pattern and no Literal: its error lists the choices.
    uncertainty: Annotated[str, Meta(pattern="^(ours|theirs|disagreement)$")] | UnsetType = UNSET
    overlap: Annotated[int, Meta(ge=1, le=5)] | UnsetType = UNSET
    policy: Annotated[str, Meta(pattern="^(single|majority|dawid_skene)$")] | UnsetType = UNSET
    quiet_hours: Annotated[str, Meta(max_length=11)] | UnsetType = UNSET  # HH:MM-HH:MM, or ""
    timezone: Annotated[str, Meta(min_length=1, max_length=64)] | UnsetType = UNSET
    daily_limit: Annotated[int, Meta(ge=0, le=10_000)] | UnsetType = UNSET


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One way logs reach a bot."""

    bot: str
    name: str
    format: str
    scheme: str
    created_at: datetime
    archived_at: datetime | None = None
    tolerance_s: int = 300
    options: dict[str, Any] = {}
