"""Who may do what: one ladder of roles, and `ingest`, which stands beside it.

A key or a session carries one role, for one bot or for every bot. `operator`, the role of the whole installation, is
never bound to a bot.
"""

from typing import Literal, get_args

import msgspec

Role = Literal["ingest", "reader", "reviewer", "adjudicator", "owner", "operator"]
ROLES: tuple[Role, ...] = get_args(Role)
LADDER: tuple[Role, ...] = ("reader", "reviewer", "adjudicator", "owner", "operator")

SLACK_USER = "slack:"  # a Slack user's name, before their id; nobody else's begins so


class Principal(msgspec.Struct, frozen=True):
    """Who asks. `bot` None: every bot."""

    name: str
    role: Role
    bot: str | None
    via: Literal["key", "session", "slack"]


def allows(principal: Principal, role: Role, bot: str | None) -> bool:
    """Whether the principal reaches `role` for `bot`; None: for no bot in particular, as for a list of one's own bots.

    >>> ana = Principal("Ana", "owner", "shop", "key")
    >>> allows(ana, "reviewer", "shop"), allows(ana, "reader", "bank"), allows(ana, "ingest", "shop")
    (True, False, False)
    """
    if bot is not None and principal.bot not in (None, bot):
        return False
    if role == "operator" and principal.bot is not None:
        return False
    if "ingest" in (role, principal.role):
        return role == principal.role
    return LADDER.index(principal.role) >= LADDER.index(role)


def may_grant(principal: Principal, role: Role, bot: str | None) -> bool:
    """Whether the principal may make a key or a link with `role` for `bot`: nobody hands out more than they have."""
    if bot is None or role == "operator":
        return allows(principal, "operator", None)
    return allows(principal, "owner", bot)
