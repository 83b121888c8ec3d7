"""The words of turns in SQL, and the condition that finds them. `turn_words` is a table of SQLite's full-text search,
and on Postgres one with a `tsvector`; either holds a token for the bot before a turn's words, so a small bot's search
does not go through the turns of a large one.

A turn's words go with its content: the database deletes them in the same statement (migration 0023)."""

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TSQUERY

from service import tables
from service.turns.words import Asked, words

WORDS, CONTENT, TURN = tables.turn_words, tables.turn_content, tables.turn
CHUNK = 5_000  # rows in memory


def add(connection: sa.Connection, bot: str, texts: Mapping[int, str]) -> None:
    """By turn id, of turns that have their content and were not there before."""
    rows = [{"rowid": turn_id, "words": " ".join([_token(bot), *words(text)])} for turn_id, text in texts.items()]
    if rows:
        connection.execute(sa.insert(WORDS), rows)


def rebuild(connection: sa.Connection) -> None:
    """Of all turns of all bots, where nobody else writes: the migration that begins it."""
    connection.execute(sa.delete(WORDS))
    query = sa.select(TURN.c.bot, CONTENT.c.turn_id, CONTENT.c.text).join(TURN, TURN.c.id == CONTENT.c.turn_id)
    query = query.order_by(CONTENT.c.turn_id).limit(CHUNK)
    last = 0
    while rows := connection.execute(query.where(CONTENT.c.turn_id > last)).all():
        for bot in {row.bot for row in rows}:
            add(connection, bot, {row.turn_id: row.text for row in rows if row.bot == bot})
        last = rows[-1].turn_id


def _token(bot: str) -> str:
    return f"@{bot}"  # no word has an @


def matches(connection: sa.Connection, bot: str, asked: Asked) -> sa.ColumnElement[bool]:
    """Rows of `turn_words` with all the words, found by the index; whether phrases stand together it does not say."""
    plain = (_token(bot), *asked.words)
    if connection.dialect.name == "sqlite":
        parts = [f'"{word}"' for word in plain] + ([f'"{asked.beginning}" *'] if asked.beginning else [])
        return sa.literal_column("turn_words").op("MATCH", is_comparison=True)(" AND ".join(parts))
    parts = [f"'{word}'" for word in plain] + ([f"'{asked.beginning}':*"] if asked.beginning else [])
    # In the statement itself: one that is asked often is planned for any words, and would go through all turns for rare
    # ones.
    query = sa.literal(" & ".join(parts), literal_execute=True)
    return sa.literal_column("turn_words.lexemes").op("@@", is_comparison=True)(sa.cast(query, TSQUERY))


def holds(turn_id: sa.ColumnElement[int], asked: Asked) -> sa.ColumnElement[bool]:
    """The turn has all of it: what `matches` finds by index, said of one turn, phrases and all."""
    held = WORDS.c.words + " "
    return sa.exists().where(WORDS.c.rowid == turn_id, *(held.contains(run) for run in asked.runs))
