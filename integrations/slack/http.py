"""Slack's events URL behind Litestar: one path for events, clicks, commands and options."""

from typing import Any

from litestar import Request, Response, post
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from slack_bolt import App, BoltRequest

from integrations.slack.app import create_bolt
from service.context import Context
from service.errors import ConfigError
from service.settings import Settings

PATH = "/slack/events"


def mounts(settings: Settings) -> tuple[HTTPRouteHandler, ...]:
    """Handlers for `create_app(mounts=…)`: none unless the signing secret and the token are set."""
    return (receive,) if settings.slack_signing_secret and settings.slack_bot_token else ()


def provide_bolt(context: Context) -> App:
    if not context.settings.slack_signing_secret:  # Bolt would verify with an empty one, as anybody could sign
        raise ConfigError("FENCEPOST_SLACK_SIGNING_SECRET is not set")
    return create_bolt(context)


@post(
    PATH,
    status_code=200,
    operation_id="ReceiveSlackRequest",
    include_in_schema=False,
    dependencies={"bolt": Provide(provide_bolt, sync_to_thread=True, use_cache=True)},
    sync_to_thread=True,
)
def receive(body: bytes, request: Request[Any, Any, Any], bolt: App) -> Response[str]:
    """401 unless Slack signed it within the last five minutes."""
    # Slack sends UTF-8; anything else has no valid signature once it is decoded.
    given = BoltRequest(body=body.decode(errors="replace"), query="", headers=dict(request.headers))
    answer = bolt.dispatch(given)
    return Response(
        answer.body, status_code=answer.status, media_type=answer.first_headers().get("content-type", "text/plain")
    )
