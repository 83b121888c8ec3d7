"""A bot's pictures in Slack: files of the app's own, drawn by a job and named by the blocks that show them.

A replaced file is not deleted: messages show it still."""

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
import sqlalchemy as sa
import structlog
from slack_sdk.errors import SlackRequestError

from integrations.slack import moved, progress
from integrations.slack.blocks.elements import cut
from integrations.slack.blocks.home import Picture
from integrations.slack.client import FAILURES, NotAsked, PatientClient, error_name, scopes_of
from integrations.slack.manifest import FILES
from integrations.slack.moved import Moved
from integrations.slack.progress import Progress
from service import database, tables
from service.bots.hours import day_start
from service.bots.schemas import Bot
from service.bots.store import get_bot
from service.slack_trouble import troubles
from service.windows.rules import mix
from service.windows.schemas import Mix

log = structlog.get_logger()

PICTURE = tables.slack_picture
PROGRESS, MIX = "progress", "mix"
UPLOAD = "files.getUploadURLExternal"
ALT_OF_FILE = 1000  # characters
# Slack processes a file after it has taken it, and refuses a block that names it before:
# https://github.com/slackapi/python-slack-sdk/issues/1521
PROCESSED = timedelta(seconds=30)


class Drawing(NamedTuple):
    """What a picture shows, or would."""

    name: str
    data: Progress | Moved
    alt: str

    @property
    def key(self) -> str:
        return hashlib.sha256(msgspec.json.encode(self.data)).hexdigest()


def shown(connection: sa.Connection, bot: str, now: datetime) -> dict[str, Picture]:
    """By name, those that a block may name."""
    query = sa.select(PICTURE).where(PICTURE.c.bot == bot, PICTURE.c.at <= now - PROCESSED)
    return {row.name: Picture(row.file_id, row.alt) for row in connection.execute(query)}


def refresh(client: PatientClient, bot: str) -> list[str]:
    """Upload the pictures that would show something else than those there are; their names. None of a bot without a
    channel, nor where the app may not upload; what Slack does not take for now is drawn by the next run."""
    with database.reading(client.engine) as connection:
        found = get_bot(connection, bot)
        if not found.slack_channel or found.archived_at:
            return []
        wanted = list(_drawings(connection, found, client.now()))
        keys = dict(connection.execute(sa.select(PICTURE.c.name, PICTURE.c.key).where(PICTURE.c.bot == bot)).all())
    changed = [drawing for drawing in wanted if keys.get(drawing.name) != drawing.key]
    uploaded: list[str] = []
    try:
        if changed and _may_upload(client):
            for drawing in changed:
                _upload(client, bot, drawing)
                uploaded.append(drawing.name)
    except NotAsked as error:
        log.debug("slack.not_asked", bot=bot, until=error.until.isoformat())
    except (*FAILURES, SlackRequestError) as error:
        log.warning("slack.picture_not_uploaded", bot=bot, error=error_name(error))
    return uploaded


def _drawings(connection: sa.Connection, bot: Bot, now: datetime) -> Iterator[Drawing]:
    """The mix is drawn once a day: its windows end with the bot's last midnight."""
    if labelled := progress.read(connection, bot.name):
        yield Drawing(PROGRESS, labelled, progress.words(bot.name, labelled))
    found = mix(connection, bot, day_start(bot, now))
    if isinstance(found, Mix):
        farthest = moved.farthest(found)
        yield Drawing(MIX, farthest, moved.words(bot.name, farthest))


def _may_upload(client: PatientClient) -> bool:
    """Once Slack refused for want of the scope, which is then known as a trouble, its scopes are looked at instead of
    being refused again: it is said once."""
    with database.reading(client.engine) as connection:
        is_refused = any(one.method == UPLOAD and one.error == "missing_scope" for one in troubles(connection))
    return not is_refused or FILES in scopes_of(client.auth_test())


def _upload(client: PatientClient, bot: str, drawing: Drawing) -> None:
    """To no channel: only the app sees it, and whoever sees a block that names it."""
    from integrations.slack import plots  # see service/charts.py

    name, alt = f"{bot}-{drawing.name}", cut(drawing.alt, ALT_OF_FILE)
    content = plots.draw(drawing.data)
    told = client.files_upload_v2(content=content, filename=f"{name}.png", title=name, alt_txt=alt)
    own = {"key": drawing.key, "file_id": told["file"]["id"], "alt": drawing.alt, "at": client.now()}
    with database.writing(client.engine) as connection:
        connection.execute(sa.delete(PICTURE).where(PICTURE.c.bot == bot, PICTURE.c.name == drawing.name))
        database.insert_new(connection, PICTURE, [own | {"bot": bot, "name": drawing.name}])
