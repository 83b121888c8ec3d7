"""The command line: every feature's commands under one `fencepost`."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import click
import sqlalchemy as sa

from service import logs
from service import settings as all_settings
from service.access import commands as access
from service.bots import commands as bots
from service.bots import source_commands as sources
from service.classifiers import commands as classifiers
from service.context import Context
from service.errors import FencepostError
from service.events import commands as events
from service.exports import commands as exports
from service.intents import commands as intents
from service.operations import commands as operations
from service.proposals import commands as proposals
from service.reviews import commands as reviews
from service.settings import Settings
from service.turns import commands as turns
from service.turns import import_commands as importing
from service.weak import commands as weak
from service.windows import commands as windows


class Failure(click.ClickException):
    """One line that says what is wrong, one that says the mend."""

    def __init__(self, error: FencepostError) -> None:
        where = f"{error.path}: " if error.path else ""
        hint = f"\nHint: {error.hint}" if error.hint else ""
        super().__init__(f"{where}{error.detail}{hint}")


class Commands(click.Group):
    """Turns the errors we foresee into a Failure; the others keep their traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except Exception as error:
            from service.problems import as_domain  # brings the web framework: only when something went wrong

            if (known := as_domain(error)) is None:
                raise
            raise Failure(known) from error


@click.group(cls=Commands)
@click.version_option(package_name="fencepost")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Finds the turns on which a chatbot's intent model sits on the fence, gets them labelled, retrains."""
    logs.of_command()
    # `fencepost settings` must answer when a setting is wrong: the error points at it.
    if ctx.obj is None and ctx.invoked_subcommand != settings.name:
        ctx.obj = Settings.from_env(os.environ)


@cli.command
@click.option("--markdown", is_flag=True, help="As the table of the README.")
def settings(markdown: bool) -> None:
    """List every setting, its default and its meaning."""
    for line in markdown_lines() if markdown else plain_lines():
        click.echo(line)


def markdown_lines() -> list[str]:
    rows = [
        f"| `{name}` | {f'`{default}`' if default else ''} | {text} |"
        for name, default, text in all_settings.describe()
    ]
    return ["| variable | default | meaning |", "|---|---|---|", *rows]


def plain_lines() -> list[str]:
    return [
        f"{name}{f' = {default}' if default else ''}\n    {text}" for name, default, text in all_settings.describe()
    ]


def _foreign_share(connection: sa.Connection, bot: str) -> float:
    from workers.languages import foreign_share

    return foreign_share(connection, bot, click.get_current_context().obj.encoder)


def _deliver(context: Context, bot: str) -> None:
    from workers.delivering import deliver

    deliver(context, bot)


@cli.command
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Your own log. [default: the shipped one]",
)
@click.option("--keep", is_flag=True, help="Leave it running afterwards, until Ctrl-C.")
@click.option("--json", "json_file", type=click.File("wb"), help="Write the result as JSON; - is standard output.")
def demo(data: Path | None, keep: bool, json_file: BinaryIO | None) -> None:
    """Run the whole loop in a folder of its own: a log, a simulated reviewer, a better classifier.

    FILE's shapes are those of `fencepost replay`. Where it holds no labels, you are the reviewer: the console opens.
    """
    from integrations.webhooks import native
    from workers.demo.show import show

    show(data, native.parse, keep=keep, json_file=json_file)


def _features() -> Iterator[click.Command]:
    """Every feature's commands; those that read other people's formats are given what reads them."""
    from integrations.formats.exporters import EXPORTERS
    from integrations.formats.importers import IMPORTERS
    from integrations.slack.commands import COMMANDS as SLACK
    from integrations.webhooks import PLATFORMS, signatures
    from integrations.webhooks.commands import COMMANDS as WEBHOOKS
    from workers.bench.commands import bench

    for feature in (operations, access, bots, turns, reviews, classifiers, proposals, weak, windows, exports):
        yield from feature.COMMANDS
    yield from intents.commands(IMPORTERS)
    yield exports.export_command(EXPORTERS)
    yield sources.group(PLATFORMS, signatures.SCHEMES, importing.test_command(PLATFORMS))
    yield importing.import_command(PLATFORMS)
    yield from events.commands(_deliver)
    yield from SLACK
    yield from WEBHOOKS
    yield bench
    yield operations.doctor_command(_foreign_share)


for command in _features():
    cli.add_command(command)
