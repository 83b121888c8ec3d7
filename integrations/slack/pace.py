"""How fast Slack is asked, over all processes: one row a method, or a method and a channel.

`until` runs ahead of the clock by one interval for each request; a request that would carry it further ahead than a
burst may has to wait. In any minute no more than `burst + 60 s / interval` requests are made."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa

from service import database, tables

PACE = tables.slack_pace


class Limit(NamedTuple):
    name: str
    interval: timedelta
    burst: int = 1


def of(method: str, channel: str) -> tuple[Limit, ...]:
    """The limits of a request."""
    if method == "chat.postMessage":
        # Slack: one a second and channel, several hundred a minute and workspace. The tenth is for its own clock.
        in_channel = Limit(f"{method} {channel}", timedelta(seconds=1.1))
        return Limit(method, timedelta(seconds=0.25), 10), in_channel
    if method.startswith("views."):
        # Tier 4: 100 a minute and workspace. The burst is for several people at once.
        return (Limit(method, timedelta(seconds=0.7), 14),)
    # Slack's tier 3, of all the other methods that run by themselves: 50 a minute and workspace.
    return (Limit(method, timedelta(seconds=1.5), 10),)


def take(
    connection: sa.Connection, limits: Sequence[Limit], now: datetime, patience: timedelta = timedelta()
) -> timedelta:
    """How long the request has to wait. It is counted, and has its turn, unless that is longer than `patience`."""
    booked = {limit: max(_until(connection, limit.name, now), now) for limit in limits}
    waits = [until - now - limit.interval * (limit.burst - 1) for limit, until in booked.items()]
    wait = max(timedelta(), *waits)
    if wait > patience:
        return wait
    for limit, until in booked.items():
        _set(connection, limit.name, until + limit.interval)
    return wait


def block(connection: sa.Connection, method: str, channel: str, until: datetime) -> None:
    """Slack said Retry-After: nobody asks before."""
    limit = of(method, channel)[0]
    booked = _until(connection, limit.name, until)
    _set(connection, limit.name, max(booked, until + limit.interval * (limit.burst - 1)))


def _until(connection: sa.Connection, name: str, now: datetime) -> datetime:
    """Locked until the transaction ends."""
    database.insert_new(connection, PACE, [{"name": name, "until": now}])
    found: datetime = connection.execute(
        sa.select(PACE.c.until).where(PACE.c.name == name).with_for_update()
    ).scalar_one()
    return found


def _set(connection: sa.Connection, name: str, until: datetime) -> None:
    connection.execute(sa.update(PACE).where(PACE.c.name == name).values(until=until))
