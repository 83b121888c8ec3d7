"""The Web API's client. slack_sdk reads no environment variable for the API's address: Settings pass it.

Whatever Slack refuses is remembered (service/slack_trouble.py), and forgotten once Slack accepts it again."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from http.client import HTTPException
from typing import Any, Literal

import sqlalchemy as sa
import structlog
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler
from slack_sdk.web import SlackResponse

from integrations.slack import pace
from service import clock, database, slack_trouble
from service.errors import ConfigError
from service.settings import Settings

log = structlog.get_logger()

TIMEOUT_S = 5
RATE_LIMIT_RETRIES = 3
RATE_LIMITED = {"ratelimited", "rate_limited"}
NOT_SLACKS = "not_slacks"  # ours, for an answer that is none of Slack's: a proxy's page
# What was asked for may have been done in part.
UNKNOWN = {"fatal_error", "internal_error", "request_timeout", "service_unavailable", NOT_SLACKS}
# What is wrong with the request itself, and stays so. Slack has more and more words for what is wrong with itself, the
# workspace or the app: any other may pass.
REFUSED = {
    "block_mismatch",
    "invalid_arguments",
    "invalid_blocks",
    "invalid_blocks_format",
    "invalid_metadata_format",
    "invalid_metadata_schema",
    "metadata_too_large",
    "msg_blocks_too_long",
    "msg_too_long",
    "no_text",
    "cant_delete_message",
    "cant_update_message",
    "edit_window_closed",
    "message_not_found",
    "no_such_subteam",
}
WORD = re.compile(r"[A-Za-z0-9_]{1,60}")  # of Slack's for an error
SECONDS = re.compile(r"[0-9]{1,6}")
FAILURES = (SlackApiError, OSError, HTTPException, UnicodeDecodeError)  # all that a request fails with
Outcome = Literal["unknown", "later", "refused"]


class NotAsked(ConnectionError):
    """Slack refused or was away a moment ago, and is not asked again before `until`."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"Slack is not asked before {until:%H:%M:%S}")
        self.until = until


def _options(settings: Settings) -> dict[str, Any]:
    if not settings.slack_bot_token:
        hint = "OAuth & Permissions in your Slack app's pages"
        raise ConfigError("FENCEPOST_SLACK_BOT_TOKEN is not set", hint=hint)
    token, base_url = str(settings.slack_bot_token), settings.slack_api_url
    # The library's own retry after a dropped answer posts twice.
    return {"token": token, "base_url": base_url, "timeout": TIMEOUT_S, "retry_handlers": []}


class Client(WebClient):
    """For what a person waits for: always asks, and never again by itself: a retry outlives the person's patience."""

    asks_again = False  # by itself: then whatever may pass is remembered, not only what is wrong for everybody

    def __init__(self, settings: Settings, engine: sa.Engine) -> None:
        super().__init__(**_options(settings))
        self.engine = engine

    def now(self) -> datetime:
        return clock.now()

    def api_call(self, api_method: str, **options: Any) -> SlackResponse:
        asked_at, channel = self.now(), _channel(options)
        try:
            answer = super().api_call(api_method, **options)
        except FAILURES as error:
            self._failed(error, channel, api_method, asked_at)
            raise
        self._accepted(channel, api_method)
        return answer

    def _failed(self, error: Exception, channel: str, method: str, asked_at: datetime) -> None:
        name = error_name(error)
        if isinstance(error, SlackApiError) and is_rate_limit(error):
            with database.writing(self.engine) as connection:
                pace.block(connection, method, channel, self.now() + retry_after(error))
        elif outcome(error) == "unknown":
            self._hear(slack_trouble.NO_ANSWER, channel, method, asked_at)
        elif name in slack_trouble.KNOWN or (self.asks_again and outcome(error) == "later"):
            self._hear(name, channel, method, asked_at)

    def _hear(self, error: str, channel: str, method: str, asked_at: datetime) -> None:
        say = log.warning if error == slack_trouble.NO_ANSWER else log.error
        say("slack.refused", error=error, method=method, channel=channel)
        with database.writing(self.engine) as connection:
            slack_trouble.hear(connection, error, channel, method, asked_at, self.now())

    def _accepted(self, channel: str, method: str) -> None:
        with database.reading(self.engine) as connection:
            is_known = slack_trouble.blocked_until(connection, channel, method) is not None
        if is_known:
            with database.writing(self.engine) as connection:
                slack_trouble.forget(connection, channel, method)
            log.info("slack.accepts_again", method=method, channel=channel)


class PatientClient(Client):
    """For what runs by itself: does not ask while Slack refuses, and leaves a rate limit to the next run."""

    asks_again = True

    def api_call(self, api_method: str, **options: Any) -> SlackResponse:
        channel = _channel(options)
        if until := self.closed_until(api_method, channel):
            with database.writing(self.engine) as connection:
                if not slack_trouble.may_try(connection, channel, api_method, self.now()):
                    raise NotAsked(until)
        return super().api_call(api_method, **options)

    def closed_until(self, method: str, channel: str) -> datetime | None:
        """Until when such a request is not made, or was not; None where Slack refuses nothing."""
        with database.reading(self.engine) as connection:
            return slack_trouble.blocked_until(connection, channel, method)


def _channel(options: Mapping[str, Any]) -> str:
    """Of a request that names one."""
    given = options.get("json") or options.get("params") or {}
    return str(given.get("channel") or "")


def outcome(error: Exception) -> Outcome:
    """What a failed request did: perhaps what it asked for; nothing, and may later; nothing, for good."""
    if isinstance(error, NotAsked):
        return "later"
    if not isinstance(error, SlackApiError):
        return "unknown"
    name = error_name(error)
    if name in slack_trouble.KNOWN or is_rate_limit(error):
        return "later"
    if name in UNKNOWN or error.response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "unknown"
    return "refused" if name in REFUSED else "later"


def error_name(error: Exception) -> str:
    """Slack's, or the exception's class: messages name hosts, and the library makes one of a proxy's page."""
    if not isinstance(error, SlackApiError):
        return type(error).__name__
    name = str(error.response.get("error") or "")
    return name if WORD.fullmatch(name) else NOT_SLACKS


def scopes_of(told: SlackResponse) -> set[str]:
    """That the token has, as Slack says beside every answer."""
    headers = {name.lower(): value for name, value in told.headers.items()}
    return set(headers.get("x-oauth-scopes", "").replace(" ", "").split(","))


def is_rate_limit(error: SlackApiError) -> bool:
    return error.response.get("error") in RATE_LIMITED or error.response.status_code == HTTPStatus.TOO_MANY_REQUESTS


def retry_after(error: SlackApiError) -> timedelta:
    """As Slack said; a second when it said nothing, or a proxy before it gave a date."""
    headers = {name.lower(): value for name, value in (error.response.headers or {}).items()}
    said = str(headers.get("retry-after", ""))
    return timedelta(seconds=int(said) if SECONDS.fullmatch(said) else 1)


def at_terminal(settings: Settings) -> WebClient:
    """For commands: they wait out a rate limit, print what Slack refuses, and leave the log to the processes."""
    retries = [RateLimitErrorRetryHandler(max_retry_count=RATE_LIMIT_RETRIES)]
    return WebClient(**_options(settings) | {"retry_handlers": retries})


def answering(settings: Settings, engine: sa.Engine) -> Client:
    """For what a person waits for."""
    return Client(settings, engine)


def posting(settings: Settings, engine: sa.Engine) -> PatientClient:
    """For posts and redraws."""
    return PatientClient(settings, engine)
