"""Every process of the installation is killed once, while turns arrive: nothing accepted is lost, nothing is stored
twice."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import sqlalchemy as sa

from service import database, tables
from service.bots.store import add_secret, create_bot
from service.context import Context, opened
from service.operations.supervisor import Running, load_state
from service.settings import Settings
from service.streams import Streams
from tests.support.edge import BOT, WEBHOOK, encode, sign, turns
from workers.demo.stack import free_port, running

pytestmark = pytest.mark.model

PROCESSES = ("ingest", "encode", "jobs", "schedule", "api", "broker")
TURNS = 10  # of one delivery
PATIENCE_S = 120.0


class Stack(NamedTuple):
    settings: Settings
    context: Context
    secret: str


@pytest.fixture
def stack(short_folder: Path) -> Iterator[Stack]:
    settings = Settings(data_dir=str(short_folder / "faults"), port=free_port())
    settings.folder.mkdir()
    with running(settings), opened(settings) as context:
        now = datetime.now(UTC)
        with database.writing(context.engine) as connection:
            create_bot(connection, BOT, now)
            secret = add_secret(connection, context.keyring, BOT, "native", now)
        yield Stack(settings, context, secret)


def state_of(settings: Settings) -> Running:
    state = load_state(settings)
    assert state is not None
    return state


def deliver(stack: Stack, enough: threading.Event, delivered: list[int]) -> None:
    """As a platform does, until there was enough: the same delivery again until it is accepted."""
    url = f"http://127.0.0.1:{stack.settings.port}{WEBHOOK}"
    with httpx.Client(timeout=5) as client:
        while not enough.is_set():
            n = len(delivered)
            body = encode(
                turns(
                    *(
                        {"conversation_id": f"c-{n}", "turn_id": f"c-{n}:{i}", "text": f"order {n} item {i}"}
                        for i in range(TURNS)
                    )
                )
            )
            deadline = time.monotonic() + PATIENCE_S
            while not accepted(client, url, body, stack.secret, f"d-{n}"):
                assert time.monotonic() < deadline, f"delivery {n} was never accepted"
                time.sleep(0.2)
            delivered.append(n)
            time.sleep(0.1)


def accepted(client: httpx.Client, url: str, body: bytes, secret: str, delivery_id: str) -> bool:
    try:
        return client.post(url, content=body, headers=sign(secret, body, delivery_id)).status_code == 202
    except httpx.TransportError:
        return False


def kill_each(stack: Stack, delivered: list[int]) -> None:
    """Each dies while deliveries arrive: some were taken since the last death, and some are taken after it."""
    for name in PROCESSES:
        before = len(delivered)
        wait_until(lambda before=before: len(delivered) > before)
        victim = state_of(stack.settings).children[name]
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda name=name, victim=victim: state_of(stack.settings).children[name] != victim)
        before = len(delivered)
        wait_until(lambda before=before: len(delivered) > before)
        time.sleep(1.0)


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def stored(context: Context) -> list[str]:
    with database.reading(context.engine) as connection:
        return list(connection.scalars(sa.select(tables.turn.c.external_id)))


@pytest.mark.timeout(400)
def test_each_process_killed_once_under_load_loses_nothing(stack: Stack) -> None:
    enough, delivered = threading.Event(), list[int]()
    sender = threading.Thread(target=deliver, args=(stack, enough, delivered))
    sender.start()
    try:
        kill_each(stack, delivered)
    finally:
        enough.set()
        sender.join(PATIENCE_S)
    assert not sender.is_alive()
    streams = Streams(stack.context.redis, stack.context.keyring, stack.settings.stream_bound)
    wait_until(lambda: streams.depth(BOT) == 0)
    expected = {f"c-{n}:{i}" for n in delivered for i in range(TURNS)}
    found = stored(stack.context)
    assert sorted(found) == sorted(expected)
    assert streams.dead_count(BOT) == 0
    # A process may also end by itself while the broker is away.
    assert {name for name, n in state_of(stack.settings).restarts.items() if n} == set(PROCESSES)
