"""Commands to the workers: their names and typed `enqueue_*`. The service names a job, it never imports it.

A job is asked for *once per bot*: a pending flag is set when it is queued and cleared by the job as its first act, before it reads SQL. So any
number of votes ask for one `resolve`, and a vote that commits while that job runs asks for another. The flag's lifetime bounds what
a lost job costs; the schedule asks again anyway, and every effect is fenced in SQL.
"""

from enum import StrEnum

from redis import Redis
from rq import Queue, Retry
from rq.serializers import JSONSerializer

from service.streams import PENDING

QUEUE = "jobs"
PENDING_S = 120


class Job(StrEnum):
    RANK = "workers.jobs.rank"          # choose the next batch of cards
    DISPATCH = "workers.jobs.dispatch"  # post cards to Slack
    RESOLVE = "workers.jobs.resolve"    # votes to labels
    TRAIN = "workers.jobs.train"        # a challenger from the labels
    GATE = "workers.jobs.gate"          # promote, hold or wait
    RESCORE = "workers.jobs.rescore"    # open candidates under the new champion
    REEMBED = "workers.jobs.reembed"    # vectors of a changed encoder
    REPORTS = "workers.jobs.reports"    # error pressure after new reports


TIMEOUT_S = {Job.TRAIN: 1800, Job.REEMBED: 6 * 3600, Job.RESCORE: 1800}
DEFAULT_TIMEOUT_S = 300


def open_queue(redis: "Redis[bytes]") -> Queue:
    return Queue(QUEUE, connection=redis, serializer=JSONSerializer)


def enqueue(queue: Queue, job: Job, bot: str) -> bool:
    """Ask for the job unless one is queued and has not begun; True when a job was queued."""
    if not queue.connection.set(PENDING.of(bot, job=job.name.lower()), 1, nx=True, ex=PENDING_S):
        return False
    queue.enqueue(
        job.value,
        bot,
        job_timeout=TIMEOUT_S.get(job, DEFAULT_TIMEOUT_S),
        retry=Retry(max=3, interval=[1, 10, 60]),
        result_ttl=0,
        failure_ttl=24 * 3600,
    )
    return True


def begin(redis: "Redis[bytes]", job: Job, bot: str) -> None:
    """The job's first act: from here on a new request queues a new job."""
    redis.delete(PENDING.of(bot, job=job.name.lower()))
