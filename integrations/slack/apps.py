"""Chatbots that live in Slack: which bot, and which source of it, a Slack app is.

A message of such an app is a reply of that source, whose external id is `channel:ts`: so the platform that posts the
logs has to name it."""

import re
from datetime import datetime

import msgspec
import sqlalchemy as sa

from service import database, tables
from service.access import audit
from service.bots.store import get_source, live_bot
from service.errors import BadInput, Conflict, NotFound

APP = tables.slack_app
APP_ID = re.compile(r"A[A-Z0-9]{1,30}")


class ChatApp(msgspec.Struct, frozen=True):
    app_id: str
    bot: str
    source: str


def add(connection: sa.Connection, app: ChatApp, now: datetime, *, who: str) -> None:
    """Conflict when the app is another bot, or another source, already."""
    live_bot(connection, app.bot)
    get_source(connection, app.bot, app.source)
    if not APP_ID.fullmatch(app.app_id):
        raise BadInput(f"{app.app_id!r} is no id of a Slack app", path="app_id", hint="A…: Basic Information → App ID")
    if database.insert_new(connection, APP, [msgspec.structs.asdict(app)]):
        audit.record(connection, app.bot, "slack-app.add", now, who, app=app.app_id, source=app.source)
    elif find(connection, app.app_id) != app:
        raise Conflict(f"{app.app_id} is mapped already", hint=f"`fencepost slack apps remove {app.app_id}`")


def remove(connection: sa.Connection, app_id: str, now: datetime, *, who: str) -> ChatApp:
    found = find(connection, app_id)
    if found is None:
        raise NotFound(f"{app_id!r} is not mapped", hint="`fencepost slack apps list` names those that are")
    connection.execute(sa.delete(APP).where(APP.c.app_id == app_id))
    audit.record(connection, found.bot, "slack-app.remove", now, who, app=app_id)
    return found


def find(connection: sa.Connection, app_id: str) -> ChatApp | None:
    row = connection.execute(sa.select(APP).where(APP.c.app_id == app_id)).one_or_none()
    return None if row is None else ChatApp(**row._mapping)


def list_apps(connection: sa.Connection) -> list[ChatApp]:
    rows = connection.execute(sa.select(APP).order_by(APP.c.bot, APP.c.app_id))
    return [ChatApp(**row._mapping) for row in rows]


def reply_id(channel: str, ts: str) -> str:
    """
    >>> reply_id("C0SUPPORT", "1767225600.000100")
    'C0SUPPORT:1767225600.000100'
    """
    return f"{channel}:{ts}"
