"""What Redis and the encode process know, asked with short deadlines: a scrape does not wait for what is down."""

import time
from collections.abc import Iterator, Sequence
from datetime import datetime

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.exceptions import NoSuchJobError
from rq.job import Job
from rq.registry import FailedJobRegistry, StartedJobRegistry

from service import jobs
from service.encoding import EncodeClient
from service.errors import RedisDown, Unavailable
from service.metrics import catalogue as m
from service.metrics.samples import Sample
from service.streams import Streams, redis_errors

ENCODERS_S = 0.5  # for all bots together; what is not asked by then is left out


def measure_redis(redis: Redis, streams: Streams, bots: Sequence[str], at: datetime) -> Iterator[Sample]:
    """All of it, or that Redis is down, or refuses to say."""
    try:
        found = [*_streams(streams, bots, at), *_jobs(jobs.open_queue(redis), at)]
    except (RedisDown, RedisError):
        yield Sample(m.UP, 0, ("redis",))
    else:
        yield Sample(m.UP, 1, ("redis",))
        yield from found


def _streams(streams: Streams, bots: Sequence[str], at: datetime) -> Iterator[Sample]:
    for bot, waiting in streams.waiting(bots).items():
        since = waiting.since or at
        yield Sample(m.STREAM, waiting.entries, (bot,))
        yield Sample(m.LAG, max(0.0, (at - since).total_seconds()), (bot,))
        yield Sample(m.DEAD, waiting.dead, (bot,))


def _jobs(queue: Queue, at: datetime) -> Iterator[Sample]:
    with redis_errors():
        yield Sample(m.QUEUED, queue.count)
        yield Sample(m.OLDEST_JOB, _oldest_s(queue, at))
        # Counting must not also sweep: that is the workers' own maintenance.
        yield Sample(m.RUNNING, StartedJobRegistry(queue=queue).get_job_count(cleanup=False))
        yield Sample(m.FAILED, FailedJobRegistry(queue=queue).get_job_count(cleanup=False))
        yield Sample(m.WORKERS, _workers(queue))


def _oldest_s(queue: Queue, at: datetime) -> float:
    for job_id in queue.get_job_ids(0, 1):
        try:
            asked_at = Job.fetch(job_id, connection=queue.connection, serializer=queue.serializer).enqueued_at
        except NoSuchJobError:  # taken and done meanwhile
            continue
        return max(0.0, (at - asked_at).total_seconds()) if asked_at else 0.0
    return 0.0


def _workers(queue: Queue) -> int:
    """Those that live: a killed one stays in RQ's list for minutes, and its own key does not."""
    keys = Worker.all_keys(queue=queue)
    return queue.connection.exists(*keys) if keys else 0


def measure_encoders(client: EncodeClient, bots: Sequence[str]) -> Iterator[Sample]:
    deadline = time.monotonic() + ENCODERS_S
    for bot in bots:
        if time.monotonic() > deadline:
            return
        yield Sample(m.ENCODER_UP, _answers(client, bot), (bot,))


def _answers(client: EncodeClient, bot: str) -> bool:
    try:
        client.identity(bot)
    except Unavailable:
        return False
    return True
