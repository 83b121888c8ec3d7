"""Jobs are asked for once, run by RQ as JSON, and scheduled by slots, on a real Valkey."""

import threading
from datetime import UTC, datetime, timedelta
from importlib import import_module

import pytest
import structlog
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError
from redis.exceptions import TimeoutError as RedisTimeoutError
from rq.serializers import JSONSerializer
from rq.worker import SimpleWorker

from service import database, jobs
from service.bots.store import archive_bot, create_bot
from service.context import Context
from service.jobs import Job
from workers import schedule
from workers.jobs import run as run_jobs

AT = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
EVERY = {Job.RESOLVE: 20, Job.RANK: 60}


@pytest.fixture
def shop(context: Context) -> Context:
    with database.writing(context.engine) as connection:
        create_bot(connection, "shop", AT)
    return context


def queued(context: Context) -> list[tuple[str, str]]:
    return [(job.func_name, job.args[0]) for job in context.queue.get_jobs()]


def test_a_job_that_waits_is_not_asked_for_again(context: Context) -> None:
    assert [jobs.enqueue(context.queue, Job.RESOLVE, "shop") for _ in range(3)] == [True, False, False]
    assert queued(context) == [("workers.jobs.resolve", "shop")]


def test_a_job_that_has_begun_may_be_asked_for_again(context: Context) -> None:
    jobs.enqueue(context.queue, Job.RESOLVE, "shop")
    jobs.begin(context.redis, Job.RESOLVE, "shop")
    assert jobs.enqueue(context.queue, Job.RESOLVE, "shop")


def test_bots_and_jobs_do_not_wait_for_each_other(context: Context) -> None:
    asked = [jobs.enqueue(context.queue, job, bot) for job in (Job.RANK, Job.TRAIN) for bot in ("shop", "bank")]
    assert asked == [True] * 4


def test_a_tick_asks_for_every_live_bots_jobs(shop: Context) -> None:
    with database.writing(shop.engine) as connection:
        create_bot(connection, "old", AT)
        archive_bot(connection, "old", AT)
    assert schedule.tick(shop, AT, {}, EVERY) == [(Job.RESOLVE, "shop"), (Job.RANK, "shop")]


def test_a_second_scheduler_changes_nothing(shop: Context) -> None:
    schedule.tick(shop, AT, {}, EVERY)
    for job in EVERY:
        jobs.begin(shop.redis, job, "shop")  # both have started meanwhile
    assert schedule.tick(shop, AT + timedelta(seconds=1), {}, EVERY) == []


def test_only_the_job_whose_slot_is_new_is_asked_for(shop: Context) -> None:
    done: dict[Job, int] = {}
    schedule.tick(shop, AT, done, EVERY)
    for job in EVERY:
        jobs.begin(shop.redis, job, "shop")
    assert schedule.tick(shop, AT + timedelta(seconds=20), done, EVERY) == [(Job.RESOLVE, "shop")]


def test_a_tick_end_to_end(shop: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheduled job is found, decoded and run by a worker that speaks JSON; here in this process, on this
    database."""
    monkeypatch.setenv("FENCEPOST_DATA_DIR", shop.settings.data_dir)
    monkeypatch.setenv("FENCEPOST_DATABASE_URL", shop.settings.database_url)
    monkeypatch.setenv("FENCEPOST_REDIS_URL", shop.settings.redis_url)
    schedule.tick(shop, AT, {}, {Job.RESOLVE: 20})
    worker = SimpleWorker([shop.queue], connection=shop.redis, serializer=JSONSerializer)
    assert worker.work(burst=True)
    assert queued(shop) == []
    assert shop.queue.failed_job_registry.get_job_ids() == []
    assert jobs.enqueue(shop.queue, Job.RESOLVE, "shop")  # its flag is cleared


def test_every_job_is_named_after_a_function_that_exists() -> None:
    for job in Job:
        module, _, name = job.value.rpartition(".")
        assert callable(getattr(import_module(module), name))


def test_a_stop_that_came_during_the_imports_is_heeded(shop: Context) -> None:
    stop = threading.Event()
    stop.set()
    worker = threading.Thread(target=run_jobs, args=(shop, stop), daemon=True)  # else it would hang the run
    worker.start()
    worker.join(60)
    assert not worker.is_alive()


@pytest.mark.parametrize("error", [RedisConnectionError(), RedisTimeoutError(), OutOfMemoryError()])
def test_the_schedule_waits_for_a_redis_that_takes_nothing(
    shop: Context, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    stop = threading.Event()

    def fail(*_: object) -> None:
        stop.set()
        raise error

    monkeypatch.setattr(schedule, "tick", fail)
    with structlog.testing.capture_logs() as logs:
        schedule.run(shop, stop)
    assert [(event["event"], event["error"]) for event in logs] == [("schedule.waiting", "RedisDown")]
