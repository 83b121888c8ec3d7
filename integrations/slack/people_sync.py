"""The members of user groups, from Slack into SQL."""

from http.client import HTTPException

import sqlalchemy as sa
import structlog
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from integrations.slack import people
from service import database

log = structlog.get_logger()

GONE = "no_such_subteam"


def sync(engine: sa.Engine, client: WebClient, bot: str) -> dict[str, int | str]:
    """Bring the members of the bot's groups up to what Slack says. By group: how many there are now, or the error for
    which Slack did not show them; then those known so far stay."""
    with database.reading(engine) as connection:
        groups = people.groups_of(connection, bot)
    return {group: _sync(engine, client, group) for group in groups}


def _sync(engine: sa.Engine, client: WebClient, group: str) -> int | str:
    try:
        users = read_members(client, group)
    except SlackApiError as error:
        return _not_read(group, str(error.response.get("error")))
    except (OSError, HTTPException) as error:
        return _not_read(group, type(error).__name__)
    with database.writing(engine) as connection:
        people.set_members(connection, group, users)
    return len(users)


def _not_read(group: str, error: str) -> str:
    log.warning("slack.group_not_read", group=group, error=error)
    return error


def read_members(client: WebClient, group: str) -> list[str]:
    """Ids of users; none of a group that is gone."""
    try:
        return list(client.usergroups_users_list(usergroup=group)["users"])
    except SlackApiError as error:
        if error.response.get("error") == GONE:
            return []
        raise
