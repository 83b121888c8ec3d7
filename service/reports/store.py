"""Reports in SQL. They arrive in any order, before or after the turn or reply they are about: which turn that is, is
worked out when they are read."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from service import database, tables
from service.turns.schemas import Report, ReportKind
from service.turns.store import Arrival, ExternalKey, event_time, first_of_each, fit

REPORT, CONTENT, TURN, REPLY = tables.report, tables.report_content, tables.turn, tables.reply


class NewReport(NamedTuple):
    """A report ready to be stored: redacted, the person hashed."""

    arrival: Arrival
    report: Report
    person: str


class TurnReport(msgspec.Struct, frozen=True, kw_only=True):
    """A report and the turn it is about. `person` is "" where the platform named none, or they were forgotten."""

    id: int
    turn_id: int
    kind: ReportKind
    is_explicit: bool
    intent: str  # of a correction: the right intent's name
    at: datetime
    person: str
    bot_intent: str  # what the bot had answered: the reply's intent where the report is about a reply, else the turn's
    bot_version: str


def insert_reports(connection: sa.Connection, bot: str, reports: Sequence[NewReport]) -> int:
    """Store the reports that are not there yet; how many those were."""
    first = first_of_each(((new.arrival.source, new.report.external_id), new) for new in reports)
    rows = [_row(bot, new) for new in first.values()]
    inserted = database.insert_new(connection, REPORT, rows, REPORT.c.id, REPORT.c.source, REPORT.c.external_id)
    contents = [_content_row(row.id, first[row.source, row.external_id]) for row in inserted]
    if contents:
        connection.execute(sa.insert(CONTENT), contents)
    return len(contents)


def _row(bot: str, new: NewReport) -> dict[str, Any]:
    report = new.report
    return {
        "bot": bot,
        **new.arrival._asdict(),
        "external_id": report.external_id,
        "conversation_id": report.conversation_id,
        "turn_external_id": report.turn_external_id,
        "reply_external_id": report.reply_external_id,
        "kind": report.kind,
        "is_explicit": report.is_explicit,
        "intent": fit(REPORT.c.intent, report.intent),
        "at": event_time(report.at, new.arrival),
    }


def _content_row(report_id: int, new: NewReport) -> dict[str, Any]:
    return {"report_id": report_id, "comment": new.report.comment, "person": new.person}


def reports_on_turns(connection: sa.Connection, bot: str, turn_ids: Iterable[int] | None = None) -> list[TurnReport]:
    """Reports whose turn is known, oldest first; of these turns, or of all.

    A report names its turn, or a reply that names its turn, or a reply that follows its turn in the conversation.
    """
    found = sa.union_all(_naming_a_turn(bot), _naming_a_reply(bot)).subquery()
    query = (
        sa.select(found, sa.func.coalesce(CONTENT.c.person, "").label("person"))
        .outerjoin(CONTENT, CONTENT.c.report_id == found.c.id)
        .order_by(found.c.at, found.c.id)
    )
    if turn_ids is not None:
        query = query.where(found.c.turn_id.in_(list(turn_ids)))
    return [TurnReport(**row._mapping) for row in connection.execute(query)]


def _columns(bot_intent: sa.ColumnElement[str]) -> list[sa.ColumnElement[Any]]:
    r = REPORT.c
    turn_columns = [TURN.c.id.label("turn_id"), bot_intent.label("bot_intent"), TURN.c.bot_version]
    return [r.id, r.kind, r.is_explicit, r.intent, r.at, *turn_columns]


def _naming_a_turn(bot: str) -> sa.Select[Any]:
    r = REPORT.c
    named = (TURN.c.bot == r.bot, TURN.c.source == r.source, TURN.c.external_id == r.turn_external_id)
    return (
        sa.select(*_columns(TURN.c.bot_intent))
        .join(TURN, sa.and_(*named))
        .where(r.bot == bot, r.turn_external_id != "")
    )


def _naming_a_reply(bot: str) -> sa.Select[Any]:
    r = REPORT.c
    reply = (REPLY.c.bot == r.bot, REPLY.c.source == r.source, REPLY.c.external_id == r.reply_external_id)
    answered = sa.func.coalesce(sa.func.nullif(REPLY.c.intent, ""), TURN.c.bot_intent)
    return (
        sa.select(*_columns(answered))
        .join(REPLY, sa.and_(*reply))
        .join(TURN, TURN.c.id == _turn_of_reply())
        .where(r.bot == bot, r.turn_external_id == "", r.reply_external_id != "")
    )


def _turn_of_reply() -> sa.ScalarSelect[int]:
    """The turn a reply names, else the last one before it in its conversation."""
    t = TURN.alias()
    same_source = (t.c.bot == REPLY.c.bot, t.c.source == REPLY.c.source)
    named = sa.and_(REPLY.c.turn_external_id != "", t.c.external_id == REPLY.c.turn_external_id)
    before = sa.and_(
        REPLY.c.turn_external_id == "",
        REPLY.c.conversation_id != "",
        t.c.conversation_id == REPLY.c.conversation_id,
        t.c.at <= REPLY.c.at,
    )
    newest = sa.select(t.c.id).where(*same_source, sa.or_(named, before)).order_by(t.c.at.desc(), t.c.id.desc())
    return newest.limit(1).correlate(REPLY).scalar_subquery()


def is_any_reported(
    connection: sa.Connection, bot: str, turns: Sequence[ExternalKey], replies: Sequence[ExternalKey]
) -> bool:
    """Whether a stored report names one of these turns or replies, or a reply to one of these turns."""
    r = REPORT.c
    named_turns = sa.tuple_(r.source, r.turn_external_id).in_(list(turns))
    named_replies = sa.tuple_(r.source, r.reply_external_id).in_(list(replies))
    to_turns = sa.tuple_(REPLY.c.source, REPLY.c.turn_external_id).in_(list(turns))
    replies_to = sa.select(REPLY.c.source, REPLY.c.external_id).where(REPLY.c.bot == bot, to_turns)
    by_reply = sa.tuple_(r.source, r.reply_external_id).in_(replies_to)
    return any(
        connection.execute(sa.select(r.id).where(r.bot == bot, named).limit(1)).first()
        for named in (named_turns, named_replies, by_reply)
    )
