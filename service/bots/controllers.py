"""Bots over HTTP."""

from typing import Annotated, Any

import msgspec
from litestar import Controller, delete, get, patch, post
from litestar.params import Parameter

from service.access.guard import requires
from service.access.roles import Principal, allows
from service.bots import rules, store
from service.bots.schemas import Bot, Options
from service.clock import now
from service.context import Context
from service.database import reading, writing
from service.page import Page

BotName = Annotated[str, Parameter(description="the bot's name")]
Grace = Annotated[int, Parameter(ge=0, le=30 * 24 * 3600, description="seconds for which the old one stays valid")]


class NewBot(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str


class OpenedBot(msgspec.Struct, frozen=True, kw_only=True):
    """`secret` signs deliveries to `webhook`; it is shown this once."""

    bot: Bot
    webhook: str
    secret: str


def webhook_url(context: Context, bot: str, source: str) -> str:
    return f"{context.settings.base_url}/webhooks/{bot}/{source}"


class BotsController(Controller):
    path, tags = "/v1/bots", ("bots",)

    @get("/", guards=[requires("reader")], sync_to_thread=True)
    def list_bots(self, context: Context, principal: Principal, archived: bool = False) -> Page[Bot]:
        """The bots whose reader one is."""
        with reading(context.engine) as connection:
            found = store.list_bots(connection, archived=archived)
        return Page([bot for bot in found if allows(principal, "reader", bot.name)])

    @post("/", guards=[requires("operator")], sync_to_thread=True)
    def create_bot(self, context: Context, principal: Principal, data: NewBot) -> OpenedBot:
        options: dict[str, Any] = msgspec.to_builtins(data)
        bot, secret = rules.open_bot(context, options.pop("name"), now(), who=principal.name, **options)
        return OpenedBot(bot=bot, webhook=webhook_url(context, bot.name, store.NATIVE), secret=secret)

    @get("/{bot:str}", guards=[requires("reader")], sync_to_thread=True)
    def show_bot(self, context: Context, bot: BotName) -> Bot:
        with reading(context.engine) as connection:
            return store.get_bot(connection, bot)

    @patch("/{bot:str}", guards=[requires("owner")], sync_to_thread=True)
    def change_bot(self, context: Context, principal: Principal, bot: BotName, data: Options) -> Bot:
        return rules.change_bot(context, bot, now(), who=principal.name, **msgspec.to_builtins(data))

    @delete("/{bot:str}", guards=[requires("operator")], status_code=200, sync_to_thread=True)
    def archive_bot(self, context: Context, principal: Principal, bot: BotName) -> Bot:
        """Archive: nothing is deleted, and `fencepost bot archive --undo` brings it back."""
        with writing(context.engine) as connection:
            return store.archive_bot(connection, bot, now(), who=principal.name)


CONTROLLERS = (BotsController,)
