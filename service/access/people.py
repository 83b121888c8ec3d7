"""People whom a proxy signs in: it names them in a header, and owners and operators grant them roles here.

Anybody can write a header. It counts only in what comes from the proxy's own addresses, as the socket says and not as
`X-Forwarded-For` does; a Unix socket has no address, so nothing counts that comes by one. The proxy itself must take
away the header that a client sends: one that arrives twice is refused.

Names are UTF-8. What is not is nobody's name: were it taken for latin-1 too, one person's name could be another's.
"""

from collections.abc import Sequence
from datetime import datetime
from ipaddress import ip_address
from typing import Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.sql import ColumnElement

from service import database
from service import tables as t
from service.access import audit
from service.access.keys import checked_name, checked_scope
from service.access.roles import LADDER, Principal, Reach, Role
from service.bots.store import get_bot
from service.errors import BadInput, Forbidden, NotFound, Unauthorized
from service.events.addresses import is_listed, parse_networks
from service.settings import Settings

PersonRole = Literal["reader", "reviewer", "adjudicator", "owner", "operator"]
ROLE = t.person_role.c


class PersonGrant(msgspec.Struct, frozen=True, kw_only=True):
    """A person's role for a bot; None: for every bot."""

    name: str
    bot: str | None
    role: PersonRole


def named_by_proxy(settings: Settings, peer: str | None, headers: Sequence[str]) -> str | None:
    """Who it is, by the values of the header in a request from `peer`; None: no proxy of ours says so."""
    if not settings.sso_header or not headers or not _is_proxy(settings, peer):
        return None
    names = _as_utf_8(settings.sso_header, ",".join(headers)).split(",")  # servers join headers of one name by commas
    if len(names) > 1:
        hint = "the proxy must take away what clients send under this name"
        raise Unauthorized(f"{settings.sso_header} names {len(names)} people", hint=hint)
    try:
        return checked_name(names[0]) if names[0].strip() else None
    except BadInput as error:
        raise Unauthorized(f"the proxy's {settings.sso_header} names nobody: {error.detail}") from error


def _as_utf_8(header: str, value: str) -> str:
    """Servers read headers as latin-1, whatever they are.

    >>> _as_utf_8("X-Forwarded-User", "JosÃ©")
    'José'
    """
    try:
        return value.encode("latin-1").decode()
    except UnicodeDecodeError as error:
        hint = "set the proxy up to send names in UTF-8"
        raise Forbidden(f"the proxy's {header} is not UTF-8", hint=hint) from error


def _is_proxy(settings: Settings, peer: str | None) -> bool:
    try:
        address = ip_address(peer or "")
    except ValueError:  # of a Unix socket
        return False
    return is_listed(address, parse_networks(settings.sso_proxies))


def principal_of_person(connection: sa.Connection, name: str, bot: str | None, by_default: str) -> Principal:
    """The person, with what counts most for the bot first; Forbidden where nobody granted them anything."""
    query = sa.select(t.person_role).where(ROLE.name == name)
    found = [Reach(row.role, row.bot or None) for row in connection.execute(query)]
    if by_default:
        found.append(msgspec.convert({"role": by_default, "bot": None}, Reach))
    if not found:
        hint = f"ask an owner of your bot, or whoever runs Fencepost: `fencepost people grant {name} ROLE --bot BOT`"
        raise Forbidden(f"nobody granted {name} a role here", hint=hint)
    first, *others = sorted(found, key=lambda one: (one.bot in (None, bot), LADDER.index(one.role)), reverse=True)
    return Principal(name, first.role, first.bot, "proxy", tuple(others))


def list_grants(connection: sa.Connection, bot: str | None = None) -> list[PersonGrant]:
    """By name: the bot's, or all when no bot is named."""
    query = sa.select(t.person_role).order_by(ROLE.name, ROLE.bot)
    if bot is not None:
        get_bot(connection, bot)
        query = query.where(ROLE.bot == bot)
    return [PersonGrant(name=row.name, bot=row.bot or None, role=row.role) for row in connection.execute(query)]


def grant(connection: sa.Connection, name: str, bot: str | None, role: Role, now: datetime, *, who: str) -> PersonGrant:
    """The person's role for the bot, in place of the one they had. A repeat changes nothing."""
    checked_scope(connection, role, bot)
    if role == "ingest":
        raise BadInput("ingest is a role of keys, not of people", path="role", hint="make a key")
    wanted = PersonGrant(name=checked_name(name), bot=bot, role=role)
    row = {"name": wanted.name, "bot": bot or "", "role": role}
    replace = sa.update(t.person_role).where(_is(wanted.name, bot), ROLE.role != role).values(role=role)
    if database.insert_new(connection, t.person_role, [row]) or connection.execute(replace).rowcount:
        audit.record(connection, bot, "person.grant", now, who, person=wanted.name, role=role)
    return wanted


def revoke(connection: sa.Connection, name: str, bot: str | None, now: datetime, *, who: str) -> PersonGrant:
    """What was taken back; NotFound where nothing was granted."""
    take = sa.delete(t.person_role).where(_is(name, bot)).returning(ROLE.role)
    # Not printable: nobody's name, and a NUL in it would be an error in Postgres.
    role = connection.scalar(take) if name.isprintable() else None
    if role is None:
        raise NotFound(f"nothing is granted to {name!r} for {bot or 'every bot'}", hint="a list says to whom")
    audit.record(connection, bot, "person.revoke", now, who, person=name, role=role)
    return PersonGrant(name=name, bot=bot, role=role)


def _is(name: str, bot: str | None) -> ColumnElement[bool]:
    return sa.and_(ROLE.name == name, ROLE.bot == (bot or ""))
