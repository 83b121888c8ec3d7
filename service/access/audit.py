"""Every change leaves a row: who did what, to which bot, when. Details hold no text of users and no secrets."""

import getpass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from service import tables as t

SYSTEM = "fencepost"


def record(connection: sa.Connection, bot: str | None, action: str, now: datetime, who: str, **details: Any) -> None:
    connection.execute(sa.insert(t.audit_log).values(bot=bot, at=now, who=who, action=action, details=details))


def at_terminal() -> str:
    """Who types a command: the account's name on this machine."""
    try:
        return f"{getpass.getuser()} (terminal)"
    except (KeyError, OSError):  # a container's numeric user has no name
        return "terminal"
