"""`/metrics` over HTTP, read by Prometheus' own parsers."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import msgspec
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from service import database, jobs
from service.access.keys import create_key
from service.access.roles import Role
from service.bots.store import create_bot
from service.context import Context
from service.jobs import Job
from service.metrics.catalogue import CATALOGUE
from service.metrics.scraper import Scraper
from service.streams import Streams
from tests.support.edge import BOT, Edge, build, turn
from tests.support.encode import FakeHub, serving
from tests.support.shop import AT, add_turn

TEXT, OPENMETRICS = "text/plain;version=x", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"
Values = dict[tuple[str, ...], float]


def scrape(client: TestClient[Litestar], key: str, accept: str = TEXT) -> httpx.Response:
    return client.get("/metrics", headers={"authorization": f"Bearer {key}", "accept": accept})


def values(answer: httpx.Response) -> Values:
    """By the metric's name and its labels' values."""
    assert answer.status_code == 200, answer.text
    parse = openmetrics if answer.headers["content-type"].startswith("application/openmetrics-text") else plain
    return {(one.name, *one.labels.values()): one.value for family in parse(answer.text) for one in family.samples}


@pytest.fixture
def operator(edge: Edge) -> str:
    return new_key(edge.context, "operator", None)


def new_key(context: Context, role: Role, bot: str | None) -> str:
    with database.writing(context.engine) as connection:
        return create_key(connection, name=role, role=role, bot=bot, now=datetime.now(UTC))


@pytest.fixture
def away(edge: Edge) -> Iterator[TestClient[Litestar]]:
    """The same, while Redis is down."""
    settings = msgspec.structs.replace(edge.context.settings, redis_url="unix:///nowhere/valkey.sock")
    with TestClient(build(settings), raise_server_exceptions=False) as client:
        yield client


def test_what_waits_and_who_answers(edge: Edge, operator: str) -> None:
    streams, long_ago = Streams(edge.context.redis, edge.context.keyring, 10), datetime.now(UTC) - timedelta(hours=1)
    for number in range(3):
        edge.deliver(turn(turn_id=f"t-{number}"), delivery_id=f"d-{number}")
    (entry,) = streams.fresh(BOT, "reader", 1)
    streams.bury(BOT, entry, failures=5, error="ValueError", now=datetime.now(UTC))
    edge.context.redis.xadd("fp:{bank}:v1:turns", {"e": b"sealed"}, id=f"{int(long_ago.timestamp() * 1000)}-0")
    jobs.enqueue(edge.context.queue, Job.RANK, BOT)
    with database.writing(edge.context.engine) as connection:
        create_bot(connection, "bank", AT)
    with serving(edge.context, FakeHub()):
        found = values(scrape(edge.client, operator, OPENMETRICS))
    waiting = [found["fencepost_" + name, BOT] for name in ("stream_entries", "dead_letters", "encoder_up")]
    assert (waiting, found["fencepost_up", "redis"]) == ([2, 1, 1], 1)
    assert 3600 <= found["fencepost_ingest_lag_seconds", "bank"] < 3700
    assert 0 <= found["fencepost_ingest_lag_seconds", BOT] < 60
    at_work = [found[f"fencepost_jobs_{name}",] for name in ("queued", "running", "failed", "workers")]
    assert at_work == [1, 0, 0, 0] and 0 <= found["fencepost_jobs_oldest_seconds",] < 60
    assert found["fencepost_stream_bound_entries",] == edge.context.settings.stream_bound
    assert found["process_resident_memory_bytes",] > 0


def test_redis_and_the_encode_process_down_are_said_and_hide_nothing_else(
    edge: Edge, operator: str, away: TestClient[Litestar]
) -> None:
    add_turn(edge.context.engine, "where is it")
    found = values(scrape(away, operator))
    assert (found["fencepost_up", "redis"], found["fencepost_encoder_up", BOT]) == (0, 0)
    assert found["fencepost_turns_total", BOT] == 1
    assert not any(name.startswith(("fencepost_stream_entries", "fencepost_jobs")) for name, *_ in found)


def test_who_may_read_what(edge: Edge, operator: str) -> None:
    with database.writing(edge.context.engine) as connection:
        create_bot(connection, "bank", AT)
    assert edge.client.get("/metrics").status_code == 401
    assert scrape(edge.client, edge.key).status_code == 403  # an ingest key
    of_one = values(scrape(edge.client, new_key(edge.context, "reader", "bank")))
    assert {of[0] for _, *of in of_one} == {"bank"}
    of_all = values(scrape(edge.client, new_key(edge.context, "reader", None)))
    assert ("fencepost_turns_total", "shop") in of_all and of_all.keys() == values(scrape(edge.client, operator)).keys()


def test_two_scrapers_cost_one_and_what_is_said_is_in_the_catalogue(edge: Edge, operator: str) -> None:
    answer = scrape(edge.client, operator)
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    before = values(answer)
    add_turn(edge.context.engine, "where is it")
    assert values(scrape(edge.client, operator, OPENMETRICS))["fencepost_turns_total", BOT] == 0
    scraper = Scraper(edge.context)
    names = {sample.name for family in scraper.expose(None).collect() for sample in family.samples}
    scraper.close()
    assert {name for name in names if name.startswith("fencepost_")} <= {metric.name for metric in CATALOGUE}
    assert names == {name for name, *_ in before} | {"fencepost_newest_turn_timestamp_seconds"}
