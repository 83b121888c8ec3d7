"""`fencepost label`."""

import click
from rich.console import Console

from service.context import opened
from service.reviews.schemas import NAME_LIMIT, Reviewer
from service.reviews.terminal import Session
from service.settings import Settings


@click.command
@click.option("--bot", required=True, help="The bot whose cards to review.")
@click.option("--as", "name", prompt="Your name", help="Who votes: every vote has a named reviewer.")
@click.pass_obj
def label(settings: Settings, bot: str, name: str) -> None:
    """Review cards here: one at a time, one key an answer.

    Works on the database itself, so whoever may open that may also decide what others were unsure about.
    """
    if not name.strip() or len(name) > NAME_LIMIT:
        raise click.BadParameter(f"1 to {NAME_LIMIT} characters", param_hint="--as")
    with opened(settings) as context:
        answered = Session(context, bot, Reviewer(name.strip(), adjudicates=True), Console()).run()
    click.echo(f"{answered} answered. Thank you, {name.strip()}.")


COMMANDS = (label,)
