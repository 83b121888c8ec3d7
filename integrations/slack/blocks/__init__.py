"""Block Kit messages and views, purely built.

What people wrote goes only into plain text and rich text elements, which Slack shows letter by letter: no mention, link
or mrkdwn in it can act. `python -m integrations.slack.blocks --samples DIR` writes one file per surface."""

from integrations.slack.blocks.channel import card, card_blocks, card_text, cards, cards_text, gone, likely
from integrations.slack.blocks.elements import OPTIONS, Block, Message, cut, escape, options, plain
from integrations.slack.blocks.names import ANSWER, OTHER, Place, place_of
from integrations.slack.blocks.talk import Said

__all__ = (
    "ANSWER",
    "OPTIONS",
    "OTHER",
    "Block",
    "Message",
    "Place",
    "Said",
    "card",
    "card_blocks",
    "card_text",
    "cards",
    "cards_text",
    "cut",
    "escape",
    "gone",
    "likely",
    "options",
    "place_of",
    "plain",
)
