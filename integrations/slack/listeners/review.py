"""`/fencepost review [bot]`: one modal that walks through cards."""

from typing import Any

from slack_bolt import Ack

from integrations.slack import reviewing
from integrations.slack.blocks import escape, place_of
from integrations.slack.blocks.metadata import Sitting
from integrations.slack.desk import REFUSALS, Desk, reason
from integrations.slack.listeners.shown import open_view
from integrations.slack.meant import bot_meant
from service import database
from service.access.roles import SLACK_USER
from service.reviews import store


def review(ack: Ack, body: dict[str, Any], desk: Desk, argument: str) -> None:
    """Open the modal; only the person sees why not, where it cannot be."""
    user = body["user_id"]
    try:
        with database.reading(desk.context.engine) as connection:
            bot = bot_meant(connection, body, argument.strip(), "reviewer").name
    except REFUSALS as error:
        ack(text=escape(f"There is nothing to review: {reason(error)}."))
        return
    ack()
    open_view(desk, body, reviewing.draw(desk.context.engine, user, Sitting(bot)))


def on_closed(ack: Ack, body: dict[str, Any], desk: Desk) -> None:
    """The card that was shown goes back to everybody."""
    shown = [place_of(block["block_id"]) for block in body["view"]["blocks"] if block["type"] == "actions"]
    with database.writing(desk.context.engine) as connection:
        for place in shown[:1]:
            store.drop_claim(connection, place.card, SLACK_USER + body["user"]["id"])
    ack()
