"""Bots, their sources and the sources' sealed secrets."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa

from service import database
from service import tables as t
from service.access import audit
from service.bots import hours, signing
from service.bots.schemas import NAME, Bot, Options, Source
from service.errors import BadInput, BotArchived, BotExists, BotNotFound, SourceNotFound
from service.keyring import Keyring

NATIVE = "native"
GRACE = timedelta(days=1)
PURPOSE = "source-secret"


def create_bot(connection: sa.Connection, name: str, now: datetime, *, who: str = audit.SYSTEM, **options: Any) -> Bot:
    """A bot and its source `native`, which takes nothing until `add_secret` gave it a secret.

    `options` are fields of Options; their patterns were tried out before, see rules.py.
    """
    if not NAME.fullmatch(name):
        raise BadInput(f"{name!r} is no name for a bot", path="name", hint="1 to 40 of a-z, 0-9, _ and -")
    chosen = _plain(options)
    if not database.insert_new(connection, t.bot, [{"name": name, "created_at": now, **chosen}]):
        raise BotExists(name)
    audit.record(connection, name, "bot.create", now, who, **chosen)
    create_source(connection, name, NATIVE, now, format=NATIVE, scheme=signing.STANDARD, who=who)
    return get_bot(connection, name)


def checked(options: Mapping[str, Any]) -> Options:
    """The options that were given; BadInput names the one that is wrong."""
    try:
        given = msgspec.convert(msgspec.to_builtins(options), Options)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$.")
        raise BadInput(message, path=path.rstrip("`")) from error
    if given.quiet_hours:
        hours.parse(given.quiet_hours)
    if given.timezone:
        hours.zone(given.timezone)
    return given


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(checked(options))
    return plain


def get_bot(connection: sa.Connection, name: str) -> Bot:
    query = sa.select(t.bot).where(t.bot.c.name == name)
    # Postgres would take a NUL in the name for an error of its own.
    row = connection.execute(query).one_or_none() if NAME.fullmatch(name) else None
    if row is None:
        raise BotNotFound(name)
    return msgspec.convert(row, Bot, from_attributes=True)


def live_bot(connection: sa.Connection, name: str) -> Bot:
    """The bot; BotArchived when it takes nothing any more."""
    bot = get_bot(connection, name)
    if bot.archived_at is not None:
        raise BotArchived(name)
    return bot


def list_bots(connection: sa.Connection, *, archived: bool = False) -> list[Bot]:
    """By name; `archived` adds the archived ones."""
    query = sa.select(t.bot).order_by(t.bot.c.name)
    if not archived:
        query = query.where(t.bot.c.archived_at.is_(None))
    return [msgspec.convert(row, Bot, from_attributes=True) for row in connection.execute(query)]


def update_bot(connection: sa.Connection, name: str, now: datetime, *, who: str = audit.SYSTEM, **options: Any) -> Bot:
    live_bot(connection, name)
    if changes := _plain(options):
        connection.execute(sa.update(t.bot).where(t.bot.c.name == name).values(**changes))
        audit.record(connection, name, "bot.set", now, who, **changes)
    return get_bot(connection, name)


def archive_bot(connection: sa.Connection, name: str, now: datetime, *, who: str = audit.SYSTEM) -> Bot:
    """Its webhooks and changes answer 410 from now on; everything stays readable. A repeat changes nothing."""
    if get_bot(connection, name).archived_at is None:
        connection.execute(sa.update(t.bot).where(t.bot.c.name == name).values(archived_at=now))
        audit.record(connection, name, "bot.archive", now, who)
    return get_bot(connection, name)


def restore_bot(connection: sa.Connection, name: str, now: datetime, *, who: str = audit.SYSTEM) -> Bot:
    if get_bot(connection, name).archived_at is not None:
        connection.execute(sa.update(t.bot).where(t.bot.c.name == name).values(archived_at=None))
        audit.record(connection, name, "bot.restore", now, who)
    return get_bot(connection, name)


def create_source(
    connection: sa.Connection,
    bot: str,
    name: str,
    now: datetime,
    *,
    format: str,
    scheme: str,
    who: str = audit.SYSTEM,
    **settings: Any,
) -> Source:
    """A source that exists is returned as it is. `settings`: `tolerance_s` and `options`."""
    row = {"bot": bot, "name": name, "format": format, "scheme": scheme, "created_at": now, **settings}
    if database.insert_new(connection, t.source, [row]):
        audit.record(connection, bot, "source.create", now, who, source=name, format=format, scheme=scheme, **settings)
    return get_source(connection, bot, name)


def has_source(connection: sa.Connection, bot: str, name: str) -> bool:
    """Also an archived one: its turns still go by that name."""
    query = sa.select(t.source.c.name).where(t.source.c.bot == bot, t.source.c.name == name)
    return bool(NAME.fullmatch(name)) and connection.execute(query).first() is not None


def update_source(
    connection: sa.Connection, bot: str, name: str, now: datetime, *, who: str = audit.SYSTEM, **changes: Any
) -> Source:
    """`changes`: of `scheme`, `tolerance_s` and `options`."""
    get_source(connection, bot, name)
    if changes:
        _set_source(connection, bot, name, **changes)
        audit.record(connection, bot, "source.set", now, who, source=name, **changes)
    return get_source(connection, bot, name)


def archive_source(connection: sa.Connection, bot: str, name: str, now: datetime, *, who: str = audit.SYSTEM) -> Source:
    """It takes nothing more; what came in by it stays."""
    source = get_source(connection, bot, name)
    _set_source(connection, bot, name, archived_at=now)
    audit.record(connection, bot, "source.archive", now, who, source=name)
    return msgspec.structs.replace(source, archived_at=now)


def restore_source(connection: sa.Connection, bot: str, name: str, now: datetime, *, who: str = audit.SYSTEM) -> Source:
    if not has_source(connection, bot, name):
        raise SourceNotFound(bot, name)
    _set_source(connection, bot, name, archived_at=None)
    audit.record(connection, bot, "source.restore", now, who, source=name)
    return get_source(connection, bot, name)


def _set_source(connection: sa.Connection, bot: str, name: str, **values: Any) -> None:
    c = t.source.c
    connection.execute(sa.update(t.source).where(c.bot == bot, c.name == name).values(**values))


def get_source(connection: sa.Connection, bot: str, name: str) -> Source:
    """SourceNotFound also when it is archived."""
    c = t.source.c
    query = sa.select(t.source).where(c.bot == bot, c.name == name, c.archived_at.is_(None))
    row = connection.execute(query).one_or_none() if NAME.fullmatch(name) else None
    if row is None:
        raise SourceNotFound(bot, name)
    return msgspec.convert(row, Source, from_attributes=True)


def list_sources(connection: sa.Connection, bot: str) -> list[Source]:
    """By name, archived ones too."""
    query = sa.select(t.source).where(t.source.c.bot == bot).order_by(t.source.c.name)
    return [msgspec.convert(row, Source, from_attributes=True) for row in connection.execute(query)]


def add_secret(
    connection: sa.Connection,
    keyring: Keyring,
    bot: str,
    source: str,
    now: datetime,
    *,
    grace: timedelta = GRACE,
    secret: str = "",
    who: str = audit.SYSTEM,
) -> str:
    """The sender's `secret`, or a new one, shown here and never again; the earlier ones are valid for `grace` longer.

    BadInput where the source's scheme takes no such secret.
    """
    scheme = get_source(connection, bot, source).scheme
    secret = signing.check_secret(scheme, secret) if secret else signing.make_secret(scheme)
    retire_secrets(connection, bot, source, now + grace)
    row = {"bot": bot, "source": source, "sealed": keyring.seal(PURPOSE, secret.encode()), "created_at": now}
    connection.execute(sa.insert(t.source_secret).values(row))
    audit.record(connection, bot, "source.rotate", now, who, source=source, grace_s=int(grace.total_seconds()))
    return secret


def retire_secrets(connection: sa.Connection, bot: str, source: str, at: datetime) -> None:
    """Those that would be valid for longer end then."""
    c = t.source_secret.c
    outlives = sa.or_(c.revoked_at.is_(None), c.revoked_at > at)
    retire = sa.update(t.source_secret).where(c.bot == bot, c.source == source, outlives).values(revoked_at=at)
    connection.execute(retire)


def active_secrets(
    connection: sa.Connection, keyring: Keyring, bot: str, source: str, now: datetime | None = None
) -> list[str]:
    """Every secret that is valid now, newest first; SourceNotFound for a source the bot does not have."""
    get_source(connection, bot, source)
    query = _in_force(bot, source, now or datetime.now(UTC)).order_by(t.source_secret.c.id.desc())
    return [keyring.open(PURPOSE, sealed).decode() for sealed in connection.scalars(query)]


def has_secret(connection: sa.Connection, bot: str, source: str, now: datetime) -> bool:
    """Whether any is valid now."""
    return connection.execute(_in_force(bot, source, now).limit(1)).first() is not None


def _in_force(bot: str, source: str, now: datetime) -> sa.Select[Any]:
    c = t.source_secret.c
    is_valid = sa.or_(c.revoked_at.is_(None), c.revoked_at > now)
    return sa.select(c.sealed).where(c.bot == bot, c.source == source, is_valid)
