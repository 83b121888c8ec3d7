"""Socket Mode: Slack's requests over a WebSocket that we open, so that no public URL is needed."""

import threading
from http.client import HTTPException

import structlog
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk.errors import SlackApiError

from integrations.slack.app import create_bolt
from integrations.slack.client import answering
from service.context import Context
from service.errors import ConfigError

log = structlog.get_logger()

CONCURRENCY = 40
PING_S = 2.0  # a link that is cut without a word is noticed by the second ping; slack_bolt's 10 s lose clicks meanwhile
BACK_OFF_S = (1.0, 2.0, 5.0, 15.0, 30.0)


def run(context: Context, stop: threading.Event) -> None:
    """Answer Slack until stopped. The handler reconnects by itself once it was connected."""
    if not context.settings.slack_app_token:
        raise ConfigError("FENCEPOST_SLACK_APP_TOKEN is not set", hint="Basic Information → App-Level Tokens, xapp-…")
    handler = SocketModeHandler(
        create_bolt(context),
        str(context.settings.slack_app_token),
        web_client=answering(context.settings, context.engine),  # what Slack refuses at a later reconnect is heard too
        concurrency=CONCURRENCY,
        ping_interval=PING_S,
    )
    try:
        if _connect(handler, stop):
            log.info("slack.ready")
            stop.wait()
    finally:
        handler.client.close()


def _connect(handler: SocketModeHandler, stop: threading.Event) -> bool:
    """Try until Slack answers; False when stopped before that."""
    attempt = 0
    while not stop.is_set():
        try:
            handler.client.connect()
        except SlackApiError as error:
            log.error("slack.refused", error=str(error.response.get("error")))
        except (OSError, HTTPException) as error:
            log.warning("slack.away", error=type(error).__name__)
        else:
            return True
        stop.wait(BACK_OFF_S[min(attempt, len(BACK_OFF_S) - 1)])
        attempt += 1
    return False
