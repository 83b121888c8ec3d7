"""One-time sign-in links, and the console sessions that they or keys open. All tokens are stored as SHA-256 only; how
a session's begins is its name in lists.

Looking at a link does not spend it, for chat programs fetch links to preview them; redeeming it does, in one
conditional UPDATE. A session that a key opened is held against the key at each request, and ends with it.
"""

import secrets
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa

from service import tables as t
from service.access import audit
from service.access.keys import checked_name, checked_scope, digest, id_of, is_valid, principal_of_key
from service.access.roles import Principal, Role
from service.bots.store import get_bot
from service.errors import BadInput, SessionNotFound, SignInSpent, Unauthorized

S = t.session.c
_id = sa.func.substr(S.digest, 1, 16)

LINK_LIFE = timedelta(minutes=15)
SESSION_LIFE = timedelta(days=14)


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who is signed in. `key_id` None: a link opened it, no key."""

    id: str
    bot: str | None
    role: Role
    name: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    key_id: str | None


class SignIn(msgspec.Struct, frozen=True):
    """What a link grants. `name` "": the person is asked."""

    name: str
    role: Role
    bot: str | None


def create_sign_in(
    connection: sa.Connection, *, name: str, role: Role, bot: str | None, now: datetime, who: str = audit.SYSTEM
) -> str:
    """The token of a link that works once, within 15 minutes."""
    checked_scope(connection, role, bot)
    if role == "ingest":
        raise BadInput("ingest is a role of keys, not of people", path="role", hint="make a key")
    name = checked_name(name) if name else ""
    token = secrets.token_urlsafe(32)
    row = {"digest": digest(token), "bot": bot, "role": role, "name": name, "expires_at": now + LINK_LIFE}
    connection.execute(sa.insert(t.sign_in).values(row))
    audit.record(connection, bot, "sign_in.create", now, who, role=role, name=name)
    return token


def look_at(connection: sa.Connection, token: str, now: datetime) -> SignIn:
    """What the link would grant, without spending it; SignInSpent when it grants nothing."""
    row = connection.execute(sa.select(t.sign_in).where(t.sign_in.c.digest == digest(token))).one_or_none()
    if row is None or row.used_at is not None or row.expires_at <= now:
        raise SignInSpent
    return SignIn(row.name, row.role, row.bot)


def redeem(connection: sa.Connection, token: str, name: str, now: datetime) -> str:
    """Spend the link for a session token. `name` counts where the link names nobody."""
    link = look_at(connection, token, now)
    name = link.name or checked_name(name)
    c = t.sign_in.c
    is_unspent = sa.and_(c.digest == digest(token), c.used_at.is_(None), c.expires_at > now)
    if connection.execute(sa.update(t.sign_in).where(is_unspent).values(used_at=now)).rowcount != 1:
        raise SignInSpent
    return _open_session(connection, SignIn(name, link.role, link.bot), None, now)


def open_by_key(connection: sa.Connection, key: str, now: datetime) -> str:
    """A session token with the key's name, role and bot; Unauthorized, or BadInput for a key that no person uses."""
    holder = principal_of_key(connection, key, now)
    if holder.role == "ingest":
        hint = "ask an owner for a sign-in link, or for a key with the role reader or above"
        raise BadInput("this key only sends logs: its role is ingest", path="key", hint=hint)
    return _open_session(connection, SignIn(holder.name, holder.role, holder.bot), id_of(key), now)


def _open_session(connection: sa.Connection, granted: SignIn, key_id: str | None, now: datetime) -> str:
    token = secrets.token_urlsafe(32)
    row = {"digest": digest(token), "bot": granted.bot, "role": granted.role, "name": granted.name, "key_id": key_id}
    connection.execute(sa.insert(t.session).values(row | {"created_at": now, "expires_at": now + SESSION_LIFE}))
    by = {"key": key_id} if key_id else {}
    audit.record(connection, granted.bot, "session.open", now, granted.name, role=granted.role, **by)
    return token


def principal_of_session(connection: sa.Connection, token: str, now: datetime) -> Principal:
    row = connection.execute(_sessions().where(S.digest == digest(token))).one_or_none()
    if row is None or not _is_open(row, now):
        raise Unauthorized("the session has ended", hint="/sign-in opens a new one")
    return Principal(row.name, row.role, row.bot, "session")


def _sessions() -> sa.Select[Any]:
    key = t.api_key.c
    ends = (key.expires_at.label("key_expires_at"), key.revoked_at.label("key_revoked_at"))
    joined = sa.outerjoin(t.session, t.api_key, S.key_id == key.id)
    return sa.select(t.session, _id.label("id"), *ends).select_from(joined)


def _is_open(row: sa.Row[Any], now: datetime) -> bool:
    is_ended_by_key = not is_valid(row.key_expires_at, row.key_revoked_at, now)
    return is_valid(row.expires_at, row.revoked_at, now) and not is_ended_by_key


def list_sessions(connection: sa.Connection, now: datetime, bot: str | None = None) -> list[Session]:
    """The open ones of the bot, or all where no bot is named; newest first."""
    query = _sessions().where(S.revoked_at.is_(None), S.expires_at > now).order_by(S.created_at.desc(), S.digest)
    if bot is not None:
        get_bot(connection, bot)
        query = query.where(S.bot == bot)
    return [_told(row) for row in connection.execute(query) if _is_open(row, now)]


def _told(row: sa.Row[Any]) -> Session:
    return msgspec.convert(row, Session, from_attributes=True)


def get_session(connection: sa.Connection, session_id: str) -> Session:
    """Also one that has ended."""
    row = None
    if session_id.isalnum():  # else it is no id, whatever it is; a NUL in it would be an error in Postgres
        row = connection.execute(_sessions().where(_id == session_id)).one_or_none()
    if row is None:
        raise SessionNotFound(session_id)
    return _told(row)


def end_session(connection: sa.Connection, session_id: str, now: datetime, *, who: str) -> Session:
    """Its holder has to sign in anew. A repeat changes nothing."""
    session = get_session(connection, session_id)
    end = sa.update(t.session).where(_id == session_id, S.revoked_at.is_(None)).values(revoked_at=now)
    if connection.execute(end).rowcount:
        audit.record(connection, session.bot, "session.end", now, who, session=session_id, name=session.name)
    return get_session(connection, session_id)


def close_session(connection: sa.Connection, token: str, now: datetime) -> None:
    """Signed out. A repeat, or a token of nobody, changes nothing."""
    close = sa.update(t.session).where(S.digest == digest(token), S.revoked_at.is_(None)).values(revoked_at=now)
    row = connection.execute(close.returning(S.bot, S.name)).one_or_none()
    if row is not None:
        audit.record(connection, row.bot, "session.close", now, row.name)
