"""Intents over HTTP: single ones as JSON, many as JSON Lines."""

from typing import Annotated, Any

from litestar import Controller, Request, get, patch, post
from litestar.concurrency import sync_to_thread
from litestar.params import Parameter

from service.access.guard import requires
from service.access.roles import Principal
from service.bots.controllers import BotName
from service.clock import now
from service.context import Context
from service.database import reading, writing
from service.intents import rules, store
from service.intents.parsing import parse_jsonl
from service.intents.schemas import Imported, Intent, IntentChange, IntentView, NewIntent
from service.page import Page

IntentId = Annotated[int, Parameter(description="the intent's id")]


class IntentsController(Controller):
    path, tags = "/v1/bots/{bot:str}/intents", ("intents",)

    @get("/", guards=[requires("reader")], sync_to_thread=True)
    def list_intents(self, context: Context, bot: BotName, archived: bool = False) -> Page[IntentView]:
        with reading(context.engine) as connection:
            return Page(store.views(connection, bot, archived=archived))

    @post("/", guards=[requires("owner")], sync_to_thread=True)
    def create_intent(self, context: Context, principal: Principal, bot: BotName, data: NewIntent) -> Intent:
        with writing(context.engine) as connection:
            return store.create_intents(connection, bot, {data.name: data.description}, now(), who=principal.name)[0]

    @patch("/{intent:int}", guards=[requires("owner")], sync_to_thread=True)
    def change_intent(
        self, context: Context, principal: Principal, bot: BotName, intent: IntentId, data: IntentChange
    ) -> Intent:
        return rules.change(context, bot, intent, data, now(), who=principal.name)

    @post("/import", guards=[requires("owner")], status_code=200)
    async def import_intents(
        self, request: Request[Any, Any, Any], context: Context, principal: Principal, bot: BotName
    ) -> Imported:
        """Body: JSON Lines of intents with examples, or of examples; see `fencepost intents import --help`."""
        body = await request.body()
        return await sync_to_thread(_import, rules.import_intents, context, principal, bot, body)


class GoldController(Controller):
    path, tags = "/v1/bots/{bot:str}/gold", ("gold",)

    @post("/import", guards=[requires("owner")], status_code=200)
    async def import_gold(
        self, request: Request[Any, Any, Any], context: Context, principal: Principal, bot: BotName
    ) -> Imported:
        """Body: JSON Lines of `{"text", "intent"}`: labels that test and never train."""
        body = await request.body()
        return await sync_to_thread(_import, rules.import_gold, context, principal, bot, body)


def _import(importing: rules.Importing, context: Context, principal: Principal, bot: str, body: bytes) -> Imported:
    return importing(context, bot, parse_jsonl(body), now(), who=principal.name)


CONTROLLERS = (IntentsController, GoldController)
