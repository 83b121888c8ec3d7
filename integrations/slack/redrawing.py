"""A message brought up to what SQL says, at most once a second whichever process does it.

A redraw that has to wait, or that finds that something changed meanwhile, is made up for by a timer of the process
that wanted it; if that process dies, by the next dispatch, which looks for messages that are behind."""

import threading
from datetime import timedelta

import sqlalchemy as sa
import structlog
from slack_sdk.errors import SlackApiError

from integrations.slack import messages, pace
from integrations.slack.blocks import Message
from integrations.slack.client import (
    FAILURES,
    NotAsked,
    PatientClient,
    error_name,
    is_rate_limit,
    outcome,
    retry_after,
)
from integrations.slack.drawing import draw
from service import database

log = structlog.get_logger()

METHOD = "chat.update"
EVERY = timedelta(seconds=1)
LEASE = timedelta(seconds=15)  # longer than a request takes: two under way could arrive in the wrong order
DONE = timedelta()


class Redrawer:
    """Redraws for a process that lives: what has to wait is drawn when its time has come."""

    def __init__(self, client: PatientClient) -> None:
        self._client = client
        self._waiting: set[tuple[str, str]] = set()  # messages that a timer will redraw, and where
        self._lock = threading.Lock()

    def redraw_card(self, card_id: str, ts: str) -> None:
        """The message that the card stands on; `ts` as in the function `redraw`."""
        with database.reading(self._client.engine) as connection:
            message_id = messages.of_card(connection, card_id)
        if message_id is not None:
            self.redraw(message_id, ts)

    def redraw(self, message_id: str, ts: str) -> None:
        """Where somebody clicked; then the message itself, in case that was a twin."""
        if wait := redraw(self._client, message_id, ts):
            self._later(message_id, ts, wait)
        elif ts:
            self.redraw(message_id, "")

    def _later(self, message_id: str, ts: str, wait: timedelta) -> None:
        with self._lock:
            if (message_id, ts) in self._waiting:
                return
            self._waiting.add((message_id, ts))
        timer = threading.Timer(wait.total_seconds(), self._again, (message_id, ts))
        timer.name, timer.daemon = "redraw", True
        timer.start()

    def _again(self, message_id: str, ts: str) -> None:
        with self._lock:
            self._waiting.discard((message_id, ts))  # first: what changes from here on wants a redraw of its own
        try:
            self.redraw(message_id, ts)
        except sa.exc.SQLAlchemyError as error:  # the next dispatch draws it
            log.warning("slack.redraw_failed", message=message_id, error=type(error).__name__)


def redraw(client: PatientClient, message_id: str, ts: str = "") -> timedelta:
    """Show what SQL says; how long to wait before it must be tried again, zero when it need not.

    `ts` is where somebody clicked: the message itself, one that is not known to have arrived, or its twin."""
    with database.reading(client.engine) as connection:
        found = messages.get(connection, message_id)
        if found is None:
            return DONE
        is_other = ts != "" and (ts != found.ts or found.status != "posted")
        if not is_other and not messages.is_behind(connection, message_id):
            return DONE
    if wait := _claim(client, message_id):
        return wait
    started = client.now()
    with database.reading(client.engine) as connection:
        drawing = draw(connection, found.bot, message_id)
    if drawing is None:
        return DONE
    try:
        _update(client, found.channel, ts or found.ts, drawing.message)
    except FAILURES as error:
        return _failed(client, message_id, error, is_other=is_other)
    with database.writing(client.engine) as connection:
        messages.redraw_from(connection, message_id, started + EVERY)
        if is_other:
            return DONE
        drawing.remember(connection)
        return EVERY if messages.is_behind(connection, message_id) else DONE


def _claim(client: PatientClient, message_id: str) -> timedelta:
    now = client.now()
    with database.writing(client.engine) as connection:
        if wait := messages.claim(connection, message_id, now, LEASE):
            return wait
        if wait := pace.take(connection, pace.of(METHOD, ""), now):
            messages.redraw_from(connection, message_id, now + wait)
        return wait


def _update(client: PatientClient, channel: str, ts: str, message: Message) -> None:
    client.chat_update(channel=channel, ts=ts, text=message.text, blocks=list(message.blocks))


def _failed(client: PatientClient, message_id: str, error: Exception, *, is_other: bool) -> timedelta:
    """A request without an answer may still arrive: its lease stands, so that no other overtakes it."""
    if outcome(error) == "refused":
        log.warning("slack.redraw_refused", message=message_id, error=error_name(error))
        if not is_other:
            with database.writing(client.engine) as connection:
                messages.settle(connection, message_id, "failed")
        return DONE
    now = client.now()
    if isinstance(error, NotAsked):
        wait = max(error.until - now, EVERY)
    elif isinstance(error, SlackApiError) and is_rate_limit(error):
        wait = retry_after(error)
    else:
        return LEASE
    with database.writing(client.engine) as connection:
        messages.redraw_from(connection, message_id, now + wait)
    return wait
