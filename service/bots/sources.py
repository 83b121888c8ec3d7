"""What adding and changing a source takes besides its row."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from service import tables
from service.bots import signing, store
from service.bots.schemas import NAME, Source
from service.errors import BadInput, SourceExists
from service.keyring import Keyring
from service.turns.parsing import Platform

RESERVED = (*tables.NOT_SAID, "slack")  # where turns come from that no sender sends
AT_ONCE = timedelta()


class Opened(NamedTuple):
    """`secret` is "" where there is none yet, or none at all."""

    source: Source
    secret: str


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
