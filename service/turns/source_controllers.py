"""What a bot's sources do, and their dead letters, over HTTP."""

from typing import Annotated, Any

from litestar import Controller, delete, get, post
from litestar.params import Parameter

from service.access.guard import requires
from service.access.roles import Principal
from service.bots.controllers import BotName
from service.clock import now
from service.context import Context
from service.page import Page
from service.turns import dead
from service.turns.activity import Activity, activity

LetterId = Annotated[str, Parameter(description="the dead letter's id")]
After = Annotated[str, Parameter(description="`next` of the page before", pattern=r"^(\d{1,20}-\d{1,20})?$")]


class ActivityController(Controller):
    path, tags, guards = "/v1/bots/{bot:str}/deliveries", ("sources",), (requires("owner"),)

    @get("/", sync_to_thread=True)
    def show_activity(self, context: Context, bot: BotName) -> Activity:
        """What each source brought by day, what was taken, repeated, rejected and refused in seven days, and how far
        ingest is behind."""
        return activity(context, bot, now())


class DeadLettersController(Controller):
    path, tags, guards = "/v1/bots/{bot:str}/dead-letters", ("sources",), (requires("owner"),)

    @get("/", sync_to_thread=True)
    def list_letters(self, context: Context, bot: BotName, cursor: After = "") -> Page[dict[str, Any]]:
        """Facts that failed five times on their own, oldest first; what people wrote is masked."""
        return dead.page(dead.streams_of(context), bot, cursor)

    @post("/{letter:str}/replay", status_code=204, sync_to_thread=True)
    def replay_letter(self, context: Context, principal: Principal, bot: BotName, letter: LetterId) -> None:
        """Send it through ingest again, once what broke is mended."""
        dead.replay(context, bot, [letter], now(), who=principal.name)

    @delete("/{letter:str}", status_code=204, sync_to_thread=True)
    def drop_letter(self, context: Context, principal: Principal, bot: BotName, letter: LetterId) -> None:
        """Delete it for good."""
        dead.drop(context, bot, [letter], now(), who=principal.name)


CONTROLLERS = (ActivityController, DeadLettersController)
