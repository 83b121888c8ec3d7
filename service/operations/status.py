"""`fencepost status`: what runs, and what each bot has waiting."""

import msgspec
import sqlalchemy as sa

from service import database
from service.bots.store import list_bots
from service.context import Context
from service.errors import RedisDown
from service.operations.supervisor import Running, load_state
from service.streams import Streams
from service.tables import NOT_SAID, candidate, card, endpoint, label, turn
from service.tables import bot as bots


class BotStatus(msgspec.Struct, frozen=True):
    """One line a bot; `waiting` is None while Redis does not answer."""

    bot: str
    waiting: int | None
    turns: int
    candidates: int
    cards: int
    labels: int
    champion: int | None
    disabled_endpoints: int


class Status(msgspec.Struct, frozen=True):
    running: Running | None
    bots: list[BotStatus]


def read_status(context: Context) -> Status:
    streams = Streams(context.redis, context.keyring, context.settings.stream_bound)
    with database.reading(context.engine) as connection:
        found = [_bot_status(connection, streams, bot.name) for bot in list_bots(connection)]
    return Status(load_state(context.settings), found)


def _bot_status(connection: sa.Connection, streams: Streams, name: str) -> BotStatus:
    def count(table: sa.Table, *where: sa.ColumnElement[bool]) -> int:
        return connection.scalar(sa.select(sa.func.count()).select_from(table).where(table.c.bot == name, *where)) or 0

    return BotStatus(
        bot=name,
        waiting=_depth(streams, name),
        turns=count(turn, turn.c.source.not_in(NOT_SAID)),
        candidates=count(candidate, candidate.c.status == "open"),
        cards=count(card, card.c.status == "open"),
        labels=count(label, label.c.use == "train"),
        champion=connection.scalar(sa.select(bots.c.champion).where(bots.c.name == name)),
        disabled_endpoints=count(endpoint, endpoint.c.disabled_at.is_not(None)),
    )


def _depth(streams: Streams, bot: str) -> int | None:
    try:
        return streams.depth(bot)
    except RedisDown:
        return None
