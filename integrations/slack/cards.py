"""What was said about a card, in words."""

from collections.abc import Sequence

import sqlalchemy as sa

from integrations.slack.blocks import Said
from service.intents.store import list_intents
from service.reviews.schemas import StoredVote

WORDS = {"none": "none of these", "unsure": "unsure"}


def said(connection: sa.Connection, bot: str, votes: Sequence[StoredVote]) -> list[Said]:
    """By reviewer, as `votes` come."""
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
