"""Who may vote from Slack."""

import sqlalchemy as sa

from integrations.slack.blocks import SLACK_USER
from service.reviews.schemas import Reviewer


def voter(connection: sa.Connection, bot: str, user: str) -> Reviewer:
    return Reviewer(SLACK_USER + user)
