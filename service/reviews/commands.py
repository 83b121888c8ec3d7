"""`fencepost label`, `fencepost reviewers`, `fencepost trace`."""

from collections.abc import Iterator

import click
from rich.console import Console

from service.access.audit import at_terminal
from service.access.commands import JSON
from service.access.keys import checked_name
from service.bots.store import list_bots
from service.clock import now
from service.context import opened
from service.database import reading, writing
from service.errors import BadInput
from service.printing import as_json, table
from service.reviews import proposed, reliability
from service.reviews.schemas import Reviewer
from service.reviews.terminal import Session
from service.reviews.trace import trace
from service.reviews.trace_steps import Event
from service.settings import Settings


@click.command
@click.option("--bot", required=True, help="The bot whose cards to review.")
@click.option("--as", "name", prompt="Your name", help="Who votes: every vote has a named reviewer.")
@click.pass_obj
def label(settings: Settings, bot: str, name: str) -> None:
    """Review cards here: one at a time, one key an answer.

    Works on the database itself, so whoever may open that may also decide what others were unsure about.
    """
    try:
        reviewer = Reviewer(checked_name(name), adjudicates=True)
    except BadInput as fault:
        raise click.BadParameter(fault.detail, param_hint="--as") from fault
    with opened(settings) as context:
        answered = Session(context, bot, reviewer, Console()).run()
    click.echo(f"{answered} answered. Thank you, {reviewer.name}.")


@click.command("reviewers")
@click.argument("bot", required=False)
@JSON
@click.pass_obj
def list_reviewers(settings: Settings, bot: str | None, is_json: bool) -> None:
    """How often reviewers agree: of BOT, or of every bot.

    Counted over blind cards that several people answered: each answer is held against what the others' come to.
    """
    with opened(settings) as context, reading(context.engine) as connection:
        names = [bot] if bot else [one.name for one in list_bots(connection)]
        people = {name: reliability.reviewers(connection, name) for name in names}
        agreements = {name: reliability.agreement(connection, name) for name in names}
    if is_json:
        as_json({name: {"reviewers": people[name], "agreement": agreements[name]} for name in names})
        return
    rows = [
        (name, one.reviewer, one.n, f"{one.share:.1%} ({one.low * 100:.1f} to {one.high * 100:.1f})")
        for name in names
        for one in people[name]
    ]
    table(("bot", "reviewer", "answers", "agreed"), rows)
    for name in names:
        found = agreements[name]
        click.echo(f"{name}: Krippendorff's α {_alpha(found.alpha)} over {found.n} cards")
        for intent in found.intents:
            click.echo(f"  {intent.intent} {_alpha(intent.alpha)} ({intent.n})")


def _alpha(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


@click.group("proposed")
def proposed_group() -> None:
    """Intents that reviewers named because the bot has none for a turn."""


@proposed_group.command("list")
@click.argument("bot")
@JSON
@click.pass_obj
def list_proposed(settings: Settings, bot: str, is_json: bool) -> None:
    """Those that wait for a decision."""
    with opened(settings) as context, reading(context.engine) as connection:
        found = proposed.waiting(connection, bot)
    if is_json:
        as_json(found)
        return
    table(("name", "cards", "proposed by"), [(one.name, len(one.cards), ", ".join(one.reviewers)) for one in found])


@proposed_group.command("accept")
@click.argument("bot")
@click.argument("name")
@click.option("--description", default="", help="What its users want, in a sentence.")
@click.pass_obj
def accept_proposed(settings: Settings, bot: str, name: str, description: str) -> None:
    """Create the intent; the votes that propose it become its labels."""
    with opened(settings) as context, writing(context.engine) as connection:
        proposed.accept(connection, bot, name, description, now(), who=at_terminal())
    click.echo(f"{name} is an intent of {bot} now.")


@proposed_group.command("refuse")
@click.argument("bot")
@click.argument("name")
@click.pass_obj
def refuse_proposed(settings: Settings, bot: str, name: str) -> None:
    """Take the name off the list; its votes stay, and label nothing."""
    with opened(settings) as context, writing(context.engine) as connection:
        proposed.refuse(connection, bot, name, now(), who=at_terminal())
    click.echo(f"{name} is refused.")


@click.command("trace")
@click.argument("bot")
@click.argument("turn", type=int)
@JSON
@click.pass_obj
def show_trace(settings: Settings, bot: str, turn: int, is_json: bool) -> None:
    """What became of a turn, from its delivery to the classifiers that learnt it."""
    with opened(settings) as context:
        found = trace(context, bot, turn)
    if is_json:
        as_json(found)
        return
    click.echo("This turn was forgotten" if found.text is None else found.text)
    for step in found.steps:
        click.echo("\n" + step.step.upper())
        for event in step.events:
            click.echo("\n".join(_lines(event)))
        if step.missing:
            click.echo(f"({step.missing})")


def _lines(event: Event) -> Iterator[str]:
    """
    >>> list(_lines(Event(what="labelled", turn=7, names={"intent": "refund"}, numbers={"weight": 0.5})))
    ['labelled, turn 7', '  intent: refund', '  weight: 0.5']
    """
    about = f", turn {event.turn}" if event.turn else ""
    yield event.what + about + (f", {event.at:%Y-%m-%d %H:%M:%S} UTC" if event.at else "")
    for name, said in (*event.names.items(), *((name, f"{number:.4g}") for name, number in event.numbers.items())):
        yield f"  {name.replace('_', ' ')}: {said}"
    if event.origin:
        yield f"  from {event.origin}"


COMMANDS = (label, list_reviewers, proposed_group, show_trace)
