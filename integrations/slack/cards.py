"""What was said about a card, in words."""

import sqlalchemy as sa

from integrations.slack.blocks import Said, cut
from integrations.slack.blocks.talk import NAME_TEXT
from service.reviews import said, schemas, store
from service.reviews.schemas import CardView

IMPORT = "the import"  # of examples that the owner brought
WORDS: dict[str, str] = {"none": "none of these"}


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
