"""`fencepost slack apps …`."""

from typing import TextIO

import click

from integrations.slack import apps
from integrations.slack.apps import ChatApp
from integrations.slack.people_commands import JSON
from service.access.audit import at_terminal
from service.clock import now
from service.context import opened
from service.database import reading, writing
from service.printing import as_json, table
from service.settings import Settings


@click.group("apps")
def apps_group() -> None:
    """Chatbots that live in Slack: their messages can be reported by the shortcut "Report wrong intent"."""


@apps_group.command("add")
@click.argument("bot")
@click.argument("app_id")
@click.option("--source", default="native", show_default=True, help="Where the app's log comes from.")
@click.pass_obj
def add_app(settings: Settings, bot: str, app_id: str, source: str) -> None:
    """Say that the Slack app APP_ID (A…) is BOT. Its log has to give each reply the external id CHANNEL:TS."""
    with opened(settings) as context, writing(context.engine) as connection:
        apps.add(connection, ChatApp(app_id, bot, source), now(), who=at_terminal())
    click.echo(f"{app_id} is {bot}, by its source {source}.")


@apps_group.command("remove")
@click.argument("app_id")
@click.pass_obj
def remove_app(settings: Settings, app_id: str) -> None:
    """Take no more reports about messages of APP_ID."""
    with opened(settings) as context, writing(context.engine) as connection:
        found = apps.remove(connection, app_id, now(), who=at_terminal())
    click.echo(f"{app_id} is {found.bot} no more.")


@apps_group.command("list")
@JSON
@click.pass_obj
def list_apps(settings: Settings, json_file: TextIO | None) -> None:
    with opened(settings) as context, reading(context.engine) as connection:
        found = apps.list_apps(connection)
    if json_file is not None:
        return as_json(found, json_file)
    table(("app", "bot", "source"), [(app.app_id, app.bot, app.source) for app in found])
