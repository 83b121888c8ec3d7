"""The app manifest: what a person pastes into api.slack.com/apps → Create New App → From a manifest.

It asks for no more than what is used. Membership of a channel shows when its history is read, so that `channels:read`
is not needed; opening and publishing views needs no scope."""

from typing import Any

from service.errors import BadInput

COMMAND = "/fencepost"
REPORT = "report"  # callback id of the message shortcut
PATH = "/slack/events"
FILES = "files:write"
SCOPES = (
    "chat:write",  # post cards, redraw them, and tell a person why a click does not count
    "commands",  # the slash command and the message shortcut
    "channels:history",  # look a card up whose post was not answered, before it is sent again
    "groups:history",  # the same in a private channel
    FILES,  # upload the pictures of the home tab and of messages, for the app alone
)
USER_GROUPS = "usergroups:read"  # who is in a user group that has a role

Json = dict[str, Any]


def scopes(*, user_groups: bool) -> tuple[str, ...]:
    return (*SCOPES, USER_GROUPS) if user_groups else SCOPES


def manifest(url: str = "", *, user_groups: bool = False) -> Json:
    """For the events URL under `url` (https://…), or without one for Socket Mode. BadInput when Slack could not reach
    it."""
    events = _events_url(url) if url else ""
    return {
        "display_information": {
            "name": "Fencepost",
            "description": "Asks you what people meant, where your chatbot was not sure.",
        },
        "features": {
            "app_home": {"home_tab_enabled": True, "messages_tab_enabled": False},
            "bot_user": {"display_name": "fencepost", "always_online": True},
            "shortcuts": [_shortcut()],
            "slash_commands": [_command() | _only(url=events)],
        },
        "oauth_config": {"scopes": {"bot": list(scopes(user_groups=user_groups))}},
        "settings": {
            "event_subscriptions": {"bot_events": ["app_home_opened"]} | _only(request_url=events),
            # The second is asked for what a search such as *Other…* offers.
            "interactivity": {"is_enabled": True} | _only(request_url=events, message_menu_options_url=events),
            "org_deploy_enabled": False,
            "socket_mode_enabled": not url,
            "token_rotation_enabled": False,
        },
    }


def _events_url(url: str) -> str:
    """
    >>> _events_url("https://fencepost.example.com/")
    'https://fencepost.example.com/slack/events'
    """
    if not url.startswith("https://"):
        raise BadInput(f"{url!r} does not begin with https://", path="--url", hint="Slack asks for nothing else")
    return url.rstrip("/").removesuffix(PATH) + PATH


def _only(**fields: str) -> Json:
    return {name: value for name, value in fields.items() if value}


def _command() -> Json:
    return {
        "command": COMMAND,
        "description": "Review what people said, or see how your bot is doing",
        "usage_hint": "help",
        "should_escape": False,
    }


def _shortcut() -> Json:
    return {
        "name": "Report wrong intent",
        "type": "message",
        "callback_id": REPORT,
        "description": "Say that the bot got this one wrong",
    }
