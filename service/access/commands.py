"""`fencepost keys …` and `fencepost sign-in`."""

from datetime import timedelta
from typing import cast

import click

from service.access import keys, sessions
from service.access.audit import at_terminal
from service.access.controllers import NewKey, sign_in_url
from service.access.people_commands import people_group
from service.access.roles import ROLES, Role
from service.access.session_commands import sessions_group
from service.clock import now
from service.context import opened
from service.database import reading, writing
from service.printing import as_json, table
from service.settings import Settings

JSON = click.option("--json", "is_json", is_flag=True, help="Print JSON.")
GRACE = click.option("--grace-hours", type=click.FloatRange(0, 720), default=24, show_default=True)


@click.group("keys")
def keys_group() -> None:
    """API keys: create, list, revoke, rotate."""


@keys_group.command("create")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), required=True)
@click.option("--bot", help="Without it the key reaches every bot.")
@JSON
@click.pass_obj
def create_key(settings: Settings, name: str, role: str, bot: str | None, is_json: bool) -> None:
    """Make a key for NAME, a person or a program. It is shown once."""
    with opened(settings) as context, writing(context.engine) as connection:
        key = keys.create_key(connection, name=name, role=cast(Role, role), bot=bot, now=now(), who=at_terminal())
    _show(key, is_json)


def _show(key: str, is_json: bool) -> None:
    if is_json:
        return as_json(NewKey(id=keys.id_of(key), key=key))
    click.echo(key)
    click.echo("Keep it now: it is not shown again.", err=True)


@keys_group.command("list")
@click.option("--bot", help="Only this bot's.")
@JSON
@click.pass_obj
def list_keys(settings: Settings, bot: str | None, is_json: bool) -> None:
    with opened(settings) as context, reading(context.engine) as connection:
        found = keys.list_keys(connection, bot)
    if is_json:
        return as_json(found)
    rows = [(key.id, key.name, key.role, key.bot or "every bot", _state(key)) for key in found]
    table(("id", "name", "role", "bot", "state"), rows)


def _state(key: keys.ApiKey) -> str:
    if key.revoked_at is not None:
        return f"revoked {key.revoked_at:%Y-%m-%d %H:%M}"
    if key.expires_at is not None:
        return f"{'valid until' if key.expires_at > now() else 'expired'} {key.expires_at:%Y-%m-%d %H:%M}"
    return "valid"


@keys_group.command("revoke")
@click.argument("key_id")
@click.pass_obj
def revoke_key(settings: Settings, key_id: str) -> None:
    """Refuse the key with this id from now on."""
    with opened(settings) as context, writing(context.engine) as connection:
        key = keys.revoke_key(connection, key_id, now(), who=at_terminal())
    click.echo(f"{key.id} ({key.name}) is revoked.")


@keys_group.command("rotate")
@click.argument("key_id")
@GRACE
@JSON
@click.pass_obj
def rotate_key(settings: Settings, key_id: str, grace_hours: float, is_json: bool) -> None:
    """Make a successor with the same name, role and bot; the old key stays valid for the grace period."""
    with opened(settings) as context, writing(context.engine) as connection:
        key = keys.rotate_key(connection, key_id, now(), grace=timedelta(hours=grace_hours), who=at_terminal())
    _show(key, is_json)


@click.command("sign-in")
@click.option(
    "--role", type=click.Choice([role for role in ROLES if role != "ingest"]), default="operator", show_default=True
)
@click.option("--bot", help="Without it the link reaches every bot.")
@click.option("--name", default="", help="Whose votes they will be; without it the person is asked.")
@click.pass_obj
def sign_in(settings: Settings, role: str, bot: str | None, name: str) -> None:
    """Print a link that opens the console. It works once, within 15 minutes."""
    with opened(settings) as context, writing(context.engine) as connection:
        token = sessions.create_sign_in(
            connection, name=name, role=cast(Role, role), bot=bot, now=now(), who=at_terminal()
        )
        click.echo(sign_in_url(context, token))


COMMANDS: tuple[click.Command, ...] = (keys_group, sign_in, sessions_group, people_group)
