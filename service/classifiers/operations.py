"""Versions as people look at them, and the way back to an older one."""

from datetime import datetime

import sqlalchemy as sa

from service import tables
from service.access import audit
from service.bots.store import get_bot
from service.classifiers import gates, store
from service.classifiers.schemas import Gate, Version, decode_manifest
from service.context import Context
from service.database import writing
from service.errors import ClassifierNotFound, Conflict
from service.jobs import Job, enqueue

CLASSIFIER = tables.classifier


class NeverInForce(Conflict):
    type = "never-in-force"

    def __init__(self, bot: str, n: int) -> None:
        super().__init__(f"classifier {n} of bot {bot!r} never was in force", hint="only a gate can put it in force")


class OtherEncoder(Conflict):
    type = "other-encoder"

    def __init__(self, n: int, encoder: str) -> None:
        super().__init__(f"classifier {n} reads vectors of {encoder}, which the bot has no more")


def versions(connection: sa.Connection, bot: str) -> list[Version]:
    """Newest first."""
    get_bot(connection, bot)
    tried = gates.gates(connection, bot)
    rows = connection.execute(sa.select(CLASSIFIER).where(CLASSIFIER.c.bot == bot).order_by(CLASSIFIER.c.n.desc()))
    return [_version(connection, bot, row, tried.get(row.n)) for row in rows]


def version(connection: sa.Connection, bot: str, n: int) -> Version:
    get_bot(connection, bot)
    row = connection.execute(sa.select(CLASSIFIER).where(CLASSIFIER.c.bot == bot, CLASSIFIER.c.n == n)).one_or_none()
    if row is None:
        raise ClassifierNotFound(bot, n)
    return _version(connection, bot, row, gates.gates(connection, bot).get(n))


def _version(connection: sa.Connection, bot: str, row: sa.Row[tuple[object, ...]], gate: Gate | None) -> Version:
    return Version(
        n=row.n,
        status=row.status,
        created_at=row.created_at,
        sha256=row.sha256,
        manifest=decode_manifest(row.manifest),
        trial=None if gate is None else gates.trial(connection, bot, gate),
    )


def roll_back(context: Context, bot: str, n: int, now: datetime, *, who: str) -> Version:
    """Put a classifier that was in force back in force, at once; an open gate ends, for its champion is gone. A repeat
    changes nothing."""
    with writing(context.engine) as connection:
        wanted, current = version(connection, bot, n), store.champion_n(connection, bot)
        if n != current:
            _check(connection, bot, wanted, current)
            store.rollback(connection, bot, n)
            gates.void(connection, bot, f"rolled back to classifier {n}", now)
            audit.record(connection, bot, "classifier.rollback", now, who, n=n, replaced=current)
        result = version(connection, bot, n)
    if n != current:
        enqueue(context.queue, Job.RESCORE, bot)
    return result


def _check(connection: sa.Connection, bot: str, wanted: Version, current: int | None) -> None:
    if wanted.status != "retired":
        raise NeverInForce(bot, wanted.n)
    if current is not None and version(connection, bot, current).manifest.encoder != wanted.manifest.encoder:
        raise OtherEncoder(wanted.n, wanted.manifest.encoder)
