"""The message shortcut "Report wrong intent"."""

from collections.abc import Mapping
from typing import Any

import msgspec
import sqlalchemy as sa
import structlog
from redis.exceptions import RedisError
from slack_bolt import Ack

from integrations.slack import reporting
from integrations.slack.blocks import Block
from integrations.slack.blocks.report import report, told
from integrations.slack.desk import REFUSALS, Desk, reason
from integrations.slack.listeners.shown import open_view
from integrations.slack.listeners.votes import intent_name
from integrations.slack.manifest import REPORT
from integrations.slack.reporting import About
from service import clock, database
from service.context import Context
from service.errors import FencepostError
from service.jobs import Job, enqueue

log = structlog.get_logger()

THANKS = "Thank you. It is taken as a sign that the bot was wrong there."


def on_report(ack: Ack, body: dict[str, Any], desk: Desk) -> None:
    """Ask what was wrong, or say why it cannot be reported."""
    ack()
    try:
        view = _draw(desk, body)
    except REFUSALS as error:
        view = _refused(error)
    open_view(desk, body, view)


def _draw(desk: Desk, body: Mapping[str, Any]) -> Block:
    with database.reading(desk.context.engine) as connection:
        about, turns, names_intents = reporting.draft(connection, body)
    metadata = msgspec.json.encode(about).decode()
    return report(REPORT, about.bot, turns, metadata, names_intents=names_intents)


def _refused(error: FencepostError) -> Block:
    return told(REPORT, f"This cannot be reported: {reason(error)}.")


def on_reported(ack: Ack, body: dict[str, Any], desk: Desk) -> None:
    """Store the report, ack with thanks, have it looked at."""
    about = msgspec.json.decode(body["view"]["private_metadata"], type=About)
    try:
        with database.writing(desk.context.engine) as connection:
            _file(connection, desk, about, body)
    except REFUSALS as error:
        ack(response_action="update", view=_refused(error))
        return
    ack(response_action="update", view=told(REPORT, THANKS))
    _ask_to_weigh(desk.context, about.bot)


def _file(connection: sa.Connection, desk: Desk, about: About, body: Mapping[str, Any]) -> None:
    chosen = _chosen(body["view"])
    about = msgspec.structs.replace(about, card=chosen.get("card") or about.card)
    intent = intent_name(connection, about.bot, chosen["intent"]) if chosen.get("intent") else ""
    reporting.file(connection, desk.context.keyring, about, body["user"]["id"], intent, clock.now())


def _chosen(view: Mapping[str, Any]) -> dict[str, str]:
    """Values of the options that were chosen, by field."""
    states = ((block_id, state) for block_id, block in view["state"]["values"].items() for state in block.values())
    return {
        block_id.rpartition(":")[2]: state["selected_option"]["value"]
        for block_id, state in states
        if state.get("selected_option")
    }


def _ask_to_weigh(context: Context, bot: str) -> None:
    try:
        enqueue(context.queue, Job.REPORTS, bot)
    except RedisError as error:  # the schedule asks again
        log.warning("reports.not_asked", bot=bot, error=str(error))
