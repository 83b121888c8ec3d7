"""A card's message drawn from SQL, and a message brought up to what SQL says."""

from typing import NamedTuple

import sqlalchemy as sa
from slack_sdk import WebClient

from integrations.slack import blocks, posts
from integrations.slack.blocks import Message, Place, Said, cut
from integrations.slack.blocks.talk import NAME_TEXT
from service import database
from service.errors import TurnNotFound
from service.reviews import said, schemas, store
from service.reviews.schemas import CardView
from service.reviews.views import view

REDRAWS = 3
IMPORT = "the import"  # of examples that the owner brought
WORDS: dict[str, str] = {"none": "none of these"}


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
    return Drawing(blocks.card(shown, said_on(shown)), is_open=found.status == "open")


def said_on(shown: CardView) -> list[Said]:
    """The answers that its reader may see."""
    return [Said(one.reviewer or IMPORT, in_words(one)) for one in shown.said]


def in_words(one: schemas.Said) -> str:
    words = WORDS.get(one.answer, one.words)
    return f"{words} of “{cut(one.text, NAME_TEXT)}”" if one.text else words


def answer_of(connection: sa.Connection, bot: str, card: str, reviewer: str) -> str:
    """The reviewer's answer in words; "" when it was taken back."""
    answers = said.on(connection, store.get_card(connection, bot, card))
    return next((in_words(one) for one in answers if one.reviewer == reviewer), "")


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
