"""What was said about a card, in words."""

from collections.abc import Sequence

import sqlalchemy as sa

from integrations.slack.blocks import Said
from service.intents.store import list_intents
from service.reviews import store
from service.reviews.policies import active
from service.reviews.schemas import CardView, StoredVote

WORDS = {"none": "none of these", "unsure": "unsure"}


def said_on(connection: sa.Connection, shown: CardView) -> list[Said]:
    """The answers that a reviewer may see: none of a blind card, until an adjudicator is to decide between them."""
    if shown.blind and shown.status == "open":
        return []
    return _said(connection, shown.bot, active(store.votes_of(connection, shown.id)))


def answer_of(connection: sa.Connection, bot: str, card: str, reviewer: str) -> str:
    """The reviewer's answer in words; "" when it was taken back."""
    return next(
        (one.what for one in _said(connection, bot, active(store.votes_of(connection, card))) if one.who == reviewer),
        "",
    )


def _said(connection: sa.Connection, bot: str, votes: Sequence[StoredVote]) -> list[Said]:
    if not votes:
        return []
    names = {intent.id: intent.name for intent in list_intents(connection, bot, archived=True)}
    return [Said(vote.reviewer, _words(vote, names)) for vote in votes]


def _words(vote: StoredVote, names: dict[int, str]) -> str:
    match vote.answer:
        case "new":
            return f"a new intent, {vote.proposed}"
        case "intent" | "two":
            return " and ".join(names[one] for one in (vote.intent_id, vote.second_id) if one is not None)
        case _:
            return WORDS[vote.answer]
