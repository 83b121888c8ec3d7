"""Commands to the workers: their names and typed `enqueue_*`. The service names a job, it never imports it.

A job is asked for *once per bot*: a pending flag is set when it is queued and cleared by the job as its first act,
before it reads SQL. So any number of votes ask for one `resolve`, and a vote that commits while that job runs asks for
another. The flag's lifetime bounds what a lost job costs; the schedule asks again anyway, and every effect is fenced in
SQL."""

from enum import StrEnum
from typing import Any

from redis import Redis
from rq import Queue, Retry
from rq.exceptions import DuplicateJobError
from rq.job import Job as RqJob
from rq.serializers import JSONSerializer

from service.streams import PENDING

QUEUE = "jobs"
PENDING_S = 120


class Job(StrEnum):
    RANK = "workers.jobs.rank"  # choose the next batch of cards
    DISPATCH = "integrations.slack.jobs.dispatch"  # post cards to Slack
    NEWS = "integrations.slack.jobs.news"  # what a bot's channel is told besides cards
    PEOPLE = "integrations.slack.jobs.people"  # members of user groups
    PICTURES = "integrations.slack.jobs.pictures"  # drawn and uploaded
    RESOLVE = "workers.jobs.resolve"  # votes to labels
    TRAIN = "workers.jobs.train"  # a challenger from the labels
    GATE = "workers.jobs.gate"  # promote, hold or wait
    RESCORE = "workers.jobs.rescore"  # open candidates under the new champion
    REEMBED = "workers.jobs.reembed"  # vectors of a changed encoder
    ADAPT = "workers.jobs.adapt"  # an encoder tuned for the bot, and a challenger that reads it
    REPORTS = "workers.jobs.reports"  # error pressure after new reports
    PROPOSE = "workers.jobs.propose"  # intents that the bot may lack
    DELIVER = "workers.jobs.deliver"  # what happened, to the endpoints that want it
    DRIFT = "workers.jobs.drift"  # how far the newest turns are from what they were


TIMEOUT_S = {
    Job.TRAIN: 1800,
    Job.REEMBED: 6 * 3600,
    Job.RESCORE: 1800,
    Job.ADAPT: 6 * 3600,
    Job.PROPOSE: 1800,
    Job.DRIFT: 1800,
}
DEFAULT_TIMEOUT_S = 300
FAILURE_S = 24 * 3600  # a failed job stays to be looked at


def open_queue(redis: Redis) -> Queue:
    return Queue(QUEUE, connection=redis, serializer=JSONSerializer)


def enqueue(queue: Queue, job: Job, bot: str) -> bool:
    """Ask for the job unless one is queued and has not begun; True when a job was queued."""
    if not _set_pending(queue, job, bot):
        return False
    queue.enqueue(job.value, bot, result_ttl=0, **_options(job))
    return True


def enqueue_slot(queue: Queue, job: Job, bot: str, *, slot: int, keep_s: int) -> bool:
    """As `enqueue`, at most once per slot: the id is remembered for `keep_s` after the job."""
    job_id = f"{job.name.lower()}-{bot}-{slot}"
    if RqJob.exists(job_id, connection=queue.connection) or not _set_pending(queue, job, bot):
        return False
    try:
        queue.enqueue(job.value, bot, job_id=job_id, unique=True, result_ttl=keep_s, **_options(job))
    except DuplicateJobError:
        return False
    return True


def begin(redis: Redis, job: Job, bot: str) -> None:
    """The job's first act: from here on a new request queues a new job."""
    redis.delete(PENDING.of(bot, job=job.name.lower()))


def _set_pending(queue: Queue, job: Job, bot: str) -> bool:
    return bool(queue.connection.set(PENDING.of(bot, job=job.name.lower()), 1, nx=True, ex=PENDING_S))


def _options(job: Job) -> dict[str, Any]:
    timeout = TIMEOUT_S.get(job, DEFAULT_TIMEOUT_S)
    # Retries at once: delayed ones would need RQ's scheduler process, and the schedule asks again anyway.
    return {"job_timeout": timeout, "retry": Retry(max=3), "failure_ttl": FAILURE_S}
