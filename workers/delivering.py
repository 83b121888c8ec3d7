"""The job that tells endpoints what happened.

Several attempts are made at once, few of them to the same endpoint, and one that failed is left alone until the next
job: so a dead endpoint holds up neither the others nor, for long, other jobs."""

import random
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import NamedTuple

import structlog
from standardwebhooks.webhooks import Webhook

from service import clock
from service.context import Context
from service.database import reading, writing
from service.events import sendings
from service.events.addresses import parse_networks
from service.events.endpoints import secrets_of
from service.events.rules import Answer
from service.events.sendings import Claimed
from service.keyring import Undecipherable
from workers.posting import Route, post, resolve

log = structlog.get_logger()

AT_ONCE = 8  # attempts
AT_ONE = 2  # of them to the same endpoint
BUDGET_S = 30.0  # no attempt begins later: other jobs wait
AGENT = "Fencepost-Webhooks"

Now = Callable[[], datetime]


class _Round(NamedTuple):
    """What the threads of one job share."""

    context: Context
    bot: str
    route: Route
    now: Now
    until: float
    running: Counter[int]  # by endpoint
    failed: set[int]
    lock: threading.Lock


def run(context: Context, bot: str) -> None:
    if made := deliver(context, bot):
        log.info("events.sent", bot=bot, attempts=made)  # what was answered is listed: `fencepost events show`


def deliver(context: Context, bot: str, route: Route | None = None, now: Now = clock.now) -> int:
    """Make the attempts that are due, and drop events that are too old; how many attempts were made."""
    with writing(context.engine) as connection:
        sendings.sweep(connection, bot, now())
    networks = parse_networks(context.settings.endpoint_networks)
    route = route or Route(resolve, networks, ssl.create_default_context())
    shared = _Round(context, bot, route, now, time.monotonic() + BUDGET_S, Counter(), set(), threading.Lock())
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="attempt") as pool:
        return sum(pool.map(_work, [shared] * AT_ONCE))


def _work(shared: _Round) -> int:
    """Attempts, one after the other, until there is none to make."""
    made = 0
    while time.monotonic() < shared.until and (claimed := _claim(shared)) is not None:
        is_delivered = False
        try:
            is_delivered = _attempt(shared, claimed).is_delivered
        finally:
            _free(shared, claimed.endpoint_id, is_delivered=is_delivered)
        made += 1
    return made


def _claim(shared: _Round) -> Claimed | None:
    with shared.lock:
        full = {endpoint for endpoint, running in shared.running.items() if running >= AT_ONE}
        found = sendings.claim(shared.context.engine, shared.bot, shared.now(), but=full | shared.failed)
        if found is not None:
            shared.running[found.endpoint_id] += 1
        return found


def _free(shared: _Round, endpoint_id: int, *, is_delivered: bool) -> None:
    with shared.lock:
        shared.running[endpoint_id] -= 1
        if not is_delivered:
            shared.failed.add(endpoint_id)


def _attempt(shared: _Round, claimed: Claimed) -> Answer:
    answer = _answer(shared, claimed)
    with writing(shared.context.engine) as connection:
        sendings.settle(connection, claimed, answer, shared.now(), random.Random())
    return answer


def _answer(shared: _Round, claimed: Claimed) -> Answer:
    now = shared.now()
    try:
        with reading(shared.context.engine) as connection:
            secrets = secrets_of(connection, shared.context.keyring, claimed.endpoint_id, now)
    except Undecipherable:
        return Answer(None, "its secret was sealed with another key: `fencepost endpoints rotate --grace-hours 0`", 0)
    return post(claimed.url, claimed.body, signed(claimed.event_id, claimed.body, secrets, now), shared.route, now)


def signed(event_id: str, body: bytes, secrets: Sequence[str], now: datetime) -> dict[str, str]:
    """The headers of Standard Webhooks: a signature for each secret, and the time of the attempt."""
    made = [Webhook(secret).sign(event_id, now, body.decode()) for secret in secrets]
    return {
        "Content-Type": "application/json",
        "User-Agent": AGENT,
        "Webhook-Id": event_id,
        "Webhook-Timestamp": str(int(now.timestamp())),
        "Webhook-Signature": " ".join(made),
    }
