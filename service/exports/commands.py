"""`fencepost export` and `fencepost releases …`. Formats are handed in: they are integrations."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from service.access.audit import at_terminal
from service.access.commands import JSON
from service.clock import now
from service.context import opened as opened_context
from service.database import reading
from service.errors import BadInput
from service.exports import releases
from service.exports.changelog import changed, changelog
from service.exports.opening import Opened, Wanted, file_name, note_export, opened_export
from service.exports.schemas import Export, Exporter, ExportRow, LabelSet, Release
from service.printing import as_json, table
from service.settings import Settings

STDOUT = "-"
HELP = """Write a bot's labelled turns, redacted, as training data. What tests classifiers is marked so, or left out
where the format has no place for it.

FORMAT is one of {}."""


def export_command(exporters: Mapping[str, Exporter]) -> click.Command:
    """`exporters` by the name of their format."""

    @click.command("export", help=HELP.format(", ".join(sorted(exporters))))
    @click.argument("name", metavar="FORMAT", type=click.Choice(sorted(exporters)))
    @click.option("--bot", required=True, help="The bot's name.")
    @click.option(
        "--set",
        "label_set",
        type=click.Choice(["full", "minimal"]),
        default="full",
        show_default=True,
        help="Every label, or the fewest that move a model most.",
    )
    @click.option("--size", type=click.IntRange(min=1), help="Labels of the minimal set. [default: as few as do]")
    @click.option("--release", type=click.IntRange(min=1), help="A version. [default: what is labelled now]")
    @click.option("--out", help="The file, - for standard output. [default: one named after the bot]")
    @click.pass_obj
    def run(
        settings: Settings,
        name: str,
        bot: str,
        label_set: str,
        size: int | None,
        release: int | None,
        out: str | None,
    ) -> None:
        exporter, wanted, at = exporters[name], Wanted(cast(LabelSet, label_set), release, size), now()
        target = out or file_name(name, exporter, bot, wanted)
        with (
            opened_context(settings) as context,
            opened_export(context.engine, bot, exporter, wanted, at) as opened,
            _written(target) as file,
            _watched(opened) as export,
        ):
            note_export(context.engine, name, opened, at, at_terminal())
            file.writelines(exporter.write(export))
        _tell(target, bot, opened)

    return run


@contextmanager
def _written(target: str) -> Iterator[BinaryIO]:
    """The file stands there once it is whole."""
    if target == STDOUT:
        with click.open_file(STDOUT, "wb") as file:
            yield cast(BinaryIO, file)
        return
    path, part = Path(target), Path(f"{target}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    except OSError as error:
        raise BadInput(
            f"{target} cannot be written: {error.strerror}", path="--out", hint="say another file"
        ) from error
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _watched(opened: Opened) -> Iterator[Export]:
    """The export; a bar on standard error shows how many rows were read."""
    shown = (TextColumn("rows"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*shown, console=Console(stderr=True, highlight=False), transient=True) as bar:
        task = bar.add_task("rows", total=opened.train + opened.test)
        yield opened.export._replace(rows=_counted(opened.export.rows, bar, task))


def _counted(rows: Iterable[ExportRow], bar: Progress, task: TaskID) -> Iterator[ExportRow]:
    for row in rows:
        bar.advance(task)
        yield row


def _tell(target: str, bot: str, opened: Opened) -> None:
    where = "standard output" if target == STDOUT else target
    click.echo(f"{where}: rows to learn from: {opened.train:,}; to test on: {opened.test:,}.", err=True)
    if opened.forgotten:
        click.echo(
            f"{opened.forgotten:,} rows of the release are missing: their people were forgotten since.", err=True
        )
    if opened.export.release is None:
        click.echo(f"Next: `fencepost releases create {bot}` keeps what is labelled now as a version.", err=True)


@click.group("releases")
def releases_group() -> None:
    """Versions of a bot's training set: create, list, show, diff."""


@releases_group.command("create")
@click.argument("bot")
@click.option("--note", default="", help="What a reader of the changelog should know.")
@JSON
@click.pass_obj
def create_release(settings: Settings, bot: str, note: str, is_json: bool) -> None:
    """Keep what is labelled now as the next version, and print what changed."""
    with opened_context(settings) as context:
        made = releases.create(context.engine, bot, note, now(), who=at_terminal())
    if is_json:
        return as_json(made)
    click.echo(changelog(bot, made))
    click.echo(f"Next: `fencepost export FORMAT --bot {bot} --release {made.n}` writes it.", err=True)


@releases_group.command("list")
@click.argument("bot")
@JSON
@click.pass_obj
def list_releases(settings: Settings, bot: str, is_json: bool) -> None:
    """Newest first."""
    with opened_context(settings) as context, reading(context.engine) as connection:
        found = releases.list_releases(connection, bot)
    if is_json:
        return as_json(found)
    table(("n", "made", "by", "rows", "added", "removed", "relabelled", "note"), [_row(one) for one in found])


def _row(release: Release) -> tuple[object, ...]:
    changes, made = release.changes, f"{release.created_at:%Y-%m-%d %H:%M}"
    rows, note = sum(intent.rows for intent in changes.rows), release.note.partition("\n")[0]
    return release.n, made, release.who, rows, changes.added, changes.removed, changes.relabelled, note


@releases_group.command("show")
@click.argument("bot")
@click.argument("n", type=int)
@JSON
@click.pass_obj
def show_release(settings: Settings, bot: str, n: int, is_json: bool) -> None:
    """The changelog, in Markdown."""
    with opened_context(settings) as context, reading(context.engine) as connection:
        found = releases.release(connection, bot, n)
    as_json(found) if is_json else click.echo(changelog(bot, found))


@releases_group.command("diff")
@click.argument("bot")
@click.argument("before", type=int)
@click.argument("after", type=int)
@click.pass_obj
def show_diff(settings: Settings, bot: str, before: int, after: int) -> None:
    """What changed from one version to another."""
    with opened_context(settings) as context, reading(context.engine) as connection:
        found = releases.changes_between(connection, bot, before, after)
    click.echo("\n".join(changed(found, before)).strip())


COMMANDS = (releases_group,)
