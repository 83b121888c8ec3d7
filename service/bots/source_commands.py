"""`fencepost sources …`. Platforms and signature schemes are handed in: they are integrations."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, TextIO

import click
import msgspec

from service.access.audit import at_terminal
from service.access.commands import GRACE, JSON
from service.bots import signing, store
from service.bots import sources as rules
from service.bots.controllers import webhook_url
from service.bots.schemas import Source
from service.bots.source_controllers import NewSecret, opened_source
from service.bots.sources import Formats, NewSource, Opened, SourceChanges
from service.clock import now
from service.context import Context, opened
from service.database import reading, writing
from service.errors import BadInput
from service.printing import as_json, table
from service.settings import Settings
from service.turns.parsing import Margin, Platform

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
JSON_FILE = click.option(
    "--json", "json_file", type=click.File("w"), is_flag=False, flag_value="-", help="As JSON, to a file or to - ."
)
TOLERANCE = click.option(
    "--tolerance", type=click.IntRange(10, 86_400), help="Seconds that a signed time may be off. [default: 300]"
)
OPTIONS = click.option("--options", type=FILE, help="A JSON object: what the format lets a source say.")
SECRET = click.option(
    "--secret-file", type=click.File("r"), help="Holds the sender's secret; - is standard input. [default: we make one]"
)


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A platform as it is listed. `unverified`: fields that no public page was found for."""

    format: str
    scheme: str
    margin: Margin
    unverified: tuple[str, ...]


def group(platforms: Mapping[str, Platform], schemes: Collection[str], *others: click.Command) -> click.Group:
    """The group `sources`, other features' commands among its own."""
    formats = Formats(platforms, schemes)
    own = (_list_command(platforms), _add_command(formats), _set_command(formats))
    found = click.Group("sources", help="The ways logs reach a bot, and the secrets that sign them.")
    for command in (*own, rotate_secret, archive_source, *others):
        found.add_command(command)
    return found


def _list_command(platforms: Mapping[str, Platform]) -> click.Command:
    @click.command("list")
    @click.argument("bot", required=False)
    @JSON_FILE
    @click.pass_obj
    def list_sources(settings: Settings, bot: str | None, json_file: TextIO | None) -> None:
        """The sources of BOT; without it, the formats there are."""
        if bot is not None:
            return _list_of(settings, bot, json_file)
        known = [
            Known(format=name, scheme=found.scheme, margin=found.margin, unverified=found.unverified)
            for name, found in platforms.items()
        ]
        if json_file is not None:
            return as_json(known, json_file)
        rows = [(one.format, one.scheme, one.margin, ", ".join(one.unverified)) for one in known]
        table(("format", "scheme", "margin", "not verified"), rows)

    return list_sources


def _list_of(settings: Settings, bot: str, json_file: TextIO | None) -> None:
    with opened(settings) as context, reading(context.engine) as connection:
        store.get_bot(connection, bot)
        sources = store.list_sources(connection, bot)
    if json_file is not None:
        return as_json(sources, json_file)
    rows = [
        (
            source.name,
            source.format,
            source.scheme,
            f"{source.tolerance_s} s",
            "archived" if source.archived_at else "live",
            webhook_url(context, bot, source.name),
        )
        for source in sources
    ]
    table(("name", "format", "scheme", "tolerance", "state", "webhook"), rows)


def _add_command(formats: Formats) -> click.Command:
    @click.command("add")
    @click.argument("bot")
    @click.argument("format", type=click.Choice(list(formats.platforms)))
    @click.option("--name", help="Of the source. [default: the format's]")
    @click.option("--scheme", type=click.Choice(list(formats.schemes)), help="How it signs. [default: by format]")
    @TOLERANCE
    @OPTIONS
    @SECRET
    @JSON
    @click.pass_obj
    def add_source(
        settings: Settings, /, bot: str, format: str, name: str | None, scheme: str | None, is_json: bool, **given: Any
    ) -> None:
        """Let logs of FORMAT reach BOT. A secret that we make is shown once."""
        wanted = NewSource(format=format, name=name or format, scheme=scheme or "", **_given(**given))
        with opened(settings) as context:
            with writing(context.engine) as connection:
                made = rules.add_source(connection, context.keyring, formats, bot, wanted, now(), at_terminal())
            _show(context, made, is_json, is_given=bool(wanted.secret))

    return add_source


def _given(*, tolerance: int | None, options: Path | None, secret_file: TextIO | None) -> dict[str, Any]:
    """What was typed, by the names of SourceChanges."""
    given: dict[str, Any] = {} if tolerance is None else {"tolerance_s": tolerance}
    if options is not None:
        given["options"] = read_options(options)
    if secret_file is not None:
        given["secret"] = _read_secret(secret_file)
    return given


def read_options(file: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"not a JSON object: {error}", path=file.name) from error
    return found


def _read_secret(file: TextIO) -> str:
    if not (secret := file.read().strip()):
        raise BadInput("the file holds no secret", path="--secret-file")
    return secret


def _show(context: Context, made: Opened, is_json: bool, *, is_given: bool) -> None:
    """A secret that was given is not said again."""
    shown = opened_source(context, made, is_given=is_given)
    if is_json:
        return as_json(shown)
    click.echo(f"webhook  {shown.webhook}\nsecret   {shown.secret or '-'}")
    click.echo("The secret you gave is in force." if is_given else _advice(shown.source, shown.secret), err=True)


def _advice(source: Source, secret: str) -> str:
    if source.scheme == signing.UNSIGNED:
        return "Unsigned: whoever knows the address can post to it."
    if not secret:
        return f"It takes nothing yet: `fencepost sources rotate {source.bot} {source.name} --secret-file FILE`."
    return "Keep the secret now: it is not shown again."


def _set_command(formats: Formats) -> click.Command:
    @click.command("set")
    @click.argument("bot")
    @click.argument("source")
    @click.option("--scheme", type=click.Choice(list(formats.schemes)), help="Ends the secrets of the one before.")
    @TOLERANCE
    @OPTIONS
    @SECRET
    @JSON
    @click.pass_obj
    def set_source(
        settings: Settings, /, bot: str, source: str, scheme: str | None, is_json: bool, **given: Any
    ) -> None:
        """Change a source; what is not given stays."""
        wanted = SourceChanges(scheme=scheme or "", **_given(**given))
        with opened(settings) as context:
            with writing(context.engine) as connection:
                made = rules.set_source(connection, context.keyring, formats, bot, source, wanted, now(), at_terminal())
            if scheme:
                return _show(context, made, is_json, is_given=bool(wanted.secret))
        as_json(made.source) if is_json else click.echo(f"{source} of {bot} is changed.")

    return set_source


@click.command("rotate")
@click.argument("bot")
@click.argument("source", default=store.NATIVE)
@GRACE
@SECRET
@JSON
@click.pass_obj
def rotate_secret(
    settings: Settings, bot: str, source: str, grace_hours: float, secret_file: TextIO | None, is_json: bool
) -> None:
    """Make a new secret, or take the sender's; the earlier ones stay valid for the grace period. Shown once."""
    given, grace = _read_secret(secret_file) if secret_file else "", timedelta(hours=grace_hours)
    with opened(settings) as context, writing(context.engine) as connection:
        secret = rules.rotate_secret(
            connection, context.keyring, bot, source, now(), grace=grace, secret=given, who=at_terminal()
        )
    if is_json:
        return as_json(NewSecret(source=source, secret="" if given else secret))
    if given:
        return click.echo("The secret you gave is in force.")
    click.echo(secret)
    click.echo("Keep it now: it is not shown again.", err=True)


@click.command("archive")
@click.argument("bot")
@click.argument("source")
@click.option("--undo", is_flag=True, help="Bring it back.")
@click.pass_obj
def archive_source(settings: Settings, bot: str, source: str, undo: bool) -> None:
    """Take nothing more from a source; what came in by it stays."""
    move = store.restore_source if undo else store.archive_source
    with opened(settings) as context, writing(context.engine) as connection:
        move(connection, bot, source, now(), who=at_terminal())
    click.echo(f"{source} of {bot} is {'live' if undo else 'archived'}.")
