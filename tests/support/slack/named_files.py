"""Which files the blocks of a message or view may name."""

import re
from collections.abc import Iterator
from typing import Any

from tests.support.slack.checks import Json
from tests.support.slack.workspace import Workspace

# https://github.com/slackapi/python-slack-sdk/issues/1521: a block that names a file just uploaded is refused, for a
# second or a few. How long is not documented: the stand-in takes longer than was reported.
PROCESSING_S = 10.0
FILE_ID = re.compile(r"F[A-Z0-9]{8,}")  # the same issue quotes it
# https://docs.slack.dev/reference/block-kit/composition-objects/slack-file-object: png, jpg and gif only
IMAGES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8")


def file_problems(slack: Workspace, blocks: Any) -> list[str]:
    """Files that are none of this app's, no picture, or not processed yet. By id only: the stand-in gives out no URL.
    Slack's words are those of https://github.com/slackapi/python-slack-sdk/issues/1658."""
    return ["invalid slack file" for given in _named(blocks) if not _is_ready(slack, given.get("id", ""))]


def processed(slack: Workspace) -> None:
    """Slack is done with every file it has taken."""
    for file in slack.files.values():
        if file["is_complete"]:
            file["completed_at"] = slack.clock() - PROCESSING_S


def _named(item: Any) -> Iterator[Json]:
    """Every `slack_file`, wherever it stands."""
    if isinstance(item, list):
        for one in item:
            yield from _named(one)
    elif isinstance(item, dict):
        for key, value in item.items():
            yield from [value] if key == "slack_file" else _named(value)


def _is_ready(slack: Workspace, file_id: str) -> bool:
    file = slack.files.get(file_id)
    if file is None or not file["is_complete"] or not FILE_ID.fullmatch(file_id):
        return False
    return file["content"].startswith(IMAGES) and slack.clock() - file["completed_at"] >= PROCESSING_S
