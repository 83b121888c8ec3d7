"""What happened to a bot beside its turns, for charts: a line on them, and no drift."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time

import sqlalchemy as sa

from service import tables
from service.windows.measuring import BEFORE, DAY
from service.windows.schemas import Marker

LOG, WINDOW = tables.audit_log, tables.drift_window

PROMOTED = ("classifier.promoted", "classifier.promote", "classifier.rollback")
IMPORTED = {"intents.import": "examples", "gold.import": "gold set"}


def markers(connection: sa.Connection, bot: str, since: date, until: date) -> list[Marker]:
    """Of the days from `since` up to and with `until`, by day."""
    found = {*_done(connection, bot, since, until), *_versions(connection, bot, since, until)}
    return sorted(found, key=lambda one: (one.day, one.kind, one.name))


def _done(connection: sa.Connection, bot: str, since: date, until: date) -> Iterator[Marker]:
    first, after = (datetime.combine(day, time(), UTC) for day in (since, until + DAY))
    query = sa.select(LOG.c.at, LOG.c.action, LOG.c.details).where(
        LOG.c.bot == bot, LOG.c.at >= first, LOG.c.at < after
    )
    for row in connection.execute(query.where(LOG.c.action.in_((*PROMOTED, *IMPORTED)))):
        if row.action in IMPORTED:
            yield Marker(row.at.date(), "import", IMPORTED[row.action])
        else:
            yield Marker(row.at.date(), "promotion", str(row.details["n"]))


def _versions(connection: sa.Connection, bot: str, since: date, until: date) -> Iterator[Marker]:
    """Their first days, as windows saw them; a rare one may be lacking in a reference that it was part of."""
    near = WINDOW.c.day.between(since - BEFORE * DAY, until)
    query = sa.select(WINDOW.c.versions).where(WINDOW.c.bot == bot, near)
    first: dict[str, date] = {}
    for versions in connection.scalars(query):
        for version, day in versions.items():
            first[version] = min(date.fromisoformat(day), first.get(version, date.max))
    return (Marker(day, "bot_version", version) for version, day in first.items() if since <= day <= until)
