"""The product in processes, pointed at the stand-in, with a bot whose cards wait."""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from service import broker, database, tables
from service.bots.store import add_secret, create_bot, update_bot
from service.context import Context, opened, wait_for_redis
from service.intents.store import create_intents
from service.parent import die_with_parent
from service.settings import PREFIX, Secret, Settings
from tests.support.server import free_port
from tests.support.slack import APP_TOKEN, BOT_TOKEN, CHANNEL, SIGNING_SECRET, Slack

BOT = "shop"
# Few enough that each is a button, on a bot whose classifier does not say which are likely.
INTENTS = ("cancel_order", "change_address", "refund", "track_order")
START_S, STOP_S = 90.0, 15.0
PROCESSES: Mapping[str, tuple[str, ...]] = {
    "ingest": ("tests.support.ingest_process",),
    "schedule": ("workers", "schedule"),
    "jobs": ("tests.bench.slack.jobs_process",),
    "slack": ("service", "slack", "run"),
}


class Installation(NamedTuple):
    context: Context
    secret: str  # of the bot's source
    cards: tuple[str, ...]

    @property
    def url(self) -> str:
        return self.context.settings.base_url


@contextmanager
def installed(slack: Slack, folder: Path, cards: int) -> Iterator[Installation]:
    """Running, connected to Slack, and stopped at the end; each process's log stands in the folder."""
    settings = Settings(
        data_dir=str(folder),
        port=free_port(),
        slack_bot_token=Secret(BOT_TOKEN),
        slack_app_token=Secret(APP_TOKEN),
        slack_signing_secret=Secret(SIGNING_SECRET),
        slack_api_url=f"{slack.url}/api",
    )
    with ExitStack() as stack:
        server = broker.start(folder, settings.redis_socket)
        stack.callback(_stop, server)
        context = stack.enter_context(opened(settings))
        wait_for_redis(context)
        database.migrate(context.engine)
        secret, ids = _fill(context, cards)
        for name, command in (PROCESSES | {"api": _api(settings)}).items():
            stack.callback(_stop, _start(folder / f"{name}.log", command, settings))
        _wait(slack, settings)
        yield Installation(context, secret, ids)


def _api(settings: Settings) -> tuple[str, ...]:
    return (
        "granian",
        "--interface",
        "asgi",
        "--factory",
        "--no-ws",
        "--port",
        str(settings.port),
        "service.__main__:app",
    )


def _start(log: Path, command: tuple[str, ...], settings: Settings) -> "subprocess.Popen[bytes]":
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            env=_environment(settings),
            stdout=output,
            stderr=output,
            preexec_fn=die_with_parent,
        )


def _environment(settings: Settings) -> dict[str, str]:
    """The settings that differ from their defaults, and nothing of an installation outside."""
    default = Settings()
    given = {name: getattr(settings, name) for name in Settings.__struct_fields__}
    ours = {f"{PREFIX}{name.upper()}": str(value) for name, value in given.items() if value != getattr(default, name)}
    return {**{name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}, **ours}


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait(slack: Slack, settings: Settings) -> None:
    deadline = time.monotonic() + START_S
    while not (slack.links and _answers(settings)):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the processes did not become ready; their logs: {settings.folder}")
        time.sleep(0.1)


def _answers(settings: Settings) -> bool:
    try:
        urllib.request.urlopen(f"{settings.base_url}/health/live", timeout=2).close()  # noqa: S310 - http
    except OSError:
        return False
    return True


def _fill(context: Context, cards: int) -> tuple[str, tuple[str, ...]]:
    """A bot with so many open cards; its source's secret and the cards' ids."""
    now = datetime.now(UTC)
    with database.writing(context.engine) as connection:
        create_bot(connection, BOT, now)
        update_bot(connection, BOT, now, slack_channel=CHANNEL, weekly_budget=10 * cards)
        create_intents(connection, BOT, dict.fromkeys(INTENTS, ""), now)
        secret = add_secret(connection, context.keyring, BOT, "native", now)
        turns = _turns(connection, cards, now)
        rows = [{"id": f"c{n}", "turn_id": turn, "priority": -float(n)} for n, turn in enumerate(turns)]
        same = {"bot": BOT, "purpose": "rank", "is_blind": False, "created_at": now}
        connection.execute(tables.card.insert(), [row | same for row in rows])
        carded = {"bot": BOT, "status": "carded", "created_at": now}
        connection.execute(tables.candidate.insert(), [carded | {"turn_id": turn} for turn in turns])
    return secret, tuple(str(row["id"]) for row in rows)


def _turns(connection: sa.Connection, count: int, now: datetime) -> list[int]:
    same = {"bot": BOT, "source": "native", "at": now, "received_at": now, "bot_intent": "track_order"}
    own = [{"external_id": f"t{n}", "conversation_id": f"c{n}", "text_key": b"t%d" % n} for n in range(count)]
    connection.execute(tables.turn.insert(), [same | row for row in own])
    turns = list(connection.scalars(sa.select(tables.turn.c.id).order_by(tables.turn.c.id)))
    content = [{"turn_id": turn, "text": f"where is order {turn}", "entities": [], "person": ""} for turn in turns]
    connection.execute(tables.turn_content.insert(), content)
    return turns
