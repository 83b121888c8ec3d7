"""The numbers of `/metrics`, gathered when somebody asks and kept for a few seconds: two scrapers cost one.

Any process of several may answer, so all of it comes from SQL and Redis, and none from what a process remembers; only
`process_*` is about the one that answers."""

import threading
import time
from collections.abc import Iterable, Iterator
from importlib.metadata import version

from prometheus_client import ProcessCollector
from prometheus_client.core import Metric as Family
from redis.backoff import NoBackoff
from redis.retry import Retry

from service import clock
from service.bots.store import list_bots
from service.context import Context, connect_redis
from service.database import snapshot
from service.encoding import EncodeClient
from service.metrics import catalogue as m
from service.metrics import of_bots, of_events, of_parts
from service.metrics.samples import Sample, families, seen_by
from service.streams import Streams

KEPT_S = 10.0  # at least
PAUSE = 10  # and so many times what gathering took: a tenth of the time at most goes into it
REDIS_S = 2.0  # and no second try
ENCODER_S = 0.5  # below the former: over Redis, waiting for the encode process must not look like a dead connection


class Exposition:
    """What an encoder of prometheus_client takes."""

    def __init__(self, found: Iterable[Family]) -> None:
        self._found = found

    def collect(self) -> Iterable[Family]:
        return self._found


class Scraper:
    """Safe to share between threads: one gathers, the others wait for what it finds."""

    def __init__(self, context: Context) -> None:
        self._engine, settings = context.engine, context.settings
        self._redis = connect_redis(settings, socket_timeout=REDIS_S, retry=Retry(NoBackoff(), 0))
        self._streams = Streams(self._redis, context.keyring, settings.stream_bound)
        self._encoder = EncodeClient(settings, self._redis, deadline_s=ENCODER_S)
        self._bound = settings.stream_bound
        self._lock = threading.Lock()
        self._kept: list[Sample] = []
        self._kept_until = 0.0

    def expose(self, bot: str | None) -> Exposition:
        """Of one bot alone, or of the installation."""
        own = ProcessCollector(registry=None).collect() if bot is None else ()
        return Exposition([*families(seen_by(self._samples(), bot)), *own])

    def _samples(self) -> list[Sample]:
        with self._lock:
            begun = time.monotonic()
            if begun >= self._kept_until:
                self._kept = [*self._gather()]
                ended = time.monotonic()
                self._kept.append(Sample(m.SCRAPE, ended - begun))
                self._kept_until = ended + max(KEPT_S, PAUSE * (ended - begun))
            return self._kept

    def _gather(self) -> Iterator[Sample]:
        at = clock.now()
        yield Sample(m.INFO, 1, (version("fencepost"),))
        yield Sample(m.BOUND, self._bound)
        with snapshot(self._engine) as connection:
            bots = list_bots(connection)
            names = [bot.name for bot in bots]
            for bot in bots:
                yield from of_bots.measure(connection, bot, at)
            yield from of_events.measure(connection, names)
        yield from of_parts.measure_redis(self._redis, self._streams, names, at)
        yield from of_parts.measure_encoders(self._encoder, names)

    def close(self) -> None:
        self._encoder.close()
        self._redis.close()
