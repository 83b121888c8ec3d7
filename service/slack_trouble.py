"""What Slack refuses at present: written by whoever asks Slack, read by health, doctor and console.

A trouble stands from the first refusal until Slack accepts such a request again. Meanwhile Slack is asked ever more
rarely, by one process at a time: an outage is not met with a request per bot and tick, and its end with no flood."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

import sqlalchemy as sa

from service import database, tables

TROUBLE = tables.slack_trouble
NO_ANSWER = "no_answer"  # ours; all other names are Slack's
FIRST_S, LONGEST_S = 2, 300  # between two requests; doubled each time
TRIAL = timedelta(seconds=15)  # longer than a request takes: nobody else asks while one tries

Reach = Literal["installation", "channel", "method", "request"]  # request: that method in that channel

_TOKEN = "install the app again in your Slack app's pages and set FENCEPOST_SLACK_BOT_TOKEN to its new token"  # noqa: S105 - says where to put it
_ADMIN = "ask an administrator of the Slack workspace to let the app in"
_CHANNEL = "invite the app to the channel, or `fencepost bot set BOT --slack-channel ID` another"

# Slack's error: what it closes, and the mend. The message was not posted, and trying again later may help.
KNOWN: Mapping[str, tuple[Reach, str]] = {
    NO_ANSWER: ("installation", "wait if https://slack-status.com reports an outage, else look at the network"),
    "access_denied": ("installation", _ADMIN),
    "account_inactive": ("installation", _TOKEN),
    "ekm_access_denied": ("installation", _ADMIN),
    "invalid_auth": ("installation", _TOKEN),
    "message_limit_exceeded": ("installation", _ADMIN),
    "not_authed": ("installation", _TOKEN),
    "org_login_required": ("installation", _ADMIN),
    "team_access_not_granted": ("installation", _ADMIN),
    "token_expired": ("installation", _TOKEN),
    "token_revoked": ("installation", _TOKEN),
    "two_factor_setup_required": ("installation", _ADMIN),
    "channel_not_found": ("channel", _CHANNEL),
    "is_archived": ("channel", _CHANNEL),
    "not_in_channel": ("channel", _CHANNEL),
    "restricted_action": ("channel", _ADMIN),
    "missing_scope": ("method", "give the app its scopes and install it again; `fencepost slack doctor` names them"),
    "no_permission": ("method", _ADMIN),
    "not_allowed_token_type": ("method", _TOKEN),
}
OPENING = "apps.connections.open"  # of Socket Mode, with a token of its own
_OPENING = "set FENCEPOST_SLACK_APP_TOKEN to an app-level token with the scope connections:write"


class Trouble(NamedTuple):
    """A row: `channel` and `method` are "" where any is refused; `until`, when Slack may be asked again."""

    channel: str
    method: str
    error: str
    since: datetime
    heard_at: datetime
    failures: int
    until: datetime

    @property
    def saw(self) -> str:
        since = f"since {self.since:%Y-%m-%d %H:%M} UTC"
        if self.error == NO_ANSWER:
            return f"Slack does not answer {since}"
        what = " in ".join(filter(None, (self.method, self.channel)))
        return f"{f'Slack refuses {what}'.rstrip()}: {self.error}, {since}"

    @property
    def mend(self) -> str:
        if self.method == OPENING and self.error != NO_ANSWER:
            return _OPENING
        if self.error not in KNOWN:
            return f"see what https://docs.slack.dev/reference/methods/{self.method} says of {self.error}"
        return KNOWN[self.error][1]


def troubles(connection: sa.Connection, *channels: str) -> list[Trouble]:
    """Those of the installation, or of channels."""
    where = TROUBLE.c.channel.in_(channels or ("",))
    query = sa.select(TROUBLE).where(where).order_by(TROUBLE.c.channel, TROUBLE.c.method)
    return [Trouble(**row._mapping) for row in connection.execute(query)]


def hear(connection: sa.Connection, error: str, channel: str, method: str, asked_at: datetime, now: datetime) -> None:
    """Remember a refusal of a request made at `asked_at`. Of requests that failed side by side one counts."""
    key = _key(error, channel, method)
    row = {"error": error, "since": now, "heard_at": now, "failures": 1, "until": now + timedelta(seconds=FIRST_S)}
    if database.insert_new(connection, TROUBLE, [key | row]):
        return
    mine = [TROUBLE.c[name] == value for name, value in key.items()]
    known = connection.execute(sa.select(TROUBLE).where(*mine).with_for_update()).one()
    if known.error == error:
        if asked_at < known.heard_at:
            return
        row |= {"since": known.since, "failures": known.failures + 1}
        row["until"] = now + pause_after(known.failures + 1)
    connection.execute(sa.update(TROUBLE).where(*mine).values(row))


def _key(error: str, channel: str, method: str) -> dict[str, str]:
    reach: Reach = KNOWN[error][0] if error in KNOWN else "request"
    is_of_channel, is_of_method = reach in ("channel", "request"), reach in ("method", "request") or method == OPENING
    return {"channel": channel if is_of_channel else "", "method": method if is_of_method else ""}


def pause_after(failures: int) -> timedelta:
    """
    >>> [pause_after(n).total_seconds() for n in (1, 2, 3, 20)]
    [2.0, 4.0, 8.0, 300.0]
    """
    return timedelta(seconds=min(FIRST_S * 2 ** min(failures - 1, 10), LONGEST_S))


def forget(connection: sa.Connection, channel: str, method: str) -> None:
    """Slack accepted such a request."""
    connection.execute(sa.delete(TROUBLE).where(*_closing(channel, method)))


def blocked_until(connection: sa.Connection, channel: str, method: str) -> datetime | None:
    """When such a request may be made; None where nothing is refused."""
    found: datetime | None = connection.scalar(
        sa.select(sa.func.max(TROUBLE.c.until)).where(*_closing(channel, method))
    )
    return found


def may_try(connection: sa.Connection, channel: str, method: str, now: datetime) -> bool:
    """Be the one who asks again, when it is time to; False for all others."""
    closing = _closing(channel, method)
    waits = [*closing, TROUBLE.c.until > now]
    if connection.scalar(sa.select(sa.func.count()).select_from(TROUBLE).where(*waits)):
        return False
    return (
        connection.execute(
            sa.update(TROUBLE).where(*closing, TROUBLE.c.until <= now).values(until=now + TRIAL)
        ).rowcount
        > 0
    )


def _closing(channel: str, method: str) -> list[sa.ColumnElement[bool]]:
    """The troubles that such a request would meet. Socket Mode's token is another one than the bot's."""
    methods = (method,) if method == OPENING else ("", method)
    return [TROUBLE.c.channel.in_(("", channel)), TROUBLE.c.method.in_(methods)]
