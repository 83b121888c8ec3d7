"""Endpoints in SQL, and their sealed secrets: as many valid at once as a rotation needs."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa

from service import tables
from service.access import audit
from service.bots import signing
from service.bots.store import GRACE, get_bot, live_bot
from service.errors import Conflict, NotFound
from service.events import outbox
from service.events.schemas import PING, Because, Endpoint, EndpointChange, EventType, OpenedEndpoint
from service.keyring import Keyring

ENDPOINT, SECRET, SENDING = tables.endpoint, tables.endpoint_secret, tables.sending
TROUBLES: Mapping[Because, str] = {"gone": "it answered 410", "failing": "every attempt failed for five days"}
PURPOSE = "endpoint-secret"
MOST = 20  # of a bot: each event is written for all of them


class EndpointNotFound(NotFound):
    type = "endpoint-not-found"

    def __init__(self, bot: str, endpoint_id: int) -> None:
        super().__init__(f"bot {bot!r} has no endpoint {endpoint_id}", hint="`fencepost endpoints list` names them")


class EndpointDisabled(Conflict):
    type = "endpoint-disabled"

    def __init__(self, endpoint_id: int) -> None:
        super().__init__(f"endpoint {endpoint_id} is disabled", hint="`fencepost endpoints enable`")


class TooManyEndpoints(Conflict):
    type = "too-many-endpoints"

    def __init__(self, bot: str) -> None:
        super().__init__(f"bot {bot!r} has {MOST} endpoints already", hint="remove one that is not needed")


def add(
    connection: sa.Connection,
    keyring: Keyring,
    bot: str,
    url: str,
    events: Sequence[EventType],
    now: datetime,
    *,
    who: str,
) -> OpenedEndpoint:
    """A new endpoint; its URL was checked before, see addresses.py."""
    live_bot(connection, bot)
    if len(list_endpoints(connection, bot)) >= MOST:
        raise TooManyEndpoints(bot)
    row = {"bot": bot, "url": url, "events": sorted(set(events)), "created_at": now}
    endpoint_id: int = connection.execute(ENDPOINT.insert().returning(ENDPOINT.c.id), row).scalar_one()
    audit.record(connection, bot, "endpoint.create", now, who, endpoint=endpoint_id, events=row["events"])
    secret = rotate(connection, keyring, bot, endpoint_id, now, who=who)
    return OpenedEndpoint(endpoint=get(connection, bot, endpoint_id), secret=secret)


def list_endpoints(connection: sa.Connection, bot: str) -> list[Endpoint]:
    get_bot(connection, bot)
    rows = connection.execute(sa.select(ENDPOINT).where(ENDPOINT.c.bot == bot).order_by(ENDPOINT.c.id))
    return [msgspec.convert(row, Endpoint, from_attributes=True) for row in rows]


def get(connection: sa.Connection, bot: str, endpoint_id: int) -> Endpoint:
    """EndpointNotFound also for another bot's."""
    found = [one for one in list_endpoints(connection, bot) if one.id == endpoint_id]
    if not found:
        raise EndpointNotFound(bot, endpoint_id)
    return found[0]


def get_enabled(connection: sa.Connection, bot: str, endpoint_id: int) -> Endpoint:
    """EndpointDisabled when it is."""
    found = get(connection, bot, endpoint_id)
    if found.disabled_at is not None:
        raise EndpointDisabled(endpoint_id)
    return found


def change(
    connection: sa.Connection, bot: str, endpoint_id: int, wanted: EndpointChange, now: datetime, *, who: str
) -> Endpoint:
    """Set its URL, checked before, what it is told, or whether it is enabled."""
    found = get(connection, bot, endpoint_id)
    values: dict[str, Any] = {}
    if wanted.url is not msgspec.UNSET:
        values |= {"url": wanted.url, "failing_since": None}
    if wanted.events is not msgspec.UNSET:
        values["events"] = sorted(set(wanted.events))
    if values:
        connection.execute(sa.update(ENDPOINT).where(ENDPOINT.c.id == endpoint_id).values(**values))
    if wanted.enabled is True:
        _enable(connection, endpoint_id)
    if wanted.enabled is False and found.disabled_at is None:
        disable(connection, endpoint_id, "owner", now)
    changed = msgspec.to_builtins(wanted)
    audit.record(connection, bot, "endpoint.set", now, who, endpoint=endpoint_id, changed=sorted(changed))
    return get(connection, bot, endpoint_id)


def _enable(connection: sa.Connection, endpoint_id: int) -> None:
    values = {"disabled_at": None, "disabled_because": "", "failing_since": None}
    connection.execute(sa.update(ENDPOINT).where(ENDPOINT.c.id == endpoint_id).values(**values))


def disable(connection: sa.Connection, endpoint_id: int, because: Because, now: datetime) -> None:
    """Nothing goes to it any more, nor what was on its way; a replay brings that back."""
    values = {"disabled_at": now, "disabled_because": because}
    connection.execute(sa.update(ENDPOINT).where(ENDPOINT.c.id == endpoint_id).values(**values))
    waiting = (SENDING.c.endpoint_id == endpoint_id, SENDING.c.status == "pending")
    connection.execute(sa.update(SENDING).where(*waiting).values(status="failed", next_at=None))


def remove(connection: sa.Connection, bot: str, endpoint_id: int, now: datetime, *, who: str) -> Endpoint:
    """With its secrets. What was sent to it stays listed for as long as the events are."""
    found = get(connection, bot, endpoint_id)
    disable(connection, endpoint_id, "owner", now)
    connection.execute(sa.delete(SECRET).where(SECRET.c.endpoint_id == endpoint_id))
    connection.execute(sa.delete(ENDPOINT).where(ENDPOINT.c.id == endpoint_id))
    audit.record(connection, bot, "endpoint.remove", now, who, endpoint=endpoint_id)
    return found


def rotate(
    connection: sa.Connection,
    keyring: Keyring,
    bot: str,
    endpoint_id: int,
    now: datetime,
    *,
    grace: timedelta = GRACE,
    who: str,
) -> str:
    """A new secret, shown here and never again; attempts are signed with the earlier ones, too, for `grace` longer."""
    get(connection, bot, endpoint_id)
    secret = signing.make_secret(signing.STANDARD)
    outlives = sa.or_(SECRET.c.revoked_at.is_(None), SECRET.c.revoked_at > now + grace)
    retire = sa.update(SECRET).where(SECRET.c.endpoint_id == endpoint_id, outlives)
    connection.execute(retire.values(revoked_at=now + grace))
    row = {"endpoint_id": endpoint_id, "sealed": keyring.seal(PURPOSE, secret.encode()), "created_at": now}
    connection.execute(SECRET.insert(), row)
    audit.record(connection, bot, "endpoint.rotate", now, who, endpoint=endpoint_id, grace_s=int(grace.total_seconds()))
    return secret


def secrets_of(connection: sa.Connection, keyring: Keyring, endpoint_id: int, now: datetime) -> list[str]:
    """Every secret that is valid now, newest first."""
    is_valid = sa.or_(SECRET.c.revoked_at.is_(None), SECRET.c.revoked_at > now)
    query = sa.select(SECRET.c.sealed).where(SECRET.c.endpoint_id == endpoint_id, is_valid).order_by(SECRET.c.id.desc())
    return [keyring.open(PURPOSE, sealed).decode() for sealed in connection.scalars(query)]


def ping(connection: sa.Connection, bot: str, endpoint_id: int, now: datetime) -> str:
    """An event of type `fencepost.ping`, on its way to this endpoint; its id."""
    get_enabled(connection, bot, endpoint_id)
    return outbox.add(connection, bot, PING, {"endpoint": endpoint_id}, now, [endpoint_id])
