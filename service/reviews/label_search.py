"""Labels as they are looked for, newest first: every row that was ever written, whether it counts still or not.

A page looks at so many labels and no more; where it finds too few in them its cursor goes on from there."""

from typing import Any

import msgspec
import sqlalchemy as sa

from service import tables
from service.errors import BadInput
from service.intents.store import intent_ids, merges
from service.page import Page, before
from service.reviews.listing import intent_names, is_asked_blind, label_row, labels
from service.reviews.schemas import LabelRow, Origin, Use
from service.turns import word_index
from service.turns.words import asked

LABEL, VOTE = tables.label, tables.vote
LOOKED_AT = 10_000  # labels a page reads
OUT_OF_SCOPE = "none"  # said in the place of an intent's name


class SoughtLabels(msgspec.Struct, frozen=True, kw_only=True):
    """What a label must fulfil, all of it."""

    q: str = ""  # words of its turn: service/turns/words.py
    intent: str = ""
    origin: Origin | None = None
    reviewer: str = ""
    use: Use | None = None


def find_labels(
    connection: sa.Connection, bot: str, sought: SoughtLabels, cursor: str | None, limit: int
) -> Page[LabelRow]:
    """Without those of turns that somebody is asked about blind."""
    near = _near(connection, bot, sought, cursor)
    query = labels().where(LABEL.c.id.in_(near), ~is_asked_blind(LABEL.c.turn_id))
    if sought.origin is not None:
        query = query.where(LABEL.c.origin == sought.origin)
    if sought.reviewer:
        query = query.where(VOTE.c.reviewer == sought.reviewer)
    if sought.q:
        query = query.where(word_index.holds(LABEL.c.turn_id, asked(sought.q)))
    rows = connection.execute(query.order_by(LABEL.c.id.desc()).limit(limit + 1)).all()
    names = intent_names(connection, bot)
    found = [label_row(row, names) for row in rows[:limit]]
    return Page(found, str(found[-1].id) if len(rows) > limit else _rest(connection, near))


def _near(connection: sa.Connection, bot: str, sought: SoughtLabels, cursor: str | None) -> sa.Select[Any]:
    """Ids of the labels that are looked at: the next LOOKED_AT of the intent and the use."""
    query = sa.select(LABEL.c.id).where(LABEL.c.bot == bot)
    if cursor is not None:
        query = query.where(LABEL.c.id < before(cursor))
    of_use = query if sought.use is None else query.where(LABEL.c.use == sought.use)
    if not sought.intent:
        return _newest(of_use)
    first, *besides = says(LABEL, intents_named(connection, bot, sought.intent, "intent"))
    if sought.use is not None:  # few labels say two; by the bare column SQLite would go through all of the use
        query = query.where(LABEL.c.use + "" == sought.use)
    found = [of_use.where(first), *(query.where(one) for one in besides)]
    return _newest(sa.select(sa.union(*(sa.select(_newest(one).subquery()) for one in found)).subquery()))


def _newest(query: sa.Select[Any]) -> sa.Select[Any]:
    [id_] = query.selected_columns
    return query.order_by(id_.desc()).limit(LOOKED_AT)


def _rest(connection: sa.Connection, near: sa.Select[Any]) -> str | None:
    """Where to go on; None: everything was looked at."""
    seen = near.subquery()
    n, lowest = connection.execute(sa.select(sa.func.count(), sa.func.min(seen.c.id))).one()
    return str(lowest) if n == LOOKED_AT else None


def intents_named(connection: sa.Connection, bot: str, name: str, path: str) -> list[int] | None:
    """Of the intent of this name and those that were merged into it; None: out of scope."""
    wanted = intent_ids(connection, bot).get(name)
    if wanted is not None:
        return [intent_id for intent_id, end in merges(connection, bot).items() if end == wanted]
    if name == OUT_OF_SCOPE:
        return None
    raise BadInput(f"bot {bot!r} has no intent {name!r}", path=path, hint=f"an intent's name, or {OUT_OF_SCOPE!r}")


def is_one_of(column: sa.ColumnElement[Any], ids: list[int] | None) -> sa.ColumnElement[bool]:
    if ids is None:
        return column.is_(None)
    return column == ids[0] if len(ids) == 1 else column.in_(ids)


def says(label: sa.FromClause, ids: list[int] | None) -> tuple[sa.ColumnElement[bool], ...]:
    """The label says one of the intents, or either of two of which one is; None: out of scope. One of the conditions
    holds; each has an index of its own, and asked for either SQLite would use none of them."""
    if ids is None:
        return (label.c.intent_id.is_(None) & (label.c.answer == "none"),)
    return is_one_of(label.c.intent_id, ids), is_one_of(label.c.second_id, ids)
