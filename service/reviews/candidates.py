"""Candidates in SQL: marked turns on their way to a card, and the rankings that chose among them."""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPICursor

from service import database, tables
from service.encoding import unpack
from service.learning.folding import Utterance
from service.learning.types import Floats1d, Floats2d, Ints1d

TURN, CONTENT, VECTOR = tables.turn, tables.turn_content, tables.vector
REPLY, REPLY_CONTENT = tables.reply, tables.reply_content
PREDICTION, MARK, CANDIDATE = tables.prediction, tables.mark, tables.candidate
CARD, RANKING, ITEM, CLASSIFIER = tables.card, tables.ranking, tables.ranking_item, tables.classifier

CHUNK = 10_000  # rows read at once
MANY = 1_000  # ids in one statement
FIRST = 1e6  # priority of what an owner has asked about: no ranking gives so much


class Pool(NamedTuple):
    """The open candidates of a bot, ids ascending, with what orders them; every array is (n,)."""

    turn_ids: Ints1d
    uncertainty: Floats1d
    structure: Floats1d
    pressure: Floats1d
    impact: Floats1d


def lock(connection: sa.Connection, bot: str) -> None:
    """Serialise rankings of the bot. SQLite's writers are alone anyway; Postgres locks the bot's row."""
    connection.execute(sa.select(tables.bot.c.name).where(tables.bot.c.name == bot).with_for_update())


def read_pool(connection: sa.Connection, bot: str) -> Pool:
    """Open candidates, not of the audit slice, without a card of any purpose. Forgotten ones are still among them.

    The audit slice estimates accuracy: what it holds must never train, so it is neither asked for training nor folded.
    """
    carded = sa.select(CARD.c.turn_id).where(CARD.c.bot == bot)
    audited = sa.select(MARK.c.turn_id).where(MARK.c.bot == bot, MARK.c.kind == "audit")
    barred = connection.scalars(carded.union(audited)).all()
    c = CANDIDATE.c
    columns = (c.turn_id, c.uncertainty, c.structure, c.pressure, c.impact)
    table = _numbers(connection, sa.select(*columns).where(c.bot == bot, c.status == "open").order_by(c.turn_id))
    turn_ids = table[:, 0].astype(np.int64)
    is_free = ~np.isin(turn_ids, barred)
    return Pool(turn_ids[is_free], *table[is_free, 1:].T)


def _numbers(connection: sa.Connection, query: sa.Select[Any]) -> Floats2d:
    """(n, columns) of a query of numbers, in its order: row by row as the driver gives them, which takes half the time
    that records do."""
    width = len(query.selected_columns)
    statement = query.compile(connection, compile_kwargs={"literal_binds": True})
    with closing(connection.connection.cursor()) as cursor:
        cursor.execute(str(statement))
        parts = [np.fromiter(chain.from_iterable(rows), np.float64, width * len(rows)) for rows in _chunks(cursor)]
    return np.concatenate([np.zeros(0), *parts]).reshape(-1, width)


def _chunks(cursor: DBAPICursor) -> Iterator[Sequence[Sequence[float]]]:
    while rows := cursor.fetchmany(CHUNK):
        yield rows


class Predicted(NamedTuple):
    """What the classifier behind the uncertainty makes of a turn."""

    intent_id: int  # the most probable, whatever the gate says
    out_of_scope: float  # the gate's probability


def predicted(connection: sa.Connection, turn_ids: Iterable[int]) -> dict[int, Predicted]:
    """Of those of the candidates that are not forgotten."""
    c = CANDIDATE.c
    query = (
        sa.select(c.turn_id, PREDICTION.c.best_id, PREDICTION.c.out_of_scope)
        .join(PREDICTION, (PREDICTION.c.turn_id == c.turn_id) & (PREDICTION.c.n == c.n))
        .join(CONTENT, CONTENT.c.turn_id == c.turn_id)
    )
    rows = _in_parts(connection, query, c.turn_id, turn_ids)
    return {row.turn_id: Predicted(row.best_id, row.out_of_scope) for row in rows}


def _is_askable(bot: str) -> tuple[sa.ColumnElement[bool], ...]:
    c = CANDIDATE.c
    return (
        c.bot == bot,
        c.status == "open",
        ~sa.exists().where(MARK.c.turn_id == c.turn_id, MARK.c.kind == "audit"),
        ~sa.exists().where(CARD.c.turn_id == c.turn_id),
        sa.exists().where(CONTENT.c.turn_id == c.turn_id),
    )


def open_among(connection: sa.Connection, bot: str, turn_ids: Iterable[int]) -> set[int]:
    """Those of the turns that are candidates which may be asked."""
    query = sa.select(CANDIDATE.c.turn_id).where(*_is_askable(bot))
    return {row.turn_id for row in _in_parts(connection, query, CANDIDATE.c.turn_id, turn_ids)}


class Asked(NamedTuple):
    """Turns whose answer is, or will be, news to a classifier."""

    waiting: set[int]  # their rank card waits for an answer
    answered: set[int]  # it was answered, after the classifier was made


def asked_among(connection: sa.Connection, bot: str, n: int, turn_ids: Iterable[int]) -> Asked:
    """Those of the turns that were asked and that classifier n has not learnt from."""
    made = sa.select(CLASSIFIER.c.created_at).where(CLASSIFIER.c.bot == bot, CLASSIFIER.c.n == n).scalar_subquery()
    is_waiting = CARD.c.status.in_(("open", "adjudicate"))
    query = sa.select(CARD.c.turn_id, is_waiting.label("is_waiting")).where(
        CARD.c.bot == bot, CARD.c.purpose == "rank", is_waiting | (CARD.c.resolved_at >= made)
    )
    rows = list(_in_parts(connection, query, CARD.c.turn_id, turn_ids))
    waiting = {row.turn_id for row in rows if row.is_waiting}
    return Asked(waiting, {row.turn_id for row in rows} - waiting)


def _in_parts(
    connection: sa.Connection, query: sa.Select[Any], column: sa.ColumnElement[Any], ids: Iterable[int]
) -> Iterator[sa.Row[Any]]:
    wanted = sorted({int(one) for one in ids})
    for start in range(0, len(wanted), MANY):
        yield from connection.execute(query.where(column.in_(wanted[start : start + MANY])))


def log_turns_since(connection: sa.Connection, bot: str, turn_ids: Iterable[int], since: datetime) -> set[int]:
    """Those of the turns that users said since then: no imported example, no slot fill."""
    query = sa.select(TURN.c.id).where(
        TURN.c.bot == bot, TURN.c.at >= since, TURN.c.source.not_in(tables.NOT_SAID), TURN.c.is_slot_fill.is_(False)
    )
    return {row.id for row in _in_parts(connection, query, TURN.c.id, turn_ids)}


def newest_at(connection: sa.Connection, bot: str) -> datetime | None:
    """Event time of the newest turn of the log."""
    # Not max(at): with the sources to look at it would read every turn.
    query = sa.select(TURN.c.at).where(TURN.c.bot == bot, TURN.c.source.not_in(tables.NOT_SAID))
    newest: datetime | None = connection.scalar(query.order_by(TURN.c.at.desc()).limit(1))
    return newest


def vectors_of(connection: sa.Connection, turn_ids: Iterable[int], encoder: str) -> tuple[Ints1d, Floats2d]:
    """Ids (n,), ascending, and vectors (n, d) of those of the turns that have one of this encoder."""
    query = sa.select(VECTOR.c.turn_id, VECTOR.c.data).where(VECTOR.c.encoder == encoder).order_by(VECTOR.c.turn_id)
    rows = list(_in_parts(connection, query, VECTOR.c.turn_id, turn_ids))
    return np.array([row.turn_id for row in rows], dtype=np.int64), unpack([row.data for row in rows])


def unmeasured(connection: sa.Connection, bot: str, *, after: int, limit: int) -> list[int]:
    """Open candidates whose surroundings were never looked at, by id."""
    c = CANDIDATE.c
    query = sa.select(c.turn_id).where(c.bot == bot, c.status == "open", c.measured_at.is_(None), c.turn_id > after)
    return list(connection.scalars(query.order_by(c.turn_id).limit(limit)))


def under_pressure(connection: sa.Connection, bot: str) -> list[int]:
    """Open candidates with reports around, as last measured."""
    c = CANDIDATE.c
    return list(connection.scalars(sa.select(c.turn_id).where(c.bot == bot, c.status == "open", c.pressure > 0)))


def save_measures(
    connection: sa.Connection, turn_ids: Ints1d, pressure: Floats1d, impact: Floats1d, now: datetime
) -> None:
    """What surrounds each of the turns, for those still open."""
    update = (
        sa.update(CANDIDATE)
        .where(CANDIDATE.c.turn_id == sa.bindparam("of_turn"), CANDIDATE.c.status == "open")
        .values(pressure=sa.bindparam("e"), impact=sa.bindparam("f"), measured_at=now)
    )
    rows = zip(turn_ids.tolist(), pressure.tolist(), impact.tolist(), strict=True)
    _many(connection, update, [{"of_turn": turn_id, "e": e, "f": f} for turn_id, e, f in rows])


def _many(connection: sa.Connection, statement: sa.Executable, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        connection.execute(statement, list(rows))


def utterances(connection: sa.Connection, turn_ids: Iterable[int]) -> dict[int, Utterance]:
    """What folding looks at, of those of the turns that are not forgotten."""
    query = sa.select(
        TURN.c.id,
        TURN.c.entity_signature,
        CONTENT.c.text,
        sa.func.coalesce(_reply_before(), "").label("reply"),
        sa.func.coalesce(_turn_before(), "").label("before"),
    ).join(CONTENT, CONTENT.c.turn_id == TURN.c.id)
    rows = _in_parts(connection, query, TURN.c.id, turn_ids)
    return {row.id: Utterance(row.text, row.reply, row.before, row.entity_signature) for row in rows}


def _reply_before() -> sa.ScalarSelect[str]:
    same = (REPLY.c.bot == TURN.c.bot, REPLY.c.source == TURN.c.source)
    answers_it = REPLY.c.turn_external_id == TURN.c.external_id
    return (
        sa.select(REPLY_CONTENT.c.text)
        .join(REPLY, REPLY.c.id == REPLY_CONTENT.c.reply_id)
        .where(*same, REPLY.c.conversation_id == TURN.c.conversation_id, TURN.c.conversation_id != "")
        .where(REPLY.c.at <= TURN.c.at, ~answers_it)
        .order_by(REPLY.c.at.desc(), REPLY.c.id.desc())
        .limit(1)
        .correlate(TURN)
        .scalar_subquery()
    )


def _turn_before() -> sa.ScalarSelect[str]:
    earlier, text = TURN.alias(), CONTENT.alias()
    same = (earlier.c.bot == TURN.c.bot, earlier.c.source == TURN.c.source)
    return (
        sa.select(text.c.text)
        .join(earlier, earlier.c.id == text.c.turn_id)
        .where(*same, earlier.c.conversation_id == TURN.c.conversation_id, TURN.c.conversation_id != "")
        .where(earlier.c.at < TURN.c.at)
        .order_by(earlier.c.at.desc(), earlier.c.id.desc())
        .limit(1)
        .correlate(TURN)
        .scalar_subquery()
    )


def last_ranking(connection: sa.Connection, bot: str) -> int:
    """Id of the bot's newest ranking, 0 before the first: the seed of the next one."""
    return connection.scalar(sa.select(sa.func.max(RANKING.c.id)).where(RANKING.c.bot == bot)) or 0


def add_ranking(connection: sa.Connection, bot: str, items: Sequence[Mapping[str, Any]], **values: object) -> int:
    """A ranking with its shortlist; its id."""
    insert = sa.insert(RANKING).values(bot=bot, **values).returning(RANKING.c.id)
    ranking_id: int = connection.execute(insert).scalar_one()
    _many(connection, sa.insert(ITEM), [{"ranking_id": ranking_id, **item} for item in items])
    return ranking_id


def add_cards(connection: sa.Connection, cards: Sequence[Mapping[str, Any]]) -> set[int]:
    """Cards for the turns that have none of that purpose yet; those turns."""
    return {row.turn_id for row in database.insert_new(connection, CARD, cards, CARD.c.turn_id)}


def ask(
    connection: sa.Connection,
    bot: str,
    turn_ids: Sequence[int],
    wanted: Callable[[int], Mapping[str, object]],
    now: datetime,
) -> list[int]:
    """Rank cards at once, behind those asked for so earlier and before all others, for those of the turns that are
    candidates which may be asked; those, the first to be asked first. They use up the week's budget like any card, but
    do not wait for room in it. `wanted`: what of a turn's card is settled when it is made."""
    waiting = open_among(connection, bot, turn_ids)
    asked = [turn_id for turn_id in turn_ids if turn_id in waiting]
    row, first = {"bot": bot, "purpose": "rank", "created_at": now}, _next_priority(connection, bot)
    cards = [
        {**row, **wanted(turn_id), "id": uuid.uuid4().hex, "turn_id": turn_id, "priority": first - place}
        for place, turn_id in enumerate(asked)
    ]
    set_carded(connection, add_cards(connection, cards))
    return asked


def _next_priority(connection: sa.Connection, bot: str) -> float:
    """Behind what waits already because an owner has asked about it."""
    waits = (CARD.c.bot == bot, CARD.c.status == "open", CARD.c.purpose == "rank", CARD.c.priority > FIRST / 2)
    last: float | None = connection.scalar(sa.select(sa.func.min(CARD.c.priority)).where(*waits))
    return FIRST if last is None else last - 1


def set_carded(connection: sa.Connection, turn_ids: Iterable[int]) -> None:
    ids = sorted(turn_ids)
    connection.execute(sa.update(CANDIDATE).where(CANDIDATE.c.turn_id.in_(ids)).values(status="carded"))


def fold(connection: sa.Connection, into: Mapping[int, int]) -> None:
    """Turn → the turn whose card stands for it; for those still open."""
    update = (
        sa.update(CANDIDATE)
        .where(CANDIDATE.c.turn_id == sa.bindparam("of_turn"), CANDIDATE.c.status == "open")
        .values(status="folded", folded_into=sa.bindparam("into"))
    )
    _many(connection, update, [{"of_turn": turn_id, "into": target} for turn_id, target in sorted(into.items())])
