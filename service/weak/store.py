"""Sets of labelling functions in SQL: append-only; a bot's newest counts."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
import sqlalchemy as sa

from service import tables
from service.access import audit
from service.weak.schemas import FunctionSet, Heard

SET, TURN, CONTENT = tables.function_set, tables.turn, tables.turn_content
CHUNK = 500  # ids in one IN


def put(connection: sa.Connection, bot: str, text: str, now: datetime, *, who: str) -> FunctionSet:
    """The newest set; a repeat of it adds none."""
    known = newest(connection, bot)
    if known is not None and known.text == text:
        return known
    row = {"bot": bot, "at": now, "who": who, "text": text}
    set_id = connection.execute(SET.insert().returning(SET.c.id), row).scalar_one()
    audit.record(connection, bot, "labelling-functions.put", now, who, set=set_id)
    return FunctionSet(id=set_id, at=now, who=who, text=text)


def newest(connection: sa.Connection, bot: str) -> FunctionSet | None:
    query = sa.select(SET).where(SET.c.bot == bot).order_by(SET.c.id.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return None if row is None else msgspec.convert(row, FunctionSet, from_attributes=True)


def newest_id(connection: sa.Connection, bot: str) -> int | None:
    """None before the first set."""
    newest: int | None = connection.scalar(sa.select(sa.func.max(SET.c.id)).where(SET.c.bot == bot))
    return newest


def text_of(connection: sa.Connection, set_id: int) -> str:
    text: str = connection.execute(sa.select(SET.c.text).where(SET.c.id == set_id)).scalar_one()
    return text


def heard(connection: sa.Connection, turn_ids: Sequence[int]) -> dict[int, Heard]:
    """What functions may look at, by turn; a forgotten one is missing."""
    columns = (TURN.c.id, CONTENT.c.text, TURN.c.bot_intent, TURN.c.bot_score)
    query = sa.select(*columns).join(CONTENT, CONTENT.c.turn_id == TURN.c.id)
    found: dict[int, Heard] = {}
    for start in range(0, len(turn_ids), CHUNK):
        rows = connection.execute(query.where(TURN.c.id.in_(turn_ids[start : start + CHUNK])))
        found |= {row.id: Heard(row.text, row.bot_intent, row.bot_score) for row in rows}
    return found
