"""Since when a classifier is in force, and whose word that was."""

from datetime import datetime
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa

from service import tables
from service.classifiers.schemas import Version

How = Literal["untried", "gate", "owner", "rollback"]  # untried: there was nothing to compare it with
LOG = tables.audit_log
BY_HAND = "classifier.promote"  # in the audit log


class ByHand(NamedTuple):
    """An owner put a version in force against its gate."""

    at: datetime
    who: str
    replaced: int | None


class InForce(NamedTuple):
    """When a version came into force and what it replaced."""

    since: datetime
    replaced: int | None
    by_hand: bool


def promoted(n: int, replaced: int | None, how: How) -> dict[str, Any]:
    """What the event `classifier.promoted` says."""
    return {"classifier": n, "replaced": replaced, "how": how}


def by_hand(connection: sa.Connection, bot: str, n: int) -> ByHand | None:
    """The last time; None: no owner ever did."""
    done = sa.select(LOG).where(LOG.c.bot == bot, LOG.c.action == BY_HAND, LOG.c.details["n"].as_integer() == n)
    row = connection.execute(done.order_by(LOG.c.id.desc()).limit(1)).one_or_none()
    return None if row is None else ByHand(row.at, row.who, row.details["replaced"])


def in_force(connection: sa.Connection, bot: str, found: Version) -> InForce:
    """Of a version that is in force, or was. Who stood no trial was as soon as it was there."""
    gate = found.trial.gate if found.trial else None
    if gate and gate.status == "promoted" and gate.decided_at:
        return InForce(gate.decided_at, gate.champion, by_hand=False)
    if done := by_hand(connection, bot, found.n):
        return InForce(done.at, done.replaced, by_hand=True)
    return InForce(found.created_at, found.manifest.replaced, by_hand=False)
