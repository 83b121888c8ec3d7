"""Labelling functions over HTTP: YAML in, what they are worth out."""

from typing import Any

from litestar import Controller, Request, get, put
from litestar.concurrency import sync_to_thread

from service.access.guard import requires
from service.access.roles import Principal
from service.bots.controllers import BotName
from service.clock import now
from service.context import Context
from service.database import reading
from service.weak import rules
from service.weak.schemas import FunctionSet, Labelling


class LabellingFunctionsController(Controller):
    path, tags = "/v1/bots/{bot:str}/labelling-functions", ("labelling functions",)

    @get("/", guards=[requires("reader")], sync_to_thread=True)
    def show_labelling_functions(self, context: Context, bot: BotName) -> Labelling:
        """The functions, and each one's coverage, conflict and accuracy in the newest training that used them."""
        with reading(context.engine) as connection:
            return rules.show(connection, bot)

    @put("/", guards=[requires("owner")])
    async def put_labelling_functions(
        self, request: Request[Any, Any, Any], context: Context, principal: Principal, bot: BotName
    ) -> FunctionSet:
        """Body: YAML, which replaces the functions there were; see `fencepost weak put --help`."""
        body = await request.body()
        return await sync_to_thread(_put, context, principal, bot, body)


def _put(context: Context, principal: Principal, bot: str, body: bytes) -> FunctionSet:
    return rules.put(context, bot, body, now(), who=principal.name)


CONTROLLERS = (LabellingFunctionsController,)
