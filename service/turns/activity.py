"""What a bot's sources do: what each brought, what of it was refused, what waits to be stored and what could not be.

SQL knows the turns that are stored. All else is Redis's, and None while it does not answer."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta

import msgspec
import sqlalchemy as sa

from service.bots.store import has_secret, list_sources
from service.context import Context
from service.database import reading
from service.errors import RedisDown
from service.turns import brought, counted
from service.turns.counted import What
from service.turns.dead import streams_of

DAY = timedelta(days=1)
WEEK = 7  # days
DAYS = 56  # of which the turns are told by day


class SourceActivity(msgspec.Struct, frozen=True, kw_only=True):
    """`counts`: of the last seven days of UTC, today included; see service/turns/counted.py for the names."""

    source: str
    has_secret: bool
    turns: int  # that people said and that are stored
    turns_by_day: dict[date, int]  # of event time, the last 56 days; those without any are left out
    received_at: datetime | None  # when the newest of them came in
    delivered_at: datetime | None  # when the newest delivery was taken; None: none was, as far as Redis knows
    counts: dict[str, int] | None


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    sources: list[SourceActivity]
    waiting: int | None  # turns, replies and reports that are not in SQL yet
    lag_s: float | None  # for how long the oldest of them has waited
    dead_letters: int | None


class _Heard(msgspec.Struct, frozen=True):
    """What Redis knows."""

    counts: dict[str, dict[str, int]]  # by source
    delivered_at: dict[str, datetime]
    waiting: int
    oldest: datetime | None
    dead_letters: int


def activity(context: Context, bot: str, now: datetime) -> Activity:
    """By source, in the order of their names; archived ones too."""
    heard = _heard(context, bot, now)
    with reading(context.engine) as connection:
        sources = _sources(context, connection, bot, heard, now)
    if heard is None:
        return Activity(sources=sources, waiting=None, lag_s=None, dead_letters=None)
    lag_s = 0.0 if heard.oldest is None else max(0.0, (now - heard.oldest).total_seconds())
    return Activity(sources=sources, waiting=heard.waiting, lag_s=lag_s, dead_letters=heard.dead_letters)


def _heard(context: Context, bot: str, now: datetime) -> _Heard | None:
    streams = streams_of(context)
    try:
        days = counted.by_day(context.redis, bot, now.date(), WEEK)
        heard_at = counted.heard(context.redis, bot)
        return _Heard(_summed(days), heard_at, *streams.waiting([bot])[bot])
    except RedisDown:
        return None


def _summed(days: Mapping[date, Mapping[What, int]]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for of_day in days.values():
        for (source, what), n in of_day.items():
            counts = found.setdefault(source, {})
            counts[what] = counts.get(what, 0) + n
    return found


def _sources(
    context: Context, connection: sa.Connection, bot: str, heard: _Heard | None, now: datetime
) -> list[SourceActivity]:
    in_all = brought.in_all(connection, bot)
    by_day: dict[str, dict[date, int]] = {}
    for (source, day), n in sorted(brought.by_day(connection, bot, now.date() - (DAYS - 1) * DAY).items()):
        by_day.setdefault(source, {})[day] = n
    return [
        SourceActivity(
            source=one.name,
            has_secret=has_secret(connection, bot, one.name, now),
            turns=in_all[one.name].turns if one.name in in_all else 0,
            turns_by_day=by_day.get(one.name, {}),
            received_at=in_all[one.name].received_at if one.name in in_all else None,
            delivered_at=heard.delivered_at.get(one.name) if heard else None,
            counts=heard.counts.get(one.name, {}) if heard else None,
        )
        for one in list_sources(connection, bot)
    ]
