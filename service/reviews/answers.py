"""What several people said of the same card without knowing of each other: what agreement and reliability rest on."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec
import sqlalchemy as sa

from service import tables
from service.intents.store import merges
from service.reviews import store
from service.reviews.listing import CLOSED
from service.reviews.policies import sure
from service.reviews.schemas import Card, StoredVote

CARD = tables.card
NEWEST = 2_000  # cards looked at


class Answered(NamedTuple):
    """A blind card that two people at least have answered, not counting its adjudicator. Merges are followed."""

    card: Card
    independent: list[StoredVote]  # each reviewer's answer, oldest first; never an unsure one
    adjudicated: StoredVote | None


def blind(connection: sa.Connection, bot: str) -> list[Answered]:
    """The newest of them, newest first; those that still want answers too, and those that were withdrawn."""
    into = merges(connection, bot)
    cards = store.answered_blind(connection, bot, NEWEST)
    votes = store.votes_of_cards(connection, [card.id for card in cards])
    found = (_answered(card, [_merged(vote, into) for vote in sure(votes[card.id])]) for card in cards)
    return [one for one in found if len(one.independent) > 1]


def closed(connection: sa.Connection, bot: str) -> list[Answered]:
    """Those of `blind` that want no answer any more: of the others nobody may learn what was said."""
    return [one for one in blind(connection, bot) if one.card.status in CLOSED]


def _answered(card: Card, answers: list[StoredVote]) -> Answered:
    adjudicated = [vote for vote in answers if vote.is_adjudication]
    return Answered(
        card, [vote for vote in answers if not vote.is_adjudication], adjudicated[-1] if adjudicated else None
    )


def _merged(vote: StoredVote, into: Mapping[int, int]) -> StoredVote:
    first, second = (None if one is None else into.get(one, one) for one in (vote.intent_id, vote.second_id))
    return msgspec.structs.replace(vote, intent_id=first, second_id=second)
