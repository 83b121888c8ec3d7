"""Who may do what from Slack: users (`U…`, in an enterprise grid also `W…`) and user groups (`S…`) ↔ roles, per bot.

A bot that lists nobody is open: everybody who sees its cards in the channel is a reviewer, and nobody more. A bot that
lists anybody is closed to everybody else. Members of groups are kept in SQL, so that a click never waits for Slack."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Literal

import msgspec
import sqlalchemy as sa

from service import database, tables
from service.access import audit
from service.access.roles import LADDER, SLACK_USER, Principal, Role, allows
from service.bots.store import get_bot, live_bot
from service.errors import BadInput, Forbidden, NotFound
from service.reviews.schemas import Reviewer
from service.reviews.voting import reviewer_of

ROLE, MEMBER = tables.slack_role, tables.slack_member
SUBJECT = re.compile(r"[UWS][A-Z0-9]{1,30}")
SlackRole = Literal["reader", "reviewer", "adjudicator", "owner"]
OPEN_ROLE: Role = "reviewer"  # of everybody, where nobody is listed


class Listed(msgspec.Struct, frozen=True):
    """A user or a group and the role they have for the bot. `members` None: a user; a group's number as last read."""

    bot: str
    subject: str
    role: SlackRole
    members: int | None = None


def is_group(subject: str) -> bool:
    return subject.startswith("S")


def add(connection: sa.Connection, bot: str, subject: str, role: SlackRole, now: datetime, *, who: str) -> None:
    """The role of a user or a group, in place of the one they had."""
    live_bot(connection, bot)
    if not SUBJECT.fullmatch(subject):
        raise BadInput(f"{subject!r} is no Slack id", path="subject", hint="U… of a user, S… of a user group")
    connection.execute(sa.delete(ROLE).where(ROLE.c.bot == bot, ROLE.c.subject == subject))
    connection.execute(ROLE.insert(), {"bot": bot, "subject": subject, "role": role})
    audit.record(connection, bot, "slack-role.set", now, who, subject=subject, role=role)


def remove(connection: sa.Connection, bot: str, subject: str, now: datetime, *, who: str) -> None:
    live_bot(connection, bot)
    done = connection.execute(sa.delete(ROLE).where(ROLE.c.bot == bot, ROLE.c.subject == subject))
    if not done.rowcount:
        raise NotFound(f"bot {bot!r} does not list {subject!r}", hint=f"`fencepost slack people list {bot}` shows whom")
    audit.record(connection, bot, "slack-role.remove", now, who, subject=subject)


def listed(connection: sa.Connection, bot: str) -> list[Listed]:
    """Users and groups by id; BotNotFound."""
    get_bot(connection, bot)
    count = sa.select(sa.func.count()).where(MEMBER.c.group_id == ROLE.c.subject).scalar_subquery()
    query = sa.select(ROLE, count.label("members")).where(ROLE.c.bot == bot).order_by(ROLE.c.subject)
    return [
        Listed(row.bot, row.subject, row.role, row.members if is_group(row.subject) else None)
        for row in connection.execute(query)
    ]


def groups_of(connection: sa.Connection, bot: str) -> list[str]:
    return [one.subject for one in listed(connection, bot) if is_group(one.subject)]


def set_members(connection: sa.Connection, group: str, users: Iterable[str]) -> None:
    """Repeating it, or two at once, changes nothing."""
    wanted = set(users)
    connection.execute(sa.delete(MEMBER).where(MEMBER.c.group_id == group, MEMBER.c.user_id.not_in(wanted)))
    database.insert_new(connection, MEMBER, [{"group_id": group, "user_id": user} for user in sorted(wanted)])


def is_open(connection: sa.Connection, bot: str) -> bool:
    """Whether the bot lists nobody."""
    return connection.scalar(sa.select(ROLE.c.subject).where(ROLE.c.bot == bot).limit(1)) is None


def has_adjudicator(connection: sa.Connection, bot: str) -> bool:
    return any(LADDER.index(one.role) >= LADDER.index("adjudicator") for one in listed(connection, bot))


def role_of(connection: sa.Connection, bot: str, user: str) -> Role | None:
    """The highest of the user's own role and their groups'; None: the bot lists others, and not them."""
    groups = sa.select(MEMBER.c.group_id).where(MEMBER.c.user_id == user)
    theirs = (ROLE.c.bot == bot) & ((ROLE.c.subject == user) | ROLE.c.subject.in_(groups))
    roles: list[Role] = list(connection.scalars(sa.select(ROLE.c.role).where(theirs)))
    if not roles:
        return OPEN_ROLE if is_open(connection, bot) else None
    return max(roles, key=LADDER.index)


def principal_of(connection: sa.Connection, bot: str, user: str, role: Role) -> Principal:
    """The user, who reaches `role` for the bot; else Forbidden, in words for them."""
    found = role_of(connection, bot, user)
    principal = Principal(SLACK_USER + user, found, bot, "slack") if found else None
    if principal is None or not allows(principal, role, bot):
        raise Forbidden(refusal(bot, user, role))
    return principal


def reviewer(connection: sa.Connection, bot: str, user: str) -> Reviewer | None:
    """The user as a reviewer of the bot; None when they are none."""
    try:
        return voter(connection, bot, user)
    except Forbidden:
        return None


def voter(connection: sa.Connection, bot: str, user: str) -> Reviewer:
    """The user as a reviewer of the bot; else Forbidden, in words for them."""
    return reviewer_of(principal_of(connection, bot, user, OPEN_ROLE), bot)


def refusal(bot: str, user: str, role: Role) -> str:
    """What somebody without the role is told; it goes where Slack would read mrkdwn only once it is escaped.

    >>> refusal("shop", "U1", "reviewer")
    'this takes a reviewer of shop: please ask its owner to add you (U1)'
    """
    article = "an" if role[0] in "ao" else "a"
    return f"this takes {article} {role} of {bot}: please ask its owner to add you ({user})"
