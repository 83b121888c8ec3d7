"""Which turns a classifier has learnt from: it is surer of these than of others like them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import sqlalchemy as sa

from service import tables
from service.classifiers.schemas import Classifier
from service.learning.types import Bools1d

TURN, LABEL = tables.turn, tables.label
CHUNK = 1_000  # ids in one statement


class Learnt(NamedTuple):
    """Of n turns."""

    is_learnt: Bools1d  # labelled for the training, or of the log that it learnt from
    is_later: Bools1d  # said after it


def learnt(connection: sa.Connection, by: Classifier, turn_ids: Sequence[int], at: Sequence[datetime]) -> Learnt:
    """`at`: when the turns were said."""
    labelled = _labelled(connection, by.manifest.last_label_id or 0, turn_ids)
    log_since = _log_since(connection, by)
    is_later = np.array([one > by.created_at for one in at], np.bool_)
    is_log = np.array([one >= log_since for one in at], np.bool_) & ~is_later
    return Learnt(is_log | np.array([turn_id in labelled for turn_id in turn_ids], np.bool_), is_later)


def _log_since(connection: sa.Connection, by: Classifier) -> datetime:
    """When the oldest turn of the log was said that drew the classifier's prototypes; after everything, where no log
    did."""
    if not by.manifest.pseudo_labels + by.manifest.weak_examples:
        return datetime.max.replace(tzinfo=UTC)
    of_log = (TURN.c.bot == by.bot, TURN.c.source.not_in(tables.NOT_SAID), TURN.c.is_slot_fill.is_(False))
    newest = sa.select(TURN.c.at).where(*of_log, TURN.c.at <= by.created_at).order_by(TURN.c.at.desc())
    oldest: datetime | None = connection.scalar(newest.offset(max(by.manifest.log_turns, 1) - 1).limit(1))
    return oldest or datetime.min.replace(tzinfo=UTC)


def _labelled(connection: sa.Connection, last: int, turn_ids: Sequence[int]) -> set[int]:
    found: set[int] = set()
    for start in range(0, len(turn_ids), CHUNK):
        some = (LABEL.c.turn_id.in_(turn_ids[start : start + CHUNK]), LABEL.c.use.in_(("train", "flip")))
        found |= set(connection.scalars(sa.select(LABEL.c.turn_id).where(*some, LABEL.c.id <= last)))
    return found
