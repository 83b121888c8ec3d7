"""The advice of a page: with thousands of labels it takes half a second to work out."""

import sqlalchemy as sa

from service.bots.store import get_bot
from service.boundary.measuring import intents_advice
from service.boundary.schemas import IntentsAdvice
from service.renewed import Renewed

_kept = Renewed(intents_advice)


def kept_advice(connection: sa.Connection, bot: str) -> IntentsAdvice:
    """A minute old, mostly, and never of another classifier than the one in force. BotNotFound."""
    return _kept.of(connection, bot, get_bot(connection, bot).champion)
