"""Which bot a command is about, and whether the person may ask.

A command can be typed anywhere by anybody in the workspace. Where a bot lists nobody, being in its channel is what
makes somebody a reviewer: so there it is only answered in that channel."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from integrations.slack import people
from service.access.roles import Role
from service.bots.schemas import Bot
from service.bots.store import list_bots
from service.errors import BadInput, Forbidden


def bot_meant(connection: sa.Connection, body: Mapping[str, Any], wanted: str, role: Role) -> Bot:
    """The bot of that name; without a name the only one whose cards come to this channel, else the only one. BadInput
    names those there are; Forbidden for somebody who does not reach the role."""
    bots = list_bots(connection)
    here = [bot for bot in bots if bot.slack_channel == body["channel_id"]]
    found = [bot for bot in bots if bot.name == wanted] if wanted else (here or bots)
    if len(found) != 1:
        raise _unclear(wanted, [bot.name for bot in found or bots], body)
    check(connection, found[0], body["user_id"], body["channel_id"], role)
    return found[0]


def _unclear(wanted: str, names: list[str], body: Mapping[str, Any]) -> BadInput:
    if not names:
        return BadInput("there is no bot yet")
    asked = f"{body['command']} {body['text'].split()[0]}"
    offered = ", ".join(f"{asked} {name}" for name in names)
    return BadInput(f"there is no bot {wanted!r}" if wanted else "there are several bots", hint=offered)


def check(connection: sa.Connection, bot: Bot, user: str, channel: str | None, role: Role) -> None:
    """Forbidden for somebody who does not reach the role there; `channel` None: in no channel."""
    people.principal_of(connection, bot.name, user, role)
    if people.is_open(connection, bot.name) and channel != bot.slack_channel:
        raise Forbidden(f"please ask in the channel of {bot.name}, for nobody has a role of their own there")
