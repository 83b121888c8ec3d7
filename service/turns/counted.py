"""What each source delivered and what of it was refused, counted in Redis as it happens: no request writes SQL for it.

A source is counted by name only where the bot has it, and `what` is one of a few dozen words, so that the hashes stay
small whatever is sent:

    delivery           deliveries taken, each once; `repeat`: those that came again
    accepted           turns, replies and reports that they brought
    rejected.<type>    items that were not taken; `note.<type>`: items that were changed or lost a part
    refused.<type>     requests that were answered with an error, by its type: `refused.bad-signature`

Deliveries are counted by the script that appends them (streams.py), in the same step. Sums of a day are kept for 60
days, those since the beginning for good; a Redis that is set up anew begins at 0."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple, cast

import structlog
from redis import Redis
from redis.exceptions import RedisError

from service.errors import FencepostError
from service.streams import COUNTED, COUNTED_ON, COUNTED_S, HEARD, redis_errors

DELIVERIES, REPEATS, ACCEPTED = "delivery", "repeat", "accepted"
REJECTED, NOTED, REFUSED = "rejected.", "note.", "refused."  # before a type
DAY = timedelta(days=1)

log = structlog.get_logger()


class What(NamedTuple):
    """What a count is of."""

    source: str
    what: str


@contextmanager
def refusals(redis: Redis, bot: str, source: str, now: datetime) -> Iterator[None]:
    """Count the error that ends the request, by its type. The answer is the same where it cannot be counted."""
    try:
        yield
    except FencepostError as error:
        _count(redis, bot, What(source, f"{REFUSED}{error.type}"), now)
        raise


def _count(redis: Redis, bot: str, what: What, now: datetime) -> None:
    day, field = COUNTED_ON.of(bot, day=now.date().isoformat()), ":".join(what)
    pipeline = redis.pipeline(transaction=False)
    pipeline.hincrby(COUNTED.of(bot), field)
    pipeline.hincrby(day, field)
    pipeline.expire(day, COUNTED_S)
    try:
        pipeline.execute()
    except RedisError as error:
        log.warning("refusal.not_counted", bot=bot, source=what.source, error=type(error).__name__)


def total(redis: Redis, bot: str) -> dict[What, int]:
    """Since the beginning; RedisDown."""
    with redis_errors():
        return _read(redis.hgetall(COUNTED.of(bot)))


def by_day(redis: Redis, bot: str, last: date, days: int) -> dict[date, dict[What, int]]:
    """Of each of the days up to the last one, at most 60; RedisDown."""
    wanted = [last - n * DAY for n in reversed(range(days))]
    with redis_errors(), redis.pipeline(transaction=False) as pipeline:
        for day in wanted:
            pipeline.hgetall(COUNTED_ON.of(bot, day=day.isoformat()))
        return {day: _read(found) for day, found in zip(wanted, pipeline.execute(), strict=True)}


def heard(redis: Redis, bot: str) -> dict[str, datetime]:
    """When each source's newest delivery was taken, to the second; RedisDown."""
    with redis_errors():
        found = cast(Mapping[bytes, bytes], redis.hgetall(HEARD.of(bot)))
    return {source.decode(): datetime.fromtimestamp(int(at), UTC) for source, at in found.items()}


def _read(found: Any) -> dict[What, int]:
    return {What(*field.decode().split(":", 1)): int(n) for field, n in found.items()}
