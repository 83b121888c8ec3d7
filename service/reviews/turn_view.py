"""One turn and what was made of it, as records. While somebody is asked about it blind, nobody is
told any of that."""

from typing import Any

import sqlalchemy as sa

from service import tables
from service.errors import TurnNotFound
from service.reviews import listing
from service.reviews.listing import Names
from service.reviews.schemas import Around, Entity, Mark, Opinions, Prediction, ReportRow, TurnView
from service.reviews.views import around

TURN, CONTENT, CARD, REPORT = tables.turn, tables.turn_content, tables.card, tables.report


def view_turn(connection: sa.Connection, bot: str, turn_id: int) -> TurnView:
    """TurnNotFound unless it is a turn of this bot."""
    query = sa.select(TURN, CONTENT.c.text, CONTENT.c.entities, CONTENT.c.intents)
    query = query.join(CONTENT, CONTENT.c.turn_id == TURN.c.id, isouter=True)
    turn = connection.execute(query.where(TURN.c.bot == bot, TURN.c.id == turn_id)).one_or_none()
    if turn is None:
        raise TurnNotFound(bot, turn_id)
    cards = connection.execute(sa.select(CARD).where(CARD.c.turn_id == turn_id).order_by(CARD.c.created_at)).all()
    is_secret = bool(listing.asked_blind(connection, [turn_id]))
    conversation = Around() if turn.text is None else around(connection, turn)
    shown = {name: turn._mapping[name] for name in TurnView.__struct_fields__ if name in turn._mapping}
    return TurnView(
        **shown,
        context=Around(conversation.before) if is_secret else conversation,
        opinions=None if is_secret else _opinions(connection, turn, cards),
    )


def _opinions(connection: sa.Connection, turn: sa.Row[Any], cards: Any) -> Opinions:
    names = listing.intent_names(connection, turn.bot)
    return Opinions(
        bot_intent=turn.bot_intent,
        bot_score=turn.bot_score,
        bot_intents=tuple(turn.intents or ()),
        entities=tuple(Entity(e["type"], e["value"], e["start"], e["end"]) for e in turn.entities or ()),
        is_fallback=turn.is_fallback,
        marks=_marks(connection, turn.id),
        predictions=predictions(connection, turn.id, names),
        reports=reports(connection, turn),
        cards=tuple(listing.card_row(card) for card in cards),
        votes=listing.votes_on(connection, [card.id for card in cards], names),
        labels=listing.labels_of(connection, turn.id, names),
    )


def _marks(connection: sa.Connection, turn_id: int) -> tuple[Mark, ...]:
    mark = tables.mark.c
    rows = connection.execute(sa.select(mark.kind, mark.value).where(mark.turn_id == turn_id).order_by(mark.kind))
    return tuple(Mark(row.kind, row.value) for row in rows)


def predictions(connection: sa.Connection, turn_id: int, names: Names) -> tuple[Prediction, ...]:
    table = tables.prediction
    rows = connection.execute(sa.select(table).where(table.c.turn_id == turn_id).order_by(table.c.n))
    return tuple(
        Prediction(
            n=row.n,
            intent=names.get(row.intent_id),
            best=names.get(row.best_id, ""),
            second=names.get(row.second_id),
            p1=row.p1,
            p2=row.p2,
            out_of_scope=row.out_of_scope,
            confidence=row.confidence,
            uncertainty=row.uncertainty,
            whose=row.whose,
        )
        for row in rows
    )


def reports(connection: sa.Connection, turn: sa.Row[Any]) -> tuple[ReportRow, ...]:
    """Reports about the turn, or about a reply to it."""
    reply, content = tables.reply, tables.report_content
    here = sa.select(REPORT.c.id).where(REPORT.c.bot == turn.bot, REPORT.c.source == turn.source)
    replies = sa.select(reply.c.external_id).where(
        reply.c.bot == turn.bot, reply.c.source == turn.source, reply.c.turn_external_id == turn.external_id
    )
    # Each by its own index: one condition with OR has the whole table read.
    of_turn = here.where(REPORT.c.turn_external_id == turn.external_id)
    of_replies = here.where(REPORT.c.reply_external_id.in_(replies))
    query = (
        sa.select(REPORT, content.c.comment)
        .join(content, content.c.report_id == REPORT.c.id, isouter=True)
        .where(REPORT.c.id.in_(of_turn.union(of_replies)))
        .order_by(REPORT.c.at, REPORT.c.id)
    )
    return tuple(
        ReportRow(kind=row.kind, is_explicit=row.is_explicit, intent=row.intent, comment=row.comment or "", at=row.at)
        for row in connection.execute(query)
    )
