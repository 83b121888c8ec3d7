"""Slack's events URL behind Litestar: one path for events, clicks, commands and options."""

from collections.abc import Mapping
from typing import Any

from litestar import Request, Response, post
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from slack_bolt import App, BoltRequest
from slack_sdk.signature import SignatureVerifier

from integrations.slack import manifest
from integrations.slack.app import create_bolt
from service.context import Context
from service.errors import BadInput, Unauthorized
from service.settings import Settings

PATH = manifest.PATH


def mounts(settings: Settings) -> tuple[HTTPRouteHandler, ...]:
    """Handlers for `create_app(mounts=…)`: none unless the signing secret and the token are set."""
    if not (settings.slack_signing_secret and settings.slack_bot_token):
        return ()
    verifier = SignatureVerifier(str(settings.slack_signing_secret))

    def provide_bolt(context: Context) -> App:
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
        return answer(bolt, verifier, body, dict(request.headers))

    return (receive,)


def answer(bolt: App, verifier: SignatureVerifier, body: bytes, headers: Mapping[str, str]) -> Response[str]:
    verify(verifier, body, headers)
    try:
        given = BoltRequest(body=body.decode(), query="", headers=dict(headers))
    except ValueError as error:
        raise BadInput("the body is not what Slack sends") from error
    done = bolt.dispatch(given)
    return Response(
        done.body, status_code=done.status, media_type=done.first_headers().get("content-type", "text/plain")
    )


def verify(verifier: SignatureVerifier, body: bytes, headers: Mapping[str, str]) -> None:
    """Bolt verifies too, but only after it has parsed the body, which anybody can make fail."""
    try:
        is_valid = verifier.is_valid_request(body, dict(headers))
    except (ValueError, TypeError):  # a timestamp that is no number, a signature or a body that is no text
        is_valid = False
    if not is_valid:
        raise Unauthorized("not signed by Slack, or more than five minutes ago")
