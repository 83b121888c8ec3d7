"""The front page: every bot one may see, in a few numbers."""

import msgspec
import sqlalchemy as sa
from litestar import Controller, Response, get

from service import slack_trouble, tables
from service.access.guard import requires
from service.access.roles import Principal, allows
from service.bots.schemas import Bot
from service.bots.store import list_bots
from service.console.frame import page
from service.context import Context
from service.database import reading
from service.reviews import store
from service.slack_trouble import Trouble, troubles
from service.turns import tally


class BotCounts(msgspec.Struct, frozen=True):
    name: str
    turns: int
    cards: int  # open
    labels: int  # turns with a label that may train
    champion: int | None
    refused: list[Trouble]  # by Slack, in its channel


class BotsController(Controller):
    path, include_in_schema = "/", False

    @get("/", guards=[requires("reader")], sync_to_thread=True)
    def show_bots(self, context: Context, principal: Principal) -> Response[str]:
        with reading(context.engine) as connection:
            bots = [bot for bot in count_bots(connection) if allows(principal, "reader", bot.name)]
            refused = slack_trouble.troubles(connection)
        reviewed = {bot.name for bot in bots if allows(principal, "reviewer", bot.name)}
        has_slack = bool(context.settings.slack_bot_token)
        return page(
            "bots.html", principal=principal, bots=bots, reviewed=reviewed, refused=refused, has_slack=has_slack
        )


def count_bots(connection: sa.Connection) -> list[BotCounts]:
    return [_counts(connection, bot) for bot in list_bots(connection)]


def _counts(connection: sa.Connection, bot: Bot) -> BotCounts:
    name = bot.name
    label = tables.label
    labelled = sa.select(sa.func.count(label.c.turn_id.distinct())).where(label.c.bot == name, label.c.use == "train")
    return BotCounts(
        name,
        tally.total(connection, name, tally.TURNS),
        store.count_open(connection, name),
        connection.scalar(labelled) or 0,
        bot.champion,
        troubles(connection, bot.slack_channel) if bot.slack_channel else [],
    )
