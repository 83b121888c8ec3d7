"""Classifiers beside the champion, and the trials that they stand, written straight into SQL."""

from collections.abc import Sequence

import sqlalchemy as sa

from service import database, tables
from service.classifiers import gates, store
from service.classifiers.gates import Flip
from service.classifiers.schemas import Gate, Outcome, Status
from service.clock import now
from tests.support.shop import BOT

STATUSES: dict[Outcome, Status] = {"open": "challenger", "held": "held"}


def in_force(engine: sa.Engine) -> None:
    """Classifier 1, of which there is no more than a manifest."""
    with database.writing(engine) as connection:
        manifest = {"encoder": "e", "dimensions": 2}
        row = {"bot": BOT, "n": 1, "status": "champion", "created_at": now(), "manifest": manifest}
        connection.execute(tables.classifier.insert(), row)
        connection.execute(sa.update(tables.bot).where(tables.bot.c.name == BOT).values(champion=1))


def challenge(engine: sa.Engine, status: Outcome, flips: Sequence[Flip] = (), reason: str = "") -> int:
    """A copy of the champion, tried against it; its number."""
    with database.writing(engine) as connection:
        champion = store.champion(connection, BOT)
        assert champion
        n = store.save(connection, BOT, champion.head, champion.manifest, STATUSES[status], now())
        ended = None if status == "open" else now()
        gate = Gate(
            challenger=n,
            champion=champion.n,
            status=status,
            compared=400,
            disagreed=20,
            opened_at=now(),
            decided_at=ended,
            reason=reason,
        )
        gates.add(connection, BOT, gate, flips)
    return n


def answer(engine: sa.Engine, turn_id: int, intent_id: int) -> None:
    """What people said of the turn's flip."""
    card, label = tables.card, tables.label
    with database.writing(engine) as connection:
        of_turn = (card.c.turn_id == turn_id, card.c.purpose == "flip")
        card_id = connection.scalar(sa.select(card.c.id).where(*of_turn))
        connection.execute(sa.update(card).where(*of_turn).values(status="resolved", resolved_at=now()))
        row = {"bot": BOT, "turn_id": turn_id, "use": "flip", "answer": "intent", "intent_id": intent_id}
        connection.execute(label.insert(), row | {"origin": "vote", "card_id": card_id, "at": now()})
