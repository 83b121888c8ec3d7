"""The trace of a turn: from its delivery to what it changed, step by step. While a blind card of the turn, or of the
one it was folded into, is open, only how it came in is told.

Everything is read by the turn's id or its few cards, whatever the bot's size. Neighbours are asked of the encode
process, which has a deadline: without them the trace says so."""

from collections.abc import Mapping
from typing import Any, get_args

import msgspec
import sqlalchemy as sa

from service import tables
from service.context import Context
from service.database import reading
from service.encoding import EncodeClient, Encoder
from service.errors import EncoderDown, TurnNotFound
from service.reviews import listing, trace_arrival, trace_asking, trace_changes, trace_learning, trace_training
from service.reviews.listing import Names
from service.reviews.schemas import Around
from service.reviews.trace_changes import Pair
from service.reviews.trace_steps import WITHHELD, Step, StepName, Trace
from service.reviews.views import around

TURN, CONTENT, CARD, CANDIDATE = tables.turn, tables.turn_content, tables.card, tables.candidate
DEADLINE_S = 0.06  # of each of two questions to the encode process


def trace(context: Context, bot: str, turn_id: int) -> Trace:
    """TurnNotFound unless it is a turn of this bot."""
    client = EncodeClient(context.settings, context.redis, DEADLINE_S)
    try:
        return traced(context.engine, client, bot, turn_id)
    finally:
        client.close()


def traced(engine: sa.Engine, encoder: Encoder, bot: str, turn_id: int) -> Trace:
    with reading(engine) as connection:
        turn = _turn(connection, bot, turn_id)
        cards = connection.execute(sa.select(CARD).where(CARD.c.turn_id == turn_id).order_by(CARD.c.created_at)).all()
        begun = _begun(connection, turn)
        if begun.is_withheld:
            return begun
        names = listing.intent_names(connection, bot)
        since = trace_learning.versions_since(connection, bot, turn.received_at)
        known = trace_training.lessons(connection, bot, turn_id)
        card_ids = [card.id for card in cards]
        steps = (
            *begun.steps,
            trace_arrival.reported(connection, turn),
            trace_learning.predictions(connection, turn, since, names),
            trace_arrival.marks(connection, turn_id),
            trace_asking.ranking(connection, turn_id),
            trace_asking.cards(connection, cards),
            trace_asking.votes(connection, card_ids, names),
            trace_asking.labels(listing.labels_of(connection, turn_id, names)),
            trace_training.training(connection, turn, since, known, names),
        )
        pair = trace_changes.champions(connection, bot, since, known)
        vectors = trace_learning.vectors(connection, turn_id)
    last = _changes(engine, encoder, turn, pair, vectors, names)
    return msgspec.structs.replace(begun, steps=(*steps, last))


def _turn(connection: sa.Connection, bot: str, turn_id: int) -> sa.Row[Any]:
    """With its content, and the turn it was folded into."""
    columns = (TURN, CONTENT.c.text, CONTENT.c.redactions, CANDIDATE.c.folded_into)
    query = (
        sa.select(*columns)
        .outerjoin(CONTENT, CONTENT.c.turn_id == TURN.c.id)
        .outerjoin(CANDIDATE, CANDIDATE.c.turn_id == TURN.c.id)
    )
    turn = connection.execute(query.where(TURN.c.bot == bot, TURN.c.id == turn_id)).one_or_none()
    if turn is None:
        raise TurnNotFound(bot, turn_id)
    return turn


def _begun(connection: sa.Connection, turn: sa.Row[Any]) -> Trace:
    """The first two steps, and that of the others nothing is told where that is so."""
    is_withheld = bool(listing.asked_blind(connection, [turn.id]))
    conversation = Around() if turn.text is None else around(connection, turn)
    steps = (trace_arrival.delivery(turn, is_withheld=is_withheld), trace_arrival.redaction(turn))
    withheld = tuple(Step(step=name, missing=WITHHELD) for name in get_args(StepName)[len(steps) :])
    return Trace(
        bot=turn.bot,
        turn=turn.id,
        text=turn.text,
        context=Around(conversation.before) if is_withheld else conversation,
        is_withheld=is_withheld,
        steps=(*steps, *withheld) if is_withheld else steps,
    )


def _changes(
    engine: sa.Engine,
    encoder: Encoder,
    turn: sa.Row[Any],
    pair: Pair | None,
    vectors: Mapping[str, bytes],
    names: Names,
) -> Step:
    if pair is None or not len(pair.now.head.intent_ids):
        return Step(step="changes", missing="no classifier is in force yet")
    own = vectors.get(pair.now.encoder)
    if own is None:
        return Step(step="changes", missing="it has no vector that the champion reads")
    try:
        found = trace_changes.nearest(encoder, turn.bot, pair.now.encoder, own)
        missing = ""
    except EncoderDown as error:
        found, missing = ([], []), f"its neighbours are not known now: {error.detail}"
    with reading(engine) as connection:
        near = trace_changes.shown(connection, turn, pair.now.encoder, found)
    return trace_changes.changes(pair, turn, own, near, names, missing)
