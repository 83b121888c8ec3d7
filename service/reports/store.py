"""Reports in SQL. They arrive in any order, before or after the turn or reply they are about: which turn that is, is
worked out when they are read."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from service import database, tables
from service.intents.store import merges
from service.reports.inferred import Line
from service.turns import tally
from service.turns.schemas import Report, ReportKind
from service.turns.store import Arrival, ExternalKey, event_time, first_of_each, fit

REPORT, CONTENT, TURN, REPLY = tables.report, tables.report_content, tables.turn, tables.reply
MARK, LABEL = tables.mark, tables.label
MANY = 300  # conversations in one statement


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
    told = [REPORT.c[name] for name in ("id", "source", "external_id", "at", "is_explicit")]
    inserted = database.insert_new(connection, REPORT, rows, *told)
    contents = [_content_row(row.id, first[row.source, row.external_id]) for row in inserted]
    if contents:
        connection.execute(sa.insert(CONTENT), contents)
        tally.count_reports(connection, bot, [(row.at, row.is_explicit) for row in inserted])
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
    found = reports_with_turns(bot).subquery()
    query = (
        sa.select(found, sa.func.coalesce(CONTENT.c.person, "").label("person"))
        .outerjoin(CONTENT, CONTENT.c.report_id == found.c.id)
        .order_by(found.c.at, found.c.id)
    )
    if turn_ids is not None:
        # Mostly there are none, and SQLite takes long to see that: of 500 turns of a million seven seconds.
        reported = reported_among(connection, list(turn_ids))
        if not reported:
            return []
        query = query.where(found.c.turn_id.in_(reported))
    return [TurnReport(**row._mapping) for row in connection.execute(query)]


def reported_among(connection: sa.Connection, turn_ids: Sequence[int]) -> set[int]:
    """Those of the turns that `reports_on_turns` has a report of, by indexes alone: of a bot's every report it would
    look for the turn."""
    found: set[int] = set()
    for start in range(0, len(turn_ids), MANY):
        # Without the bot: asked for a bot's turns among some ids, SQLite walks all of its turns or reports.
        here = TURN.c.id.in_(turn_ids[start : start + MANY])
        for query in (_reported(), _reported_by_named_reply(), _reported_by_following_reply()):
            found.update(connection.scalars(query.where(here)))
    return found


def _reported() -> sa.Select[Any]:
    r = REPORT.c
    about = (r.bot == TURN.c.bot, r.source == TURN.c.source, r.turn_external_id == TURN.c.external_id)
    return sa.select(TURN.c.id).join(REPORT, sa.and_(*about, r.turn_external_id != ""))


def _reported_by_named_reply() -> sa.Select[Any]:
    names_it = (REPLY.c.turn_external_id == TURN.c.external_id, REPLY.c.turn_external_id != "")
    return _reported_by_reply(*names_it)


def _reported_by_following_reply() -> sa.Select[Any]:
    later = TURN.alias()
    between = sa.exists().where(
        later.c.bot == TURN.c.bot,
        later.c.source == TURN.c.source,
        later.c.conversation_id == TURN.c.conversation_id,
        later.c.at <= REPLY.c.at,
        sa.tuple_(later.c.at, later.c.id) > sa.tuple_(TURN.c.at, TURN.c.id),
    )
    between = between.correlate(TURN, REPLY)
    follows = (REPLY.c.conversation_id == TURN.c.conversation_id, REPLY.c.conversation_id != "")
    return _reported_by_reply(REPLY.c.turn_external_id == "", *follows, REPLY.c.at >= TURN.c.at, ~between)


def _reported_by_reply(*answers: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """From the turn to its reply to that one's report, in this order: the other way leads through all reports."""
    r = REPORT.c
    reply = (REPLY.c.bot == TURN.c.bot, REPLY.c.source == TURN.c.source, *answers)
    about = (r.bot == REPLY.c.bot, r.source == REPLY.c.source, r.reply_external_id == REPLY.c.external_id)
    # Of `= ''` SQLite thinks it tells much, and walks all reports that name no turn.
    is_reported = sa.exists().where(*about, sa.func.length(r.turn_external_id) == 0, r.reply_external_id != "")
    return sa.select(TURN.c.id).where(sa.exists().where(*reply, is_reported))


def _columns(bot_intent: sa.ColumnElement[str]) -> list[sa.ColumnElement[Any]]:
    r = REPORT.c
    turn_columns = [TURN.c.id.label("turn_id"), bot_intent.label("bot_intent"), TURN.c.bot_version]
    return [r.id, r.kind, r.is_explicit, r.intent, r.at, *turn_columns]


def reports_with_turns(bot: str) -> sa.CompoundSelect[Any]:
    """Each report whose turn is known, with its `turn_id`."""
    return sa.union_all(_naming_a_turn(bot), _naming_a_reply(bot))


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


def _turn_of_reply() -> sa.ColumnElement[int]:
    """The turn a reply names, else the last one before it in its conversation: two questions, for each an index."""
    t = TURN.alias()
    same_source = (t.c.bot == REPLY.c.bot, t.c.source == REPLY.c.source)
    turn = sa.select(t.c.id).where(*same_source).correlate(REPLY)
    named = turn.where(REPLY.c.turn_external_id != "", t.c.external_id == REPLY.c.turn_external_id)
    before = turn.where(
        REPLY.c.turn_external_id == "",
        REPLY.c.conversation_id != "",
        t.c.conversation_id == REPLY.c.conversation_id,
        t.c.at <= REPLY.c.at,
    )
    newest = before.order_by(t.c.at.desc(), t.c.id.desc()).limit(1)
    return sa.func.coalesce(named.scalar_subquery(), newest.scalar_subquery())


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


def reviewed_answers(connection: sa.Connection, bot: str) -> dict[int, int | None]:
    """What people answered on the reported turns that were drawn for review: turn → intent id, None for `none`.

    A mark `reported` with a rate says that its turn was drawn, by hash, before anybody was asked.
    """
    drawn = sa.select(MARK.c.turn_id).where(MARK.c.bot == bot, MARK.c.kind == "reported", MARK.c.rate.is_not(None))
    of_use = (LABEL.c.bot == bot, LABEL.c.use == "train", LABEL.c.turn_id.in_(drawn))
    newest = sa.select(sa.func.max(LABEL.c.id)).where(*of_use).group_by(LABEL.c.turn_id)
    answered = (LABEL.c.id.in_(newest), LABEL.c.origin == "vote", LABEL.c.answer.in_(("intent", "none")))
    final = merges(connection, bot)
    rows = connection.execute(sa.select(LABEL.c.turn_id, LABEL.c.answer, LABEL.c.intent_id).where(*answered))
    return {row.turn_id: final[row.intent_id] if row.answer == "intent" else None for row in rows}


class Conversation(NamedTuple):
    """The user's turns in order of time."""

    lines: Sequence[Line]
    persons: Mapping[int, str]  # of each turn
    keys: Mapping[int, ExternalKey]
    id: str


def conversations_since(connection: sa.Connection, bot: str, received: datetime) -> Iterator[list[Conversation]]:
    """Those with a turn that came in since then, in parts; whole, but for turns that were forgotten."""
    t = TURN.c
    recent = sa.select(t.source, t.conversation_id).where(t.bot == bot, t.received_at >= received).distinct()
    recent = recent.where(t.conversation_id != "", t.source.not_in(tables.NOT_SAID))
    found = [(row.source, row.conversation_id) for row in connection.execute(recent)]
    for start in range(0, len(found), MANY):
        yield list(_conversations(connection, bot, found[start : start + MANY]))


def _conversations(connection: sa.Connection, bot: str, wanted: list[ExternalKey]) -> Iterator[Conversation]:
    t, content = TURN.c, tables.turn_content
    columns = [t[name] for name in ("source", "conversation_id", "external_id", "at", "bot_intent")]
    query = (
        sa.select(t.id.label("turn_id"), *columns, t.is_fallback, t.is_slot_fill, content.c.text, content.c.person)
        .join(content, content.c.turn_id == t.id)
        .where(t.bot == bot, sa.tuple_(t.source, t.conversation_id).in_(wanted))
        .order_by(t.source, t.conversation_id, t.at, t.id)
    )
    for key, rows in groupby(connection.execute(query), key=lambda row: (row.source, row.conversation_id)):
        turns = list(rows)
        yield Conversation(
            lines=[Line(**{name: getattr(turn, name) for name in Line._fields}) for turn in turns],
            persons={turn.turn_id: turn.person for turn in turns},
            keys={turn.turn_id: (turn.source, turn.external_id) for turn in turns},
            id=key[1],
        )
