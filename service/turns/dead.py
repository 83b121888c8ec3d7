"""Dead letters: facts that failed five times on their own, and `fencepost dead` to look into them.

They are shown *masked*: each letter as x, each digit as 0, so that the shape that broke something shows and no word of
a person does. Redacting them like turns would trust the very code they may have broken.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import click
import msgspec

from service.access import audit
from service.bots.store import get_bot
from service.clock import now
from service.context import Context, opened
from service.database import reading, writing
from service.errors import BadInput
from service.keyring import Undecipherable
from service.page import Page
from service.settings import Settings
from service.streams import DeadLetter, Streams
from service.turns.schemas import Envelope

PAGE = 100
# Text fields that are ids, names of the platform's or choices: anything else is masked, fields of tomorrow included.
IDS = {"bot", "source", "delivery_id", "external_id", "conversation_id", "turn_external_id", "reply_external_id"}
NAMES = {"type", "kind", "name", "intent", "use", "lang", "channel", "bot_version"}
PLAIN = IDS | NAMES | {"at", "received_at"}


def mask(text: str) -> str:
    """The text's shape: control characters and NULs show as escapes, for they are what databases stumble on.

    >>> mask("Anna, 42: \\0")
    'xxxx, 00: \\\\x00'
    """
    return "".join(_masked(character) for character in text)


def _masked(character: str) -> str:
    category = unicodedata.category(character)
    if category.startswith("C"):
        return ascii(character)[1:-1]
    return "x" if category[0] in "LM" else "0" if category[0] == "N" else character


def shown(envelope: Envelope) -> dict[str, Any]:
    """Plain values of an envelope, with everything masked that a person may have written."""
    found: dict[str, Any] = _shown(msgspec.to_builtins(envelope), "")
    return found


def _shown(value: Any, field: str) -> Any:
    if isinstance(value, dict):
        return {name: _shown(item, name) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(item, field) for item in value]
    return mask(value) if isinstance(value, str) and field not in PLAIN else value


def show(streams: Streams, bot: str, letter: DeadLetter) -> dict[str, Any]:
    """What can be said of a dead letter; one that cannot be opened says so."""
    told: dict[str, Any] = {"id": letter.id, "at": letter.at, "failures": letter.failures, "error": letter.error}
    try:
        return told | shown(streams.open(bot, letter.sealed))
    except (Undecipherable, msgspec.MsgspecError):
        return told | {"unreadable": "sealed with another key, or damaged", "bytes": len(letter.sealed)}


def page(streams: Streams, bot: str, after: str, count: int = 20) -> Page[dict[str, Any]]:
    """Dead letters as they are shown, oldest first, after the one of that id; "": from the first on."""
    letters = streams.dead_list(bot, after=after, count=count + 1)
    following = letters[count - 1].id if len(letters) > count else None
    return Page([show(streams, bot, letter) for letter in letters[:count]], following)


def every(streams: Streams, bot: str) -> Iterator[DeadLetter]:
    """All dead letters, oldest first, page by page."""
    after = ""
    while page := streams.dead_list(bot, after=after, count=PAGE):
        yield from page
        after = page[-1].id


def streams_of(context: Context) -> Streams:
    return Streams(context.redis, context.keyring, context.settings.stream_bound)


def replay(context: Context, bot: str, letter_ids: Sequence[str], now: datetime, *, who: str) -> None:
    """Send them through ingest again. DeadLetterNotFound for the first that is none: those before it are sent."""
    streams = streams_of(context)
    for letter_id in letter_ids:
        _record(context, "dead.replay", streams.dead_letter(bot, letter_id), bot, now, who)
        streams.dead_replay(bot, letter_id)


def drop(context: Context, bot: str, letter_ids: Sequence[str], now: datetime, *, who: str) -> None:
    """Delete them for good. DeadLetterNotFound for the first that is none: those before it are gone."""
    streams = streams_of(context)
    for letter_id in letter_ids:
        _record(context, "dead.drop", streams.dead_letter(bot, letter_id), bot, now, who)
        streams.dead_drop(bot, letter_id)


def _record(context: Context, action: str, letter: DeadLetter, bot: str, now: datetime, who: str) -> None:
    # Before it is done: of what was done and not recorded nobody would learn.
    with writing(context.engine) as connection:
        audit.record(connection, bot, action, now, who, letter=letter.id, error=letter.error)


@contextmanager
def _opened(settings: Settings, bot: str) -> Iterator[Context]:
    """BotNotFound for a name mistyped, rather than no dead letters."""
    with opened(settings) as context:
        with reading(context.engine) as connection:
            get_bot(connection, bot)
        yield context


@click.group()
def dead() -> None:
    """Facts that failed five times on their own."""


@dead.command("list")
@click.argument("bot")
@click.pass_obj
def list_letters(settings: Settings, bot: str) -> None:
    """One line a dead letter: id, when, why."""
    with _opened(settings, bot) as context:
        for letter in every(streams_of(context), bot):
            click.echo(f"{letter.id}  {letter.at:%Y-%m-%d %H:%M:%S}Z  {letter.failures} × {letter.error}")


@dead.command("show")
@click.argument("bot")
@click.argument("letter_id", metavar="ID")
@click.pass_obj
def show_letter(settings: Settings, bot: str, letter_id: str) -> None:
    """The fact as JSON, with what people wrote masked."""
    with _opened(settings, bot) as context:
        streams = streams_of(context)
        found = show(streams, bot, streams.dead_letter(bot, letter_id))
    click.echo(msgspec.json.format(msgspec.json.encode(found)).decode())


@dead.command("replay")
@click.argument("bot")
@click.argument("letter_ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All of the bot's dead letters.")
@click.pass_obj
def replay_letters(settings: Settings, bot: str, letter_ids: Sequence[str], everything: bool) -> None:
    """Send dead letters through ingest again, once what broke is mended."""
    with _opened(settings, bot) as context:
        chosen = _chosen(streams_of(context), bot, letter_ids, everything=everything)
        replay(context, bot, chosen, now(), who=audit.at_terminal())
    click.echo(f"{len(chosen)} sent to ingest again")


@dead.command("drop")
@click.argument("bot")
@click.argument("letter_ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All of the bot's dead letters.")
@click.pass_obj
def drop_letters(settings: Settings, bot: str, letter_ids: Sequence[str], everything: bool) -> None:
    """Delete dead letters for good."""
    with _opened(settings, bot) as context:
        chosen = _chosen(streams_of(context), bot, letter_ids, everything=everything)
        drop(context, bot, chosen, now(), who=audit.at_terminal())
    click.echo(f"{len(chosen)} deleted")


def _chosen(streams: Streams, bot: str, letter_ids: Sequence[str], *, everything: bool) -> list[str]:
    """The ids given, every one known; or those of all dead letters there are now."""
    if bool(letter_ids) == everything:
        raise BadInput("name dead letters by id, or say --all", hint=f"`fencepost dead list {bot}` names them")
    if everything:
        return [letter.id for letter in every(streams, bot)]
    return [streams.dead_letter(bot, letter_id).id for letter_id in letter_ids]


COMMANDS = (dead,)
