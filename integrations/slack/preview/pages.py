"""The pages. They need no token: nothing is asked of Slack."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from litestar import Controller, Response, get
from litestar.types import ControllerRouterHandler

from integrations.slack import messages
from integrations.slack.blocks import Block, Message, card, samples
from integrations.slack.blocks.metadata import Sitting
from integrations.slack.blocks.review import Progress, review
from service.access.guard import requires
from service.access.roles import Principal, allows
from service.bots.controllers import BotName
from service.bots.store import list_bots
from service.console.frame import asset, files, page, refused, templates
from service.context import Context
from service.database import reading
from service.reviews import store
from service.reviews.views import view

FOLDER = Path(__file__).parent
STATIC, STATIC_PATH = FOLDER / "static", "/slack-preview/static"

TEMPLATES = templates(FOLDER / "templates")


class PreviewController(Controller):
    path, include_in_schema = "/", False
    exception_handlers = {Exception: refused}  # noqa: RUF012 - Litestar reads it from the class

    @get("/slack-preview", guards=[requires("reader")], sync_to_thread=True)
    def show_samples(self, context: Context, principal: Principal) -> Response[str]:
        with reading(context.engine) as connection:
            bots = [bot.name for bot in list_bots(connection) if allows(principal, "reader", bot.name)]
        return _page(principal, samples.surfaces(), bots=bots)

    @get("/bots/{bot:str}/slack-preview", guards=[requires("reader")], sync_to_thread=True)
    def show_next_card(self, context: Context, principal: Principal, bot: BotName) -> Response[str]:
        """The bot's next card as a message and in the review modal."""
        with reading(context.engine) as connection:
            surfaces = next_card(connection, bot)
        return _page(principal, surfaces, bot=bot)


def next_card(connection: sa.Connection, bot: str) -> dict[str, Message | Block]:
    """Empty when no card is open that a channel may see. It is not claimed: looking is not reviewing."""
    card_id = connection.scalar(messages.open_cards(bot).limit(1))
    if card_id is None:
        return {}
    shown = view(connection, store.get_card(connection, bot, card_id))
    return {"message": card(shown), "review": review(shown, Progress(0), Sitting(bot))}


def _page(
    principal: Principal, surfaces: Mapping[str, Message | Block], *, bot: str = "", bots: Sequence[str] = ()
) -> Response[str]:
    plain: dict[str, Any] = msgspec.to_builtins(surfaces)
    stylesheet = asset("slack.css", STATIC, STATIC_PATH)
    return page(
        "preview.html",
        found_in=TEMPLATES,
        principal=principal,
        surfaces=plain,
        bot=bot,
        bots=bots,
        stylesheet=stylesheet,
    )


MOUNTS: tuple[ControllerRouterHandler, ...] = (PreviewController, files(STATIC, STATIC_PATH))
