"""API keys: `fp_<id>_<secret>`, shown once.

Only a SHA-256 is stored: the secret has 256 random bits, so a slow hash would guard nothing.
"""

import hmac
import secrets
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, get_args

import msgspec
import sqlalchemy as sa

from service import tables as t
from service.access import audit
from service.access.roles import SLACK_USER, Principal, Role
from service.bots.store import get_bot
from service.errors import BadInput, KeyNotFound, Unauthorized

GRACE = timedelta(days=1)
NAME_LIMIT = 80  # a key's name is the reviewer's name on its votes


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a key; the key itself is not."""

    id: str
    bot: str | None
    role: Role
    name: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None


def digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def checked_name(name: str) -> str:
    """The name of a person or a program, trimmed."""
    name = name.strip()
    if not name or len(name) > NAME_LIMIT or not name.isprintable():
        raise BadInput("a name is 1 to 80 printable characters", path="name")
    if name.startswith(SLACK_USER):
        raise BadInput(
            f"names that begin with {SLACK_USER} are those of Slack's users", path="name", hint="take another"
        )
    return name


def checked_scope(connection: sa.Connection, role: str, bot: str | None) -> None:
    """The role exists, the bot exists, and the two go together."""
    if role not in get_args(Role):
        raise BadInput(f"{role!r} is no role", path="role", hint=f"one of {', '.join(get_args(Role))}")
    if bot is not None:
        get_bot(connection, bot)
    if role == "operator" and bot is not None:
        raise BadInput("an operator has every bot", path="role", hint="leave the bot out, or choose owner")


def create_key(
    connection: sa.Connection, *, name: str, role: Role, bot: str | None, now: datetime, who: str = audit.SYSTEM
) -> str:
    """The key, shown here and never again."""
    checked_scope(connection, role, bot)
    return _insert(connection, checked_name(name), role, bot, now, who, "key.create")


def _insert(
    connection: sa.Connection, name: str, role: Role, bot: str | None, now: datetime, who: str, action: str
) -> str:
    key_id = secrets.token_hex(6)
    key = f"fp_{key_id}_{secrets.token_urlsafe(32)}"
    row = {"id": key_id, "bot": bot, "role": role, "name": name, "digest": digest(key), "created_at": now}
    connection.execute(sa.insert(t.api_key).values(row))
    audit.record(connection, bot, action, now, who, key=key_id, role=role, name=name)
    return key


def id_of(key: str) -> str:
    """The public part of a key: what lists show and revocation takes."""
    return key.removeprefix("fp_").partition("_")[0]


def get_key(connection: sa.Connection, key_id: str) -> ApiKey:
    row = _find(connection, key_id)
    if row is None:
        raise KeyNotFound(key_id)
    return msgspec.convert(row, ApiKey, from_attributes=True)


def _find(connection: sa.Connection, key_id: str) -> sa.Row[Any] | None:
    if not key_id.isalnum():  # whatever it is, it is no id; a NUL in it would be an error in Postgres
        return None
    return connection.execute(sa.select(t.api_key).where(t.api_key.c.id == key_id)).one_or_none()


def list_keys(connection: sa.Connection, bot: str | None = None) -> list[ApiKey]:
    """Of the bot, or every key when no bot is named; oldest first, revoked ones too."""
    query = sa.select(t.api_key).order_by(t.api_key.c.created_at, t.api_key.c.id)
    if bot is not None:
        query = query.where(t.api_key.c.bot == bot)
    return [msgspec.convert(row, ApiKey, from_attributes=True) for row in connection.execute(query)]


def revoke_key(connection: sa.Connection, key_id: str, now: datetime, *, who: str = audit.SYSTEM) -> ApiKey:
    """Refused from now on. A repeat changes nothing."""
    key = get_key(connection, key_id)
    if connection.execute(_unrevoked(key_id).values(revoked_at=now)).rowcount:
        audit.record(connection, key.bot, "key.revoke", now, who, key=key_id)
    return get_key(connection, key_id)


def _unrevoked(key_id: str) -> sa.Update:
    """Fenced: what was read of the key may be over, on Postgres."""
    return sa.update(t.api_key).where(t.api_key.c.id == key_id, t.api_key.c.revoked_at.is_(None))


def rotate_key(
    connection: sa.Connection, key_id: str, now: datetime, *, grace: timedelta = GRACE, who: str = audit.SYSTEM
) -> str:
    """A new key with the same name, role and bot; the old one is valid for `grace` longer."""
    old = get_key(connection, key_id)
    until = now + grace if old.expires_at is None else min(old.expires_at, now + grace)
    if not connection.execute(_unrevoked(key_id).values(expires_at=until)).rowcount:
        raise BadInput(f"key {key_id} is revoked", path="key", hint="create a new one")
    audit.record(connection, old.bot, "key.expire", now, who, key=key_id, grace_s=int(grace.total_seconds()))
    return _insert(connection, old.name, old.role, old.bot, now, who, "key.rotate")


def principal_of_key(connection: sa.Connection, key: str, now: datetime) -> Principal:
    """Who holds this key; Unauthorized, with one message for every cause, when nobody may use it."""
    row = _find(connection, id_of(key))
    is_known = row is not None and hmac.compare_digest(row.digest, digest(key))
    if row is None or not is_known or not is_valid(row.expires_at, row.revoked_at, now):
        raise Unauthorized("the key is unknown, revoked or expired", hint="`fencepost keys create` makes one")
    return Principal(row.name, row.role, row.bot, "key")


def is_valid(expires_at: datetime | None, revoked_at: datetime | None, now: datetime) -> bool:
    return revoked_at is None and (expires_at is None or expires_at > now)
