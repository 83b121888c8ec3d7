"""The members of user groups, from Slack into SQL."""

import sqlalchemy as sa
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from integrations.slack import people
from integrations.slack.client import FAILURES, error_name
from service import database

GONE = "no_such_subteam"


def sync(engine: sa.Engine, client: WebClient, bot: str) -> dict[str, int | str]:
    """Bring the members of the bot's groups up to what Slack says. By group: how many there are now, or the error for
    which Slack did not show them; then those known so far stay."""
    with database.reading(engine) as connection:
        groups = people.groups_of(connection, bot)
    return {group: _sync(engine, client, group) for group in groups}


def _sync(engine: sa.Engine, client: WebClient, group: str) -> int | str:
    try:
        users = _members(client, group)
    except FAILURES as error:
        return error_name(error)
    with database.writing(engine) as connection:
        people.set_members(connection, group, users)
    return len(users)


def _members(client: WebClient, group: str) -> list[str]:
    """Ids of users; none of a group that is gone."""
    try:
        return list(client.usergroups_users_list(usergroup=group)["users"])
    except SlackApiError as error:
        if error.response.get("error") == GONE:
            return []
        raise
