"""`fencepost slack …`."""

import logging
import signal
import sys
import threading
from typing import TextIO

import click
from rich.console import Console

from integrations.slack import manifest
from integrations.slack.apps_commands import apps_group
from integrations.slack.people_commands import JSON, people_group
from service.printing import as_json
from service.settings import Settings


@click.group()
def slack() -> None:
    """Review in Slack."""


@slack.command("run")
@click.pass_obj
def run_command(settings: Settings) -> None:
    """Answer Slack over Socket Mode until stopped."""
    from integrations.slack.run import run
    from service import logs
    from service.context import opened, wait_for_redis

    logs.configure(settings.log_level, "slack")
    stop = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stop.set())
    with opened(settings) as context:
        wait_for_redis(context)
        run(context, stop)


@slack.command("manifest")
@click.option("--url", default="", help="Where Slack reaches Fencepost, https://…; without it: Socket Mode.")
@click.option("--user-groups", is_flag=True, help="Ask to read user groups, for roles given to them.")
def manifest_command(url: str, user_groups: bool) -> None:
    """Print the app manifest, to be pasted at api.slack.com/apps under "From a manifest"."""
    as_json(manifest.manifest(url, user_groups=user_groups))


@slack.command("doctor")
@JSON
@click.pass_obj
def doctor_command(settings: Settings, json_file: TextIO | None) -> None:
    """Say what is wrong with tokens, scopes, channels, clock and user groups, and the mend; exit 1 when something
    is."""
    from integrations.slack.doctor import examine
    from service.context import opened
    from service.operations.commands import print_check

    logging.getLogger("slack_sdk").setLevel(logging.CRITICAL)  # it would say what the checks say
    with opened(settings) as context:
        found = list(examine(context))
    if json_file is not None:
        as_json(found, json_file)
    else:
        console = Console(highlight=False, soft_wrap=True)
        for check in found:
            print_check(console, check)
    sys.exit(int(any(check.level == "wrong" for check in found)))


slack.add_command(apps_group)
slack.add_command(people_group)

COMMANDS: tuple[click.Command, ...] = (slack,)
