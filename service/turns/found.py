"""Turns as a search shows them: what was said, when, and in short what was made of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from service import tables
from service.reviews.listing import asked_blind, intent_names, is_newest
from service.reviews.schemas import LabelAnswer, Use
from service.turns.schemas import ReportKind
from service.turns.search_filters import TURN, decider

CONTENT, LABEL, MARK = tables.turn_content, tables.label, tables.mark
PREDICTION, REPLY, REPORT = tables.prediction, tables.reply, tables.report
Names = Mapping[int | None, str]


class Decided(msgspec.Struct, frozen=True):
    """What classifier `n` decided. `intent` None: out of scope; `confidence`: the probability of that."""

    n: int
    intent: str | None
    confidence: float


class Labelled(msgspec.Struct, frozen=True):
    """What counts for a use."""

    use: Use
    answer: LabelAnswer
    intent: str | None = None
    second: str | None = None


class FoundTurn(msgspec.Struct, frozen=True, kw_only=True):
    """`text` None: forgotten. While somebody is asked about the turn blind, it is withheld what was made of it."""

    id: int
    at: datetime
    source: str
    bot_version: str
    text: str | None
    is_withheld: bool = False
    decided: Decided | None = None
    marks: tuple[str, ...] = ()  # kinds
    labels: tuple[Labelled, ...] = ()
    reports: tuple[ReportKind, ...] = ()
    likeness: float | None = None  # of a search by meaning: cosine with what was typed


def found_turns() -> sa.Select[Any]:
    """Rows for `described`."""
    columns = (TURN.c.id, TURN.c.at, TURN.c.source, TURN.c.bot_version, CONTENT.c.text)
    return sa.select(*columns).outerjoin(CONTENT, CONTENT.c.turn_id == TURN.c.id)


def described(
    connection: sa.Connection, bot: str, rows: Sequence[sa.Row[Any]], likeness: Mapping[int, float] | None = None
) -> list[FoundTurn]:
    """In the order of the rows."""
    withheld = asked_blind(connection, [row.id for row in rows])
    told = [row.id for row in rows if row.id not in withheld]
    names = intent_names(connection, bot)
    decided, labels = _decided(connection, bot, told, names), _labels(connection, told, names)
    marks, reports = _marks(connection, told), _reports(connection, told)
    return [
        FoundTurn(
            **row._mapping,
            is_withheld=row.id in withheld,
            decided=decided.get(row.id),
            marks=tuple(marks.get(row.id, ())),
            labels=tuple(labels.get(row.id, ())),
            reports=tuple(reports.get(row.id, ())),
            likeness=None if likeness is None else likeness[row.id],
        )
        for row in rows
    ]


def _decided(connection: sa.Connection, bot: str, turn_ids: Sequence[int], names: Names) -> dict[int, Decided]:
    c = PREDICTION.c
    query = sa.select(c.turn_id, c.n, c.intent_id, c.p1, c.out_of_scope)
    rows = connection.execute(query.where(c.turn_id.in_(turn_ids), c.n == decider(bot, PREDICTION)))
    return {
        row.turn_id: Decided(row.n, names.get(row.intent_id), row.out_of_scope if row.intent_id is None else row.p1)
        for row in rows
    }


def _labels(connection: sa.Connection, turn_ids: Sequence[int], names: Names) -> dict[int, list[Labelled]]:
    found: dict[int, list[Labelled]] = {}
    counts = (LABEL.c.turn_id.in_(turn_ids), LABEL.c.answer != "undo", is_newest(LABEL))
    for row in connection.execute(sa.select(LABEL).where(*counts).order_by(LABEL.c.id)):
        one = Labelled(row.use, row.answer, names.get(row.intent_id), names.get(row.second_id))
        found.setdefault(row.turn_id, []).append(one)
    return found


def _marks(connection: sa.Connection, turn_ids: Sequence[int]) -> dict[int, list[str]]:
    query = sa.select(MARK.c.turn_id, MARK.c.kind).where(MARK.c.turn_id.in_(turn_ids)).order_by(MARK.c.kind)
    return _listed(connection.execute(query).all())


def _reports(connection: sa.Connection, turn_ids: Sequence[int]) -> dict[int, list[ReportKind]]:
    """Named by a report, or by a reply that a report names. Outer joins, so that SQLite begins with the turns."""
    same = (REPORT.c.bot == TURN.c.bot, REPORT.c.source == TURN.c.source)
    of_turn = sa.select(TURN.c.id, REPORT.c.kind).outerjoin(
        REPORT, sa.and_(*same, REPORT.c.turn_external_id == TURN.c.external_id)
    )
    answers = (REPLY.c.bot == TURN.c.bot, REPLY.c.source == TURN.c.source)
    of_reply = (
        sa.select(TURN.c.id, REPORT.c.kind)
        .outerjoin(REPLY, sa.and_(*answers, REPLY.c.turn_external_id == TURN.c.external_id))
        .outerjoin(REPORT, sa.and_(*same, REPORT.c.reply_external_id == REPLY.c.external_id))
    )
    both = (connection.execute(query.where(TURN.c.id.in_(turn_ids))) for query in (of_turn, of_reply))
    return _listed(sorted({(row.id, row.kind) for rows in both for row in rows if row.kind}))


def _listed(pairs: Sequence[Any]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for turn_id, kind in pairs:
        found.setdefault(turn_id, []).append(kind)
    return found
