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


class Reach(msgspec.Struct, frozen=True):
    """A role for a bot; None: for every bot."""

    role: Role
    bot: str | None


class Principal(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who asks. `bot` None: every bot. `besides`: what else they reach, where a proxy says who they are."""

    name: str
    role: Role
    bot: str | None
    via: Literal["key", "session", "slack", "proxy"]
    besides: tuple[Reach, ...] = ()


def allows(principal: Principal, role: Role, bot: str | None) -> bool:
    """Whether the principal reaches `role` for `bot`; None: for no bot in particular, as for a list of one's own bots.

    >>> ana = Principal("Ana", "owner", "shop", "key")
    >>> allows(ana, "reviewer", "shop"), allows(ana, "reader", "bank"), allows(ana, "ingest", "shop")
    (True, False, False)
    """
    own = Reach(principal.role, principal.bot)
    return any(_reaches(one, role, bot) for one in (own, *principal.besides))


def _reaches(one: Reach, role: Role, bot: str | None) -> bool:
    if bot is not None and one.bot not in (None, bot):
        return False
    if role == "operator" and one.bot is not None:
        return False
    if "ingest" in (role, one.role):
        return role == one.role
    return LADDER.index(one.role) >= LADDER.index(role)


def may_grant(principal: Principal, role: Role, bot: str | None) -> bool:
    """Whether the principal may make a key or a link with `role` for `bot`: nobody hands out more than they have."""
    if bot is None or role == "operator":
        return allows(principal, "operator", None)
    return allows(principal, "owner", bot)
