"""views.*: modals on a user's stack, and home tabs."""

from typing import Any

from tests.support.slack import forms
from tests.support.slack.block_kit import view_problems
from tests.support.slack.checks import Json
from tests.support.slack.limits import LIMITS
from tests.support.slack.messages import parsed
from tests.support.slack.named_files import file_problems
from tests.support.slack.workspace import APP, BOT_ID, TEAM, Refused, Workspace

DEFAULTS: dict[str, Any] = {"private_metadata": "", "callback_id": "", "external_id": ""}
MODAL: dict[str, Any] = {"submit": None, "close": None, "clear_on_close": False, "notify_on_close": False}


def open_view(slack: Workspace, arguments: Json) -> Json:
    view = _checked(slack, arguments["view"], "modal")
    user = slack.exchange(arguments["trigger_id"]).user
    clear(slack, user)
    return {"view": put(slack, user, view)}


def push(slack: Workspace, arguments: Json) -> Json:
    """Onto the stack of the view that the interaction was in."""
    view = _checked(slack, arguments["view"], "modal")
    trigger = slack.exchange(arguments["trigger_id"])
    if trigger.view_id not in slack.stacks[trigger.user]:
        raise Refused("not_found")
    return {"view": put(slack, trigger.user, view)}


def update(slack: Workspace, arguments: Json) -> Json:
    view = _checked(slack, arguments["view"], "modal", arguments.get("view_id", ""))
    shown = _find(slack, arguments)
    if arguments.get("hash", shown["hash"]) != shown["hash"]:
        raise Refused("hash_conflict")
    return {"view": replace(slack, shown["id"], view)}


def publish(slack: Workspace, arguments: Json) -> Json:
    user = arguments["user_id"]
    if user not in slack.users:
        raise Refused("user_not_found")
    view = _checked(slack, arguments["view"], "home")
    shown = slack.homes.get(user)
    if shown is not None and arguments.get("hash", shown["hash"]) != shown["hash"]:
        raise Refused("hash_conflict")
    view_id = shown["id"] if shown else _new_id(slack)
    slack.homes[user] = _stored(slack, view, {"id": view_id, "root_view_id": view_id, "previous_view_id": None})
    return {"view": slack.homes[user]}


def put(slack: Workspace, user: str, view: Json) -> Json:
    """On top of the user's stack."""
    stack = slack.stacks[user]
    if len(stack) >= LIMITS["views on a stack"].most:
        raise Refused("push_limit_reached")
    view_id = _new_id(slack)
    ids = {"id": view_id, "root_view_id": stack[0] if stack else view_id}
    ids["previous_view_id"] = stack[-1] if stack else None
    slack.views[view_id] = _stored(slack, MODAL | view, ids)
    stack.append(view_id)
    return slack.views[view_id]


def replace(slack: Workspace, view_id: str, view: Json) -> Json:
    """The same view with another content: what was filled in stays where block and action keep their names."""
    shown = slack.views[view_id]
    ids = {key: shown[key] for key in ("id", "root_view_id", "previous_view_id")}
    slack.views[view_id] = _stored(slack, MODAL | view, ids, shown["state"]["values"])
    return slack.views[view_id]


def clear(slack: Workspace, user: str) -> None:
    for view_id in slack.stacks.pop(user, []):
        del slack.views[view_id]


def pop(slack: Workspace, user: str) -> None:
    del slack.views[slack.stacks[user].pop()]


def answered(slack: Workspace, user: str, view_id: str, answer: Json) -> dict[str, str]:
    """What Slack does with the answer to a submission; the errors that the user now sees at the fields."""
    match answer.get("response_action"):
        case None:
            pop(slack, user)
        case "clear":
            clear(slack, user)
        case "errors":
            return _errors(slack, view_id, answer)
        case "update":
            replace(slack, view_id, _checked(slack, answer["view"], "modal", view_id))
        case "push":
            put(slack, user, _checked(slack, answer["view"], "modal"))
        case action:
            raise Refused("invalid_arguments", f"unknown response_action {action!r}")
    return {}


def _errors(slack: Workspace, view_id: str, answer: Json) -> dict[str, str]:
    errors: dict[str, str] = answer.get("errors") or {}
    known = {block["block_id"] for block in slack.views[view_id]["blocks"] if block["type"] == "input"}
    if not errors or not errors.keys() <= known:
        raise Refused("invalid_arguments", f"errors at {sorted(errors)}, input blocks are {sorted(known)}")
    return errors


def _checked(slack: Workspace, given: object, kind: str, own_id: str = "") -> Json:
    view: Json = parsed(given)
    if view.get("type") != kind:
        raise Refused("invalid_arguments", f"the view is no {kind}")
    if found := view_problems(view):
        too_large = any("larger than" in problem for problem in found)
        raise Refused("view_too_large" if too_large else "invalid_arguments", *found)
    if unusable := file_problems(slack, view):
        raise Refused("invalid_blocks", *unusable)  # as of a message: Slack's word for it in a view is not documented
    external = view.get("external_id")
    if external and any(one["external_id"] == external and one["id"] != own_id for one in slack.views.values()):
        raise Refused("duplicate_external_id")
    return view


def _find(slack: Workspace, arguments: Json) -> Json:
    for view in slack.views.values():
        if view["id"] == arguments.get("view_id") or view["external_id"] == (arguments.get("external_id") or None):
            return view
    raise Refused("not_found")


def _stored(slack: Workspace, view: Json, ids: Json, values: Json | None = None) -> Json:
    """The view as Slack keeps and sends it."""
    blocks = [{"block_id": f"b{slack.number()}", **block} for block in view["blocks"]]
    own = {"team_id": TEAM, "app_id": APP, "bot_id": BOT_ID, "hash": f"{int(slack.clock())}.{slack.number():08x}"}
    state = {"values": forms.values(blocks, values or {})}
    return {**DEFAULTS, **view, **ids, **own, "blocks": blocks, "state": state}


def _new_id(slack: Workspace) -> str:
    return f"V{slack.number():08d}"
