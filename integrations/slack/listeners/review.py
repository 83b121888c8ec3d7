"""`/fencepost review [bot]`: one modal that walks through cards."""

from typing import Any

from slack_bolt import Ack

from integrations.slack import people, reviewing
from integrations.slack.blocks import escape
from integrations.slack.blocks.metadata import Sitting
from integrations.slack.desk import REFUSALS, Desk, forgiving, reason
from service import database
from service.bots.schemas import Bot
from service.bots.store import list_bots
from service.errors import BadInput


def review(ack: Ack, body: dict[str, Any], desk: Desk, argument: str) -> None:
    """Open the modal; only the person sees why not, where it cannot be."""
    user = body["user_id"]
    try:
        with database.reading(desk.context.engine) as connection:
            bot = bot_meant(list_bots(connection), argument, body["channel_id"])
            people.voter(connection, bot, user)
    except REFUSALS as error:
        ack(text=escape(f"There is nothing to review: {reason(error)}."))
        return
    ack()
    view = reviewing.draw(desk.context.engine, user, Sitting(bot))
    with forgiving("slack.view_not_opened", bot=bot):
        desk.client.views_open(trigger_id=body["trigger_id"], view=view)


def bot_meant(bots: list[Bot], argument: str, channel: str) -> str:
    """The bot of that name; without a name the only one whose cards come to this channel, else the only one. BadInput
    names those there are."""
    names = [bot.name for bot in bots]
    here = [bot.name for bot in bots if bot.slack_channel == channel]
    wanted = argument.strip()
    found = [name for name in names if name == wanted] if wanted else (here or names)
    if len(found) == 1:
        return found[0]
    if not names:
        raise BadInput("there is no bot yet")
    offered = ", ".join(f"/fencepost review {name}" for name in (names if wanted else found))
    raise BadInput(f"there is no bot {wanted!r}" if wanted else "there are several bots", hint=offered)
