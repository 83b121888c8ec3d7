"""Releases in SQL: one row says what is told of a version, another which labels it holds.

A release holds ids, so forgetting a person needs no look at it: their rows are missing from then on. It is written
whole in one short transaction, for a hundred thousand labels pack to a few hundred kB."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import numpy as np
import sqlalchemy as sa

from service import database, tables
from service.access import audit
from service.bots.store import get_bot, live_bot
from service.classifiers.advice import audited_of
from service.errors import BadInput, Conflict, NotFound
from service.events import outbox
from service.exports.changes import changes
from service.exports.held import Held, KnownIntent, Labelled, NothingLabelled, held_now, pack, unpack
from service.exports.schemas import NOTE_LIMIT, Changes, Release
from service.learning.stopping import Estimate

RELEASE, ROWS = tables.release, tables.release_rows
_NONE = np.zeros(0, np.int64)
NOTHING = Held((), Labelled(_NONE, _NONE, _NONE, np.zeros(0, np.bool_)))


class ReleaseNotFound(NotFound):
    type = "release-not-found"

    def __init__(self, bot: str, n: int) -> None:
        super().__init__(f"bot {bot!r} has no release {n}", hint="`fencepost releases list` names them")


class NothingNew(Conflict):
    type = "nothing-new"

    def __init__(self, bot: str, n: int) -> None:
        super().__init__(f"no label and no intent of bot {bot!r} changed since release {n}")


class ReleasedMeanwhile(Conflict):
    type = "released-meanwhile"

    def __init__(self, bot: str, n: int) -> None:
        super().__init__(f"somebody made release {n} of bot {bot!r} meanwhile", hint="look at it, and repeat")


class Kept(NamedTuple):
    """What a release holds, and since when."""

    held: Held
    at: datetime


class _New(NamedTuple):
    row: dict[str, Any]
    data: bytes


def create(engine: sa.Engine, bot: str, note: str, now: datetime, *, who: str) -> Release:
    """The next version, of what is labelled now; NothingLabelled, NothingNew, ReleasedMeanwhile, BotNotFound
    or BotArchived."""
    checked = _checked_note(note)
    with database.snapshot(engine) as connection:
        new = _prepared(connection, bot, now)
    row = {**new.row, "bot": bot, "created_at": now, "who": who, "note": checked}
    with database.writing(engine) as connection:
        # The key is the fence: of two who make the same version one does.
        if not database.insert_new(connection, RELEASE, [row]):
            raise ReleasedMeanwhile(bot, row["n"])
        connection.execute(ROWS.insert(), {"bot": bot, "n": row["n"], "data": new.data})
        audit.record(connection, bot, "release.create", now, who, n=row["n"])
        outbox.record(connection, bot, "release.created", _told(new.row), now)
    with database.reading(engine) as connection:
        return release(connection, bot, row["n"])


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    """An owner's note stays here: it may name somebody."""
    rows = {name: row["changes"][name] for name in ("added", "removed", "relabelled", "confirmed")}
    return {"release": row["n"], "classifier": row["champion"], **rows}


def _checked_note(note: str) -> str:
    if len(note) > NOTE_LIMIT or "\0" in note:
        raise BadInput(f"a note has at most {NOTE_LIMIT} characters and no NUL", path="note")
    return note.strip()


def _prepared(connection: sa.Connection, name: str, now: datetime) -> _New:
    bot = live_bot(connection, name)
    last = newest_n(connection, name)
    before = kept(connection, name, last).held if last else NOTHING
    after = held_now(connection, name)
    if not after.labelled.size:
        raise NothingLabelled(name)
    if _is_same(before, after):
        raise NothingNew(name, last)
    row = {
        "n": last + 1,
        "champion": bot.champion,
        "accuracy": msgspec.to_builtins(audited_of(connection, bot).accuracy),
        "intents": msgspec.to_builtins(after.intents),
        "changes": msgspec.to_builtins(changes(before, after)),
    }
    return _New(row, pack(after.labelled))


def _is_same(before: Held, after: Held) -> bool:
    same_rows = all(np.array_equal(old, new) for old, new in zip(before.labelled, after.labelled, strict=True))
    return same_rows and list(before.intents) == list(after.intents)


def newest_n(connection: sa.Connection, bot: str) -> int:
    """0 before the first."""
    return connection.scalar(sa.select(sa.func.max(RELEASE.c.n)).where(RELEASE.c.bot == bot)) or 0


def kept(connection: sa.Connection, bot: str, n: int) -> Kept:
    """ReleaseNotFound."""
    here = (RELEASE.c.bot == ROWS.c.bot) & (RELEASE.c.n == ROWS.c.n)
    query = sa.select(RELEASE.c.intents, RELEASE.c.created_at, ROWS.c.data).join(ROWS, here)
    row = connection.execute(query.where(RELEASE.c.bot == bot, RELEASE.c.n == n)).one_or_none()
    if row is None:
        raise ReleaseNotFound(bot, n)
    return Kept(Held(msgspec.convert(row.intents, list[KnownIntent]), unpack(row.data)), row.created_at)


def release(connection: sa.Connection, bot: str, n: int) -> Release:
    """ReleaseNotFound."""
    row = connection.execute(sa.select(RELEASE).where(RELEASE.c.bot == bot, RELEASE.c.n == n)).one_or_none()
    if row is None:
        raise ReleaseNotFound(bot, n)
    return _release(row)


def list_releases(connection: sa.Connection, bot: str) -> list[Release]:
    """Newest first; BotNotFound."""
    get_bot(connection, bot)
    query = sa.select(RELEASE).where(RELEASE.c.bot == bot).order_by(RELEASE.c.n.desc())
    return [_release(row) for row in connection.execute(query)]


def _release(row: sa.Row[Any]) -> Release:
    return Release(
        n=row.n,
        created_at=row.created_at,
        who=row.who,
        note=row.note,
        champion=row.champion,
        accuracy=msgspec.convert(row.accuracy, Estimate | None),
        changes=msgspec.convert(row.changes, Changes),
    )


def changes_between(connection: sa.Connection, bot: str, before: int, after: int) -> Changes:
    """ReleaseNotFound."""
    return changes(kept(connection, bot, before).held, kept(connection, bot, after).held)
