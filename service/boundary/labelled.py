"""The newest labels of intents, with which boundaries and weak intents are measured: a bounded number of each."""

from collections import defaultdict
from collections.abc import Collection

import sqlalchemy as sa

from service import tables
from service.reviews import labels
from service.reviews.schemas import TrainingLabel

LABEL = tables.label


def newest_labels(connection: sa.Connection, bot: str, intents: Collection[int], each: int) -> list[TrainingLabel]:
    """Of each of the intents, those that people gave by vote or import and that still stand; merges are followed."""
    counted = [one for one, end in labels.counts_for(connection, bot).items() if end in intents]
    c = LABEL.c
    nth = sa.func.row_number().over(partition_by=c.intent_id, order_by=c.id.desc())
    given = (c.bot == bot, c.use == "train", c.intent_id.in_(counted), c.origin.in_(("vote", "import")))
    ranked = sa.select(c.turn_id, nth.label("nth")).where(*given).subquery()
    turn_ids = connection.scalars(sa.select(ranked.c.turn_id).where(ranked.c.nth <= each).distinct()).all()
    standing = labels.given(connection, bot, sorted(turn_ids))
    return [label for label in standing.values() if label.intent_id in intents]


def newest_of_all(connection: sa.Connection, bot: str, intents: Collection[int], each: int) -> list[TrainingLabel]:
    """The same where the intents are nearly all there are: every label is read, once."""
    by_intent = defaultdict[int | None, list[TrainingLabel]](list)
    for label in labels.training_labels(connection, bot):
        if label.origin in ("vote", "import"):
            by_intent[label.intent_id].append(label)
    return [label for one in intents for label in by_intent[one][-each:]]


def count_labels(connection: sa.Connection, bot: str, intents: Collection[int]) -> int:
    """Turns that people labelled with one of them."""
    counted = [one for one, end in labels.counts_for(connection, bot).items() if end in intents]
    c = LABEL.c
    given = (c.bot == bot, c.use == "train", c.intent_id.in_(counted), c.origin.in_(("vote", "import")))
    return connection.scalar(sa.select(sa.func.count(c.turn_id.distinct())).where(*given)) or 0
