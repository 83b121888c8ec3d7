"""Asks for every bot's regular jobs, slot by slot.

RQ's own cron scheduler was looked at and left: it pickles its jobs, knows only jobs registered before it starts (bots
come and go), gives them no id (two schedulers double every job) and fires all of them at every start. What would remain
of it is the loop below. A slot's job has the id `{name}-{bot}-{slot}`, so a second scheduler, or a restart within the
slot, changes nothing; a missed slot is not made up for, since every job reads the state anew."""

import threading
from collections.abc import Mapping
from datetime import datetime

import structlog
from sqlalchemy.exc import OperationalError

from service import database, jobs
from service.bots.store import list_bots
from service.clock import now
from service.context import Context
from service.errors import RedisDown
from service.events.sendings import busy_bots
from service.jobs import Job
from service.streams import redis_errors

log = structlog.get_logger()

TICK_S = 1.0
INTERVAL_S: Mapping[Job, int] = {
    Job.DELIVER: 1,  # where an attempt is due
    Job.RESOLVE: 20,  # sweeps up votes whose request was lost
    Job.DISPATCH: 20,
    Job.NEWS: 900,
    Job.PEOPLE: 600,
    Job.RANK: 60,  # does nothing above the low-water mark
    Job.RESCORE: 60,  # turns no champion has seen
    Job.GATE: 60,
    Job.REPORTS: 300,
    Job.REEMBED: 300,  # does nothing unless the encoder changed
    Job.PICTURES: 3600,  # does nothing for a bot without a channel
    Job.DRIFT: 3600,
    Job.TRAIN: 6 * 3600,  # does nothing without new labels
    Job.PROPOSE: 7 * 24 * 3600,  # and after each promotion
}
OF_SLACK = {Job.DISPATCH, Job.NEWS, Job.PEOPLE, Job.PICTURES}


def tick(
    context: Context, at: datetime, done: dict[Job, int], intervals: Mapping[Job, int] = INTERVAL_S
) -> list[tuple[Job, str]]:
    """Enqueue what is due in the slots that `at` lies in; `done` holds the last slot of each job and is brought up to
    date."""
    due = {job: slot for job, every in intervals.items() if (slot := int(at.timestamp()) // every) != done.get(job)}
    if not due:
        return []
    with database.reading(context.engine) as connection:
        bots = [bot.name for bot in list_bots(connection)]
        busy = busy_bots(connection, at) if Job.DELIVER in due else set()
    asked = [
        (job, bot)
        for job, slot in due.items()
        for bot in bots
        if (job != Job.DELIVER or bot in busy) and _ask(context, job, bot, slot, intervals[job])
    ]
    done.update(due)
    return asked


def _ask(context: Context, job: Job, bot: str, slot: int, every: int) -> bool:
    if job in OF_SLACK and not context.settings.slack_bot_token:
        return False
    return jobs.enqueue_slot(context.queue, job, bot, slot=slot, keep_s=2 * every)


def run(context: Context, stop: threading.Event) -> None:
    """Tick until stopped; a dependency that is down is waited for."""
    done: dict[Job, int] = {}
    while not stop.is_set():
        try:
            with redis_errors():
                tick(context, now(), done)
        except (RedisDown, OperationalError) as error:
            log.warning("schedule.waiting", error=type(error).__name__)
        stop.wait(TICK_S)
