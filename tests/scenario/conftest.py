"""Fixtures of scenarios: the real app on a real Valkey and SQLite; Slack is the stand-in, over real HTTP and
WebSocket."""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from litestar.testing import TestClient
from slack_bolt import BoltRequest

from integrations.slack import http
from integrations.slack.app import create_bolt
from integrations.slack.client import posting
from integrations.slack.dispatch import dispatch
from service import database
from service.app import create_app
from service.bots import patterns
from service.bots.schemas import Pattern
from service.bots.store import update_bot
from service.context import Context
from tests.support import slack as stand_in
from tests.support.channel import Clock, connected
from tests.support.edge import Edge, opened_edge
from tests.support.shop import AT, BOT, open_shop
from tests.support.slack import CHANNEL, Json, Slack


@pytest.fixture
def edge(context: Context) -> Iterator[Edge]:
    with opened_edge(context) as edge:
        yield edge


@pytest.fixture(autouse=True)
def no_late_redraws() -> Iterator[None]:
    """What still waits to be redrawn ends with its test."""
    yield
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer) and thread.name == "redraw":
            thread.cancel()
            thread.join()


@pytest.fixture
def redacted_unlocked(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a pattern, which may take a second, is looked for, anybody may write."""
    find = patterns.find

    def unlocked(pattern: Pattern, text: str) -> list[patterns.Match]:
        with closing(sqlite3.connect(str(context.engine.url.database), timeout=1)) as other:
            other.execute("BEGIN IMMEDIATE")
        return find(pattern, text)

    monkeypatch.setattr(patterns, "find", unlocked)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("service.clock.now", clock.now)
    return clock


@pytest.fixture
def slack(clock: Clock) -> Iterator[Slack]:
    with stand_in.running(lambda: clock.at.timestamp()) as workspace:
        yield workspace


@pytest.fixture
def desk(context: Context, slack: Slack) -> Context:
    """The shop, its channel set, and settings that point at the stand-in."""
    open_shop(context.engine)
    with database.writing(context.engine) as connection:
        update_bot(connection, BOT, AT, slack_channel=CHANNEL)
    return context._replace(settings=connected(context.settings, slack))


@pytest.fixture
def post(desk: Context, clock: Clock) -> Callable[[], int]:
    """One run of the dispatcher."""
    client = posting(desk.settings, desk.engine)
    return lambda: dispatch(client, BOT, pause=clock.pause)


@pytest.fixture
def act(desk: Context, slack: Slack) -> Callable[[Json], None]:
    """Send what somebody did, and wait for what becomes of it."""
    bolt = create_bolt(desk)
    bolt.listener_runner.process_before_response = True

    def send(payload: Json) -> None:
        response = bolt.dispatch(BoltRequest(body=json.loads(json.dumps(payload)), mode="socket_mode"))
        assert response.status == 200
        if payload["type"] == "view_submission":
            slack.answered(payload, json.loads(response.body) if response.body else {})

    return send


@pytest.fixture
def http_client(desk: Context) -> Iterator[TestClient[Any]]:
    app = create_app(desk.settings, sources={}, schemes={}, mounts=http.mounts(desk.settings))
    with TestClient(app) as client:
        yield client
