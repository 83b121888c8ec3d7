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
from service.bots.controllers import NewSecret, webhook_url
from service.bots.schemas import Source
from service.bots.sources import Opened, change_source, checked_options, open_source
from service.clock import now
from service.context import Context, opened
from service.database import reading, writing
from service.errors import BadInput
from service.printing import as_json, table
from service.settings import Settings
from service.turns.parsing import Platform

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
    margin: bool
    unverified: tuple[str, ...]


class OpenedSource(msgspec.Struct, frozen=True, kw_only=True):
    """`secret` is shown this once; "" where the sender's has still to be given, or the source is unsigned."""

    source: Source
    webhook: str
    secret: str


def group(platforms: Mapping[str, Platform], schemes: Collection[str], *others: click.Command) -> click.Group:
    """The group `sources`, other features' commands among its own."""
    own = (_list_command(platforms), _add_command(platforms, schemes), _set_command(platforms, schemes))
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
            Known(format=name, scheme=found.scheme, margin=found.has_margin, unverified=found.unverified)
            for name, found in platforms.items()
        ]
        if json_file is not None:
            return as_json(known, json_file)
        rows = [(one.format, one.scheme, "yes" if one.margin else "no", ", ".join(one.unverified)) for one in known]
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


def _add_command(platforms: Mapping[str, Platform], schemes: Collection[str]) -> click.Command:
    @click.command("add")
    @click.argument("bot")
    @click.argument("format", type=click.Choice(list(platforms)))
    @click.option("--name", help="Of the source. [default: the format's]")
    @click.option("--scheme", type=click.Choice(list(schemes)), help="How deliveries are signed. [default: by format]")
    @TOLERANCE
    @OPTIONS
    @SECRET
    @JSON
    @click.pass_obj
    def add_source(
        settings: Settings, /, bot: str, format: str, name: str | None, scheme: str | None, is_json: bool, **given: Any
    ) -> None:
        """Let logs of FORMAT reach BOT. A secret that we make is shown once."""
        platform = platforms[format]
        own = {"format": format, "scheme": scheme or platform.scheme, "who": at_terminal()}
        wanted = _given(platform, **given)
        if "options" not in wanted:
            checked_options(platform, {})  # a format may want some
        with opened(settings) as context:
            with writing(context.engine) as connection:
                made = open_source(connection, context.keyring, bot, name or format, now(), **own, **wanted)
            _show(context, made, is_json, is_given=given["secret_file"] is not None)

    return add_source


def _given(
    platform: Platform, *, tolerance: int | None, options: Path | None, secret_file: TextIO | None
) -> dict[str, Any]:
    """What was typed, by the names that sources.py takes."""
    given: dict[str, Any] = {} if tolerance is None else {"tolerance_s": tolerance}
    if options is not None:
        given["options"] = checked_options(platform, read_options(options))
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
    source, secret = made.source, "" if is_given else made.secret
    url = webhook_url(context, source.bot, source.name)
    if is_json:
        return as_json(OpenedSource(source=source, webhook=url, secret=secret))
    click.echo(f"webhook  {url}\nsecret   {secret or '-'}")
    click.echo("The secret you gave is in force." if is_given else _advice(source, secret), err=True)


def _advice(source: Source, secret: str) -> str:
    if source.scheme == signing.UNSIGNED:
        return "Unsigned: whoever knows the address can post to it."
    if not secret:
        return f"It takes nothing yet: `fencepost sources rotate {source.bot} {source.name} --secret-file FILE`."
    return "Keep the secret now: it is not shown again."


def _set_command(platforms: Mapping[str, Platform], schemes: Collection[str]) -> click.Command:
    @click.command("set")
    @click.argument("bot")
    @click.argument("source")
    @click.option("--scheme", type=click.Choice(list(schemes)), help="Ends the secrets of the one before.")
    @TOLERANCE
    @OPTIONS
    @SECRET
    @JSON
    @click.pass_obj
    def set_source(
        settings: Settings, /, bot: str, source: str, scheme: str | None, is_json: bool, **given: Any
    ) -> None:
        """Change a source; what is not given stays."""
        if given["secret_file"] is not None and scheme is None:
            raise click.UsageError("--secret-file goes with --scheme; `sources rotate` takes a new secret")
        with opened(settings) as context:
            with writing(context.engine) as connection:
                platform = platforms[store.get_source(connection, bot, source).format]
                changes = _given(platform, **given) | ({"scheme": scheme} if scheme else {})
                made = change_source(connection, context.keyring, bot, source, now(), who=at_terminal(), **changes)
            if scheme:
                return _show(context, made, is_json, is_given=given["secret_file"] is not None)
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
    grace = timedelta(hours=grace_hours)
    with opened(settings) as context, writing(context.engine) as connection:
        store.live_bot(connection, bot)
        given, who = _read_secret(secret_file) if secret_file else "", at_terminal()
        secret = store.add_secret(connection, context.keyring, bot, source, now(), grace=grace, secret=given, who=who)
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
