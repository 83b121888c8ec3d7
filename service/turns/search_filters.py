"""What turns are searched by, each once as ids to be found by an index and once as a condition on a turn.

Nobody finds a turn by what was made of it while somebody is asked about it blind."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from service import tables
from service.reports.store import reports_with_turns
from service.reviews.label_search import intents_named, is_one_of, says
from service.reviews.listing import is_asked_blind, is_newest
from service.turns import word_index
from service.turns.schemas import ReportKind
from service.turns.words import asked

TURN = tables.turn.alias("found")  # the one that is looked for
LABEL, MARK = tables.label, tables.mark
PREDICTION, REPLY, REPORT, WORDS = tables.prediction, tables.reply, tables.report, tables.turn_words


class Filter(NamedTuple):
    """`turn_ids` may hold more turns than `holds` lets through."""

    turn_ids: sa.Select[Any]  # one column; read by falling id without sorting, or once `size` says that it is small
    holds: sa.ColumnElement[bool]
    size: sa.Select[Any] | None = None  # rows to be read for them; None: they are read as far as they are wanted
    is_ordered: bool = True  # False: a range of ids is found, and sorted
    besides: Sequence[sa.Select[Any]] = ()  # more of them, read alike; for all at once Postgres would sort them


def by_text(connection: sa.Connection, bot: str, query: str) -> Filter:
    wanted = asked(query)
    found = sa.select(WORDS.c.rowid).where(word_index.matches(connection, bot, wanted))
    return Filter(found, word_index.holds(TURN.c.id, wanted), is_ordered=connection.dialect.name == "sqlite")


def by_decision(connection: sa.Connection, bot: str, intent: str) -> Filter:
    """What the champion decided; of turns that it did not see, who saw them last."""
    ids = intents_named(connection, bot, intent, "intent")
    prediction = PREDICTION.alias()
    found = sa.select(prediction.c.turn_id).where(
        prediction.c.bot == bot, is_one_of(prediction.c.intent_id, ids), prediction.c.n == decider(bot, prediction)
    )
    return Filter(found, _about(found, prediction.c.turn_id))


def decider(bot: str, prediction: sa.FromClause) -> sa.ScalarSelect[int]:
    """The classifier whose decision about the prediction's turn counts."""
    other = PREDICTION.alias()
    champion = sa.select(tables.bot.c.champion).where(tables.bot.c.name == bot).scalar_subquery()
    is_champion = sa.case((other.c.n == champion, 1), else_=0)
    first = sa.select(other.c.n).where(other.c.turn_id == prediction.c.turn_id)
    return first.order_by(is_champion.desc(), other.c.n.desc()).limit(1).correlate(prediction).scalar_subquery()


def by_label(connection: sa.Connection, bot: str, intent: str) -> Filter:
    """What it is labelled, for any use."""
    label = LABEL.alias()
    said = says(label, intents_named(connection, bot, intent, "label"))
    of_bot = sa.select(label.c.turn_id).where(label.c.bot == bot, is_newest(label)).distinct()
    found, *besides = (of_bot.where(one) for one in said)
    return Filter(found, _about(of_bot.where(sa.or_(*said)), label.c.turn_id), besides=besides)


def by_mark(_: sa.Connection, bot: str, kind: str) -> Filter:
    found = sa.select(MARK.c.turn_id).where(MARK.c.bot == bot, MARK.c.kind == kind)
    return Filter(found, _about(found, MARK.c.turn_id))


def by_report(_: sa.Connection, bot: str, kind: ReportKind) -> Filter:
    with_turns = reports_with_turns(bot).subquery()
    of_kind = sa.select(REPORT.c.id).where(REPORT.c.bot == bot, REPORT.c.kind == kind)
    found = sa.select(with_turns.c.turn_id).where(with_turns.c.id.in_(of_kind)).distinct()
    return Filter(found, is_reported(kind) & ~is_asked_blind(TURN.c.id), size=of_kind)


def is_reported(kind: ReportKind) -> sa.ColumnElement[bool]:
    """A report of this kind names the turn, or a reply that names it. One condition inside the other, and the kind no
    bare column: SQLite would begin with all reports of a kind."""
    reports = (REPORT.c.bot == TURN.c.bot, REPORT.c.source == TURN.c.source, REPORT.c.kind + "" == kind)
    replies = (REPLY.c.bot == TURN.c.bot, REPLY.c.source == TURN.c.source)
    of_turn = sa.select(REPORT.c.id).where(*reports, REPORT.c.turn_external_id == TURN.c.external_id)
    of_reply = sa.select(REPORT.c.id).where(*reports, REPORT.c.reply_external_id == REPLY.c.external_id)
    reply = sa.select(REPLY.c.id).where(
        *replies, REPLY.c.turn_external_id == TURN.c.external_id, of_reply.correlate(TURN, REPLY).exists()
    )
    return of_turn.correlate(TURN).exists() | reply.correlate(TURN).exists()


def _about(found: sa.Select[Any], turn_id: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    return found.where(turn_id == TURN.c.id).correlate(TURN).exists() & ~is_asked_blind(TURN.c.id)


FILTERS: dict[str, Callable[[sa.Connection, str, Any], Filter]] = {
    "mark": by_mark,
    "report": by_report,
    "intent": by_decision,
    "label": by_label,
    "q": by_text,  # last: of two that let many through, words are the quicker to be looked for in a turn
}
