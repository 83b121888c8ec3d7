"""A bot's Slack channel as tests of it see it: settings that point at the stand-in, and what its messages say."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from litestar.testing import TestClient

from integrations.slack import http
from service import database, tables
from service.settings import Secret, Settings
from tests.support import slack as stand_in
from tests.support.slack import Json, Slack, signed


class Clock:
    """Time that passes only when somebody waits."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 2, 10, tzinfo=UTC)
        self.waited: list[float] = []

    def now(self) -> datetime:
        return self.at

    def pause(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.at += timedelta(seconds=seconds)


def connected(settings: Settings, slack: Slack) -> Settings:
    return msgspec.structs.replace(
        settings,
        slack_bot_token=Secret(stand_in.BOT_TOKEN),
        slack_app_token=Secret(stand_in.APP_TOKEN),
        slack_signing_secret=Secret(stand_in.SIGNING_SECRET),
        slack_api_url=f"{slack.url}/api",
    )


def request(client: TestClient[Any], payload: Json, **options: Any) -> Any:
    body, headers = signed(payload, **options)
    return client.post(http.PATH, content=body, headers=headers)


def votes(engine: sa.Engine) -> list[tuple[str, str, str]]:
    """(card, reviewer, answer) of every vote."""
    c = tables.vote.c
    with database.reading(engine) as connection:
        return [tuple(row) for row in connection.execute(sa.select(c.card_id, c.reviewer, c.answer).order_by(c.id))]


def statuses(engine: sa.Engine) -> dict[str, str]:
    """Of the message of each card that is on one: `sending`, `failed`, or what it shows of the card."""
    post, message = tables.post, tables.message
    query = sa.select(post.c.card_id, post.c.shown, message.c.status).join(message, message.c.id == post.c.message_id)
    with database.reading(engine) as connection:
        return {row.card_id: row.shown if row.status == "posted" else row.status for row in connection.execute(query)}


def words(message: Json) -> str:
    """All text of the message's rich text, users as <id>."""
    elements = (
        element
        for block in message["blocks"]
        if block["type"] == "rich_text"
        for container in block["elements"]
        for element in container["elements"]
    )
    return "".join(one["text"] if one["type"] == "text" else f"<{one['user_id']}>" for one in elements)


def eventually(check: Callable[[], bool]) -> None:
    """What happens after the ack happens soon."""
    deadline = time.monotonic() + 20
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.02)
