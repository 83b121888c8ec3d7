"""Modals opened, and brought up to date, at Slack's pace: for people who wait, and not long."""

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import structlog
from slack_sdk.errors import SlackApiError

from integrations.slack import pace
from integrations.slack.blocks import Block
from integrations.slack.client import Client, error_name, is_rate_limit
from service import database

log = structlog.get_logger()

OPENING = timedelta(seconds=1)  # of a trigger's three seconds, which begin with the click
UPDATING = timedelta(seconds=4)
TOO_LATE = "expired_trigger_id"

Pause = Callable[[float], None]


class Busy(Exception):
    """Slack takes no more such requests for now: the person may try again."""


class Update(NamedTuple):
    """What a view is to show, drawn when its turn comes. `hash` says which state of the view was clicked: one that has
    changed since is left alone. "": whichever it is."""

    view_id: str
    hash: str
    draw: Callable[[], Block]


class Modals:
    """One for the process: of a view's updates only the newest waits for its turn."""

    def __init__(self, client: Client, pause: Pause = time.sleep) -> None:
        self._client, self._pause = client, pause
        self._waiting: dict[str, Update] = {}  # the newest of each view, for one thread that waits for its turn
        self._lock = threading.Lock()

    def open(self, trigger_id: str, view: Block) -> None:
        """Busy when it is not opened for now."""
        self._ask("views.open", self._client.views_open, trigger_id=trigger_id, view=view)

    def push(self, trigger_id: str, view: Block) -> None:
        """Onto the modal that was clicked in; Busy when it is not for now."""
        self._ask("views.push", self._client.views_push, trigger_id=trigger_id, view=view)

    def publish(self, user_id: str, view: Block) -> None:
        """As the person's home tab; Busy when it is not for now."""
        self._ask("views.publish", self._client.views_publish, user_id=user_id, view=view)

    def _ask(self, method: str, show: Callable[..., Any], **options: Any) -> None:
        self._wait(method, self._client.now() + OPENING)
        try:
            show(**options)
        except SlackApiError as error:
            if is_rate_limit(error) or error_name(error) == TOO_LATE:
                raise Busy from error
            raise

    def update(self, update: Update) -> None:
        """Within a few seconds, perhaps by the thread that waits for this view's turn already; else the view is left as
        it is: the person's next click brings it up."""
        with self._lock:
            has_turn = update.view_id in self._waiting
            self._waiting[update.view_id] = update
        if not has_turn:
            self._send(update.view_id, self._client.now() + UPDATING)

    def _send(self, view_id: str, until: datetime) -> None:
        """Whichever is the newest when the turn comes."""
        try:
            self._wait("views.update", until)
        except Busy:
            log.warning("slack.view_left", view=view_id)
            return
        finally:
            with self._lock:
                newest = self._waiting.pop(view_id)
        try:
            self._client.views_update(view_id=view_id, view=newest.draw(), hash=newest.hash or None)
        except SlackApiError as error:
            if not is_rate_limit(error):
                raise
            self._send_again(newest, until)

    def _send_again(self, update: Update, until: datetime) -> None:
        """Unless a newer one waits by now."""
        with self._lock:
            if update.view_id in self._waiting:
                return
            self._waiting[update.view_id] = update
        self._send(update.view_id, until)

    def _wait(self, method: str, until: datetime) -> None:
        """For the request's turn, which also comes after what Slack's Retry-After said; Busy when it is not before
        `until`."""
        now = self._client.now()
        with database.writing(self._client.engine) as connection:
            wait = pace.take(connection, pace.of(method, ""), now, until - now)
        if wait > until - now:
            raise Busy
        if wait:
            self._pause(wait.total_seconds())
