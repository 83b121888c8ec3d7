"""The home tab: drawn anew whenever somebody opens it, with a way into the review modal."""

from typing import Any

import structlog
from slack_bolt import Ack
from slack_sdk.errors import SlackApiError

from integrations.slack import home, reviewing
from integrations.slack.blocks import Block
from integrations.slack.blocks.metadata import Sitting
from integrations.slack.blocks.review import refused
from integrations.slack.client import error_name
from integrations.slack.desk import REFUSALS, Desk, forgiving, reason
from integrations.slack.listeners.shown import BUSY
from integrations.slack.meant import check
from integrations.slack.modals import Busy
from service import database
from service.bots.store import get_bot

log = structlog.get_logger()

BAD_BLOCKS = {"invalid_arguments", "invalid_blocks"}  # what Slack calls them in a view, or in a message


def on_home(ack: Ack, body: dict[str, Any], desk: Desk) -> None:
    ack()
    event = body["event"]
    if event["tab"] == "home":
        _publish(desk, event["user"])


def on_start(ack: Ack, body: dict[str, Any], desk: Desk) -> None:
    """Open the review modal."""
    ack()
    user, bot = body["user"]["id"], body["actions"][0]["value"]
    view = _draw(desk, user, bot)
    try:
        with forgiving("slack.view_not_opened"):
            desk.modals.open(body["trigger_id"], view)
    except Busy:
        _publish(desk, user, BUSY)


def _draw(desk: Desk, user: str, bot: str) -> Block:
    """The role may have been taken away since the tab was drawn."""
    try:
        with database.reading(desk.context.engine) as connection:
            check(connection, get_bot(connection, bot), user, None, "reviewer")
    except REFUSALS as error:
        return refused(bot, f"{reason(error)}.")
    return reviewing.draw(desk.context.engine, user, Sitting(bot))


def _publish(desk: Desk, user: str, note: str = "") -> None:
    """A tab that Slack does not take for now is drawn when it is opened again."""
    try:
        with forgiving("slack.home_not_drawn"):
            _show(desk, user, note)
    except Busy:
        log.warning("slack.home_not_drawn", error="busy")


def _show(desk: Desk, user: str, note: str) -> None:
    """Without pictures where Slack refuses the view: one may have been deleted there."""
    try:
        desk.modals.publish(user, home.draw(desk.context.engine, user, note=note))
    except SlackApiError as error:
        if error_name(error) not in BAD_BLOCKS:
            raise
        log.warning("slack.pictures_refused", error=error_name(error))
        desk.modals.publish(user, home.draw(desk.context.engine, user, note=note, with_pictures=False))
