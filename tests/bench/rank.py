"""A ranking over 1,000,000 candidates in SQLite, beside the bare arithmetic of their margins.

The product's part is the ranking job itself, `workers.ranking.rank`, with its own reading, ordering, folding and
writing of 100 cards. Candidates, predictions, marks, vectors, e and f stand in the database as ingest leaves them. The
neighbour index is the product's, of 20,000 of the turns only: one of a million takes a quarter of an hour to build, and
it lives in another process, so its memory is not the ranking's; it is asked the same questions.

What made it fast: rows of numbers as the driver gives them, without joins (4.5 s of processor time became 1.2, which is
what a million rows cost in Python); ranks by counting thousandths; the gate's probability of the leaders alone; the
newest turn and the unmeasured candidates through indexes. Grouping by rounded factors in SQL would take as long.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import sqlalchemy as sa
from redis import Redis
from scipy.special import softmax

from service import database, tables
from service.bots.store import create_bot
from service.context import Context
from service.encoding import unit, unpack
from service.keyring import Keyring
from service.learning.types import Floats1d, Floats2d, Ints2d
from service.learning.uncertainty import margin
from service.settings import Settings
from tests.bench.measured import beside
from workers import ranking
from workers.neighbours import NeighbourIndex
from workers.progress import Progress

BOT, ENCODER, CLASSIFIER = "shop", "bench@000000000000", 1
DIMENSIONS, INTENTS, BATCH = 384, 150, 100
NEAR = 20_000
CHUNK = 20_000
SEED = 2
NOW = datetime.now(UTC)


class Index:
    """Implements what a ranking asks of service.encoding.Encoder."""

    def __init__(self) -> None:
        self._index = NeighbourIndex()

    def identity(self, bot: str) -> str:
        return ENCODER

    def encode(self, bot: str, texts: Sequence[str]) -> Floats2d:
        raise NotImplementedError

    def neighbours(self, bot: str, vectors: Floats2d, k: int) -> tuple[Ints2d, Floats2d]:
        return self._index.search(vectors, k)

    def add(self, bot: str, turn_ids: Sequence[int], vectors: Floats2d) -> None:
        self._index.add(turn_ids, vectors)


def measure(candidates: int, repetitions: int) -> dict[str, Any]:
    progress = Progress()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.db"
        fill(path, candidates, progress)
        progress.say("ranking")
        times = beside(product, path, partial(bare, *_arithmetic(candidates)), repetitions)
    return times.as_json() | {"candidates": candidates, "indexed": min(NEAR, candidates), "repetitions": repetitions}


def bare(x: Floats2d, weights: Floats2d, bias: Floats1d) -> None:
    """The reference: margins of x (n, d) under a head (k, d) and nothing else."""
    for start in range(0, len(x), CHUNK):
        margin(softmax(x[start : start + CHUNK] @ weights.T + bias, axis=1))


def _arithmetic(n: int) -> tuple[Floats2d, Floats2d, Floats1d]:
    rng = np.random.default_rng(SEED)
    x = np.concatenate([_vectors(rng, min(CHUNK, n - start)) for start in range(0, n, CHUNK)])
    return x, 20 * _vectors(rng, INTENTS), np.zeros(INTENTS, np.float32)


def _vectors(rng: np.random.Generator, n: int) -> Floats2d:
    return unit(rng.standard_normal((n, DIMENSIONS), np.float32))


def product(path: Path) -> Callable[[], None]:
    engine = database.connect(f"sqlite:///{path}")
    context = Context(Settings(data_dir=str(path.parent)), engine, cast(Redis, None), Keyring(b"k" * 32))
    index = Index()
    with database.writing(engine) as connection:
        _begin_again(connection)
        some = sa.select(tables.vector.c.turn_id, tables.vector.c.data).limit(NEAR)
        rows = connection.execute(some).all()
    index.add(BOT, [row.turn_id for row in rows], unpack([row.data for row in rows]))

    def run() -> None:
        ranking.rank(context, index, BOT)
        with database.reading(engine) as connection:
            ours = sa.select(sa.func.count()).where(tables.card.c.purpose == "rank")
            made = connection.scalar(ours)
        assert made == BATCH, f"{made} cards"

    return run


def _begin_again(connection: sa.Connection) -> None:
    """As if no ranking had been made."""
    for table in (tables.card, tables.ranking, tables.ranking_item):
        connection.execute(sa.delete(table))
    touched = (tables.candidate.c.bot == BOT, tables.candidate.c.status.in_(("carded", "folded")))
    connection.execute(sa.update(tables.candidate).where(*touched).values(status="open", folded_into=None))


def fill(path: Path, candidates: int, progress: Progress) -> None:
    """A database whose bot has so many open candidates, measured and predicted."""
    engine = database.connect(f"sqlite:///{path}")
    database.migrate(engine)
    with database.writing(engine) as connection:
        create_bot(connection, BOT, NOW, batch_size=BATCH, weekly_budget=10_000, audit_rate=0.01)
        connection.execute(sa.update(tables.bot).values(champion=CLASSIFIER))
        row = {"bot": BOT, "n": CLASSIFIER, "status": "champion", "created_at": NOW, "manifest": {}}
        connection.execute(tables.classifier.insert(), row)
    rng = np.random.default_rng(SEED)
    with closing(engine.raw_connection()) as raw, progress.step("filling the database", candidates) as advance:
        raw.cursor().execute("PRAGMA synchronous=OFF")
        for start in range(0, candidates, CHUNK):
            count = min(CHUNK, candidates - start)
            for table, rows in _rows(rng, start + 1, count):
                _insert(raw, table, rows)
            raw.commit()
            advance(count)
    engine.dispose()


def _rows(rng: np.random.Generator, first: int, count: int) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    """Rows of each table for turns first…first+count-1, columns in the tables' order."""
    ids = range(first, first + count)
    at = [str((NOW - timedelta(minutes=one % 40_000)).replace(tzinfo=None)) for one in ids]
    uncertainty = rng.beta(2, 3, count).tolist()
    structure = np.where(rng.random(count) < 0.3, np.log(rng.integers(2, 400, count)), 0.0).tolist()
    pressure = np.where(rng.random(count) < 0.05, rng.exponential(1.0, count), 0.0).round(3).tolist()
    impact = np.log(rng.geometric(0.6, count)).round(3).tolist()
    outside = rng.beta(1, 5, count).tolist()
    vectors = [row.tobytes() for row in _vectors(rng, count).astype("<f2")]
    yield (
        "turn",
        [
            (one, BOT, "native", f"t-{one}", f"c-{one}", when, when, "1", one.to_bytes(8, "big"))
            for one, when in zip(ids, at, strict=True)
        ],
    )
    yield "turn_content", [(one, f"what became of order {one}") for one in ids]
    yield "vector", [(one, ENCODER, data) for one, data in zip(ids, vectors, strict=True)]
    yield (
        "prediction",
        [
            (one, CLASSIFIER, BOT, 1, 1, 2, 0.5, 0.3, *rest)
            for one, *rest in zip(ids, outside, uncertainty, strict=True)
        ],
    )
    yield (
        "mark",
        [(BOT, one, "boundary", value, CLASSIFIER, at[0]) for one, value in zip(ids, uncertainty, strict=True)],
    )
    yield "mark", [(BOT, one, "audit", 0.005, CLASSIFIER, at[0]) for one in ids if one % 100 == 0]
    factors = zip(ids, uncertainty, structure, pressure, impact, strict=True)
    yield "candidate", [(BOT, "open", CLASSIFIER, *row, at[0], at[0]) for row in factors]


COLUMNS = {
    "turn": "id bot source external_id conversation_id at received_at bot_version text_key",
    "turn_content": "turn_id text",
    "vector": "turn_id encoder data",
    "prediction": "turn_id n bot intent_id best_id second_id p1 p2 out_of_scope uncertainty",
    "mark": "bot turn_id kind value n at",
    "candidate": "bot status n turn_id uncertainty structure pressure impact measured_at created_at",
}
REST: dict[str, dict[str, Any]] = {
    "turn": {"delivery_id": "", "lang": "", "channel": "", "bot_intent": "", "is_fallback": 0, "is_slot_fill": 0}
    | {"entity_signature": ""},
    "turn_content": {"redactions": "[]", "entities": "[]", "intents": "[]", "person": ""},
}


def _insert(raw: Any, table: str, rows: list[tuple[Any, ...]]) -> None:
    rest = REST.get(table, {})
    names = [*COLUMNS[table].split(), *rest]
    places = ", ".join("?" * len(names))
    statement = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({places})"  # noqa: S608 - our own names
    raw.driver_connection.executemany(statement, [(*row, *rest.values()) for row in rows])
