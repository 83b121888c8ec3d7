"""What RQ runs for Slack."""

import os

import structlog

from integrations.slack import dispatch as dispatching
from integrations.slack import news as looking
from integrations.slack import people_sync
from integrations.slack import pictures as drawn
from integrations.slack.client import posting
from service import clock, jobs
from service.context import opened
from service.jobs import Job
from service.settings import Settings

log = structlog.get_logger()


def dispatch(bot: str) -> None:
    """Post the bot's open cards; nothing without a token."""
    with opened(Settings.from_env(os.environ)) as context:
        jobs.begin(context.redis, Job.DISPATCH, bot)
        if context.settings.slack_bot_token:
            dispatching.dispatch(posting(context.settings, context.engine), bot)


def news(bot: str) -> None:
    """Write the notices that the bot's channel should see; nothing without a token."""
    with opened(Settings.from_env(os.environ)) as context:
        jobs.begin(context.redis, Job.NEWS, bot)
        if context.settings.slack_bot_token:
            looking.look(context.engine, bot, clock.now())


def people(bot: str) -> None:
    """Read who is in the bot's user groups; nothing without a token."""
    with opened(Settings.from_env(os.environ)) as context:
        jobs.begin(context.redis, Job.PEOPLE, bot)
        if context.settings.slack_bot_token:
            client = posting(context.settings, context.engine)
            for group, outcome in people_sync.sync(context.engine, client, bot).items():
                if isinstance(outcome, str):
                    log.warning("slack.group_not_read", bot=bot, group=group, error=outcome)


def pictures(bot: str) -> None:
    """Draw what the bot's pictures in Slack show, and upload what has changed; nothing without a token."""
    with opened(Settings.from_env(os.environ)) as context:
        jobs.begin(context.redis, Job.PICTURES, bot)
        if context.settings.slack_bot_token:
            drawn.refresh(posting(context.settings, context.engine), bot)
