"""Connections, transactions and the one insert that may repeat. SQLite and Postgres run the same statements."""

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import postgresql, sqlite

from service.errors import ConfigError

BUSY_TIMEOUT_MS = 15_000
POLL_S = 0.002
MIGRATIONS = Path(__file__).parent / "migrations"


def connect(url: str) -> sa.Engine:
    """An engine for `sqlite:///…` or `postgresql://…`; ConfigError for anything else."""
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError) as error:  # ValueError: a port that is no number
        raise ConfigError("FENCEPOST_DATABASE_URL is no URL", hint="sqlite:///… or postgresql://…") from error
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed)
    if parsed.get_backend_name() == "postgresql":
        return sa.create_engine(parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True, hide_parameters=True)
    raise ConfigError(f"FENCEPOST_DATABASE_URL: {parsed.get_backend_name()!r} is neither sqlite nor postgresql")


def _sqlite(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(url, hide_parameters=True)  # errors quote a row's values, and end in logs

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, see below
        for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={BUSY_TIMEOUT_MS}"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # A transaction that reads first and writes later cannot upgrade its lock while another writes (SQLITE_BUSY at
        # once, no waiting): writers take the lock at BEGIN.
        if connection.get_execution_options().get("writes", False):
            _begin_writing(connection)
        else:
            connection.exec_driver_sql("BEGIN")

    return engine


def _begin_writing(connection: sa.Connection) -> None:
    """SQLite's own waiting sleeps ever longer, up to 100 ms at a time: who has waited long is overtaken by all who come
    later. So it is asked again and again instead."""
    driver: Any = connection.connection.dbapi_connection
    driver.execute("PRAGMA busy_timeout=0")
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    try:
        while time.monotonic() < deadline:
            try:
                driver.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:  # the rest of the code says which kind
                    break
            time.sleep(POLL_S)
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # what it fails with is SQLAlchemy's error
    finally:
        driver.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One write transaction: commits on a clean exit, rolls back on an error. Keep it under 20 ms."""
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        yield connection


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One consistent snapshot; nothing written in it is kept."""
    with engine.connect() as connection:
        yield connection


@contextmanager
def snapshot(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Like `reading`, for as long as it takes: every statement sees the same state on Postgres too. It holds up no
    writer."""
    options: dict[str, Any] = {}
    if engine.dialect.name == "postgresql":  # where each statement has a snapshot of its own otherwise
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with engine.connect().execution_options(**options) as connection:
        yield connection


def insert_new(
    connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]], *returning: sa.Column[Any]
) -> list[sa.Row[Any]]:
    """Insert the rows whose keys are not taken yet; the inserted rows' primary key, or the columns asked for, in no
    order."""
    if not rows:
        return []
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = (
        dialect.insert(table).on_conflict_do_nothing().returning(*(returning or tuple(table.primary_key.columns)))
    )
    return list(connection.execute(statement, [dict(row) for row in rows]).all())


def newest_version() -> str:
    """The schema version that this code wants."""
    return ScriptDirectory(str(MIGRATIONS)).get_current_head() or ""


def migrate(engine: sa.Engine) -> None:
    """Bring the schema to the newest version; safe to repeat, and safe when several processes start at once."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(712025)"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
