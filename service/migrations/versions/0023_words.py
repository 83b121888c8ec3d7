"""Turns are found by their words, and by marks, decisions, labels and reports."""

import sqlite3

import sqlalchemy as sa
from alembic import op

from service.errors import ConfigError
from service.turns.word_index import rebuild

revision = "0023"
down_revision = "0022"

# Words come ready-made, see service/turns/words.py: the tokenizer splits at spaces, and takes all else as it is.
SQLITE = (
    "CREATE VIRTUAL TABLE turn_words USING fts5"
    "(words, detail=none, prefix='2 3 4 5', tokenize=\"ascii tokenchars '@_'\")",
    "CREATE TRIGGER turn_words_forgotten AFTER DELETE ON turn_content"
    " BEGIN DELETE FROM turn_words WHERE rowid = OLD.turn_id; END",
)
POSTGRES = (
    "CREATE TABLE turn_words ("
    " rowid BIGINT PRIMARY KEY REFERENCES turn_content (turn_id) ON DELETE CASCADE,"
    " words TEXT NOT NULL,"
    " lexemes TSVECTOR NOT NULL GENERATED ALWAYS AS (array_to_tsvector(string_to_array(words, ' '))) STORED)",
)
INDEXES = (
    ("prediction_by_intent", "prediction", ["bot", "intent_id", "turn_id"]),
    ("label_by_said", "label", ["bot", "intent_id", "turn_id"]),
    ("report_by_kind", "report", ["bot", "kind"]),
)


def upgrade() -> None:
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    if is_sqlite:
        _check_fts5(connection)
    for statement in SQLITE if is_sqlite else POSTGRES:
        op.execute(statement)
    rebuild(connection)
    if not is_sqlite:
        op.execute("CREATE INDEX turn_words_lexemes ON turn_words USING gin (lexemes)")
    for name, table, columns in INDEXES:
        op.create_index(name, table, columns)
    _index_marks("bot", "kind", "turn_id")


def _check_fts5(connection: sa.Connection) -> None:
    if connection.scalar(sa.text("SELECT count(*) FROM pragma_module_list WHERE name = 'fts5'")) == 0:
        raise ConfigError(
            f"this Python's SQLite {sqlite3.sqlite_version} has no full-text search (FTS5)",
            hint="use a Python from python.org, Debian or conda, or Postgres: FENCEPOST_DATABASE_URL",
        )


def _index_marks(*columns: str) -> None:
    op.drop_index("mark_by_kind", "mark")
    op.create_index("mark_by_kind", "mark", columns)


def downgrade() -> None:
    _index_marks("bot", "kind")
    for name, table, _ in INDEXES:
        op.drop_index(name, table)
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER turn_words_forgotten")
    op.execute("DROP TABLE turn_words")
