"""A database whose bot has been at it for ninety days: a million turns, fifteen thousand labels, six classifiers.

Rows are those that ingest, jobs and people leave, made up by tests/bench/filled_*.py. Predictions are what heads,
trained with the labels there are, make of the vectors. Vectors of the labelled turns and the newest are of the
installation's encoder, all others of one before it: the neighbour index, which holds the encoder's own, would take a
quarter of an hour to build of a million.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from service import database, tables
from service.bots import signing
from service.bots.store import create_bot, create_source
from service.intents.store import create_intents
from service.turns import brought, tally, word_index
from tests.bench import filled_answers, filled_ledgers, filled_log
from tests.bench.filled_log import BOT, Rows
from tests.bench.filled_plan import RATE, Plan, planned
from tests.bench.filled_world import BEGIN_DAYS, NAMES, World, said
from workers.encoder import identified
from workers.progress import Progress

CHUNK = 20_000  # turns in memory
CACHE_KIB = 400_000  # of SQLite's pages: indices grow at random places


def fill(url: str, turns: int, progress: Progress) -> None:
    """The database must be empty."""
    _, encoder = identified("")
    world = World(turns)
    plan = planned(world)
    answers = dict(filled_answers.rows(world, plan))
    with _at_once(url) as connection:
        _open_bot(connection, world)
        heads = filled_ledgers.classifiers(connection, world, plan, answers["label"], encoder, progress)
        _insert(connection, _examples(world, plan, encoder))
        with progress.step("turns", turns) as advance:
            for start in range(plan.first, plan.first + turns, CHUNK):
                ids = range(start, min(start + CHUNK, plan.first + turns))
                _insert(connection, filled_log.rows(world, plan, heads, encoder, ids))
                connection.commit()
                advance(len(ids))
        with progress.step("answers and tallies", 1) as advance:
            _insert(connection, answers.items())
            _insert(connection, filled_ledgers.rows(world, plan))
            filled_ledgers.windows(connection, world, plan)
            tally.add(connection, BOT, tally.counted(connection, BOT))
            brought.add(connection, BOT, brought.counted(connection, BOT))
            _go_on_from(connection)
            connection.commit()
            advance(1)


@contextmanager
def _at_once(url: str) -> Iterator[sa.Connection]:
    """Fast, and lost should the machine fail."""
    engine = database.connect(url)
    database.migrate(engine)
    if engine.dialect.name == "sqlite":

        @sa.event.listens_for(engine, "connect")
        def _hurry(connection: Any, _record: Any) -> None:
            for pragma in ("synchronous=OFF", f"cache_size=-{CACHE_KIB}"):
                connection.execute(f"PRAGMA {pragma}")

        engine.dispose()  # those opened before do not hurry
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _open_bot(connection: sa.Connection, world: World) -> None:
    begun = world.until - timedelta(days=BEGIN_DAYS + 1)
    create_bot(connection, BOT, begun, audit_rate=RATE, target=0.9)
    for name in sorted(set(filled_log.SOURCES)):
        create_source(connection, BOT, name, begun, format="native", scheme=signing.STANDARD)
    create_intents(connection, BOT, {name: f"people want to {name.replace('_', ' ')}" for name in NAMES}, begun)


def _insert(connection: sa.Connection, rows: Iterable[tuple[str, Rows]]) -> None:
    for table, some in rows:
        if some:
            connection.execute(tables.metadata.tables[table].insert(), some)
        if table == "turn_content":
            word_index.add(connection, BOT, {row["turn_id"]: row["text"] for row in some})


def _examples(world: World, plan: Plan, encoder: str) -> Iterator[tuple[str, Rows]]:
    """Those of the intents, and the gold set."""
    ids = range(1, plan.first)
    texts = said(world.rng, plan.y[: len(ids)])
    at = world.until - timedelta(days=BEGIN_DAYS)
    yield (
        "turn",
        [
            {"id": id_, "bot": BOT, "source": "gold" if id_ >= plan.gold else "import", "external_id": f"e-{id_}"}
            | {"at": at, "received_at": at, "text_key": id_.to_bytes(16, "big")}
            for id_ in ids
        ],
    )
    yield "turn_content", [{"turn_id": id_, "text": one.text} for id_, one in zip(ids, texts, strict=True)]
    data = plan.x[: len(ids)].astype("<f2")
    yield (
        "vector",
        [{"turn_id": id_, "encoder": encoder, "data": row.tobytes()} for id_, row in zip(ids, data, strict=True)],
    )


def _go_on_from(connection: sa.Connection) -> None:
    """Postgres counts ids apart from the rows that came with one."""
    if connection.dialect.name == "postgresql":
        for name in ("turn", "reply", "report", "ranking", "vote", "label", "proposal"):
            top = f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), (SELECT max(id) FROM {name}))"  # noqa: S608
            connection.exec_driver_sql(top)
