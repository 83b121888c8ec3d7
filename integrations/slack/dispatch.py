"""One run for a bot's channel: what it shows is brought up to what SQL says, and new notices and
cards are posted."""

import time
from collections.abc import Callable

import structlog

from integrations.slack import messages
from integrations.slack.client import FAILURES, NotAsked, PatientClient, error_name
from integrations.slack.lookup import Finder
from integrations.slack.redrawing import redraw
from integrations.slack.sending import Pause, Sender
from service import database
from service.bots.hours import is_quiet
from service.bots.store import get_bot

log = structlog.get_logger()

REDRAWN = 20  # messages a run; Slack takes about fifty updates a minute


def dispatch(client: PatientClient, bot: str, *, pause: Pause = time.sleep) -> int:
    """How many cards were posted. A step that Slack ends is gone on with in the next run; the others are tried, but
    Slack is not asked again at once."""
    with database.reading(client.engine) as connection:
        found = get_bot(connection, bot)
    sender = Sender(client, bot, pause)
    steps: list[Callable[[], object]] = [lambda: _greet(client), lambda: _redraw(client, bot)]
    if found.archived_at is None and not is_quiet(found, client.now()):
        steps.insert(1, Finder(sender).settle)
        if found.slack_channel:
            steps += [lambda: sender.tell(found.slack_channel), lambda: sender.post(found.slack_channel)]
    for step in steps:
        _try(step, bot)
    return sender.posted


def _try(step: Callable[[], object], bot: str) -> None:
    try:
        step()
    except NotAsked as error:
        log.debug("slack.not_asked", bot=bot, until=error.until.isoformat())
    except FAILURES as error:
        log.warning("slack.step_ended", bot=bot, error=error_name(error))


def _greet(client: PatientClient) -> None:
    """While Slack refuses everything, ask whether it still does: there may be nothing to post that would tell."""
    if client.closed_until("auth.test", ""):
        client.auth_test()


def _redraw(client: PatientClient, bot: str) -> None:
    """Buttons leave the messages of cards that were answered elsewhere, and come back after an undo."""
    with database.reading(client.engine) as connection:
        found = messages.behind(connection, bot, client.now(), REDRAWN)
    for message_id in found:
        redraw(client, message_id)
