"""`fencepost classifiers …`."""

import click

from service.access.audit import at_terminal
from service.access.commands import JSON
from service.classifiers import operations
from service.classifiers.schemas import Version
from service.clock import now
from service.context import opened
from service.database import reading
from service.printing import as_json, table
from service.settings import Settings


@click.group("classifiers")
def classifiers_group() -> None:
    """A bot's classifiers: list, show, rollback."""


@classifiers_group.command("list")
@click.argument("bot")
@JSON
@click.pass_obj
def list_classifiers(settings: Settings, bot: str, is_json: bool) -> None:
    """Every version, newest first."""
    with opened(settings) as context, reading(context.engine) as connection:
        found = operations.versions(connection, bot)
    if is_json:
        as_json(found)
        return
    table(("n", "status", "phase", "labels", "trained", "gate"), [_row(version) for version in found])


def _row(version: Version) -> tuple[object, ...]:
    gate = version.trial.gate.reason or version.trial.gate.status if version.trial else ""
    made, manifest = f"{version.created_at:%Y-%m-%d %H:%M}", version.manifest
    return version.n, version.status, manifest.phase, manifest.labels, made, gate


@classifiers_group.command("show")
@click.argument("bot")
@click.argument("n", type=int)
@click.pass_obj
def show_classifier(settings: Settings, bot: str, n: int) -> None:
    """What a classifier was trained on, as JSON."""
    with opened(settings) as context, reading(context.engine) as connection:
        as_json(operations.version(connection, bot, n))


@classifiers_group.command("rollback")
@click.argument("bot")
@click.argument("n", type=int)
@click.pass_obj
def roll_back(settings: Settings, bot: str, n: int) -> None:
    """Put a classifier that was in force before back in force, at once."""
    with opened(settings) as context:
        operations.roll_back(context, bot, n, now(), who=at_terminal())
    click.echo(f"classifier {n} of {bot} is in force")


COMMANDS = (classifiers_group,)
