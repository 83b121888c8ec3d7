"""`fencepost slack doctor`: what is wrong with Slack's side of this installation, and the mend.

A check never raises, and never quotes a token: it says Slack's word for what went wrong."""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from http.client import HTTPException

import sqlalchemy as sa
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse

from integrations.slack import manifest, people
from integrations.slack.client import at_terminal, scopes_of
from service import clock, database
from service.bots.schemas import Bot
from service.bots.store import list_bots
from service.context import Context
from service.health import Check
from service.reviews import store
from service.settings import Settings

MOST_SKEW = timedelta(seconds=60)  # requests more than five minutes old are refused
CHANNEL_ID = re.compile(r"[CG][A-Z0-9]+")
TOKEN = re.compile(r"[!-~]+")  # anything else cannot be sent, and the library's error would quote it
PAGES = "api.slack.com/apps → your app"


def examine(context: Context, now: Callable[[], datetime] = clock.now) -> Iterator[Check]:
    """Every check, as it is made."""
    settings = context.settings
    found = _unsendable("bot token", "FENCEPOST_SLACK_BOT_TOKEN", settings.slack_bot_token, "OAuth & Permissions")
    if found is not None:
        yield found
        return
    with database.reading(context.engine) as connection:
        bots = list_bots(connection)
        groups = sorted({group for bot in bots for group in people.groups_of(connection, bot.name)})
        undecided = [check for bot in bots if bot.slack_channel for check in _undecided(connection, bot.name)]
    client = at_terminal(settings)
    told, at = _ask(client.auth_test), now()
    yield _bot_token(told)
    yield _way_in(client, settings)
    if isinstance(told, str):
        return
    yield _clock(told, at)
    yield _scopes(told, user_groups=bool(groups))
    yield from _channels(client, bots, str(told.get("user")))
    yield from (_group(client, group) for group in groups)
    yield from undecided


def _ask(request: Callable[[], SlackResponse]) -> SlackResponse | str:
    """The answer, or one word for why there is none."""
    try:
        return request()
    except SlackApiError as error:
        return str(error.response.get("error"))
    except (OSError, HTTPException, ValueError) as error:  # ValueError: the setting's URL is none
        return f"no answer, {type(error).__name__}"


def _unsendable(name: str, setting: str, token: str, page: str) -> Check | None:
    if not token:
        return Check(name, "wrong", f"{setting} is not set", f"{PAGES} → {page}")
    if not TOKEN.fullmatch(token):
        return Check(name, "wrong", f"{setting} holds a space, a line break or a foreign letter", "copy it anew")
    return None


def _bot_token(told: SlackResponse | str) -> Check:
    if isinstance(told, str):
        return Check("bot token", "wrong", told, _mend_token(told, f"{PAGES} → OAuth & Permissions → Reinstall"))
    if not told.get("bot_id"):
        mend = f"take the one that begins with xoxb-: {PAGES} → OAuth & Permissions"
        return Check("bot token", "wrong", f"it is a token of the user {told.get('user')}", mend)
    return Check("bot token", "ok", f"{told.get('user')} in the workspace {told.get('team')} ({told.get('url')})")


def _mend_token(error: str, mend: str) -> str:
    return "is Slack reachable from here? see FENCEPOST_SLACK_API_URL" if error.startswith("no answer") else mend


def _way_in(client: WebClient, settings: Settings) -> Check:
    """How clicks reach us: Socket Mode, which can be tried, or else the events URL, which only Slack can."""
    if not settings.slack_app_token:
        return _events_url(settings)
    page = "Basic Information → App-Level Tokens, with the scope connections:write"
    found = _unsendable("app token", "FENCEPOST_SLACK_APP_TOKEN", settings.slack_app_token, page)
    if found is not None:
        return found
    told = _ask(lambda: client.apps_connections_open(app_token=str(settings.slack_app_token)))
    if isinstance(told, str):
        return Check("app token", "wrong", told, _mend_token(told, f"{PAGES} → {page}"))
    return Check("app token", "ok", "Socket Mode is open to us; `fencepost slack run` answers")


def _events_url(settings: Settings) -> Check:
    if not settings.slack_signing_secret:
        mend = "set FENCEPOST_SLACK_APP_TOKEN (Socket Mode) or FENCEPOST_SLACK_SIGNING_SECRET (events URL)"
        return Check("signing secret", "wrong", "clicks cannot arrive: neither it nor an app token is set", mend)
    saw = f"set; clicks come to {settings.base_url}{manifest.PATH} or your proxy's name for it"
    return Check("signing secret", "ok", saw)


def _clock(told: SlackResponse, now: datetime) -> Check:
    headers = {name.lower(): value for name, value in told.headers.items()}
    if "date" not in headers:
        return Check("clock", "warning", "Slack did not say what time it is")
    skew = now - parsedate_to_datetime(headers["date"])
    seconds = round(abs(skew).total_seconds())
    if abs(skew) > MOST_SKEW:
        saw = f"{seconds} s {'ahead of' if skew > timedelta() else 'behind'} Slack's"
        return Check("clock", "wrong", saw, "set it, best by NTP: requests that seem five minutes old are refused")
    return Check("clock", "ok", f"within {seconds} s of Slack's")


def _scopes(told: SlackResponse, *, user_groups: bool) -> Check:
    granted = scopes_of(told)
    missing = [scope for scope in manifest.scopes(user_groups=user_groups) if scope not in granted]
    if missing:
        mend = f"{PAGES} → OAuth & Permissions → Bot Token Scopes: add them, then reinstall the app"
        return Check("scopes", "wrong", f"missing: {', '.join(missing)}", mend)
    return Check("scopes", "ok", "all that the manifest asks for")


def _channels(client: WebClient, bots: Sequence[Bot], user: str) -> Iterator[Check]:
    with_channel = [bot for bot in bots if bot.slack_channel]
    if not with_channel:
        yield Check("channels", "warning", "no bot has one", "`fencepost bot set NAME --slack-channel C…`")
    yield from (_channel(client, bot, user) for bot in with_channel)


def _channel(client: WebClient, bot: Bot, user: str) -> Check:
    """Membership, which the history shows without the scope channels:read."""
    name, channel = f"{bot.name}: channel", bot.slack_channel
    if not CHANNEL_ID.fullmatch(channel):
        mend = f"`fencepost bot set {bot.name} --slack-channel C…`: the id at the end of the channel's About tab"
        return Check(name, "wrong", f"{channel} is a name, not an id", mend)
    told = _ask(lambda: client.conversations_history(channel=channel, limit=1))
    if isinstance(told, str):
        return Check(name, "wrong", f"{channel}: {told}", _mend_channel(told, user))
    return Check(name, "ok", f"{channel}: {user} is a member")


def _mend_channel(error: str, user: str) -> str:
    match error:
        case "not_in_channel":
            return f"say `/invite @{user}` there"
        case "channel_not_found":
            return f"mend the id; where the channel is private, say `/invite @{user}` there"
        case "missing_scope":
            return "see scopes: channels:history for a public channel, groups:history for a private one"
    return "see api.slack.com/methods/conversations.history for this word"


def _undecided(connection: sa.Connection, bot: str) -> Iterator[Check]:
    waiting = store.count_undecided(connection, bot)
    if waiting and not people.has_adjudicator(connection, bot):
        saw = f"nobody in Slack is one, and {waiting} {'card waits' if waiting == 1 else 'cards wait'} for one"
        mend = f"decide them in the console, or `fencepost slack people add {bot} U… --role adjudicator`"
        yield Check(f"{bot}: adjudicators", "warning", saw, mend)


def _group(client: WebClient, group: str) -> Check:
    name = f"user group {group}"
    told = _ask(lambda: client.usergroups_users_list(usergroup=group))
    if told == "missing_scope":
        return Check(name, "wrong", told, "see scopes: usergroups:read")
    if isinstance(told, str):
        return Check(name, "wrong", told, "`fencepost slack people list BOT` shows who names it; remove it, or mend it")
    if not told["users"]:
        return Check(name, "warning", "nobody is in it", "add people to it in Slack")
    return Check(name, "ok", f"{len(told['users'])} members")
