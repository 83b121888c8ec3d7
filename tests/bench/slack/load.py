"""Turns that come in beside: signed deliveries to the bot's webhook, so many a second."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.bench.slack.installation import BOT, Installation
from tests.support.edge import encode, sign, turns

DELIVERIES_PER_S = 2
TURNS = 10  # of one delivery


@contextmanager
def delivering(installation: Installation) -> Iterator[list[int]]:
    """What is yielded grows by each delivery's status."""
    stop = threading.Event()
    statuses: list[int] = []
    thread = threading.Thread(target=_deliver, args=(installation, stop, statuses))
    thread.start()
    yield statuses
    stop.set()
    thread.join()


def _deliver(installation: Installation, stop: threading.Event, statuses: list[int]) -> None:
    url = f"{installation.url}/webhooks/{BOT}/native"
    with httpx.Client(timeout=10) as client:
        while not stop.wait(1 / DELIVERIES_PER_S):
            n = len(statuses)
            body = encode(turns(*(_turn(n, i) for i in range(TURNS))))
            answer = client.post(url, content=body, headers=sign(installation.secret, body, f"d-{n}"))
            statuses.append(answer.status_code)


def _turn(n: int, i: int) -> dict[str, str]:
    return {"conversation_id": f"l-{n}", "turn_id": f"l-{n}:{i}", "text": f"order {n} has item {i} missing"}
