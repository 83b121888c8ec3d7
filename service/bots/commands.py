"""`fencepost bot …`."""

from collections.abc import Callable, Sequence
from typing import Any, get_args

import click

from service import database
from service.access.audit import at_terminal
from service.access.commands import JSON
from service.bots import rules, store
from service.bots.controllers import OpenedBot, webhook_url
from service.bots.schemas import Bot, Pattern, Policy
from service.clock import now
from service.context import opened
from service.database import reading, writing
from service.learning.confidence import Whose
from service.printing import as_json, table
from service.settings import Settings

OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option("--encoder", help='A hub id or a folder; "" for the installation\'s.'),
    click.option("--audit-rate", type=float, help="Share of turns, 0 to 1, that are drawn for the audit slice."),
    click.option("--weekly-budget", type=int, help="Votes the owner grants per week."),
    click.option("--batch-size", type=int, help="Cards of one ranking."),
    click.option("--low-water", type=int, help="Open cards below which a ranking is asked for."),
    click.option("--target", type=float, help="Share of right answers from which on you want no more labels."),
    click.option("--minutes-per-error", type=float, help="What a wrong answer costs people, in minutes."),
    click.option("--slack-channel", help="The channel's id, like C0123456789."),
    click.option("--quiet-hours", help='HH:MM-HH:MM, in which nothing is posted to the channel; "" for none.'),
    click.option("--timezone", help="Of quiet hours and of a reviewer's day, like Europe/Paris."),
    click.option("--daily-limit", type=int, help="Votes a day after which a reviewer is dealt no cards; 0: no limit."),
    click.option(
        "--uncertainty",
        type=click.Choice(get_args(Whose)),
        help="What ranks turns: our doubt, the platform's, or how likely the two are to disagree.",
    ),
    click.option("--overlap", type=int, help="People a blind card asks, 1 to 5, where the bot has as many reviewers."),
    click.option(
        "--policy",
        type=click.Choice(get_args(Policy)),
        help="How their answers decide: the first sure one, most of them, or weighed by who is reliable.",
    ),
    click.option(
        "--pattern", "patterns", multiple=True, help="NAME=REGEX to redact; repeat it for more. Replaces all."
    ),
    click.option("--no-patterns", is_flag=True, help="Remove the bot's own patterns."),
)


def _with_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """The options that were typed; patterns as records."""
    patterns: Sequence[str] = options.pop("patterns")
    given = {name: value for name, value in options.items() if name != "no_patterns" and value is not None}
    if patterns or options["no_patterns"]:
        given["patterns"] = [_pattern(text) for text in patterns]
    return given


def _pattern(text: str) -> Pattern:
    name, equals, regex = text.partition("=")
    if not equals:
        raise click.BadParameter(f"{text!r} is not NAME=REGEX", param_hint="--pattern")
    return Pattern(name, regex)


@click.group("bot")
def bot_group() -> None:
    """Bots: create, list, show, set, archive."""


@bot_group.command("create")
@click.argument("name")
@_with_options
@JSON
@click.pass_obj
def create_bot(settings: Settings, /, name: str, is_json: bool, **options: Any) -> None:
    """Make a bot, and the secret that signs its logs. The secret is shown once."""
    with opened(settings) as context:
        database.migrate(context.engine)  # this may well be the first command on a new machine
        bot, secret = rules.open_bot(context, name, now(), who=at_terminal(), **_given(options))
        made = OpenedBot(bot=bot, webhook=webhook_url(context, name, store.NATIVE), secret=secret)
    if is_json:
        return as_json(made)
    click.echo(f"webhook  {made.webhook}\nsecret   {made.secret}")
    click.echo("Keep the secret now: it is not shown again.", err=True)


@bot_group.command("list")
@click.option("--archived", is_flag=True, help="Archived ones too.")
@JSON
@click.pass_obj
def list_bots(settings: Settings, archived: bool, is_json: bool) -> None:
    with opened(settings) as context, reading(context.engine) as connection:
        bots = store.list_bots(connection, archived=archived)
    if is_json:
        return as_json(bots)
    rows = [
        (bot.name, f"{bot.created_at:%Y-%m-%d}", bot.champion, "archived" if bot.archived_at else "live")
        for bot in bots
    ]
    table(("name", "created", "champion", "state"), rows)


@bot_group.command("show")
@click.argument("name")
@JSON
@click.pass_obj
def show_bot(settings: Settings, name: str, is_json: bool) -> None:
    with opened(settings) as context, reading(context.engine) as connection:
        bot, sources = store.get_bot(connection, name), store.list_sources(connection, name)
        urls = [webhook_url(context, name, source.name) for source in sources]
    if is_json:
        return as_json(bot)
    _print(bot)
    for source, url in zip(sources, urls, strict=True):
        click.echo(f"source {source.name} ({source.format}, {source.scheme}): {url}")


def _print(bot: Bot) -> None:
    for field in Bot.__struct_fields__:
        value = getattr(bot, field)
        shown = ", ".join(f"{pattern.name}={pattern.regex}" for pattern in value) if field == "patterns" else value
        click.echo(f"{field.replace('_', ' '):14} {'-' if shown in (None, '') else shown}")


@bot_group.command("set")
@click.argument("name")
@_with_options
@click.pass_obj
def set_bot(settings: Settings, /, name: str, **options: Any) -> None:
    """Change settings; those not given stay."""
    with opened(settings) as context:
        _print(rules.change_bot(context, name, now(), who=at_terminal(), **_given(options)))


@bot_group.command("archive")
@click.argument("name")
@click.option("--undo", is_flag=True, help="Bring it back.")
@click.pass_obj
def archive_bot(settings: Settings, name: str, undo: bool) -> None:
    """Take no more logs and offer no more cards; everything stays readable."""
    move = store.restore_bot if undo else store.archive_bot
    with opened(settings) as context, writing(context.engine) as connection:
        bot = move(connection, name, now(), who=at_terminal())
    click.echo(f"{bot.name} is {'archived' if bot.archived_at else 'live'}.")


COMMANDS: tuple[click.Command, ...] = (bot_group,)
