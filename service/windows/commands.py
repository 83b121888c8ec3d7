"""`fencepost drift …`."""

import click

from service.access.commands import JSON
from service.bots.store import get_bot
from service.context import opened
from service.database import reading
from service.printing import as_json
from service.settings import Settings
from service.windows import ledger, words


@click.command("drift")
@click.argument("bot")
@JSON
@click.pass_obj
def drift(settings: Settings, bot: str, is_json: bool) -> None:
    """How far the newest turns are from those before."""
    with opened(settings) as context, reading(context.engine) as connection:
        get_bot(connection, bot)
        found = ledger.newest(connection, bot)
    if is_json:
        as_json(found)
    else:
        click.echo("\n".join(words.lines(bot, found)))


COMMANDS = (drift,)
