"""What people do in Slack, as the payloads that Slack then sends. A surface is a message or a view."""

import json
from typing import Any

from tests.support.slack import forms, views
from tests.support.slack.checks import Json
from tests.support.slack.workspace import APP, CHANNEL, TEAM, Workspace

LEGACY_TOKEN = "verification"  # of every payload; Slack has long advised against looking at it


class NoSuchElement(LookupError):
    """Nothing on the surface that this person could click, choose from or type into."""


def buttons(surface: Json, within: str = "") -> list[str]:
    found = (element for _, element in _elements(surface, within) if element["type"] == "button")
    return [element["text"]["text"] for element in found]


def click(slack: Workspace, user: str, surface: Json, button: str, within: str) -> Json:
    """A click on the button whose text begins so; `within` is a part of its block's id."""
    block, element = _find(surface, "button", within, button)
    action = {key: element[key] for key in ("type", "action_id", "text", "value", "style") if key in element}
    return _actions(slack, user, surface, block, action)


def choose(slack: Workspace, user: str, surface: Json, option: Json | str, within: str) -> Json:
    """An option of the select or overflow: as an external one was answered, or by the text of a listed one."""
    block, element = _listing(surface, option, within) if isinstance(option, str) else _find(surface, "select", within)
    chosen = forms.option(element, option) if isinstance(option, str) else option
    if element["type"] in forms.STATEFUL:
        state = surface.setdefault("state", {"values": {}})["values"].setdefault(block["block_id"], {})
        state[element["action_id"]] = {"type": element["type"], "selected_option": chosen}
    action = {"type": element["type"], "action_id": element["action_id"], "selected_option": chosen}
    return _actions(slack, user, surface, block, action)


def type_into(slack: Workspace, user: str, surface: Json, typed: str, within: str) -> Json:
    """What asks for the options of an external select."""
    block, element = _find(surface, "external_select", within)
    asked = {"action_id": element["action_id"], "block_id": block["block_id"], "value": typed}
    return {"type": "block_suggestion", **_where(slack, user, surface), **asked}


def submit(slack: Workspace, user: str) -> Json:
    """The view on top of the user's stack; CannotSubmit while a field is not as the view demands."""
    view = slack.views[slack.stacks[user][-1]]
    forms.check(view)
    own = {"view": view, "trigger_id": slack.trigger(user, view["id"]), "response_urls": []}
    return {"type": "view_submission", **_who(slack, user), **own}


def close(slack: Workspace, user: str) -> Json | None:
    """Close the top view; its payload where the app wanted to be told. What is below shows again."""
    view = slack.views[slack.stacks[user][-1]]
    views.pop(slack, user)
    if not view["notify_on_close"]:
        return None
    return {"type": "view_closed", **_who(slack, user), "view": view, "is_cleared": False}


def command(slack: Workspace, user: str, name: str, text: str, channel: str = CHANNEL) -> Json:
    return {
        "token": LEGACY_TOKEN,
        "team_id": TEAM,
        "team_domain": "test",
        "channel_id": channel,
        "channel_name": slack.channels[channel]["name"],
        "user_id": user,
        "user_name": slack.users.get(user, user.lower()),
        "command": name,
        "text": text,
        "api_app_id": APP,
        "is_enterprise_install": "false",
        "response_url": slack.response_url(user, channel),
        "trigger_id": slack.trigger(user),
    }


def shortcut(slack: Workspace, user: str, message: Json, callback_id: str) -> Json:
    """A message shortcut."""
    return {
        "type": "message_action",
        "callback_id": callback_id,
        **_who(slack, user),
        "trigger_id": slack.trigger(user),
        "response_url": slack.response_url(user, CHANNEL, message["ts"]),
        "channel": {"id": CHANNEL, "name": slack.channels[CHANNEL]["name"]},
        "message_ts": message["ts"],
        "message": message,
        "action_ts": slack.stamp(),
    }


def open_home(slack: Workspace, user: str) -> Json:
    shown = {"view": slack.homes[user]} if user in slack.homes else {}
    event = {"type": "app_home_opened", "user": user, "channel": f"D{user}", "tab": "home", "event_ts": slack.stamp()}
    return event_of(slack, event | shown)


def event_of(slack: Workspace, event: Json) -> Json:
    """The Events API's wrapper around an event."""
    return {
        "type": "event_callback",
        "token": LEGACY_TOKEN,
        "team_id": TEAM,
        "api_app_id": APP,
        "event": event,
        "event_id": f"Ev{slack.number():08d}",
        "event_time": int(slack.clock()),
        "authorizations": [{"enterprise_id": None, "team_id": TEAM, "user_id": "U0BOT", "is_bot": True}],
    }


def say(slack: Workspace, user: str, text: str, app: str = "") -> Json:
    """Somebody's message in the channel, or another app's."""
    message: Json = {"type": "message", "user": user, "text": text, "blocks": [], "ts": slack.stamp(), "team": TEAM}
    slack.messages[CHANNEL].append(message | ({"app_id": app, "bot_id": f"B{app}"} if app else {}))
    return slack.messages[CHANNEL][-1]


def _elements(surface: Json, within: str) -> list[tuple[Json, Json]]:
    blocks = (block for block in surface["blocks"] if within in block.get("block_id", ""))
    return [(block, element) for block in blocks for element in forms.elements(block)]


def _find(surface: Json, kind: str, within: str, text: str = "") -> tuple[Json, Json]:
    for block, element in _elements(surface, within):
        is_kind = kind in element["type"] or (kind == "select" and element["type"] == "overflow")
        if is_kind and element.get("text", {}).get("text", "").startswith(text):
            return block, element
    raise NoSuchElement(f"no {kind} {text!r} within {within!r}: {buttons(surface)}")


def _listing(surface: Json, text: str, within: str) -> tuple[Json, Json]:
    """The select or overflow with an option whose text begins so."""
    for block, element in _elements(surface, within):
        groups = element.get("option_groups") or [{"options": element.get("options", ())}]
        if any(option["text"]["text"].startswith(text) for group in groups for option in group["options"]):
            return block, element
    raise NoSuchElement(f"no option {text!r} within {within!r}")


def _actions(slack: Workspace, user: str, surface: Json, block: Json, action: Json) -> Json:
    view_id = "" if "ts" in surface else surface["id"]
    reply = {"response_url": slack.response_url(user, CHANNEL, surface["ts"])} if "ts" in surface else {}
    own = {"trigger_id": slack.trigger(user, view_id), **reply}
    action |= {"block_id": block["block_id"], "action_ts": slack.stamp()}
    return {"type": "block_actions", **_where(slack, user, surface), **own, "actions": [action]}


def _where(slack: Workspace, user: str, surface: Json) -> Json:
    if "ts" not in surface:
        return {**_who(slack, user), "container": {"type": "view", "view_id": surface["id"]}, "view": surface}
    container = {"type": "message", "message_ts": surface["ts"], "channel_id": CHANNEL, "is_ephemeral": False}
    channel = {"id": CHANNEL, "name": slack.channels[CHANNEL]["name"]}
    shown = {"channel": channel, "message": surface, "state": {"values": {}}}
    return {**_who(slack, user), "container": container, **shown}


def _who(slack: Workspace, user: str) -> Json:
    name = slack.users.get(user, user.lower())
    return {
        "user": {"id": user, "username": name, "name": name, "team_id": TEAM},
        "team": {"id": TEAM, "domain": "test"},
        "api_app_id": APP,
        "token": LEGACY_TOKEN,
        "enterprise": None,
        "is_enterprise_install": False,
    }


def copied(payload: Json) -> Any:
    """As it was when it was sent."""
    return json.loads(json.dumps(payload))
