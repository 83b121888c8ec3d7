"""files.*: what files_upload_v2 calls, in its three steps."""

from tests.support.slack.checks import Json
from tests.support.slack.messages import parsed
from tests.support.slack.workspace import Refused, Workspace


def get_upload_url(slack: Workspace, arguments: Json) -> Json:
    file_id = f"F{slack.number():08d}"
    own = {"name": arguments["filename"], "length": int(arguments["length"]), "alt_txt": arguments.get("alt_txt")}
    slack.files[file_id] = {"id": file_id, **own, "content": b"", "is_complete": False}
    return {"upload_url": f"{slack.url}/upload/{file_id}", "file_id": file_id}


def upload(slack: Workspace, file_id: str, content: bytes) -> None:
    """KeyError for an address that was not given out; Refused when the length is not the one announced."""
    file = slack.files[file_id]
    if len(content) != file["length"]:
        raise Refused("length_mismatch")
    file["content"] = content


def complete(slack: Workspace, arguments: Json) -> Json:
    given = parsed(arguments["files"])
    channel = arguments.get("channel_id")
    if channel and channel not in slack.channels:
        raise Refused("channel_not_found")
    for one in given:
        if one["id"] not in slack.files or not slack.files[one["id"]]["content"]:
            raise Refused("file_not_found")
        own = {"title": one.get("title"), "channel": channel, "is_complete": True, "completed_at": slack.clock()}
        slack.files[one["id"]] |= own
    return {"files": [{"id": one["id"], "title": one.get("title")} for one in given]}
