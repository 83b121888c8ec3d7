"""What adding and changing a source takes besides its row: the same rules for the command line and for HTTP."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, NamedTuple

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, Meta, UnsetType

from service import tables
from service.bots import signing, store
from service.bots.schemas import NAME, Source
from service.errors import BadInput, SourceExists
from service.keyring import Keyring
from service.turns.parsing import Platform

RESERVED = (*tables.NOT_SAID, "slack")  # where turns come from that no sender sends
AT_ONCE = timedelta()


class Formats(NamedTuple):
    """What a source may be. Platforms and signature schemes are handed in: they are integrations."""

    platforms: Mapping[str, Platform]
    schemes: Collection[str]

    def platform(self, format: str) -> Platform:
        if format not in self.platforms:
            raise BadInput(f"{format[:60]!r} is no format", path="format", hint=f"one of {', '.join(self.platforms)}")
        return self.platforms[format]

    def scheme(self, name: str) -> str:
        if name not in self.schemes:
            raise BadInput(f"{name[:60]!r} is no scheme", path="scheme", hint=f"one of {', '.join(self.schemes)}")
        return name


class SourceChanges(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an owner can set of a source; what is left out stays. `secret`: the sender's, with a scheme whose secrets
    it makes."""

    scheme: str = ""
    tolerance_s: Annotated[int, Meta(ge=10, le=86_400)] | UnsetType = UNSET
    options: dict[str, Any] | UnsetType = UNSET
    secret: str = ""


class NewSource(SourceChanges, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """`name` and `scheme` are the format's own where they are left out."""

    format: str
    name: str = ""


class Opened(NamedTuple):
    """`secret` is "" where there is none yet, or none at all."""

    source: Source
    secret: str


def add_source(
    connection: sa.Connection, keyring: Keyring, formats: Formats, bot: str, wanted: NewSource, now: datetime, who: str
) -> Opened:
    """BadInput names what the format does not take."""
    platform, given = formats.platform(wanted.format), msgspec.to_builtins(wanted)
    name, scheme = given.pop("name", wanted.format), formats.scheme(given.pop("scheme", platform.scheme))
    options = checked_options(platform, given.pop("options", {}))
    return open_source(connection, keyring, bot, name, now, scheme=scheme, options=options, who=who, **given)


def set_source(
    connection: sa.Connection,
    keyring: Keyring,
    formats: Formats,
    bot: str,
    name: str,
    wanted: SourceChanges,
    now: datetime,
    who: str,
) -> Opened:
    """BadInput names what the source's format does not take."""
    changes = msgspec.to_builtins(wanted)
    if wanted.scheme:
        formats.scheme(wanted.scheme)
    elif wanted.secret:
        raise BadInput("a secret goes with a scheme", path="secret", hint="rotating takes a new secret")
    if "options" in changes:
        platform = formats.platform(store.get_source(connection, bot, name).format)
        changes["options"] = checked_options(platform, changes["options"])
    return change_source(connection, keyring, bot, name, now, who=who, **changes)


def rotate_secret(
    connection: sa.Connection,
    keyring: Keyring,
    bot: str,
    name: str,
    now: datetime,
    *,
    grace: timedelta,
    secret: str,
    who: str,
) -> str:
    """Make a new secret, or take the sender's; the earlier ones stay valid for `grace`."""
    store.live_bot(connection, bot)
    return store.add_secret(connection, keyring, bot, name, now, grace=grace, secret=secret, who=who)


def open_source(
    connection: sa.Connection,
    keyring: Keyring,
    bot: str,
    name: str,
    now: datetime,
    *,
    format: str,
    scheme: str,
    who: str,
    secret: str = "",
    **settings: Any,
) -> Opened:
    """A new source. Its secret is ours to make, or given, or comes later: until then it takes nothing."""
    store.live_bot(connection, bot)
    if not NAME.fullmatch(name) or name in RESERVED:
        raise BadInput(f"{name!r} is no name for a source", path="name", hint="1 to 40 of a-z, 0-9, _ and -")
    if store.has_source(connection, bot, name):
        raise SourceExists(bot, name)
    store.create_source(connection, bot, name, now, format=format, scheme=scheme, who=who, **settings)
    return _with_secret(connection, keyring, bot, name, now, secret, who)


def change_source(
    connection: sa.Connection,
    keyring: Keyring,
    bot: str,
    name: str,
    now: datetime,
    *,
    who: str,
    secret: str = "",
    **changes: Any,
) -> Opened:
    """Set `tolerance_s`, `options` or `scheme`. With the scheme the earlier secrets end at once, whatever it was."""
    store.live_bot(connection, bot)
    source = store.update_source(connection, bot, name, now, who=who, **changes)
    if "scheme" not in changes:
        return Opened(source, "")
    store.retire_secrets(connection, bot, name, now)
    return _with_secret(connection, keyring, bot, name, now, secret, who)


def _with_secret(
    connection: sa.Connection, keyring: Keyring, bot: str, name: str, now: datetime, secret: str, who: str
) -> Opened:
    source = store.get_source(connection, bot, name)
    if secret or signing.has_own_secret(source.scheme):
        secret = store.add_secret(connection, keyring, bot, name, now, grace=AT_ONCE, secret=secret, who=who)
    return Opened(source, secret)


def checked_options(platform: Platform, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options as they were given; BadInput names the one that the format does not take."""
    try:
        msgspec.convert(options, platform.options)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        raise BadInput(message, path=f"options{path.rstrip('`')}") from error
    return dict(options)
