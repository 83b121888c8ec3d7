"""`fencepost slack …`."""

import signal
import threading

import click

from integrations.slack import manifest
from integrations.slack.people_commands import people_group
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


slack.add_command(people_group)

COMMANDS: tuple[click.Command, ...] = (slack,)
