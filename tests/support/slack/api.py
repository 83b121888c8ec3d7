"""The Web API: each method with its scope and its arguments."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from tests.support.slack import files, messages, views
from tests.support.slack.checks import Json
from tests.support.slack.workspace import APP, APP_TOKEN, BOT_ID, BOT_TOKEN, BOT_USER, TEAM, Refused, Workspace

APP_SCOPE = "connections:write"


class Method(NamedTuple):
    """`may` is stricter than Slack, which mostly ignores an argument that it does not know: a typing error shows."""

    handler: Callable[[Workspace, Json], Json]
    scope: str = ""
    must: frozenset[str] = frozenset()
    may: frozenset[str] = frozenset()


def auth_test(slack: Workspace, _arguments: Json) -> Json:
    return {
        "user_id": BOT_USER,
        "team_id": TEAM,
        "bot_id": BOT_ID,
        "url": slack.url,
        "team": "test",
        "user": "fencepost",
    }


def connections_open(slack: Workspace, _arguments: Json) -> Json:
    return {"url": slack.url.replace("http://", "ws://") + f"/link/?ticket={slack.number()}&app_id={APP}"}


def user_info(slack: Workspace, arguments: Json) -> Json:
    user = arguments["user"]
    if user not in slack.users:
        raise Refused("user_not_found")
    name = slack.users[user]
    profile = {"display_name": name, "real_name": name.title()}
    return {"user": {"id": user, "team_id": TEAM, "name": name, "deleted": False, "is_bot": False, "profile": profile}}


def group_members(slack: Workspace, arguments: Json) -> Json:
    if arguments["usergroup"] not in slack.groups:
        raise Refused("no_such_subteam")
    return {"users": slack.groups[arguments["usergroup"]]}


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


METHODS: Mapping[str, Method] = {
    "auth.test": Method(auth_test),
    "apps.connections.open": Method(connections_open),
    "chat.postMessage": Method(
        messages.post,
        "chat:write",
        _names("channel text"),
        _names("blocks metadata unfurl_links unfurl_media thread_ts mrkdwn"),
    ),
    "chat.update": Method(
        messages.update, "chat:write", _names("channel ts text"), _names("blocks metadata as_user link_names")
    ),
    "chat.delete": Method(messages.delete, "chat:write", _names("channel ts"), _names("as_user")),
    "chat.postEphemeral": Method(
        messages.post_ephemeral, "chat:write", _names("channel user text"), _names("blocks thread_ts")
    ),
    "conversations.history": Method(
        messages.history,
        "channels:history",
        _names("channel"),
        _names("cursor oldest latest inclusive limit include_all_metadata"),
    ),
    "conversations.info": Method(messages.info, "channels:read", _names("channel"), _names("include_num_members")),
    "conversations.join": Method(messages.join, "channels:join", _names("channel")),
    "views.open": Method(views.open_view, "", _names("trigger_id view")),
    "views.push": Method(views.push, "", _names("trigger_id view")),
    "views.update": Method(views.update, "", _names("view"), _names("view_id external_id hash")),
    "views.publish": Method(views.publish, "", _names("user_id view"), _names("hash")),
    "users.info": Method(user_info, "users:read", _names("user"), _names("include_locale")),
    "usergroups.users.list": Method(
        group_members, "usergroups:read", _names("usergroup"), _names("include_disabled team_id")
    ),
    "files.getUploadURLExternal": Method(
        files.get_upload_url, "files:write", _names("filename length"), _names("alt_txt snippet_type")
    ),
    "files.completeUploadExternal": Method(
        files.complete, "files:write", _names("files"), _names("channel_id initial_comment thread_ts channels")
    ),
}
# commands is what slash commands and shortcuts need; no method does
SCOPES = {*(method.scope for method in METHODS.values()), "commands"} - {""}


def call(slack: Workspace, name: str, token: str, arguments: Json) -> Json:
    """Refused, or what Slack answers."""
    with slack.lock:
        if name not in METHODS:
            raise Refused("unknown_method")
        method = METHODS[name]
        _authorise(slack, name, method, token)
        given = {key: value for key, value in arguments.items() if value is not None and key != "token"}
        _check(method, given)
        slack.keep_pace(name, given.get("channel"))
        answer = method.handler(slack, given)
        slack.accepted(name, given.get("channel"))
        return {"ok": True, **answer}


def _authorise(slack: Workspace, name: str, method: Method, token: str) -> None:
    if token not in (BOT_TOKEN, APP_TOKEN):
        raise Refused("invalid_auth" if token else "not_authed")
    if token != (APP_TOKEN if name == "apps.connections.open" else BOT_TOKEN) and name != "auth.test":
        raise Refused("not_allowed_token_type")
    if slack.token_error:
        raise Refused(slack.token_error)
    if method.scope and method.scope not in slack.scopes:
        raise Refused("missing_scope", f"needed: {method.scope}")


def _check(method: Method, given: Json) -> None:
    missing = [f"[ERROR] missing required field: {name}" for name in sorted(method.must - given.keys())]
    # Slack says no_text where neither text nor blocks are given.
    if missing == ["[ERROR] missing required field: text"]:
        raise Refused("no_text")
    unknown = [f"[ERROR] unknown argument: {name}" for name in sorted(given.keys() - method.must - method.may)]
    if missing or unknown:
        raise Refused("invalid_arguments", *missing, *unknown)
