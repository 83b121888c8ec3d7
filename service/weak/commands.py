"""`fencepost weak …`."""

from pathlib import Path

import click

from service.access.audit import at_terminal
from service.access.commands import JSON
from service.clock import now
from service.context import opened
from service.database import reading
from service.errors import BadInput
from service.printing import as_json, table
from service.settings import Settings
from service.weak import rules

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group("weak")
def weak_group() -> None:
    """Labelling functions: rules that vote for intents, used where they are measured to help."""


@weak_group.command("put")
@click.argument("bot")
@click.argument("file", type=FILE)
@JSON
@click.pass_obj
def put_functions(settings: Settings, bot: str, file: Path, is_json: bool) -> None:
    """Replace the labelling functions of BOT by those in FILE, and train. An empty list removes them.

    \b
    - {name: says refund, kind: keywords, intent: refund, words: [refund, money back]}
    - {name: where is it, kind: regex, intent: track_order, pattern: 'where.*(parcel|order)'}
    - {name: platform, kind: platform_intent, min_score: 0.9}
    - {name: alike, kind: nearest, min_cosine: 0.85}
    """
    try:
        with opened(settings) as context:
            kept = rules.put(context, bot, file.read_bytes(), now(), who=at_terminal())
    except BadInput as error:
        where = f"{file.name}, {error.path}" if error.path else file.name
        raise BadInput(error.detail, path=where, hint=error.hint) from error
    if is_json:
        return as_json(kept)
    click.echo(f"{bot} has new labelling functions (set {kept.id}); a training is asked for.")


@weak_group.command("show")
@click.argument("bot")
@JSON
@click.pass_obj
def show_functions(settings: Settings, bot: str, is_json: bool) -> None:
    """What the functions of BOT are, and what the newest training found out about them."""
    with opened(settings) as context, reading(context.engine) as connection:
        found = rules.show(connection, bot)
    if is_json:
        return as_json(found)
    if found.set is None:
        return click.echo(f"{bot} has no labelling functions: `fencepost weak put {bot} FILE` sets them.")
    click.echo(found.set.text.rstrip())
    if found.classifier is None:
        return click.echo("No training has used them yet.")
    click.echo(f"Classifier {found.classifier} learnt from {found.examples} of their examples.")
    rows = [
        (one.name, f"{one.coverage:.3f}", f"{one.conflict:.2f}", f"{one.accuracy:.2f}", one.labels)
        for one in found.functions
    ]
    table(("function", "coverage", "conflict", "accuracy", "labels"), rows)


COMMANDS = (weak_group,)
