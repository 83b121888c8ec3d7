"""What pages say of intents: with thousands of labels it takes half a second to work out."""

import sqlalchemy as sa

from service.bots.store import get_bot
from service.boundary import rules
from service.boundary.measuring import Looked, look
from service.boundary.rules import Found
from service.boundary.schemas import IntentsAdvice
from service.intents.store import list_intents
from service.renewed import Renewed

_kept = Renewed(look)
_pairs = Renewed(rules.look)


def kept(connection: sa.Connection, bot: str) -> Looked:
    """A minute old, mostly, and never of another classifier than the one in force. BotNotFound."""
    return _kept.of(connection, bot, get_bot(connection, bot).champion)


def kept_advice(connection: sa.Connection, bot: str) -> IntentsAdvice:
    """The same of the weak intents alone."""
    return kept(connection, bot).advice


def kept_pairs(connection: sa.Connection, bot: str) -> Found:
    """What is known of all pairs, a minute old, mostly; of the intents there are now. BotNotFound."""
    names = tuple((one.id, one.name) for one in list_intents(connection, bot))
    return _pairs.of(connection, bot, (get_bot(connection, bot).champion, names))
