"""A label that is wrong is corrected by an adjudicator, with a reason. Nothing is overwritten: the correction is a vote
that decides the label's card, as an adjudicator's always does, and the label that follows from it counts from then on.

A label that came without a card, by import or because its turn says the same as another, gets a card first. The gold
set has no cards: there the new label is written at once. The reason may quote the turn, so it lies with the turn's
content and goes with it; the audit log says who corrected what."""

import uuid
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
import sqlalchemy as sa
from msgspec import Meta

from service import clock, database, tables
from service.access import audit
from service.bots.redacting import redacted_for
from service.bots.store import live_bot
from service.context import Context
from service.errors import BadInput, CardClosed, Conflict, NotFound
from service.intents.store import intent_ids
from service.reviews import remarks, store, voting
from service.reviews.listing import asked_blind
from service.reviews.schemas import NAME_LIMIT, WHY_LIMIT, Card, Spans, Surface, Vote

LABEL, CARD, CONTENT = tables.label, tables.card, tables.turn_content


class LabelNotFound(NotFound):
    type = "label-not-found"

    def __init__(self, bot: str, label_id: int) -> None:
        super().__init__(f"bot {bot!r} has no label {label_id}")


class Correction(msgspec.Struct, frozen=True, kw_only=True):
    """What a label should say. A repeat with the same `click_id` has no second effect."""

    answer: Literal["intent", "none"] = "intent"
    intent: Annotated[str, Meta(max_length=NAME_LIMIT)] | None = None
    reason: Annotated[str, Meta(max_length=WHY_LIMIT)]
    click_id: Annotated[str, Meta(min_length=1, max_length=200)]


class Corrected(msgspec.Struct, frozen=True):
    """`card`: the one that was decided anew; its label follows within seconds. "": the label is written already."""

    turn: int
    card: str


def correct(context: Context, bot: str, label_id: int, wanted: Correction, who: str, *, surface: Surface) -> Corrected:
    """Conflict where the label does not count any more, or says so already."""
    reason = redacted_for(context.engine, bot, _reason(wanted.reason), "reason")
    wanted = msgspec.structs.replace(wanted, reason=reason)
    with database.writing(context.engine) as connection:
        done = _correct(connection, bot, label_id, wanted, who, clock.now(), surface)
    voting.ask_to_resolve(context, bot)
    return done


def _correct(
    connection: sa.Connection, bot: str, label_id: int, wanted: Correction, who: str, now: datetime, surface: Surface
) -> Corrected:
    live_bot(connection, bot)
    label = _label(connection, bot, label_id)
    if (known := store.vote_of_click(connection, bot, wanted.click_id)) is not None:
        if known.reviewer != who:
            raise Conflict("this click_id belongs to another vote", path="click_id")
        return Corrected(label.turn_id, known.card_id)
    _check(connection, bot, label, wanted)
    if label.use == "gold":
        _write(connection, bot, label, wanted, now)
        done, vote_id = Corrected(label.turn_id, ""), None
    else:
        card = _card_of(connection, label, now)
        spans = msgspec.convert(label.spans, Spans)
        vote = Vote(answer=wanted.answer, intent=wanted.intent, click_id=wanted.click_id, spans=spans)
        decided = voting.overrule(connection, card, who, vote, now, surface=surface)
        done, vote_id = Corrected(label.turn_id, decided.card), decided.vote
    remarks.keep(connection, label.turn_id, wanted.reason, vote_id=vote_id, label_id=label_id)
    audit.record(connection, bot, "label.correct", now, who, label=label_id, turn=label.turn_id)
    return done


def _reason(text: str) -> str:
    if not text.strip() or "\0" in text:
        raise BadInput("a correction takes a reason", path="reason", hint="say in a sentence what was wrong")
    return text.strip()


def _label(connection: sa.Connection, bot: str, label_id: int) -> sa.Row[Any]:
    row = connection.execute(sa.select(LABEL).where(LABEL.c.bot == bot, LABEL.c.id == label_id)).one_or_none()
    if row is None:
        raise LabelNotFound(bot, label_id)
    return row


def _check(connection: sa.Connection, bot: str, label: sa.Row[Any], wanted: Correction) -> None:
    of_turn = (LABEL.c.turn_id == label.turn_id, LABEL.c.use == label.use)
    newest = connection.scalar(sa.select(sa.func.max(LABEL.c.id)).where(*of_turn))
    if newest != label.id:
        raise Conflict(f"label {label.id} was replaced by label {newest}", hint="look at that one")
    if label.answer == "undo":
        raise Conflict(f"label {label.id} says that a label was taken back: there is none to correct")
    if connection.scalar(sa.select(CONTENT.c.turn_id).where(CONTENT.c.turn_id == label.turn_id)) is None:
        raise Conflict(f"turn {label.turn_id} was forgotten: nobody can say what it meant")
    if asked_blind(connection, [label.turn_id]):
        raise Conflict(f"somebody is asked about turn {label.turn_id} blind", hint="correct it once they have answered")
    if wanted.answer == label.answer and _id(connection, bot, wanted) == label.intent_id:
        raise Conflict(f"label {label.id} says so already", path="intent")


def _id(connection: sa.Connection, bot: str, wanted: Correction) -> int | None:
    return None if wanted.answer == "none" else intent_ids(connection, bot).get(wanted.intent or "")


def _card_of(connection: sa.Connection, label: sa.Row[Any], now: datetime) -> Card:
    """The card that asked for the label; else the turn's own to learn from, made where it has none."""
    if label.card_id:
        card = store.lock_card(connection, label.bot, label.card_id)
        if card.turn_id == label.turn_id:
            return _live(card)
    row = {"id": uuid.uuid4().hex, "bot": label.bot, "turn_id": label.turn_id, "purpose": "rank", "is_blind": False}
    database.insert_new(connection, CARD, [row | {"status": "resolved", "created_at": now}])
    is_its = (CARD.c.turn_id == label.turn_id, CARD.c.purpose == "rank")
    card_id: str = connection.execute(sa.select(CARD.c.id).where(*is_its)).scalar_one()
    return _live(store.lock_card(connection, label.bot, card_id))


def _live(card: Card) -> Card:
    if card.status == "withdrawn":
        raise CardClosed(card.id, "withdrawal")
    return card


def _write(connection: sa.Connection, bot: str, label: sa.Row[Any], wanted: Correction, now: datetime) -> None:
    intent_id = None if wanted.answer == "none" else voting.intent_named(connection, bot, wanted.intent)
    copied = {name: value for name, value in label._mapping.items() if name != "id"}
    row = copied | {"answer": wanted.answer, "intent_id": intent_id, "second_id": None, "at": now}
    connection.execute(sa.insert(LABEL), row)
