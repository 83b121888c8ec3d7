"""`fencepost slack people …`."""

from typing import TextIO, get_args

import click

from integrations.slack import people
from integrations.slack.people import Listed, SlackRole
from service.access.audit import at_terminal
from service.bots.store import get_bot, list_bots
from service.clock import now
from service.context import Context, opened
from service.database import reading, writing
from service.printing import as_json, table
from service.settings import Settings

JSON = click.option(
    "--json", "json_file", type=click.File("w"), is_flag=False, flag_value="-", help="Write JSON; - is standard output."
)


@click.group("people")
def people_group() -> None:
    """Who in Slack may do what. A bot that lists nobody takes answers from everybody in its channel."""


@people_group.command("add")
@click.argument("bot")
@click.argument("subject")
@click.option("--role", type=click.Choice(get_args(SlackRole)), required=True)
@click.pass_obj
def add_person(settings: Settings, bot: str, subject: str, role: SlackRole) -> None:
    """Give SUBJECT, a user (U…) or a user group (S…), a role for BOT, in place of the one they had."""
    with opened(settings) as context:
        with writing(context.engine) as connection:
            was_open = people.is_open(connection, bot)
            people.add(connection, bot, subject, role, now(), who=at_terminal())
        click.echo(f"{subject} is {role} of {bot}.")
        if was_open:
            click.echo(f"From now on only those listed may answer cards of {bot}.", err=True)
        if people.is_group(subject):
            _sync(context, bot)


@people_group.command("remove")
@click.argument("bot")
@click.argument("subject")
@click.pass_obj
def remove_person(settings: Settings, bot: str, subject: str) -> None:
    """Take the role of SUBJECT for BOT away."""
    with opened(settings) as context, writing(context.engine) as connection:
        people.remove(connection, bot, subject, now(), who=at_terminal())
        is_open = people.is_open(connection, bot)
    click.echo(f"{subject} has no role of {bot} any more.")
    if is_open:
        click.echo(f"Nobody is listed: everybody in the channel may answer cards of {bot}.", err=True)


@people_group.command("list")
@click.argument("bot")
@JSON
@click.pass_obj
def list_people(settings: Settings, bot: str, json_file: TextIO | None) -> None:
    """Users and user groups with a role for BOT."""
    with opened(settings) as context, reading(context.engine) as connection:
        found = people.listed(connection, bot)
    if json_file is not None:
        return as_json(found, json_file)
    if not found:
        return click.echo(f"Nobody is listed: everybody in the channel may answer cards of {bot}.")
    table(("id", "role", "members"), [_row(one) for one in found])


def _row(one: Listed) -> tuple[object, ...]:
    return one.subject, one.role, one.members


@people_group.command("sync")
@click.argument("bot", required=False)
@click.pass_obj
def sync_people(settings: Settings, bot: str | None) -> None:
    """Read from Slack who is in the user groups of BOT, or of every bot (this happens by itself every ten minutes)."""
    with opened(settings) as context:
        with reading(context.engine) as connection:
            bots = [get_bot(connection, bot)] if bot else list_bots(connection)
        for one in bots:
            _sync(context, one.name)


def _sync(context: Context, bot: str) -> None:
    """Say what Slack showed, and of what it did not show, why."""
    from integrations.slack.client import at_terminal  # Slack's library: not for every `fencepost` command
    from integrations.slack.people_sync import sync

    for group, outcome in sync(context.engine, at_terminal(context.settings), bot).items():
        is_read = isinstance(outcome, int)
        said = f"{outcome} members" if is_read else f"not read ({outcome}): `fencepost slack doctor` says the mend"
        click.echo(f"{bot}: {group}: {said}", err=not is_read)
