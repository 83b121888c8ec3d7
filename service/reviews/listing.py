"""Cards, votes and labels as lists show them, newest first, page by page."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from service import tables
from service.errors import BadInput
from service.intents.store import list_intents
from service.page import Page, before
from service.reviews.remarks import on_label
from service.reviews.schemas import CardRow, CardStatus, CastVote, LabelRow, Spans, VoteRow

CANDIDATE, CARD, LABEL = tables.candidate, tables.card, tables.label
REMARK, TURN, VOTE = tables.remark_content, tables.turn, tables.vote
CLOSED = ("resolved", "withdrawn")
Names = Mapping[int | None, str]


def intent_names(connection: sa.Connection, bot: str) -> Names:
    """Every intent's present name by id, the archived ones' too."""
    return {intent.id: intent.name for intent in list_intents(connection, bot, archived=True)}


def list_cards(
    connection: sa.Connection, bot: str, status: CardStatus | None, cursor: str | None, limit: int
) -> Page[CardRow]:
    query = sa.select(CARD).where(CARD.c.bot == bot).order_by(CARD.c.created_at.desc(), CARD.c.id).limit(limit + 1)
    if status is not None:
        query = query.where(CARD.c.status == status)
    if cursor is not None:
        at, card_id = _card_cursor(cursor)
        query = query.where((CARD.c.created_at < at) | ((CARD.c.created_at == at) & (CARD.c.id > card_id)))
    rows = connection.execute(query).all()
    last = rows[limit - 1] if len(rows) > limit else None
    return Page([card_row(row) for row in rows[:limit]], None if last is None else _card_cursor_of(last))


def _card_cursor_of(row: sa.Row[Any]) -> str:
    return f"{row.created_at.isoformat().replace('+00:00', 'Z')}_{row.id}"


def _card_cursor(cursor: str) -> tuple[datetime, str]:
    at, _, card_id = cursor.partition("_")
    try:
        return msgspec.convert(at, datetime, strict=False), card_id
    except msgspec.ValidationError as error:
        raise _bad_cursor() from error


def _bad_cursor() -> BadInput:
    return BadInput("this is no cursor of this list", path="cursor", hint="take `next` of the page before")


def card_row(row: sa.Row[Any]) -> CardRow:
    is_secret = row.is_blind and row.status not in CLOSED
    return CardRow(
        id=row.id,
        turn_id=row.turn_id,
        purpose="blind" if is_secret else row.purpose,
        blind=row.is_blind,
        status=row.status,
        created_at=row.created_at,
        resolved_at=row.resolved_at,
    )


def asked_blind(connection: sa.Connection, turn_ids: Collection[int]) -> set[int]:
    """Those of the turns that somebody is asked about blind: nobody is to see how they are classified."""
    among = (TURN.c.id.in_(turn_ids), is_asked_blind(TURN.c.id))
    return set(connection.scalars(sa.select(TURN.c.id).where(*among)))


def is_asked_blind(turn_id: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    """The turn, or the one that it was folded into, has an open blind card."""
    card, candidate = CARD.alias(), CANDIDATE.alias()  # the query around it may have its own
    is_open = (card.c.is_blind, card.c.status.not_in(CLOSED))
    itself = sa.exists().where(card.c.turn_id == turn_id, *is_open)
    other = sa.exists().where(candidate.c.turn_id == turn_id, card.c.turn_id == candidate.c.folded_into, *is_open)
    return itself | other


def is_newest(label: sa.FromClause) -> sa.ColumnElement[bool]:
    """The label counts: its turn has no later one of this use."""
    later = LABEL.alias()
    of_turn = (later.c.turn_id == label.c.turn_id, later.c.use == label.c.use)
    return ~sa.exists().where(*of_turn, later.c.id > label.c.id)


def labels_of(connection: sa.Connection, turn_id: int, names: Names) -> tuple[LabelRow, ...]:
    rows = connection.execute(labels().where(LABEL.c.turn_id == turn_id).order_by(LABEL.c.id))
    return tuple(label_row(row, names) for row in rows)


def labels() -> sa.Select[Any]:
    columns = (VOTE.c.reviewer, is_newest(LABEL).label("counts"), on_label(LABEL).label("correction"))
    return sa.select(LABEL, *columns).join(VOTE, VOTE.c.id == LABEL.c.vote_id, isouter=True)


def label_row(row: sa.Row[Any], names: Names) -> LabelRow:
    return LabelRow(
        id=row.id,
        turn_id=row.turn_id,
        use=row.use,
        answer=row.answer,
        intent=names.get(row.intent_id),
        second=names.get(row.second_id),
        spans=msgspec.convert(row.spans, Spans),
        origin=row.origin,
        weight=row.weight,
        card=row.card_id,
        reviewer=row.reviewer,
        counts=row.counts,
        correction=row.correction or "",
        at=row.at,
    )


def votes_by(connection: sa.Connection, bot: str, reviewer: str, cursor: str | None, limit: int) -> Page[CastVote]:
    """A reviewer's, newest first, without those on turns that somebody is asked about blind."""
    query = (
        _votes(CARD.c.turn_id)
        .join(CARD, CARD.c.id == VOTE.c.card_id)
        .where(VOTE.c.bot == bot, VOTE.c.reviewer == reviewer, ~is_asked_blind(CARD.c.turn_id))
        .order_by(VOTE.c.at.desc(), VOTE.c.id.desc())
        .limit(limit + 1)
    )
    if cursor is not None:
        last = before(cursor)
        at = sa.select(VOTE.c.at).where(VOTE.c.id == last).scalar_subquery()
        query = query.where(VOTE.c.at <= at, (VOTE.c.at < at) | (VOTE.c.id < last))
    names = intent_names(connection, bot)
    found = [CastVote(row.turn_id, _vote_row(row, names)) for row in connection.execute(query)]
    return Page(found[:limit], str(found[limit - 1].vote.id) if len(found) > limit else None)


def votes_on(connection: sa.Connection, card_ids: Sequence[str], names: Names) -> tuple[VoteRow, ...]:
    rows = connection.execute(_votes().where(VOTE.c.card_id.in_(card_ids)).order_by(VOTE.c.id))
    return tuple(_vote_row(row, names) for row in rows)


def _votes(*besides: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """With their reasons."""
    return sa.select(VOTE, REMARK.c.text.label("why"), *besides).outerjoin(REMARK, REMARK.c.vote_id == VOTE.c.id)


def _vote_row(row: sa.Row[Any], names: Names) -> VoteRow:
    return VoteRow(
        id=row.id,
        card=row.card_id,
        reviewer=row.reviewer,
        answer=row.answer,
        intent=names.get(row.intent_id),
        second=names.get(row.second_id),
        proposed=row.proposed,
        why=row.why or "",
        spans=msgspec.convert(row.spans, Spans),
        surface=row.surface,
        at=row.at,
    )
