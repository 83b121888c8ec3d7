"""The vectors of turns in SQL, in chunks by turn id. Those of different encoders lie side by side and never meet."""

from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from service import database
from service.encoding import unpack
from service.learning.types import Floats2d
from service.tables import turn, turn_content, vector

CHUNK = 2048


def vectors_after(
    connection: sa.Connection, bot: str, encoder: str, after: int = 0, limit: int = CHUNK
) -> tuple[list[int], Floats2d]:
    """The next turns by id that have a vector of this encoder: ids, and float32 rows of length 1."""
    rows = connection.execute(
        sa.select(turn.c.id, vector.c.data)
        .join(vector, vector.c.turn_id == turn.c.id)
        .where(turn.c.bot == bot, turn.c.id > after, vector.c.encoder == encoder)
        .order_by(turn.c.id)
        .limit(limit)
    ).all()
    return [row.id for row in rows], unpack([row.data for row in rows])


def iterate_vectors(
    engine: sa.Engine, bot: str, encoder: str, chunk: int = CHUNK
) -> Iterator[tuple[list[int], Floats2d]]:
    """All of them, one short read at a time."""
    after = 0
    while True:
        with database.reading(engine) as connection:
            turn_ids, vectors = vectors_after(connection, bot, encoder, after, chunk)
        if not turn_ids:
            return
        yield turn_ids, vectors
        after = turn_ids[-1]


def texts_without_vector(
    connection: sa.Connection, bot: str, encoder: str, after: int = 0, limit: int = CHUNK
) -> list[tuple[int, str]]:
    """The next turns by id, with their texts, that have no vector of this encoder; forgotten ones have no text."""
    rows = connection.execute(
        sa.select(turn.c.id, turn_content.c.text)
        .join(turn_content, turn_content.c.turn_id == turn.c.id)
        .where(turn.c.bot == bot, turn.c.id > after, _lacks(encoder))
        .order_by(turn.c.id)
        .limit(limit)
    ).all()
    return [(row.id, row.text) for row in rows]


def count_without_vector(connection: sa.Connection, bot: str, encoder: str) -> int:
    return (
        connection.scalar(
            sa.select(sa.func.count())
            .select_from(turn)
            .join(turn_content, turn_content.c.turn_id == turn.c.id)
            .where(turn.c.bot == bot, _lacks(encoder))
        )
        or 0
    )


def encoder_changed(connection: sa.Connection, bot: str, encoder: str) -> bool:
    """True when vectors of another encoder lie about: the bot's encoder changed, and not all of it is redone."""
    foreign = sa.select(turn.c.id).join(vector, vector.c.turn_id == turn.c.id)
    return (
        connection.execute(foreign.where(turn.c.bot == bot, vector.c.encoder != encoder).limit(1)).first() is not None
    )


def store_vectors(connection: sa.Connection, encoder: str, rows: Sequence[tuple[int, bytes]]) -> list[int]:
    """Store packed vectors of turns that still have a text; the ids stored. A turn forgotten meanwhile gets none."""
    ids = [turn_id for turn_id, _ in rows]
    living = set(connection.scalars(sa.select(turn_content.c.turn_id).where(turn_content.c.turn_id.in_(ids))))
    database.insert_new(
        connection,
        vector,
        [{"turn_id": turn_id, "encoder": encoder, "data": data} for turn_id, data in rows if turn_id in living],
    )
    return [turn_id for turn_id in ids if turn_id in living]


def drop_other_vectors(
    connection: sa.Connection, bot: str, encoder: str, limit: int = CHUNK, *, spare: str = ""
) -> int:
    """Delete up to `limit` turns' vectors of encoders other than these two; how many turns that were."""
    is_other = vector.c.encoder.not_in((encoder, spare))
    ids = list(
        connection.scalars(
            sa.select(turn.c.id)
            .join(vector, vector.c.turn_id == turn.c.id)
            .where(turn.c.bot == bot, is_other)
            .distinct()
            .limit(limit)
        )
    )
    connection.execute(sa.delete(vector).where(vector.c.turn_id.in_(ids), is_other))
    return len(ids)


def _lacks(encoder: str) -> sa.ColumnElement[bool]:
    return ~sa.exists().where(vector.c.turn_id == turn.c.id, vector.c.encoder == encoder)
