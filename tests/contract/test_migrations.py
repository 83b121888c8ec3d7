"""Every migration goes down and up again, on both databases, and leaves behind what it found."""

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from service import database, tables

AT = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
BASE = "base"
# Fills the index of words with the words that today's search looks for, or it would not find them.
AS_OF_TODAY = database.MIGRATIONS / "versions" / "0023_words.py"


@contextmanager
def config(engine: sa.Engine) -> Iterator[Config]:
    """Alembic in one transaction."""
    found = Config()
    found.set_main_option("script_location", str(database.MIGRATIONS))
    with database.writing(engine) as connection:
        found.attributes["connection"] = connection
        yield found


def revisions() -> list[str]:
    """Newest first, and what was before the first."""
    scripts = ScriptDirectory(str(database.MIGRATIONS)).walk_revisions()
    return [*(script.revision for script in scripts), BASE]


def schema(config: Config) -> list[str]:
    """Columns, keys and indexes of all tables, whatever their order."""
    seen = sa.inspect(config.attributes["connection"])
    columns = [
        f"{table} {one['name']} {one['type']} {one['nullable']} {one['default']}"
        for (_, table), found in seen.get_multi_columns().items()
        for one in found
    ]
    named = [*seen.get_multi_indexes().items(), *seen.get_multi_unique_constraints().items()]
    keys = [
        f"{table} {sorted(one['column_names'])} {one.get('unique')}" for (_, table), found in named for one in found
    ]
    primary = [f"{table} {one['constrained_columns']}" for (_, table), one in seen.get_multi_pk_constraint().items()]
    foreign = [
        f"{table} {one['constrained_columns']} {one['referred_table']}"
        for (_, table), found in seen.get_multi_foreign_keys().items()
        for one in found
    ]
    return sorted(one for one in (*columns, *keys, *primary, *foreign) if not one.startswith("alembic_version "))


def test_no_migration_asks_the_service_what_to_do() -> None:
    """What it did once it must do for ever: of the service it may take types of columns alone."""
    for script in sorted({*(database.MIGRATIONS / "versions").glob("*.py")} - {AS_OF_TODAY}):
        for node in ast.walk(ast.parse(script.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("service"):
                assert node.module == "service.tables", script
                assert {one.name for one in node.names} <= {"Id", "Instant"}, script


def test_every_migration_goes_down_and_up_again(engine: sa.Engine) -> None:
    newest, *earlier = revisions()
    with config(engine) as alembic:
        found = {newest: schema(alembic)}
        for revision in earlier:
            command.downgrade(alembic, revision)
            found[revision] = schema(alembic)
        assert found[BASE] == []
        for revision in (*reversed(earlier[:-1]), newest):
            command.upgrade(alembic, revision)
            assert schema(alembic) == found[revision], f"the way back to {revision} left something else"


def test_what_was_said_of_a_turn_becomes_content_that_goes_with_the_turns(engine: sa.Engine) -> None:
    vote = (
        "INSERT INTO vote (id, bot, card_id, reviewer, answer, proposed, why, is_adjudication, surface, click_id, at)"
    )
    with config(engine) as alembic:
        connection = alembic.attributes["connection"]
        for turn_id in (1, 2):
            connection.execute(tables.turn_content.insert(), {"turn_id": turn_id, "text": "x"})
        for turn_id in (1, 3):  # what is said of the third was not forgotten with it
            card = {"id": f"c{turn_id}", "bot": "shop", "turn_id": turn_id, "purpose": "rank", "is_blind": False}
            connection.execute(tables.card.insert(), card | {"created_at": AT})
        for turn_id in (1, 2, 3):
            details = {"label": 10 + turn_id, "turn": turn_id, "reason": f"no {turn_id}"}
            row = {"bot": "shop", "at": AT, "who": "Ada", "action": "label.correct", "details": details}
            connection.execute(tables.audit_log.insert(), row)
        command.downgrade(alembic, "0027")
        for turn_id in (1, 3):
            said = {"id": turn_id, "card": f"c{turn_id}", "why": f"no {turn_id}", "at": AT}
            values = "(:id, 'shop', :card, 'Ada', 'none', '', :why, true, 'api', :card, :at)"
            connection.execute(sa.text(f"{vote} VALUES {values}"), said)
        command.upgrade(alembic, "head")
        c = tables.remark_content.c
        kept = sa.select(c.turn_id, c.vote_id, c.label_id, c.text).order_by(c.turn_id)
        assert connection.execute(kept).all() == [(1, 1, 11, "no 1"), (2, None, 12, "no 2")]
        details = connection.scalars(sa.select(tables.audit_log.c.details).order_by(tables.audit_log.c.id)).all()
        assert details == [{"label": 10 + turn_id, "turn": turn_id} for turn_id in (1, 2, 3)]
        connection.execute(tables.turn_content.delete().where(tables.turn_content.c.turn_id == 1))
        assert [row.turn_id for row in connection.execute(kept)] == [2]
        command.downgrade(alembic, "0027")
        assert connection.execute(sa.text("SELECT id, why FROM vote ORDER BY id")).all() == [(1, ""), (3, "")]
        details = connection.scalars(sa.select(tables.audit_log.c.details).order_by(tables.audit_log.c.id)).all()
        assert [one.get("reason") for one in details] == [None, "no 2", None], "what the log said it says again"


def test_a_source_survives_the_way_back_and_loses_what_was_not_known_then(engine: sa.Engine) -> None:
    row = {"bot": "shop", "name": "desk", "format": "generic", "scheme": "shared_key", "created_at": AT}
    with config(engine) as alembic:
        connection = alembic.attributes["connection"]
        connection.execute(tables.bot.insert(), {"name": "shop", "created_at": AT})
        connection.execute(tables.source.insert(), row | {"tolerance_s": 60, "options": {"turn": {"text": "body"}}})
        command.downgrade(alembic, "0016")
        assert {"tolerance_s", "options"}.isdisjoint(
            one["name"] for one in sa.inspect(connection).get_columns("source")
        )
        command.upgrade(alembic, "head")
        kept = dict(connection.execute(sa.select(tables.source)).mappings().one())
    assert kept == {**row, "archived_at": None, "tolerance_s": 300, "options": {}}
