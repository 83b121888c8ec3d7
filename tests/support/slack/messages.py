"""chat.* and conversations.*: messages and where they stand."""

import json
from typing import Any

from tests.support.slack.block_kit import problems
from tests.support.slack.checks import Json
from tests.support.slack.limits import LIMITS
from tests.support.slack.named_files import file_problems
from tests.support.slack.workspace import APP, BOT_ID, BOT_USER, TEAM, Refused, Workspace


def post(slack: Workspace, arguments: Json) -> Json:
    messages = _messages_of(slack, arguments, write=True)
    message = drawn(slack, arguments) | {"ts": slack.stamp()}
    if "metadata" in arguments:
        message["metadata"] = _metadata(parsed(arguments["metadata"]))
    messages.append(message)
    return {"channel": arguments["channel"], "ts": message["ts"], "message": message}


def update(slack: Workspace, arguments: Json) -> Json:
    _messages_of(slack, arguments, write=True)
    message = find(slack, arguments["ts"], arguments["channel"])
    if message.get("bot_id") != BOT_ID:
        raise Refused("cant_update_message")
    message.update(drawn(slack, arguments), edited={"user": BOT_USER, "ts": slack.stamp()})
    if "metadata" in arguments:
        message["metadata"] = _metadata(parsed(arguments["metadata"]))
    return {"channel": arguments["channel"], "ts": message["ts"], "text": message["text"], "message": message}


def delete(slack: Workspace, arguments: Json) -> Json:
    messages = _messages_of(slack, arguments)
    message = find(slack, arguments["ts"], arguments["channel"])
    if message.get("bot_id") != BOT_ID:
        raise Refused("cant_delete_message")
    messages.remove(message)
    return {"channel": arguments["channel"], "ts": arguments["ts"]}


def post_ephemeral(slack: Workspace, arguments: Json) -> Json:
    _messages_of(slack, arguments, write=True)
    message = drawn(slack, arguments)
    shown = {"blocks": message["blocks"]} if message["blocks"] else {}
    slack.ephemerals.append({"user": arguments["user"], "text": message["text"], **shown})
    return {"message_ts": slack.stamp()}


def history(slack: Workspace, arguments: Json) -> Json:
    oldest, limit = float(arguments.get("oldest", 0)), int(arguments.get("limit", 100))
    if not 1 <= limit <= LIMITS["page of history"].most:
        raise Refused("invalid_limit")
    found = [one for one in reversed(_messages_of(slack, arguments)) if float(one["ts"]) > oldest]
    start = int(arguments.get("cursor") or 0)
    has_more = start + limit < len(found)
    shown = [_shown(message, arguments) for message in found[start : start + limit]]
    cursor = {"response_metadata": {"next_cursor": str(start + limit)}} if has_more else {}
    return {"messages": shown, "has_more": has_more, **cursor}


def info(slack: Workspace, arguments: Json) -> Json:
    _messages_of(slack, arguments)
    return {"channel": slack.channels[arguments["channel"]]}


def join(slack: Workspace, arguments: Json) -> Json:
    _messages_of(slack, arguments)
    slack.channels[arguments["channel"]]["is_member"] = True
    return {"channel": slack.channels[arguments["channel"]]}


def find(slack: Workspace, ts: str, channel: str) -> Json:
    found = next((message for message in slack.messages[channel] if message["ts"] == ts), None)
    if found is None:
        raise Refused("message_not_found")
    return found


def respond(slack: Workspace, key: str, arguments: Json) -> None:
    """A post to a response_url: about a message or a command, for half an hour, five times."""
    url = slack.response_urls.get(key)
    if url is None or slack.clock() - url.at > LIMITS["seconds a response_url lives"].most:
        raise Refused("expired_url")
    if slack.uses[key] >= LIMITS["uses of a response_url"].most:
        raise Refused("used_url")
    slack.uses[key] += 1
    if arguments.get("delete_original"):
        slack.messages[url.channel].remove(find(slack, url.ts, url.channel))
    elif arguments.get("replace_original"):
        find(slack, url.ts, url.channel).update(drawn(slack, arguments))
    elif arguments.get("response_type") == "in_channel":
        slack.messages[url.channel].append(drawn(slack, arguments) | {"ts": slack.stamp()})
    else:
        message = drawn(slack, arguments)
        shown = {"blocks": message["blocks"]} if message["blocks"] else {}
        slack.ephemerals.append({"user": url.user, "text": message["text"], **shown})


def drawn(slack: Workspace, arguments: Json) -> Json:
    """The message as Slack keeps it: a block without an id gets one."""
    if not arguments.get("text"):
        raise Refused("no_text")  # Slack takes blocks alone; then notifications show nothing, so we do not
    if len(arguments["text"]) > LIMITS["message text"].most:
        raise Refused("msg_too_long")
    blocks = parsed(arguments.get("blocks") or [])
    if blocks and (found := [*problems(blocks), *file_problems(slack, blocks)]):
        raise Refused("invalid_blocks", *found)
    named = [{"block_id": f"b{slack.number()}", **block} for block in blocks]
    author = {"user": BOT_USER, "bot_id": BOT_ID, "app_id": APP, "team": TEAM}
    return {"type": "message", **author, "text": arguments["text"], "blocks": named}


def parsed(given: Any) -> Any:
    """Form fields carry JSON as text."""
    try:
        return json.loads(given) if isinstance(given, str) else given
    except ValueError as error:
        raise Refused("invalid_arguments", "not JSON") from error


def _metadata(given: object) -> Json:
    if not isinstance(given, dict) or not given.get("event_type") or not isinstance(given.get("event_payload"), dict):
        raise Refused("invalid_metadata_format")
    return given


def _messages_of(slack: Workspace, arguments: Json, *, write: bool = False) -> list[Json]:
    channel = slack.channels.get(arguments["channel"])
    if channel is None:
        raise Refused("channel_not_found")
    if write and channel["is_archived"]:
        raise Refused("is_archived")
    if write and not channel["is_member"]:
        raise Refused("not_in_channel")
    return slack.messages[arguments["channel"]]


def _shown(message: Json, arguments: Json) -> Json:
    wants_metadata = str(arguments.get("include_all_metadata")).lower() in ("1", "true")
    return message if wants_metadata else {key: value for key, value in message.items() if key != "metadata"}
