"""Pages of the console over HTTP, of a bot with a million turns: how soon each answers.

API, encode process and Valkey run as they do in an installation; somebody with a key asks for one page after the other.
Between rounds the bot's life goes on: turns come in, and every fifth time somebody labels one, so that what a page
keeps is out of date as often as it would be. So a folder that is used again holds a little more each time.

`first_ms` is the first view since the start, when nothing is kept yet; it does not count. What a machine does besides
shows in three ways: `/health/live`, which does nothing, is asked for as often, and a page's median is told in its
terms; `cpu_p95_ms` is what the API's processor time comes to, whatever else runs; and some arithmetic is done as often:
`slowdown` is its median time over its shortest, 1 where nothing else is done meanwhile.
"""

import http.client
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

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
from tests.bench.filled_since import CHAMPION, go_on, labelled
from tests.bench.filled_world import NAMES
from tests.support.server import environment, serving
from workers.progress import Progress

BAR_MS = 200.0  # of every page's p95
LIVE, SPIN = "live", "spin"
START_S = 300.0  # for the encode process to hold the neighbour index

SEARCHES: dict[str, list[dict[str, str]]] = {  # common words and rare ones, large intents and small ones
    "words": [{"q": said} for said in ("order", "cancel my parcel", "number 123456", "moon oslo", '"gift card"')],
    "meaning": [{"q": said, "by": "meaning"} for said in ("where is my parcel", "send me the bill again")],
    "intent": [{"intent": name} for name in (NAMES[0], NAMES[-1], "none")],
    "label": [{"label": name} for name in (NAMES[0], NAMES[-1], "none")],
    "mark": [{"mark": kind} for kind in ("boundary", "unfamiliar", "audit")],
    "report": [{"report": kind} for kind in ("thumbs_down", "handoff")],
    "several": [
        {"q": "order", "intent": NAMES[-1], "mark": "audit", "report": "handoff"},
        {"q": "please", "mark": "unfamiliar", "source": "phone", "version": "2026.1"},
    ],
}

Paths = dict[str, Sequence[str]]  # page → its addresses, which take turns


class View(NamedTuple):
    """Milliseconds: until it was there, and of the API's processor time."""

    ms: float
    cpu_ms: float


class Times(NamedTuple):
    first: View
    later: list[View]

    @property
    def median(self) -> float:
        return statistics.median(view.ms for view in self.later)

    def as_json(self, live: float) -> dict[str, float]:
        ms, cpu = zip(*self.later, strict=True)
        found = {
            "p50_ms": self.median,
            "p95_ms": np.percentile(ms, 95),
            "cpu_p95_ms": np.percentile(cpu, 95),
            "first_ms": self.first.ms,
            "times_live": self.median / live,
        }
        return {name: round(float(value), 1) for name, value in found.items()}


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
    live, spun = times.pop(LIVE).median, times.pop(SPIN)
    pages = {name: one.as_json(live) for name, one in times.items()}
    slowdown = spun.median / min(view.ms for view in spun.later)
    machine = {"live_ms": round(live, 2), "slowdown": round(slowdown, 2)}
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
        turns = list(connection.scalars(labelled().limit(200)))
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
        **{f"turns by {name}": [f"{here}/turns?{urlencode(one)}" for one in some] for name, some in SEARCHES.items()},
        "labels": [
            f"{here}/labels",
            f"{here}/labels?intent={NAMES[0]}",
            f"{here}/labels?q=moon",
            f"{here}/labels?reviewer=Ada",
        ],
        "trace": [f"{here}/turns/{turn_id}" for turn_id in turns],
        "classifiers": [f"{here}/classifiers"],
        "classifier": [f"{here}/classifiers/{n}" for n in (CHAMPION, CHAMPION + 1)],
        "intents": [f"{here}/intents"],
        "intent": [f"{here}/intents/{n}" for n in range(1, len(NAMES) + 1)],
        "reviewers": [f"{here}/reviewers"],
        "reviewer": [f"{here}/reviewers/votes?of={quote(person)}" for person in PEOPLE],
        "sources": [f"{here}/sources"],
        "settings": [f"{here}/settings"],
        "audit log": [f"{here}/audit"],
        "influence": [f"{here}/classifiers/{CHAMPION}/influence?intent={quote(name)}" for name in NAMES[:3]],
    }


def _neighbouring() -> sa.Select[tuple[int, int]]:
    flip = tables.flip.c
    pair = (flip.champion_intent_id, flip.challenger_intent_id)
    return sa.select(*pair).where(flip.bot == BOT).distinct().order_by(*pair)


def _visit(context: Context, client: "Client", paths: Paths, rounds: int, progress: Progress) -> dict[str, Times]:
    following = {name: cycle(some) for name, some in paths.items()}
    views = {name: lambda some=some: client.get(next(some)) for name, some in following.items()}  # type: ignore[misc]
    views[SPIN] = lambda: sum(range(1_000_000))
    api = _api()
    times = {name: Times(_timed(view, api), []) for name, view in views.items()}
    with progress.step("rounds", rounds) as advance:
        for place in range(rounds):
            go_on(context.engine, place)
            for name, view in views.items():
                times[name].later.append(_timed(view, api))
            advance(1)
    return times


def _timed(view: Callable[[], object], api: int) -> View:
    cpu, started = _cpu_ms(api), time.perf_counter()
    view()
    return View(1000 * (time.perf_counter() - started), _cpu_ms(api) - cpu)


def _api() -> int:
    """Its process: the one that granian's own has begun."""
    [granian] = [child for child in _children(os.getpid()) if b"granian" in Path(f"/proc/{child}/cmdline").read_bytes()]
    return _children(granian)[-1]


def _children(pid: int) -> list[int]:
    found = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(child) for child in " ".join(found).split()]


def _cpu_ms(pid: int) -> float:
    """Of all its threads."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e6


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
