"""What RQ runs for Slack."""

import os

from integrations.slack import dispatch as dispatching
from integrations.slack.client import posting
from service import jobs
from service.context import opened
from service.jobs import Job
from service.settings import Settings


def dispatch(bot: str) -> None:
    """Post the bot's open cards; nothing without a token."""
    with opened(Settings.from_env(os.environ)) as context:
        jobs.begin(context.redis, Job.DISPATCH, bot)
        if context.settings.slack_bot_token:
            dispatching.dispatch(posting(context.settings, context.engine), bot)
