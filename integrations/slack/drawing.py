"""A message drawn from SQL: its cards one below the other, each with its buttons or with who said what."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import sqlalchemy as sa

from integrations.slack import blocks, cards
from integrations.slack.blocks import Block, Message, Place
from integrations.slack.messages import GONE, Shown
from service.errors import TurnNotFound
from service.reviews import store
from service.reviews.policies import active
from service.reviews.views import view

DIVIDER: Block = {"type": "divider"}
BLOCKS = 50  # of a message
# All text of a message's blocks, in characters. Slack documents no limit, but has refused messages of 11,300 as
# msg_blocks_too_long (github.com/slackapi/bolt-js/issues/2867); votes come on top of what is posted.
TEXT = 8_000


class Drawing(NamedTuple):
    """A message as it should be now, and what it then shows of each card, by id."""

    message: Message
    shown: Mapping[str, Shown]


class _Part(NamedTuple):
    """A card on a message."""

    text: str
    blocks: Sequence[Block]
    shown: Shown


def draw(connection: sa.Connection, bot: str, card_ids: Sequence[str]) -> Drawing:
    parts = [_part(connection, Place(bot, card_id)) for card_id in card_ids]
    return Drawing(_message(parts), {card_id: part.shown for card_id, part in zip(card_ids, parts, strict=True)})


def _message(parts: Sequence[_Part]) -> Message:
    first, *others = parts
    text = f"{len(parts)} cards. {first.text}" if others else first.text
    body = [*first.blocks, *(block for part in others for block in (DIVIDER, *part.blocks))]
    return Message(text, tuple(body))


def _part(connection: sa.Connection, place: Place) -> _Part:
    """A blind card is never drawn for a channel: it shows only that it is gone."""
    card = store.get_card(connection, *place)
    votes = store.votes_of(connection, place.card)
    newest = max((vote.id for vote in votes), default=0)
    try:
        drawn = None if card.is_blind else view(connection, card)
    except TurnNotFound:
        drawn = None
    if drawn is None:
        return _Part(*_of(blocks.gone()), Shown(GONE, newest))
    message = blocks.card(drawn, cards.said(connection, place.bot, active(votes)))
    return _Part(*_of(message), Shown(card.status, newest))


def _of(message: Message) -> tuple[str, Sequence[Block]]:
    return message.text, message.blocks


def how_many_fit(connection: sa.Connection, bot: str, card_ids: Sequence[str]) -> int:
    """So many of the first of these cards stand on one message within Slack's limits; at least one does."""
    blocks_so_far = length = 0
    for n, card_id in enumerate(card_ids):
        part = _part(connection, Place(bot, card_id))
        blocks_so_far += len(part.blocks) + 1
        length += sum(map(len, texts(part.blocks)))
        if n and (blocks_so_far > BLOCKS or length > TEXT):
            return n
    return len(card_ids)


def texts(given: object) -> Iterator[str]:
    """Every text anywhere in the blocks.

    >>> list(texts([{"type": "context", "elements": [{"type": "plain_text", "text": "refund"}]}]))
    ['refund']
    """
    if isinstance(given, Mapping):
        if isinstance(given.get("text"), str):
            yield given["text"]
        yield from texts(list(given.values()))
    elif isinstance(given, list | tuple):
        for one in given:
            yield from texts(one)
