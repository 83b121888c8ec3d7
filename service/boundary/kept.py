"""What pages say of intents: with thousands of labels it takes half a second to work out."""

import sqlalchemy as sa

from service.bots.store import get_bot
from service.boundary.measuring import Looked, look
from service.boundary.schemas import IntentsAdvice
from service.renewed import Renewed

_kept = Renewed(look)


def kept(connection: sa.Connection, bot: str) -> Looked:
    """A minute old, mostly, and never of another classifier than the one in force. BotNotFound."""
    return _kept.of(connection, bot, get_bot(connection, bot).champion)


def kept_advice(connection: sa.Connection, bot: str) -> IntentsAdvice:
    """The same of the weak intents alone."""
    return kept(connection, bot).advice
