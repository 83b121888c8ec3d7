"""`fencepost sessions …`: who is signed in to the console."""

import click

from service.access import sessions
from service.access.audit import at_terminal
from service.clock import now
from service.context import opened
from service.database import reading, writing
from service.printing import as_json, table
from service.settings import Settings


@click.group("sessions")
def sessions_group() -> None:
    """Console sessions that a link or a key opened: list, end."""


@sessions_group.command("list")
@click.option("--bot", help="Only this bot's.")
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_sessions(settings: Settings, bot: str | None, is_json: bool) -> None:
    """Who is signed in."""
    with opened(settings) as context, reading(context.engine) as connection:
        found = sessions.list_sessions(connection, now(), bot)
    if is_json:
        return as_json(found)
    table(("id", "name", "role", "bot", "since", "by"), [_row(one) for one in found])


def _row(one: sessions.Session) -> tuple[str, ...]:
    by = f"key {one.key_id}" if one.key_id else "link"
    return one.id, one.name, one.role, one.bot or "every bot", f"{one.created_at:%Y-%m-%d %H:%M}", by


@sessions_group.command("end")
@click.argument("session_id")
@click.pass_obj
def end_session(settings: Settings, session_id: str) -> None:
    """Sign out whoever holds the session with this id."""
    with opened(settings) as context, writing(context.engine) as connection:
        ended = sessions.end_session(connection, session_id, now(), who=at_terminal())
    click.echo(f"{ended.id} ({ended.name}) has ended.")
