"""Predictions over HTTP beside bare encoding: the same texts, one at a time, in blocks that take turns.

Bare encoding is sentence-transformers' own `encode` in this process, on as many threads as the encode process has; that
one is idle meanwhile. API and encode process run as they do in an installation; the classifier has the 34 intents of
the shipped log, an out-of-scope gate and a tagger. Every text is asked about once, so none is answered from a cache.
"""

import http.client
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
import numpy as np

from service import broker, database
from service.access.keys import create_key
from service.bots.store import create_bot
from service.classifiers import store
from service.classifiers.schemas import Manifest
from service.clock import now
from service.context import Context, opened, wait_for_redis
from service.encoding import EncodeClient
from service.errors import EncoderDown
from service.intents.store import create_intents
from service.learning.head import NONE
from service.learning.tagging import Span
from service.predict.schemas import TEXTS_LIMIT
from service.settings import Settings
from service.turns.logs import LoggedTurn, read_log
from tests.support.server import environment, serving
from workers import lexicon, tagger, trainer
from workers.encoder import open_folder, packaged, threads_of
from workers.tagging import intent_name

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

BOT = "shop"
LOG = Path("workers/demo/log.jsonl")
LABELS = 500
BLOCK = 20  # texts
WARM = 3  # blocks before the first that counts
BATCHES = 3
CLIENTS = 16
RATIO, EXTRA_MS = 1.3, 5.0  # the bar: http p50 <= RATIO * bare p50 + EXTRA_MS
START_S = 120.0


class Installation(NamedTuple):
    url: str
    key: str


def measure(texts: int) -> dict[str, Any]:
    turns = _distinct()
    model = open_folder(packaged(), threads_of(0))
    with installed(turns[:LABELS], model) as where:
        fresh = iter(turn.text for turn in turns[LABELS:])
        bare, ours = _alternating(lambda text: model.encode(text), Client(where), fresh, texts)
        batches = [_batch(model, Client(where), _take(fresh, TEXTS_LIMIT)) for _ in range(BATCHES)]
        at_once = _at_once(where, fresh)
    return _result(bare, ours) | {
        "batch_100_ms": round(statistics.median(ours for _, ours in batches), 1),
        "bare_batch_100_ms": round(statistics.median(bare for bare, _ in batches), 1),
        "at_once": at_once,
    }


def _result(bare: Sequence[float], ours: Sequence[float]) -> dict[str, Any]:
    """Both in milliseconds."""
    p50, bare_p50 = statistics.median(ours), statistics.median(bare)
    allowed = RATIO * bare_p50 + EXTRA_MS
    return {
        "texts": len(ours),
        "bare_ms": _quantiles(bare),
        "http_ms": _quantiles(ours),
        "ratio": round(p50 / bare_p50, 3),
        "over_ms": round(p50 - bare_p50, 2),
        "allowed_ms": round(allowed, 2),
        "is_kept": p50 <= allowed,
    }


def said(found: dict[str, Any]) -> str:
    """Whether the bar is kept, in a line."""
    is_kept = "kept" if found["is_kept"] else "MISSED"
    bar = f"{RATIO:g} x {found['bare_ms']['p50']} ms + {EXTRA_MS:g} ms = {found['allowed_ms']} ms"
    return f"bar {is_kept}: p50 {found['http_ms']['p50']} ms over HTTP; at most {bar}"


def _quantiles(ms: Sequence[float]) -> dict[str, float]:
    return {name: round(float(np.percentile(ms, q)), 2) for name, q in (("p50", 50), ("p95", 95))}


def _alternating(
    bare: Callable[[str], object], client: "Client", fresh: Iterator[str], texts: int
) -> tuple[list[float], list[float]]:
    """Milliseconds of each text, bare and over HTTP; each way goes first in every other block."""
    found: tuple[list[float], list[float]] = ([], [])
    for block in range(WARM + texts // BLOCK):
        said = _take(fresh, BLOCK)
        for way in (0, 1) if block % 2 else (1, 0):
            ask = (bare, client.predict)[way]
            taken = [_ms(lambda text=text, ask=ask: ask(text)) for text in said]  # type: ignore[misc]
            if block >= WARM:
                found[way].extend(taken)
    return found


def _batch(model: "SentenceTransformer", client: "Client", texts: list[str]) -> tuple[float, float]:
    return _ms(lambda: model.encode(texts)), _ms(lambda: client.predict(*texts))


def _at_once(where: Installation, fresh: Iterator[str]) -> dict[str, float]:
    """Texts a second from one client, and from several, each of which asks about one at a time."""
    return {f"{clients}_clients": _texts_per_s(where, clients, _take(fresh, 192)) for clients in (1, CLIENTS)}


def _texts_per_s(where: Installation, clients: int, texts: list[str]) -> float:
    def ask(own: list[str]) -> None:
        client = Client(where)
        for text in own:
            client.predict(text)

    with ThreadPoolExecutor(clients) as pool:
        ms = _ms(lambda: list(pool.map(ask, (texts[i::clients] for i in range(clients)))))
    return round(1000 * len(texts) / ms, 1)


def _take(fresh: Iterator[str], count: int) -> list[str]:
    return [next(fresh) for _ in range(count)]


def _ms(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - started)


class Client:
    """One kept connection. A request leaves in one piece, as most programs send it: http.client sends the body apart,
    and the server wakes twice."""

    def __init__(self, where: Installation) -> None:
        parts = urlsplit(where.url)
        self._socket = socket.create_connection((parts.hostname, parts.port), timeout=60)
        self._head = (
            f"POST /v1/bots/{BOT}/predict HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {where.key}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        )

    def predict(self, *texts: str) -> bytes:
        body = msgspec.json.encode({"texts": texts})
        self._socket.sendall(f"{self._head}{len(body)}\r\n\r\n".encode() + body)
        response = http.client.HTTPResponse(self._socket, method="POST")
        response.begin()
        answer = response.read()
        if response.status != 200:
            raise RuntimeError(answer.decode())
        return answer


@contextmanager
def installed(labelled: Sequence[LoggedTurn], model: "SentenceTransformer") -> Iterator[Installation]:
    """A bot with a classifier, its API and its encode process, both ready."""
    with tempfile.TemporaryDirectory(prefix="fp-") as folder:
        settings = Settings(data_dir=folder, redis_url=f"unix://{Path(folder) / 'valkey.sock'}")
        server = broker.start(Path(folder), Path(folder) / "valkey.sock")
        try:
            with opened(settings) as context:
                wait_for_redis(context)
                database.migrate(context.engine)
                with _encoding(context) as identity, serving(settings) as url:
                    yield Installation(url, _open_bot(context, labelled, model, identity))
        finally:
            server.terminate()
            server.wait(10)


@contextmanager
def _encoding(context: Context) -> Iterator[str]:
    """The encode process; its encoder's identity."""
    command = [sys.executable, "-m", "workers", "encode"]
    process = subprocess.Popen(command, env=environment(context.settings), stdout=2)
    try:
        yield _identity(context)
    finally:
        process.terminate()
        process.wait(30)


def _identity(context: Context) -> str:
    client, deadline = EncodeClient(context.settings, context.redis, deadline_s=2.0), time.monotonic() + START_S
    while True:
        try:
            return client.identity(BOT)
        except EncoderDown:
            if time.monotonic() > deadline:
                raise


def _open_bot(context: Context, labelled: Sequence[LoggedTurn], model: "SentenceTransformer", identity: str) -> str:
    """A key of the bot."""
    names = sorted({turn.intent for turn in labelled if turn.intent and turn.intent != "none"})
    with database.writing(context.engine) as connection:
        create_bot(connection, BOT, now())
        create_intents(connection, BOT, dict.fromkeys(names, ""), now())
        ids = {name: n for n, name in enumerate(names, 1)}
        x = model.encode([turn.text for turn in labelled])
        said = model.encode([name.replace("_", " ") for name in names])
        y = np.array([ids.get(turn.intent or "", NONE) for turn in labelled])
        labels = trainer.Labels(x, y, np.ones(len(x)), np.arange(len(x)))
        fitted = trainer.fit(np.array(list(ids.values())), said, labels, x, seed=1)
        manifest = Manifest(encoder=identity, dimensions=x.shape[1], intents=ids)
        crf = _tagger(labelled, ids, lambda words: model.encode(list(words)))
        n = store.save(connection, BOT, fitted.head, manifest, "challenger", now(), tagger=crf)
        store.promote(connection, BOT, n, None)
        return create_key(connection, name="bench", role="ingest", bot=BOT, now=now())


def _tagger(labelled: Sequence[LoggedTurn], ids: dict[str, int], encode: lexicon.Encode) -> bytes | None:
    clusters = lexicon.cluster([turn.text for turn in labelled], encode, seed=1)
    examples = [
        tagger.Labelled(
            tagger.prepare(turn.text, clusters),
            tuple(Span(one["start"], one["end"], one["type"]) for one in turn.entities),
            intent_name(ids.get(turn.intent or "")),
        )
        for turn in labelled
    ]
    return tagger.fit(examples, clusters)


def _distinct() -> list[LoggedTurn]:
    """What users of the shipped log said, each text once."""
    turns = (turn for one in read_log(LOG) for turn in one.user_turns if not turn.is_slot_fill)
    return list({turn.text: turn for turn in turns}.values())
