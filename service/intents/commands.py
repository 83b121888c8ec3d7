"""`fencepost intents …` and `fencepost gold import`. The importers are handed in: formats are integrations."""

from collections.abc import Mapping
from pathlib import Path

import click

from service.access.audit import at_terminal
from service.access.commands import JSON
from service.bots.store import live_bot
from service.clock import now
from service.context import opened
from service.database import reading, writing
from service.errors import BadInput
from service.intents import rules, store
from service.intents.schemas import Imported, Importer, IntentChange, ParsedIntent
from service.jobs import Job
from service.printing import as_json, table
from service.settings import Settings

SUFFIXES: Mapping[str, str] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".yml": "rasa",
    ".yaml": "rasa",
    ".json": "clu",
}
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
BOT = click.option("--bot", required=True, help="The bot's name.")


def commands(importers: Mapping[str, Importer]) -> tuple[click.Command, ...]:
    """The groups `intents` and `gold`; `importers` by the name of their format."""
    intents = click.Group("intents", help="Intents: import, list, rename, archive, merge.")
    for command in (list_intents, rename_intent, archive_intent, merge_intents):
        intents.add_command(command)
    intents.add_command(_import_command(importers, rules.import_intents, INTENTS_HELP))
    gold = click.Group("gold", help="Labels that test classifiers and never train them.")
    gold.add_command(_import_command(importers, rules.import_gold, GOLD_HELP))
    return intents, gold


INTENTS_HELP = """Create the intents in FILE and learn from their examples. Importing a file again changes nothing.

\b
jsonl  {"name": "refund", "description": "…", "examples": ["…"]}, or {"text": "…", "intent": "refund"}
csv    name,description,example
rasa   Rasa NLU YAML, with [annotated](entity) examples
clu    a project exported from Microsoft's CLU
lex, dialogflow_cx  the zip of a bot exported from Lex V2, of an agent's JSON package: say --format

An example of the intent `none` is out of scope; one of the split `test` is for `fencepost gold import`."""

GOLD_HELP = """Test classifiers on the labelled texts in FILE: {"text": "…", "intent": "…"} as jsonl, or csv, or rasa.

Their intents must exist; null and `none` are out of scope."""


def _import_command(importers: Mapping[str, Importer], importing: rules.Importing, help: str) -> click.Command:
    @click.command("import", help=help)
    @click.argument("file", type=FILE)
    @BOT
    @click.option(
        "--format", "format_name", type=click.Choice(sorted(importers)), help="By default, the file's ending tells."
    )
    @JSON
    @click.pass_obj
    def run(settings: Settings, file: Path, bot: str, format_name: str | None, is_json: bool) -> None:
        parsed = _parse(importers, file, format_name)
        with opened(settings) as context:
            imported = importing(context, bot, parsed, now(), who=at_terminal())
        as_json(imported) if is_json else _print(imported)

    return run


def _parse(importers: Mapping[str, Importer], file: Path, format_name: str | None) -> list[ParsedIntent]:
    name = format_name or SUFFIXES.get(file.suffix.lower(), "")
    if name not in importers:
        raise BadInput(f"{file.name}: unknown format", path="FILE", hint=f"say --format {'|'.join(sorted(importers))}")
    try:
        return list(importers[name](file.read_bytes()))
    except BadInput as error:
        raise BadInput(error.detail, path=f"{file.name}, {error.path}", hint=error.hint) from error


def _print(imported: Imported) -> None:
    click.echo(
        f"{imported.created} intents created, {imported.updated} described anew, "
        f"{imported.examples} examples on their way through ingest."
    )
    for note in imported.notes:
        click.echo(f"note: {note}", err=True)


@click.command("list")
@BOT
@click.option("--archived", is_flag=True, help="Archived and merged ones too.")
@JSON
@click.pass_obj
def list_intents(settings: Settings, bot: str, archived: bool, is_json: bool) -> None:
    with opened(settings) as context, reading(context.engine) as connection:
        views = store.views(connection, bot, archived=archived)
    if is_json:
        return as_json(views)
    rows = [(view.id, view.name, _state(view.archived_at, view.merged_into), view.description) for view in views]
    table(("id", "name", "state", "description"), rows)


def _state(archived_at: object, merged_into: str | None) -> str:
    if merged_into is not None:
        return f"merged into {merged_into}"
    return "archived" if archived_at else "live"


@click.command("rename")
@BOT
@click.argument("name")
@click.argument("new_name")
@click.pass_obj
def rename_intent(settings: Settings, bot: str, name: str, new_name: str) -> None:
    """Rename an intent; logs that use the old name still map to it."""
    _change(settings, bot, name, IntentChange(name=new_name))
    click.echo(f"{name} is {new_name} now.")


@click.command("archive")
@BOT
@click.argument("name")
@click.option("--undo", is_flag=True, help="Bring it back, also from a merge.")
@click.pass_obj
def archive_intent(settings: Settings, bot: str, name: str, undo: bool) -> None:
    """Offer and learn the intent no more; its labels stay."""
    _change(settings, bot, name, IntentChange(archived=not undo))
    click.echo(f"{name} is {'live again' if undo else 'archived'}.")


@click.command("merge")
@BOT
@click.argument("name")
@click.argument("into")
@click.pass_obj
def merge_intents(settings: Settings, bot: str, name: str, into: str) -> None:
    """Count NAME's labels for INTO from now on; `archive --undo NAME` takes them apart again."""
    _change(settings, bot, name, IntentChange(merge_into=into))
    click.echo(f"{name} is merged into {into}.")


def _change(settings: Settings, bot: str, name: str, change: IntentChange) -> None:
    with opened(settings) as context:
        with writing(context.engine) as connection:
            live_bot(connection, bot)
            intent = store.by_name(connection, bot, name)
            is_other_set = rules.change_intent(connection, bot, intent.id, change, now(), who=at_terminal())
        if is_other_set:
            rules.ask(context, Job.TRAIN, bot)
