"""The app as a whole: health, headers, and what an error looks like."""

import json
import logging
import re

import msgspec
import pytest
import sqlalchemy as sa
import structlog
from litestar.testing import TestClient
from redis.exceptions import ConnectionError as RedisConnectionError
from sqlalchemy.exc import DataError, OperationalError

from service import problems
from service.access.keys import create_key
from service.clock import now
from service.context import Context
from service.database import writing
from service.errors import StreamFull
from service.health import check_database, check_redis
from tests.support.edge import Edge, build, turn

PLACES = ["/health/live", "/health/ready", "/nowhere", "/v1/bots", "/v1/openapi.json", "/webhooks/shop/native"]


@pytest.mark.parametrize("path", PLACES)
def test_every_answer_carries_the_security_headers(edge: Edge, path: str) -> None:
    headers = edge.client.get(path).headers
    policy = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
    assert (policy["default-src"], policy["script-src"], policy["style-src"]) == ("'none'", "'self'", "'self'")
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")


def test_a_ready_service_says_what_it_looked_at(edge: Edge) -> None:
    assert edge.client.get("/health/live").json() == {"status": "live"}
    answer = edge.client.get("/health/ready")
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")
    assert [(check["name"], check["level"]) for check in answer.json()["checks"]] == [
        ("redis", "ok"),
        ("database", "ok"),
    ]


def test_fsync_other_than_always_is_named_and_does_not_stop_it(edge: Edge) -> None:
    edge.context.redis.config_set("appendfsync", "everysec")
    try:
        answer = edge.client.get("/health/ready")
    finally:
        edge.context.redis.config_set("appendfsync", "always")
    redis = answer.json()["checks"][0]
    assert (answer.status_code, redis["level"]) == (200, "warning")
    assert "appendfsync everysec" in redis["saw"]


def test_a_redis_that_forgets_and_a_schema_of_another_version_are_wrong(context: Context) -> None:
    context.redis.config_set("appendonly", "no")
    try:
        assert check_redis(context).level == "wrong"
    finally:
        context.redis.config_set("appendonly", "yes")
    with context.engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0000'"))
    found = check_database(context)
    assert (found.level, found.saw, found.mend) == ("wrong", "schema version 0000", "`fencepost migrate`")


def test_an_empty_database_is_not_ready_and_webhooks_ask_to_come_back(context: Context) -> None:
    url = f"sqlite:///{context.settings.folder / 'empty.db'}"
    with TestClient(build(msgspec.structs.replace(context.settings, database_url=url))) as client:
        answer = client.get("/health/ready")
        assert (answer.status_code, answer.json()["checks"][1]["level"]) == (503, "wrong")
        delivery = client.post("/webhooks/shop/native", json=turn())
        assert (delivery.status_code, delivery.json()["type"], delivery.headers["retry-after"]) == (
            503,
            "database-down",
            "5",
        )


def test_a_path_or_a_method_that_is_none_is_a_problem(edge: Edge) -> None:
    nowhere, wrong = edge.client.get("/nowhere"), edge.client.put("/webhooks/shop/native")
    assert (nowhere.status_code, nowhere.json()["type"]) == (404, "not-found")
    assert (wrong.status_code, wrong.json()["type"]) == (405, "method-not-allowed")
    assert {found.headers["content-type"] for found in (nowhere, wrong)} == {"application/problem+json"}


def test_an_error_nobody_foresaw_keeps_its_words_to_the_process(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("the card of Ana Meier")

    monkeypatch.setattr("service.health.check_redis", fail)
    with structlog.testing.capture_logs() as logs:
        answer = edge.client.get("/health/ready")
    assert (answer.status_code, answer.json()["type"]) == (500, "internal-error")
    (event,) = logs
    assert (event["event"], event["error"]) == ("request.failed", "ZeroDivisionError")
    assert event["reference"] in answer.json()["detail"]
    assert "Meier" not in answer.text + json.dumps(event)


def lone_surrogate() -> Exception:
    try:
        "\ud800".encode()
    except UnicodeEncodeError as error:
        return error
    raise AssertionError


def wrong_type() -> Exception:
    try:
        msgspec.json.decode(b'{"turns":[{"id":1}]}', type=dict[str, list[dict[str, str]]])
    except msgspec.ValidationError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    ("error", "status", "type"),
    [
        (lone_surrogate(), 400, "bad-input"),
        (RecursionError(), 400, "bad-input"),
        (OverflowError("Python int too large to convert to SQLite INTEGER"), 400, "bad-input"),
        (DataError("SELECT 1", {}, Exception("NUL")), 400, "bad-input"),
        (OperationalError("SELECT 1", {}, Exception("locked")), 503, "database-down"),
        (RedisConnectionError("gone"), 503, "redis-down"),
        (StreamFull("shop", 3), 503, "stream-full"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_foreign_error_that_a_caller_can_cause_is_no_500(error: Exception, status: int, type: str) -> None:
    known = problems.as_domain(error)
    assert known is not None
    assert (known.status, known.type) == (status, type)


def test_the_path_of_a_decoders_complaint_is_kept() -> None:
    known = problems.as_domain(wrong_type())
    assert known is not None
    assert (known.detail, known.path) == ("Expected `str`, got `int`", "[...][0][...]")


@pytest.mark.parametrize(
    ("body", "path", "detail"),
    [
        (b"", "data", "the body is missing"),
        (b"\xff", "", "JSON is malformed: invalid character (byte 0)"),
        (b'{"name": "\xff"}', "", "the text holds invalid UTF-8 or half of a surrogate pair"),
        (b"[" * 100_000, "", "the body nests too deeply"),
        (b'{"name": 7}', "name", "Expected `str`, got `int`"),
        (b'{"name": "bank", "low_water": 1e999}', "[...]", "Number out of range"),
    ],
)
def test_a_body_that_is_no_record_is_a_problem_that_says_where(edge: Edge, body: bytes, path: str, detail: str) -> None:
    with writing(edge.context.engine) as connection:
        key = create_key(connection, name="Ana", role="operator", bot=None, now=now())
    answer = edge.client.post("/v1/bots", content=body, headers={"authorization": f"Bearer {key}"})
    problem = answer.json()
    assert (answer.status_code, problem["type"], problem.get("path", ""), problem["detail"]) == (
        400,
        "bad-input",
        path,
        detail,
    )


def test_the_api_describes_itself(edge: Edge) -> None:
    document = edge.client.get("/v1/openapi.json").json()
    assert document["info"]["title"] == "Fencepost"
    assert {"/webhooks/{bot}/{source}", "/v1/bots/{bot}/turns", "/health/ready"} <= document["paths"].keys()
    assert re.fullmatch(r"\d+\.\d+\.\d+", document["info"]["version"])
    assert logging.getLogger("litestar").handlers == []
