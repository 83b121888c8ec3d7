"""The small views about a card drawn from SQL."""

import sqlalchemy as sa

from integrations.slack import people
from integrations.slack.blocks import Block, questions
from integrations.slack.blocks.metadata import Asked
from integrations.slack.blocks.names import Question
from integrations.slack.blocks.reasons import reasons
from service import clock, database
from service.errors import CardClosed
from service.intents.schemas import Intent
from service.intents.store import by_name, get_intent
from service.reviews import brackets, store
from service.reviews.policies import active
from service.reviews.reasons import count_reporters
from service.reviews.schemas import Card, CardView, Reviewer, Span, StoredVote
from service.reviews.views import likely_spans, view

OPEN = ("open", "adjudicate")


def draw(engine: sa.Engine, question: Question, user: str, asked: Asked) -> Block:
    """CardClosed when an answer has come meanwhile; Forbidden for somebody without the role."""
    with database.reading(engine) as connection:
        reviewer = people.voter(connection, asked.bot, user)
        card = store.get_card(connection, asked.bot, asked.card)
        if card.status not in OPEN:
            raise CardClosed(card.id, "somebody else")
        return _draw(connection, question, card, reviewer, asked)


def _draw(connection: sa.Connection, question: Question, card: Card, reviewer: Reviewer, asked: Asked) -> Block:
    shown = view(connection, card)
    match question:
        case "two":
            return questions.two(shown, asked)
        case "new":
            return questions.new(shown, asked)
        case "entities":
            mine = _vote_of(connection, card, reviewer)
            marked = brackets.write(shown.text, _spans(shown, mine))
            return questions.entities(shown, asked, marked, _likeliest(connection, shown, mine))
        case "why":
            return questions.why(shown, asked, reasons(shown, count_reporters(connection, card, clock.now())))


def _vote_of(connection: sa.Connection, card: Card, reviewer: Reviewer) -> StoredVote | None:
    votes = active(store.votes_of(connection, card.id))
    return next((vote for vote in votes if vote.reviewer == reviewer.name), None)


def _spans(shown: CardView, mine: StoredVote | None) -> tuple[Span, ...]:
    """The person's own, else the likeliest; a blind card comes with none."""
    return likely_spans(shown) if mine is None or mine.spans is None else mine.spans


def _likeliest(connection: sa.Connection, shown: CardView, mine: StoredVote | None) -> Intent | None:
    """What the person answered before, else what a user says it is, or the champion; nothing on a blind card."""
    if mine is not None and mine.intent_id is not None:
        return get_intent(connection, shown.bot, mine.intent_id)
    first = shown.choices[0] if shown.choices else None
    is_known = first is not None and (first.is_corrected or first.probability is not None)
    return by_name(connection, shown.bot, first.intent) if first and is_known else None
