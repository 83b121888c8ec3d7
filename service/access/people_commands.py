"""`fencepost people …`: roles of people whom a proxy signs in."""

from typing import cast

import click

from service.access import people
from service.access.audit import at_terminal
from service.access.roles import LADDER, Role
from service.clock import now
from service.context import opened
from service.database import reading, writing
from service.printing import as_json, table
from service.settings import Settings

BOT = click.option("--bot", help="Without it: every bot.")


@click.group("people")
def people_group() -> None:
    """People whom a proxy signs in (FENCEPOST_SSO_HEADER): grant, list, revoke."""


@people_group.command("grant")
@click.argument("name")
@click.argument("role", type=click.Choice(LADDER))
@BOT
@click.pass_obj
def grant(settings: Settings, name: str, role: str, bot: str | None) -> None:
    """Give NAME, as the proxy writes it, a role in place of the one they had there."""
    with opened(settings) as context, writing(context.engine) as connection:
        given = people.grant(connection, name, bot, cast(Role, role), now(), who=at_terminal())
    click.echo(f"{given.name} is {given.role} of {given.bot or 'every bot'}.")


@people_group.command("list")
@click.option("--bot", help="Only this bot's.")
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_people(settings: Settings, bot: str | None, is_json: bool) -> None:
    """Who was granted which role."""
    with opened(settings) as context, reading(context.engine) as connection:
        found = people.list_grants(connection, bot)
    if is_json:
        return as_json(found)
    table(("name", "role", "bot"), [(one.name, one.role, one.bot or "every bot") for one in found])


@people_group.command("revoke")
@click.argument("name")
@BOT
@click.pass_obj
def revoke(settings: Settings, name: str, bot: str | None) -> None:
    """Take back what NAME was granted there."""
    with opened(settings) as context, writing(context.engine) as connection:
        taken = people.revoke(connection, name, bot, now(), who=at_terminal())
    click.echo(f"{taken.name} is no longer {taken.role} of {taken.bot or 'every bot'}.")
