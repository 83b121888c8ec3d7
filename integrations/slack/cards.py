"""A card's message drawn from SQL, and a message brought up to what SQL says."""

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa
from slack_sdk import WebClient

from integrations.slack import blocks, posts
from integrations.slack.blocks import Message, Place, Said
from service import database
from service.errors import TurnNotFound
from service.intents.store import list_intents
from service.reviews import store
from service.reviews.policies import active
from service.reviews.schemas import CardView, StoredVote
from service.reviews.views import view

REDRAWS = 3
WORDS = {"none": "none of these", "unsure": "unsure"}


class Drawing(NamedTuple):
    message: Message
    is_open: bool


def draw(connection: sa.Connection, place: Place) -> Drawing:
    """The card's message as it should be now. A blind card is never drawn for a channel: it shows only that it is
    gone."""
    found = store.get_card(connection, place.bot, place.card)
    if found.is_blind:
        return Drawing(blocks.gone(), is_open=False)
    try:
        shown = view(connection, found)
    except TurnNotFound:
        return Drawing(blocks.gone(), is_open=False)
    votes = active(store.votes_of(connection, place.card))
    return Drawing(blocks.card(shown, _said(connection, place.bot, votes)), is_open=found.status == "open")


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


def redraw(engine: sa.Engine, client: WebClient, place: Place, channel: str, ts: str) -> None:
    """Update the message until it shows what SQL says: of two redraws at once the one that ends last looks again."""
    shown: Message | None = None
    for _ in range(REDRAWS):
        with database.reading(engine) as connection:
            drawing = draw(connection, place)
        if drawing.message == shown:
            break
        shown = drawing.message
        client.chat_update(channel=channel, ts=ts, text=shown.text, blocks=list(shown.blocks))
        with database.writing(engine) as connection:
            posts.shows(connection, place.card, "posted" if drawing.is_open else "closed")
