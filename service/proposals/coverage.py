"""Coverage by intent: what the classifier in force makes of the newest part of the log."""

from collections import Counter
from datetime import timedelta

import sqlalchemy as sa

from service import tables
from service.bots.store import get_bot
from service.intents.store import list_intents, merges
from service.proposals.schemas import Coverage, IntentCoverage
from service.reviews.candidates import newest_at
from service.reviews.labels import label_counts

TURN, PREDICTION, MARK = tables.turn, tables.prediction, tables.mark


def coverage(connection: sa.Connection, bot: str, days: int) -> Coverage:
    """Over the `days` of event time that end with the newest turn; slot fills and imported turns are no part of it."""
    n = get_bot(connection, bot).champion
    decided, unfamiliar = _decided(connection, bot, n, days)
    total = decided.total()
    outside, unlike = decided[None], unfamiliar.total()
    labels = label_counts(connection, bot)
    rows = [
        IntentCoverage(
            id=intent.id,
            name=intent.name,
            turns=decided[intent.id],
            share=_share(decided[intent.id], total),
            labels=labels.get(intent.id, 0),
            is_archived=intent.archived_at is not None,
        )
        for intent in list_intents(connection, bot, archived=True)
        if intent.archived_at is None or decided[intent.id]
    ]
    return Coverage(
        n=n,
        days=days,
        turns=total,
        out_of_scope=_share(outside, total),
        unfamiliar=_share(unlike, total),
        uncovered=_share(outside + unlike, total),
        intents=tuple(sorted(rows, key=lambda row: (-row.turns, row.id))),
    )


def _share(part: int, total: int) -> float:
    """0 of nothing.

    >>> _share(1, 4), _share(0, 0)
    (0.25, 0.0)
    """
    return part / total if total else 0.0


def _decided(
    connection: sa.Connection, bot: str, n: int | None, days: int
) -> tuple[Counter[int | None], Counter[int | None]]:
    """Turns by the intent they are decided for, None being out of scope, merges followed; and how many of those with
    an intent are unlike everything taught."""
    newest = newest_at(connection, bot)
    if newest is None or n is None:
        return Counter(), Counter()
    # Marks of an earlier classifier stay on turns that were asked about: people have said since what those mean.
    is_unlike = sa.exists().where(MARK.c.turn_id == TURN.c.id, MARK.c.kind == "unfamiliar", MARK.c.n == n)
    query = (
        sa.select(PREDICTION.c.intent_id, is_unlike.label("is_unlike"), sa.func.count().label("turns"))
        .join(TURN, TURN.c.id == PREDICTION.c.turn_id)
        .where(PREDICTION.c.bot == bot, PREDICTION.c.n == n, TURN.c.at > newest - timedelta(days=days))
        .group_by(PREDICTION.c.intent_id, sa.text("is_unlike"))
    )
    into = merges(connection, bot)
    decided: Counter[int | None] = Counter()
    unfamiliar: Counter[int | None] = Counter()
    for row in connection.execute(query):
        intent_id = None if row.intent_id is None else into[row.intent_id]
        decided[intent_id] += row.turns
        if row.is_unlike and intent_id is not None:
            unfamiliar[intent_id] += row.turns
    return decided, unfamiliar
