"""What every process holds: settings, the database, Redis and the keys."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import sqlalchemy as sa
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from rq import Queue

from service import database, jobs
from service.errors import ConfigError, RedisDown
from service.keyring import Keyring, load_keyring
from service.settings import Settings


class Context(NamedTuple):
    settings: Settings
    engine: sa.Engine
    redis: Redis
    keyring: Keyring

    @property
    def queue(self) -> Queue:
        return jobs.open_queue(self.redis)


def connect_redis(settings: Settings, **others: Any) -> Redis:
    """`others`: options of redis-py in place of ours."""
    options = {"socket_timeout": 30, "health_check_interval": 30} | others
    # RESP2 on purpose: stream replies have one shape there, on Redis 6.2 as on Valkey 9.
    try:
        return Redis.from_url(settings.broker_url, protocol=2, **options)
    except ValueError as error:
        raise ConfigError("FENCEPOST_REDIS_URL is no URL", hint="redis://…, rediss://… or unix://…") from error


@contextmanager
def opened(settings: Settings) -> Iterator[Context]:
    """Open, and close at the end. Nothing is connected until it is used."""
    settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    context = Context(settings, database.connect(settings.sql_url), connect_redis(settings), load_keyring(settings))
    try:
        yield context
    finally:
        context.redis.close()
        context.engine.dispose()


def wait_for_redis(context: Context, seconds: float = 30.0) -> None:
    """Wait until Redis answers; RedisDown after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            context.redis.ping()
        except RedisConnectionError as error:
            if time.monotonic() > deadline:
                raise RedisDown(f"no answer from Redis: {error}", hint="is `fencepost up` running?") from error
            time.sleep(0.1)
        else:
            return
