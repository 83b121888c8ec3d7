"""`fencepost replay`, `fencepost recount` and `fencepost dead …`."""

from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from service.access.audit import at_terminal
from service.bots.store import NATIVE, active_secrets, live_bot
from service.clock import now
from service.context import opened
from service.database import reading
from service.errors import NotFound
from service.settings import Settings
from service.turns import recounting
from service.turns.dead import dead
from service.turns.logs import BETWEEN_CONVERSATIONS, Conversation, read_log
from service.turns.replay import Played, Remark, load, play, state_path
from service.turns.sending import PATIENCE_S, opened_sender


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--bot", required=True, help="The bot whose log this is.")
@click.option("--source", default=NATIVE, show_default=True, help="The source that sends; its format must be native.")
@click.option(
    "--speed", type=click.FloatRange(min=0), default=0.0, help="Turns a second. [default: as fast as they are taken]"
)
@click.option("--batch", type=click.IntRange(1, 500), default=1, help="Turns a delivery. [default: one conversation]")
@click.option("--hold-out", is_flag=True, help="Leave out every fifth conversation, to test on it later.")
@click.option("--restart", is_flag=True, help="Play from the beginning, even where an earlier replay was stopped.")
@click.option(
    "--patience",
    type=click.FloatRange(min=0),
    default=PATIENCE_S,
    show_default=True,
    help="Seconds to wait for a server that is away or full.",
)
@click.option("--url", help="The server. [default: this installation's]")
@click.option("--secret", help="A secret of the source, whsec_…. [default: read from this installation's database]")
@click.pass_obj
def replay(
    settings: Settings,
    file: Path,
    bot: str,
    source: str,
    speed: float,
    batch: int,
    hold_out: bool,
    restart: bool,
    patience: float,
    url: str | None,
    secret: str | None,
) -> None:
    """Play a conversation log through the signed webhook.

    FILE is JSON Lines, plain or gzip: a row for each utterance or a row for each conversation. Stopped, it goes on
    where it was when the same command is given again; what was sent twice counts once.
    """
    url = url or settings.base_url
    path = state_path(settings.folder, file, url, bot, source, str(hold_out))
    log, played = _load(file, path, restart=restart)
    chosen = [conversation for conversation in log if not (hold_out and conversation.is_held_out)]
    console = Console(highlight=False)
    if played.next:
        console.print(f"going on at conversation {played.next + 1} of {len(log)}")
    secret = secret or own_secret(settings, bot, source)
    with opened_sender(url, bot, source, secret, patience_s=patience) as sender, _progress(console) as bar:
        task = bar.add_task(file.name, total=len(log), completed=played.next)
        play(
            chosen,
            sender,
            played,
            path,
            speed=speed,
            batch=batch,
            on_progress=lambda so_far: bar.update(task, completed=so_far.next),
        )
        bar.update(task, completed=len(log))
    _print_summary(console, played)


def _load(file: Path, path: Path, *, restart: bool) -> tuple[list[Conversation], Played]:
    """The log, and how far an earlier replay came. An untimed log ends about now."""
    if restart:
        path.unlink(missing_ok=True)
    rows = sum(1 for _ in read_log(file))
    played = load(path, now() - rows * BETWEEN_CONVERSATIONS)
    return list(read_log(file, start=played.start)), played


def own_secret(settings: Settings, bot: str, source: str) -> str:
    """The newest secret of a source of this installation."""
    with opened(settings) as context, reading(context.engine) as connection:
        live_bot(connection, bot)
        secrets = active_secrets(connection, context.keyring, bot, source)
    if not secrets:
        raise NotFound(f"source {source!r} has no secret in force", hint=f"`fencepost sources rotate {bot} {source}`")
    return secrets[0]


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True)


def _print_summary(console: Console, played: Played) -> None:
    console.print(f"{played.turns:,} turns played; {played.accepted:,} turns, replies and reports accepted")
    for title, remarks in (("noted", played.notes), ("rejected", played.rejected)):
        for type, remark in sorted(remarks.items()):
            console.print(_line(title, type, remark), markup=False, soft_wrap=True)


def _line(title: str, type: str, remark: Remark) -> str:
    return f"{title} {remark.count:,} × {type}; the first: {remark.first}"


@click.command()
@click.option("--bot", required=True, help="The bot whose log is counted.")
@click.pass_obj
def recount(settings: Settings, bot: str) -> None:
    """Count a bot's log anew, where pages count it wrongly (`fencepost doctor` says so); turns may come in."""
    with opened(settings) as context:
        wrong = recounting.recount(context.engine, bot, now(), who=at_terminal())
    click.echo(f"Counts that were wrong and are mended: {wrong}." if wrong else "Every count is right.")


COMMANDS = (replay, recount, dead)
