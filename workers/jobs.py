"""What RQ runs. An entry point clears its pending flag, does one thing, and lets errors out: RQ retries what raises.

The worker forks a child for each job; the parent imports but never computes, for a fork after native threads have run
hangs the child. Connections are opened in the child: a forked socket belongs to two processes."""

import os
import signal
import threading
from collections.abc import Callable

import structlog
from rq import Queue, Worker
from rq.job import Job as RqJob
from rq.serializers import JSONSerializer

from service import jobs
from service.context import Context, opened
from service.encoding import EncodeClient, Encoder
from service.jobs import Job
from service.parent import die_with_parent
from service.settings import Settings

log = structlog.get_logger()

# Dead work is found in seconds: a job's key lives this long between two beats, which come every MONITOR_S.
HEARTBEAT_S = 6
MONITOR_S = 2
MAINTENANCE_S = 3
# RQ polls an idle queue for worker_ttl - 15 s.
WORKER_TTL_S = 17


def _run(job: Job, bot: str, work: Callable[[Context, Encoder, str], object]) -> None:
    with opened(Settings.from_env(os.environ)) as context:
        jobs.begin(context.redis, job, bot)
        work(context, EncodeClient(context.settings, context.redis), bot)


def rank(bot: str) -> None:
    """Choose the next batch of cards."""
    from workers import ranking

    _run(Job.RANK, bot, ranking.rank)


def resolve(bot: str) -> None:
    """Votes to labels."""
    from workers import resolving

    _run(Job.RESOLVE, bot, resolving.resolve)


def train(bot: str) -> None:
    """Fit a challenger from the labels."""
    from workers import training

    _run(Job.TRAIN, bot, training.train)


def gate(bot: str) -> None:
    """Promote, hold or wait."""
    from workers import gating

    _run(Job.GATE, bot, gating.decide)


def rescore(bot: str) -> None:
    """Predictions, marks and open candidates under the champion."""
    from workers import scoring

    _run(Job.RESCORE, bot, scoring.rescore)


def reports(bot: str) -> None:
    """What new reports, filed or inferred, say about candidates and their neighbourhoods."""
    from workers import inferring

    _run(Job.REPORTS, bot, inferring.refresh)


def reembed(bot: str) -> None:
    """Vectors of a changed encoder."""
    from workers import reembed as reembedding

    _run(Job.REEMBED, bot, reembedding.reembed)


def adapt(bot: str) -> None:
    """An encoder tuned for the bot, and a challenger that reads it."""
    from workers import adapting

    _run(Job.ADAPT, bot, adapting.adapt)


def propose(bot: str) -> None:
    """Clusters of turns far from every label, as intents for the owner to accept."""
    from workers import proposing

    _run(Job.PROPOSE, bot, proposing.propose)


def deliver(bot: str) -> None:
    """Tell endpoints what happened."""
    from workers import delivering

    _run(Job.DELIVER, bot, lambda context, _encoder, bot: delivering.run(context, bot))


def drift(bot: str) -> None:
    """How far the newest turns are from what they were."""
    from workers import drifting

    _run(Job.DRIFT, bot, drifting.drift)


class JobsWorker(Worker):
    """RQ's worker, quick to notice the dead and sure to take its child along."""

    def get_heartbeat_ttl(self, job: RqJob, working_time: float = 0.0) -> int:
        return HEARTBEAT_S  # the library adds a fixed minute

    def main_work_horse(self, job: RqJob, queue: Queue) -> None:
        die_with_parent(signal.SIGKILL)  # an orphan would finish the job beside its second run
        super().main_work_horse(job, queue)


def run(context: Context, stop: threading.Event) -> None:
    """Work until SIGTERM. RQ installs its own signal handlers; `stop` says what came before they were there."""
    _import_first()
    if stop.is_set():
        return
    queue = jobs.open_queue(context.redis)
    worker = JobsWorker(
        [queue],  # one queue on purpose: with more, RQ pops by BLPOP and a kill loses the id
        connection=context.redis,
        serializer=JSONSerializer,
        worker_ttl=WORKER_TTL_S,
        job_monitoring_interval=MONITOR_S,
        maintenance_interval=MAINTENANCE_S,
    )
    worker.work(logging_level="WARNING")


def _import_first() -> None:
    """Importing once in the parent saves each child two seconds; nothing here computes."""
    from workers import gating, ranking, scoring, training

    log.info("jobs.ready", modules=[module.__name__ for module in (gating, ranking, scoring, training)])
