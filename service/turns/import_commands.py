"""`fencepost import`, and `fencepost sources test`. Platforms are handed in: they are integrations."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from service.bots.source_commands import FILE, JSON_FILE, OPTIONS, read_options
from service.bots.sources import checked_options
from service.bots.store import NATIVE, get_source, live_bot
from service.clock import now
from service.context import opened
from service.database import reading
from service.errors import BadInput
from service.intents.store import intent_ids
from service.printing import as_json
from service.settings import Settings
from service.turns import files, importing
from service.turns.files import Piece
from service.turns.importing import Import, Imported, Read
from service.turns.parsing import Parsed, Platform
from service.turns.schemas import Fact, Reply, Report, Turn
from service.turns.sending import PATIENCE_S

GENERIC = "generic"
COLUMNS = ("text", "turn_id", "conversation_id", "user", "ts", "lang", "channel", "bot_version", "intent", "score")
SHOWN = 100  # characters of a text
COLUMN = click.option("--column", "columns", multiple=True, help="FIELD=COLUMN of a CSV; repeat it for more.")


def import_command(platforms: Mapping[str, Platform]) -> click.Command:
    @click.command("import")
    @click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=FILE)
    @click.option("--bot", required=True, help="The bot whose log this is.")
    @click.option("--source", default=NATIVE, show_default=True, help="The source that would have sent it.")
    @COLUMN
    @click.option("--dry-run", is_flag=True, help="Only say what would become of it.")
    @click.option(
        "--patience",
        type=click.FloatRange(min=0),
        default=PATIENCE_S,
        show_default=True,
        help="Seconds to wait while Redis is away or the bot's stream is full.",
    )
    @JSON_FILE
    @click.pass_obj
    def run(
        settings: Settings,
        paths: Sequence[Path],
        bot: str,
        source: str,
        columns: Sequence[str],
        dry_run: bool,
        patience: float,
        json_file: TextIO | None,
    ) -> None:
        """Read logs from files, in the format of the bot's SOURCE: what a webhook would have been sent.

        FILE is JSON, JSON Lines or a CSV, plain or gzip. A CSV's columns are text, turn_id, conversation_id, user, ts,
        lang, channel, bot_version, intent and score; where they are called otherwise, --column text=Utterance says so.
        Importing a file again changes nothing.
        """
        done = Imported()
        with opened(settings) as context:
            with reading(context.engine) as connection:
                live_bot(connection, bot)
                found, intents = get_source(connection, bot, source), set(intent_ids(connection, bot))
            reads = [_reader(platforms, found.format, found.options, path, columns) for path in paths]
            append = importing.dry(context, found) if dry_run else importing.appender(context, found, now(), patience)
            going = Import(done, append, intents)
            with _reported(done, json_file, is_dry=dry_run), _progress() as bar:
                for path, read in zip(paths, reads, strict=True):
                    task = bar.add_task(path.name, total=path.stat().st_size)
                    going.add(files.pieces(path), read, partial(_show, bar, task))

    return run


@contextmanager
def _reported(done: Imported, json_file: TextIO | None, *, is_dry: bool) -> Iterator[None]:
    """What became of the files, also when it ends in the middle."""
    try:
        yield
    except BaseException:  # Ctrl-C too
        click.echo("Broken off; up to there:", err=True)
        if not is_dry:
            click.echo("(the same command again goes on: what was taken is known)", err=True)
        raise
    finally:
        as_json(done, json_file) if json_file is not None else _print(done, is_dry=is_dry)


def _show(bar: Progress, task: TaskID, piece: Piece) -> None:
    bar.update(task, completed=piece.read)


def _progress() -> Progress:
    shown = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    return Progress(*shown, console=Console(stderr=True, highlight=False), transient=True)


def _reader(
    platforms: Mapping[str, Platform], format: str, options: Mapping[str, Any], path: Path, columns: Sequence[str]
) -> Read:
    """A table's rows are read by their columns, whatever the source's format."""
    if not files.is_table(path):
        return importing.reader(platforms[format].parse, options, now())
    names = _column_map(files.columns(path), columns)
    by_columns = checked_options(platforms[GENERIC], {"turn": names})
    return importing.reader(platforms[GENERIC].parse, by_columns, now())


def _column_map(header: Sequence[str], columns: Sequence[str]) -> dict[str, str]:
    """Field → column, of the columns there are."""
    named = {name: name for name in COLUMNS if name in header}
    for given in columns:
        name, equals, column = given.partition("=")
        if not equals or name not in COLUMNS or column not in header:
            hint = f"FIELD=COLUMN of {', '.join(COLUMNS)} and the columns {', '.join(header)}"
            raise BadInput(f"{given!r} names no field or no column", path="--column", hint=hint)
        named[name] = column
    if "text" not in named:
        raise BadInput("no column is called text", path="--column", hint=f"text=COLUMN, of {', '.join(header)}")
    return {"turn_id": files.ROW_ID, **named}


def _print(done: Imported, *, is_dry: bool) -> None:
    said = f"{done.turns:,} turns, {done.replies:,} replies and {done.reports:,} reports"
    click.echo(f"{said} would be imported" if is_dry else f"{said} are on their way through ingest")
    if done.known:
        click.echo(f"known {done.known:,} × from before")
    if done.repeated:
        click.echo(f"repeated {done.repeated:,} × within the files")
    if done.intents:
        click.echo(f"intents that are kept by name, not imported: {', '.join(sorted(done.intents))}")
    for title, remarks in (("noted", done.notes), ("skipped", done.rejected)):
        for type, remark in sorted(remarks.items()):
            click.echo(f"{title} {remark.count:,} × {type}; the first: {remark.first}")


def test_command(platforms: Mapping[str, Platform]) -> click.Command:
    @click.command("test")
    @click.argument("source")
    @click.option("--sample", required=True, type=FILE, help="A payload; or a file as `fencepost import` takes it.")
    @click.option("--bot", help="The bot that has the source. Without it, SOURCE is a format.")
    @OPTIONS
    @COLUMN
    @JSON_FILE
    @click.pass_obj
    def run(
        settings: Settings,
        source: str,
        sample: Path,
        bot: str | None,
        options: Path | None,
        columns: Sequence[str],
        json_file: TextIO | None,
    ) -> None:
        """Show what a payload would become; nothing is stored. The text is shown as it is, not redacted."""
        if bot is not None:
            with opened(settings) as context, reading(context.engine) as connection:
                found = get_source(connection, bot, source)
            format, settled = found.format, found.options
        elif source in platforms:
            format, settled = source, {}
        else:
            raise BadInput(f"{source!r} is no format", path="SOURCE", hint=f"one of {', '.join(platforms)}, or --bot")
        if options is not None:
            settled = checked_options(platforms[format], read_options(options))
        read = _reader(platforms, format, settled, sample, columns)
        parsed = importing.merged(importing.read_piece(piece, read) for piece in files.pieces(sample))
        _print_json(parsed, json_file) if json_file is not None else _print_parsed(parsed)

    return run


def _print_json(parsed: Parsed, json_file: TextIO) -> None:
    as_json({"facts": parsed.facts, "notes": parsed.notes, "rejected": parsed.rejected}, json_file)


def _print_parsed(parsed: Parsed) -> None:
    for fact in parsed.facts:
        click.echo(_line(fact))
    for note in parsed.notes:
        click.echo(f"note     {note.path}: {note.note} ({note.type})")
    for found in parsed.rejected:
        click.echo(f"skipped  {found.path}: {found.reason} ({found.type})")
    if not (parsed.facts or parsed.notes or parsed.rejected):
        click.echo("nothing in it is a turn, a reply or a report")


def _line(fact: Fact) -> str:
    match fact:
        case Turn(external_id=own, text=text):
            scores = ", ".join(f"{score.name} {score.score:g}" for score in fact.intents)
            flags = " (fallback)" * fact.is_fallback + " (slot fill)" * fact.is_slot_fill
            return f"turn     {own}: {text[:SHOWN]!r}{flags} {scores}".rstrip()
        case Reply(external_id=own, text=text):
            return f"reply    {own}: {text[:SHOWN]!r}"
        case Report(kind=kind, turn_external_id=turn, reply_external_id=reply, intent=intent):
            return f"report   {kind} on {turn or reply} {intent}".rstrip()
    return ""
