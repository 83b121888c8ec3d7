"""Pages of the console over HTTP, of a bot with a million turns: how soon each answers.

API, encode process and Valkey run as they do in an installation; somebody with a key asks for one page after the other.
Between rounds the bot's life goes on: turns come in, and every fifth time somebody labels one, so that what a page
keeps is out of date as often as it would be. So a folder that is used again holds a little more each time.

`first_ms` is the first view since the start, when nothing is kept yet; it does not count. `/health/live`, which does
nothing, is asked for as often: what it takes is the machine's, and a page's median is also told in its terms. And some
arithmetic is done as often: `slowdown` is its median time over its shortest, 1 where nothing else is done meanwhile.
"""

import http.client
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import numpy as np
import sqlalchemy as sa

from service import broker, database, tables
from service.access.keys import create_key
from service.clock import now
from service.context import Context, opened, wait_for_redis
from service.encoding import EncodeClient
from service.errors import EncoderDown
from service.settings import Settings
from service.turns import tally
from tests.bench.filled import fill
from tests.bench.filled_answers import PEOPLE
from tests.bench.filled_log import BOT
from tests.bench.filled_plan import PROMOTED
from tests.bench.filled_world import NAMES
from tests.support.server import environment, serving
from workers.progress import Progress

BAR_MS = 200.0  # of every page's p95
LIVE, SPIN = "live", "spin"
CHAMPION = len(PROMOTED)
ARRIVALS = 5  # turns that come in between two rounds
LABELLED_EVERY = 5  # rounds
START_S = 300.0  # for the encode process to hold the neighbour index

Paths = dict[str, Sequence[str]]  # page → its addresses, which take turns


class Times(NamedTuple):
    """Milliseconds."""

    first: float
    later: list[float]

    def as_json(self, live: float) -> dict[str, float]:
        found = {"p50": 50, "p95": 95}
        quantiles = {f"{name}_ms": round(float(np.percentile(self.later, q)), 1) for name, q in found.items()}
        ratio = statistics.median(self.later) / live
        return {**quantiles, "first_ms": round(self.first, 1), "times_live": round(ratio, 1)}


def measure(turns: int, rounds: int, folder: Path | None, database_url: str) -> dict[str, Any]:
    progress = Progress()
    with tempfile.TemporaryDirectory(prefix="fp-") if folder is None else nullcontext(folder) as where:
        settings = Settings(
            data_dir=str(where), database_url=database_url, redis_url=f"unix://{Path(where) / 'valkey.sock'}"
        )
        _fill_once(settings, turns, progress)
        with _running(settings) as (context, url):
            key, paths, said = _key(context), _paths(context), _turns(context)
            times = _visit(context, Client(url, key), paths, rounds, progress)
    live, spun = statistics.median(times.pop(LIVE).later), times.pop(SPIN).later
    pages = {name: one.as_json(live) for name, one in times.items()}
    machine = {"live_ms": round(live, 2), "slowdown": round(statistics.median(spun) / min(spun), 2)}
    return {"turns": said, "rounds": rounds, **machine, "pages": pages}


def said(found: dict[str, Any]) -> str:
    """Whether the bar is kept, in a line."""
    slow = [f"{name} {one['p95_ms']} ms" for name, one in found["pages"].items() if one["p95_ms"] >= BAR_MS]
    return f"bar MISSED, {BAR_MS:g} ms at p95: {', '.join(slow)}" if slow else f"bar kept: every p95 < {BAR_MS:g} ms"


def _fill_once(settings: Settings, turns: int, progress: Progress) -> None:
    settings.folder.mkdir(parents=True, exist_ok=True)
    engine = database.connect(settings.sql_url)
    is_filled = sa.inspect(engine).has_table("bot")
    engine.dispose()
    if not is_filled:
        fill(settings.sql_url, turns, progress)


@contextmanager
def _running(settings: Settings) -> Iterator[tuple[Context, str]]:
    """The API's address, once the encode process knows neighbours."""
    server = broker.start(settings.folder, settings.redis_socket)
    encode = subprocess.Popen([sys.executable, "-m", "workers", "encode"], env=environment(settings), stdout=2)
    try:
        with opened(settings) as context:
            wait_for_redis(context)
            database.migrate(context.engine)
            _wait_for_neighbours(context)
            with serving(settings) as url:
                yield context, url
    finally:
        for process in (encode, server):
            process.terminate()
            process.wait(30)


def _wait_for_neighbours(context: Context) -> None:
    client, deadline = EncodeClient(context.settings, context.redis, deadline_s=5.0), time.monotonic() + START_S
    while True:
        try:
            client.neighbours(BOT, client.encode(BOT, ["hello"]), 1)
            return
        except EncoderDown:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


def _key(context: Context) -> str:
    with database.writing(context.engine) as connection:
        return create_key(connection, name="Ada", role="owner", bot=BOT, now=now())


def _turns(context: Context) -> int:
    with database.reading(context.engine) as connection:
        return tally.total(connection, BOT, tally.TURNS)


def _paths(context: Context) -> Paths:
    with database.reading(context.engine) as connection:
        labelled = list(connection.scalars(_labelled().limit(200)))
        pairs = connection.execute(_neighbouring().limit(20)).all()
    here = f"/bots/{BOT}"
    return {
        LIVE: ["/health/live"],
        "overview": [here],
        "review": [f"{here}/review"],
        "drift": [f"{here}/drift"],
        "boundary": [f"{here}/boundary"],
        "pair": [f"{here}/boundary/{min(pair)}/{max(pair)}" for pair in pairs],
        "turns": [f"{here}/turns"],
        "trace": [f"{here}/turns/{turn_id}" for turn_id in labelled],
        "classifiers": [f"{here}/classifiers"],
        "classifier": [f"{here}/classifiers/{n}" for n in (CHAMPION, CHAMPION + 1)],
        "intents": [f"{here}/intents"],
        "intent": [f"{here}/intents/{n}" for n in range(1, len(NAMES) + 1)],
        "reviewers": [f"{here}/reviewers"],
        "reviewer": [f"{here}/reviewers/votes?of={quote(person)}" for person in PEOPLE],
        "sources": [f"{here}/sources"],
        "influence": [f"{here}/classifiers/{CHAMPION}/influence?intent={quote(name)}" for name in NAMES[:3]],
    }


def _labelled() -> sa.Select[tuple[int]]:
    """Turns that people labelled, the newest first."""
    label = tables.label.c
    given = (label.bot == BOT, label.use == "train", label.origin == "vote")
    return sa.select(label.turn_id).where(*given).order_by(label.id.desc())


def _neighbouring() -> sa.Select[tuple[int, int]]:
    flip = tables.flip.c
    pair = (flip.champion_intent_id, flip.challenger_intent_id)
    return sa.select(*pair).where(flip.bot == BOT).distinct().order_by(*pair)


def _visit(context: Context, client: "Client", paths: Paths, rounds: int, progress: Progress) -> dict[str, Times]:
    following = {name: cycle(some) for name, some in paths.items()}
    views = {name: lambda some=some: client.get(next(some)) for name, some in following.items()}  # type: ignore[misc]
    views[SPIN] = lambda: sum(range(1_000_000))
    times = {name: Times(_ms(view), []) for name, view in views.items()}
    with progress.step("rounds", rounds) as advance:
        for place in range(rounds):
            _go_on(context, place)
            for name, view in views.items():
                times[name].later.append(_ms(view))
            advance(1)
    return times


def _ms(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - started)


def _go_on(context: Context, place: int) -> None:
    """Turns come in, the first of them marked; now and then one that was asked about gets another label."""
    at = now()
    with database.writing(context.engine) as connection:
        rows = list(_arrive(connection, at))
        tally.count_turns(connection, BOT, [_Counted(**{name: row[name] for name in tally.COUNTED}) for row in rows])
        mark = {"bot": BOT, "turn_id": rows[0]["id"], "kind": "boundary"}
        connection.execute(tables.mark.insert(), {**mark, "value": 0.7, "n": CHAMPION, "at": at})
        tally.count_marks(connection, BOT, [(rows[0]["id"], "boundary")], [])
        if place % LABELLED_EVERY == 0:
            turn_id = connection.scalar(_labelled().offset(place).limit(1))
            label = {"turn_id": turn_id, "use": "train", "answer": "intent", "intent_id": 1, "origin": "vote"}
            connection.execute(tables.label.insert(), {"bot": BOT, "at": at, **label})


def _arrive(connection: sa.Connection, at: datetime) -> Iterator[dict[str, Any]]:
    """Turns like the newest ones."""
    newest = sa.select(tables.turn).order_by(tables.turn.c.id.desc()).limit(ARRIVALS)
    for row in connection.execute(newest).mappings().all():
        id_ = row["id"] + ARRIVALS
        turn = {**row, "id": id_, "external_id": f"n-{id_}", "at": at, "received_at": at}
        connection.execute(tables.turn.insert(), turn)
        connection.execute(tables.turn_content.insert(), {"turn_id": id_, "text": "where is it"})
        connection.execute(tables.prediction.insert(), _prediction(id_))
        yield turn


class _Counted(NamedTuple):
    at: datetime
    bot_version: str
    is_slot_fill: bool
    is_fallback: bool


def _prediction(turn_id: int) -> dict[str, Any]:
    numbers = {"p1": 0.6, "p2": 0.3, "out_of_scope": 0.0, "uncertainty": 0.7}
    return {"turn_id": turn_id, "n": CHAMPION, "bot": BOT, "intent_id": 1, "best_id": 1, "second_id": 2, **numbers}


class Client:
    """One kept connection."""

    def __init__(self, url: str, key: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        self._headers = {"Authorization": f"Bearer {key}", "Accept": "text/html"}

    def get(self, path: str) -> bytes:
        self._connection.request("GET", path, headers=self._headers)
        response = self._connection.getresponse()
        answer = response.read()
        if response.status != 200:
            raise RuntimeError(f"{path}: {response.status} {answer[:500].decode()}")
        return answer
