"""What became of a classifier: since when it is in force, and whose word that was."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

import msgspec
import sqlalchemy as sa

from service import tables
from service.access import audit
from service.classifiers.schemas import Gate, Version

How = Literal["untried", "gate", "owner", "rollback"]  # untried: there was nothing to compare it with
What = Literal["made", "tried", "promoted", "held", "void", "by_hand", "rolled_back", "held_by_hand", "replaced"]
LOG = tables.audit_log
# in the audit log
BY_GATE, BY_HAND, ROLLED_BACK = "classifier.promoted", "classifier.promote", "classifier.rollback"
HELD_BY_HAND = "classifier.hold"
SAID: dict[str, What] = {BY_HAND: "by_hand", ROLLED_BACK: "rolled_back", HELD_BY_HAND: "held_by_hand"}


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


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """Something that became of a classifier; `other`: the one it was tried against, replaced, or was replaced by."""

    at: datetime
    what: What
    who: str = audit.SYSTEM
    reason: str = ""
    other: int | None = None


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


def history(connection: sa.Connection, bot: str, found: Version) -> tuple[Moment, ...]:
    """Oldest first."""
    trial = _of_gate(found.trial.gate) if found.trial else ()
    moments = [Moment(at=found.created_at, what="made"), *trial, *_logged(connection, bot, found)]
    return tuple(sorted(moments, key=lambda one: one.at))


def words(connection: sa.Connection, bot: str) -> dict[int, list[Moment]]:
    """What owners did with each classifier that one did something with, oldest first."""
    query = sa.select(LOG).where(LOG.c.bot == bot, LOG.c.action.in_(SAID)).order_by(LOG.c.id)
    found = defaultdict[int, list[Moment]](list)
    for row in connection.execute(query):
        moment = Moment(at=row.at, what=SAID[row.action], who=row.who, reason=row.details.get("reason", ""))
        found[row.details["n"]].append(moment)
    return dict(found)


def since(moments: Sequence[Moment]) -> datetime | None:
    """When it came into force last; None: it never did."""
    return max((one.at for one in moments if one.what in ("promoted", "by_hand", "rolled_back")), default=None)


def _of_gate(gate: Gate) -> Iterator[Moment]:
    yield Moment(at=gate.opened_at, what="tried", other=gate.champion)
    if gate.status != "open" and gate.decided_at:
        yield Moment(at=gate.decided_at, what=gate.status, reason=gate.reason, other=gate.champion)


def _logged(connection: sa.Connection, bot: str, found: Version) -> Iterator[Moment]:
    """What owners did with it, what took its place, and its coming into force where no gate tells that."""
    n = found.n
    of = (LOG.c.details[name].as_integer() == n for name in ("n", "replaced", "champion"))
    query = sa.select(LOG).where(LOG.c.bot == bot, LOG.c.action.in_((BY_GATE, *SAID)), sa.or_(*of))
    for row in connection.execute(query.order_by(LOG.c.id)):
        before = row.details.get("replaced", row.details.get("champion"))
        who, reason = row.who, row.details.get("reason", "")
        if row.details["n"] == n and row.action in SAID:
            yield Moment(at=row.at, what=SAID[row.action], who=who, reason=reason, other=before)
        elif row.details["n"] == n and found.trial is None:
            yield Moment(at=row.at, what="promoted", who=who, other=before)
        elif row.details["n"] != n and row.action != HELD_BY_HAND:
            yield Moment(at=row.at, what="replaced", who=who, reason=reason, other=row.details["n"])
