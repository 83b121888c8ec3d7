"""Who said what on a card, and of turns that say the same."""

import sqlalchemy as sa

from service import tables
from service.intents.store import list_intents
from service.reviews import store
from service.reviews.policies import active
from service.reviews.schemas import Card, Said

LABEL, VOTE, PAIR, CONTENT = tables.label, tables.vote, tables.contradiction, tables.turn_content
Names = dict[int | None, str]


def on(connection: sa.Connection, card: Card) -> tuple[Said, ...]:
    """Each reviewer's newest answer, oldest first; of a card that came back also the labels that contradict it."""
    names: Names = {intent.id: intent.name for intent in list_intents(connection, card.bot, archived=True)}
    own = tuple(
        Said(
            reviewer=vote.reviewer,
            answer=vote.answer,
            intent=names.get(vote.intent_id),
            second=names.get(vote.second_id),
            proposed=vote.proposed,
            is_adjudication=vote.is_adjudication,
        )
        for vote in active(store.votes_of(connection, card.id))
    )
    return own if card.returned_after is None else own + _contradicting(connection, card, names)


def _contradicting(connection: sa.Connection, card: Card, names: Names) -> tuple[Said, ...]:
    """Those of turns whose text is not forgotten."""
    query = (
        sa.select(LABEL.c.answer, LABEL.c.intent_id, VOTE.c.reviewer, CONTENT.c.text)
        .join(PAIR, PAIR.c.label_id == LABEL.c.id)
        .join(CONTENT, CONTENT.c.turn_id == LABEL.c.turn_id)
        .outerjoin(VOTE, VOTE.c.id == LABEL.c.vote_id)
        .where(PAIR.c.card_id == card.id)
        .order_by(LABEL.c.id)
    )
    return tuple(
        Said(reviewer=row.reviewer, answer=row.answer, intent=names.get(row.intent_id), text=row.text)
        for row in connection.execute(query)
    )
