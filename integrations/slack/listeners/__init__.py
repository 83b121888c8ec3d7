"""What Bolt calls: votes first, then the ack, then everything else."""

from typing import Any

import structlog
from slack_bolt import Ack

from integrations.slack.desk import Desk
from integrations.slack.listeners.alerts import on_propose, on_proposed, on_send
from integrations.slack.listeners.clicks import on_again, on_click, on_skip
from integrations.slack.listeners.home import on_home, on_start
from integrations.slack.listeners.notices import on_held, on_hold, on_promote, on_promoted
from integrations.slack.listeners.options import on_options
from integrations.slack.listeners.questions import VOTES, on_answer, on_more
from integrations.slack.listeners.report import on_report, on_reported
from integrations.slack.listeners.review import on_closed, review

__all__ = (
    "VOTES",
    "Desk",
    "on_again",
    "on_answer",
    "on_click",
    "on_closed",
    "on_held",
    "on_hold",
    "on_home",
    "on_more",
    "on_options",
    "on_promote",
    "on_promoted",
    "on_propose",
    "on_proposed",
    "on_report",
    "on_reported",
    "on_send",
    "on_skip",
    "on_start",
    "on_unknown",
    "review",
)

log = structlog.get_logger()


def on_unknown(ack: Ack, body: dict[str, Any]) -> None:
    """Without an ack the person sees an error; a button of an older or a newer version does nothing instead."""
    ack()
    log.warning("slack.unknown", type=str(body.get("type")))
