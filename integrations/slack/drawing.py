"""A message drawn from SQL: a notice, or cards one below the other, each with its buttons or with who said what."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import sqlalchemy as sa

from integrations.slack import blocks, cards, messages, notices
from integrations.slack.blocks import Message, Place, Said
from integrations.slack.messages import GONE, Shown
from service.errors import TurnNotFound
from service.reviews import store
from service.reviews.schemas import CardView
from service.reviews.views import view

BLOCKS = 50  # of a message
# All text of a message's blocks, in characters. Slack documents no limit, but has refused messages of 11,300 as
# msg_blocks_too_long (github.com/slackapi/bolt-js/issues/2867); votes come on top of what is posted.
TEXT = 8_000


class Drawing(NamedTuple):
    """A message as it should be now; `remember` writes down what it then shows."""

    message: Message
    remember: Callable[[sa.Connection], None]


class _Part(NamedTuple):
    """A card on a message; `drawn` None: gone."""

    drawn: tuple[CardView, Sequence[Said]] | None
    shown: Shown


def draw(connection: sa.Connection, bot: str, message_id: str) -> Drawing | None:
    """None: nothing stands on the message."""
    if notice := notices.on_message(connection, message_id):
        message, turn_ids = notices.draw(connection, notice)
        return Drawing(message, partial(notices.shows, found=notice, turn_ids=turn_ids))
    parts = {card_id: _part(connection, Place(bot, card_id)) for card_id in messages.cards_of(connection, message_id)}
    if not parts:
        return None
    shown = {card_id: part.shown for card_id, part in parts.items()}
    return Drawing(
        blocks.cards([part.drawn for part in parts.values()]),
        partial(messages.shows, message_id=message_id, shown=shown),
    )


def _part(connection: sa.Connection, place: Place) -> _Part:
    """A blind card is never drawn for a channel: it shows only that it is gone."""
    card = store.get_card(connection, *place)
    newest = max((vote.id for vote in store.votes_of(connection, place.card)), default=0)
    try:
        drawn = None if card.is_blind else view(connection, card)
    except TurnNotFound:
        drawn = None
    if drawn is None:
        return _Part(None, Shown(GONE, newest))
    return _Part((drawn, cards.said_on(drawn)), Shown(card.status, newest))


def how_many_fit(connection: sa.Connection, bot: str, card_ids: Sequence[str]) -> int:
    """So many of the first of these cards stand on one message within Slack's limits; at least one."""
    parts = [_part(connection, Place(bot, card_id)).drawn for card_id in card_ids]
    return next((n for n in range(len(parts), 1, -1) if fits(blocks.cards(parts[:n]))), 1)


def fits(message: Message) -> bool:
    return len(message.blocks) <= BLOCKS and sum(map(len, texts(message.blocks))) <= TEXT


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
