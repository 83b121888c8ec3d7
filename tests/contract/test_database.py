"""Transactions, on both databases."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from service import database, tables

AT = datetime(2026, 3, 2, 9, 15, 4, 120_000, tzinfo=UTC)
WORDS = tables.turn_words.name


def rows(engine: sa.Engine) -> list[str]:
    with database.reading(engine) as connection:
        return list(connection.scalars(sa.select(tables.bot.c.name).order_by(tables.bot.c.name)))


def test_an_error_keeps_nothing(engine: sa.Engine) -> None:
    with pytest.raises(RuntimeError), database.writing(engine) as connection:
        connection.execute(tables.bot.insert(), {"name": "shop", "created_at": AT})
        raise RuntimeError
    assert rows(engine) == []


def test_a_writer_that_has_waited_long_enough_fails_and_the_next_one_writes(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine.dialect.name != "sqlite":
        pytest.skip("Postgres has no single writer")
    with database.writing(engine):
        monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 20)
        with pytest.raises(sa.exc.OperationalError, match="locked"), database.writing(engine):
            pass
    with database.writing(engine) as connection:
        assert connection.scalar(sa.text("PRAGMA busy_timeout")) == 20


def test_insert_new_leaves_taken_keys_as_they_are(engine: sa.Engine) -> None:
    with database.writing(engine) as connection:
        assert database.insert_new(connection, tables.bot, [{"name": "shop", "created_at": AT}]) == [("shop",)]
        later = [{"name": "shop", "created_at": AT + timedelta(days=1)}, {"name": "bank", "created_at": AT}]
        assert database.insert_new(connection, tables.bot, later) == [("bank",)]
        created = connection.scalar(sa.select(tables.bot.c.created_at).where(tables.bot.c.name == "shop"))
    assert created == AT
    assert rows(engine) == ["bank", "shop"]


def test_an_instant_is_kept_in_utc(engine: sa.Engine) -> None:
    tokyo = AT.astimezone(timezone(timedelta(hours=9)))
    with database.writing(engine) as connection:
        connection.execute(tables.bot.insert(), {"name": "shop", "created_at": tokyo})
        stored = connection.scalar(sa.select(tables.bot.c.created_at))
    assert stored == AT
    assert stored is not None and stored.tzinfo is UTC


def test_a_naive_instant_is_refused(engine: sa.Engine) -> None:
    with pytest.raises(sa.exc.StatementError, match="time zone"), database.writing(engine) as connection:
        connection.execute(tables.bot.insert(), {"name": "shop", "created_at": AT.replace(tzinfo=None)})


def test_migrating_twice_changes_nothing(engine: sa.Engine) -> None:
    database.migrate(engine)
    found = {name for name in sa.inspect(engine).get_table_names() if not name.startswith(f"{WORDS}_")}
    assert found == {*tables.metadata.tables, "alembic_version"}


def is_compared(thing: Any, _name: str, kind: str, _is_in_database: bool, _twin: object) -> bool:
    """Not the index of words: a virtual table with its own tables behind it, and lexemes on Postgres."""
    table: str = thing.name if kind == "table" else thing.table.name
    return not table.startswith(WORDS)


def test_the_migrations_make_the_schema_that_the_code_wants(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        found = MigrationContext.configure(connection, opts={"compare_type": True, "include_object": is_compared})
        assert compare_metadata(found, tables.metadata) == []


def test_cards_survive_the_way_back_and_forth(engine: sa.Engine) -> None:
    row = {"id": "c", "bot": "shop", "turn_id": 1, "purpose": "rank", "is_blind": False, "created_at": AT}
    with database.writing(engine) as connection:
        connection.execute(tables.card.insert(), row | {"tagged": [[0, 4, "city"]]})
        config = Config()
        config.set_main_option("script_location", str(database.MIGRATIONS))
        config.attributes["connection"] = connection
        command.downgrade(config, "0007")
        command.upgrade(config, "head")
    with database.reading(engine) as connection:
        kept = connection.execute(sa.select(tables.card)).mappings().one()
    assert {**row, "tagged": None}.items() <= dict(kept).items()
