"""`fencepost up`, `status`, `doctor`, `migrate`."""

import sys

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from service import database
from service.access.controllers import sign_in_url
from service.access.roles import Role
from service.access.sessions import create_sign_in
from service.clock import now
from service.context import opened
from service.health import Check
from service.operations import doctor as doctors
from service.operations import status as statuses
from service.operations import supervisor
from service.settings import Settings

OPERATOR: Role = "operator"


@click.command()
@click.pass_obj
def up(settings: Settings) -> None:
    """Start everything on this machine and keep it running."""
    console = Console(highlight=False, soft_wrap=True)
    with opened(settings) as context:

        def ready() -> None:
            with database.writing(context.engine) as connection:
                token = create_sign_in(connection, name="", role=OPERATOR, bot=None, now=now())
            console.print(f"Fencepost is ready at {settings.base_url}")
            console.print(f"Sign in (once, within 15 minutes): {sign_in_url(context, token)}")
            console.print("More links: `fencepost sign-in`. First bot: `fencepost bot create NAME`. Stop: Ctrl-C.")

        supervisor.up(context, console.print, ready)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="print JSON")
@click.pass_obj
def status(settings: Settings, as_json: bool) -> None:
    """Say what runs and what each bot has waiting."""
    with opened(settings) as context:
        found = statuses.read_status(context)
    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    console = Console(highlight=False)
    running = found.running
    console.print(f"{running.url}, pid {running.pid}" if running else "`fencepost up` does not run in this data folder")
    table = Table("bot", "waiting", "turns", "candidates", "open cards", "labels", "champion", "endpoints off")
    for bot in found.bots:
        table.add_row(*(str(value) if value is not None else "–" for value in msgspec.structs.astuple(bot)))
    console.print(table if found.bots else "No bot yet: `fencepost bot create NAME`")


COLOURS = {"ok": "green", "warning": "yellow", "wrong": "red"}


def print_check(console: Console, check: Check) -> None:
    """One line: how it is, what was seen, and the mend."""
    mend = f" → {check.mend}" if check.mend else ""
    console.print(f"[{COLOURS[check.level]}]{check.level:8}[/] {escape(f'{check.name}: {check.saw}{mend}')}")


def doctor_command(foreign_share: doctors.ForeignShare) -> click.Command:
    """The command, given what counts the turns outside the encoder's languages."""

    @click.command()
    @click.pass_obj
    def doctor(settings: Settings) -> None:
        """Say what is wrong with this installation, and the mend; exit 1 when something is."""
        console = Console(highlight=False, soft_wrap=True)
        is_wrong = False
        with opened(settings) as context:
            for finding in doctors.examine(context, foreign_share):
                is_wrong = is_wrong or finding.level == "wrong"
                print_check(console, finding)
        sys.exit(int(is_wrong))

    return doctor


@click.command()
@click.pass_obj
def migrate(settings: Settings) -> None:
    """Bring the database's schema to the newest version (`up` does it by itself)."""
    with opened(settings) as context:
        database.migrate(context.engine)
    click.echo(f"schema version {database.newest_version()}")


COMMANDS = (up, status, migrate)
