"""The Web API's client. slack_sdk reads no environment variable for the API's address: Settings pass it."""

from collections.abc import Sequence

from slack_sdk import WebClient
from slack_sdk.http_retry import RetryHandler
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler

from service.errors import ConfigError
from service.settings import Settings

TIMEOUT_S = 5
RATE_LIMIT_RETRIES = 3


def answering(settings: Settings) -> WebClient:
    """For redraws and notes: waits out a rate limit, repeats nothing else."""
    return _client(settings, [RateLimitErrorRetryHandler(max_retry_count=RATE_LIMIT_RETRIES)])


def posting(settings: Settings) -> WebClient:
    """For posts: repeats nothing by itself, for the library's own retry after a dropped answer posts twice, and its
    wait for a rate limit may outlive the time after which another dispatcher takes the post up."""
    return _client(settings, [])


def _client(settings: Settings, retry_handlers: Sequence[RetryHandler]) -> WebClient:
    if not settings.slack_bot_token:
        raise ConfigError("FENCEPOST_SLACK_BOT_TOKEN is not set", hint="OAuth & Permissions in your Slack app's pages")
    return WebClient(
        token=str(settings.slack_bot_token),
        base_url=settings.slack_api_url,
        timeout=TIMEOUT_S,
        retry_handlers=list(retry_handlers),
    )
