"""The Bolt app: one synchronous set of listeners for Socket Mode and the events URL alike."""

import re
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from slack_bolt import App
from slack_bolt.authorization import AuthorizeResult
from slack_sdk import WebClient

from integrations.slack import listeners, slash
from integrations.slack.blocks.names import (
    AGAIN,
    ANSWER,
    BACK,
    HOLD,
    MORE,
    OTHER,
    PROMOTE,
    PROPOSE,
    REVIEW,
    SEND,
    SKIP,
    START,
)
from integrations.slack.client import TIMEOUT_S
from integrations.slack.desk import Desk, open_desk
from integrations.slack.manifest import COMMAND, REPORT
from service.context import Context

THREADS = 64  # Bolt's own few make a hundred clicks at once wait for seconds
ANYTHING = re.compile("")


def create_bolt(context: Context) -> App:
    """Nothing is asked of Slack here: the token is looked at when it is used."""
    settings = context.settings
    app = App(
        name="fencepost",
        client=WebClient(base_url=settings.slack_api_url, timeout=TIMEOUT_S, retry_handlers=[]),
        # Bolt's authorisation by token asks Slack who it is at the first click, and fails it when Slack is away.
        authorize=lambda enterprise_id, team_id: AuthorizeResult(
            enterprise_id=enterprise_id, team_id=team_id, bot_token=str(settings.slack_bot_token)
        ),
        signing_secret=str(settings.slack_signing_secret),
        token_verification_enabled=False,
        listener_executor=ThreadPoolExecutor(THREADS, thread_name_prefix="slack"),
    )
    register(app, open_desk(context))
    return app


def register(app: App, desk: Desk) -> None:
    """The first listener that matches takes the request."""
    for name in (re.compile(f"^{ANSWER}:"), OTHER, BACK):
        app.action(name)(partial(listeners.on_click, desk=desk))
    app.action(MORE)(partial(listeners.on_more, desk=desk))
    app.action(SKIP)(partial(listeners.on_skip, desk=desk))
    app.action(AGAIN)(partial(listeners.on_again, desk=desk))
    app.action(START)(partial(listeners.on_start, desk=desk))
    app.action(PROMOTE)(partial(listeners.on_promote, desk=desk))
    app.action(HOLD)(partial(listeners.on_hold, desk=desk))
    app.view(PROMOTE)(partial(listeners.on_promoted, desk=desk))
    app.view(HOLD)(partial(listeners.on_held, desk=desk))
    app.action(SEND)(partial(listeners.on_send, desk=desk))
    app.action(PROPOSE)(partial(listeners.on_propose, desk=desk))
    app.view(PROPOSE)(partial(listeners.on_proposed, desk=desk))
    app.options(OTHER)(partial(listeners.on_options, desk=desk))
    app.view_closed(REVIEW)(partial(listeners.on_closed, desk=desk))
    for question in listeners.VOTES:
        app.view(question)(partial(listeners.on_answer, desk=desk))
    app.shortcut(REPORT)(partial(listeners.on_report, desk=desk))
    app.view(REPORT)(partial(listeners.on_reported, desk=desk))
    app.event("app_home_opened")(partial(listeners.on_home, desk=desk))
    app.command(COMMAND)(partial(slash.on_command, desk=desk))
    for kind in (app.action, app.options, app.view, app.shortcut, app.command, app.event):
        kind(ANYTHING)(listeners.on_unknown)
