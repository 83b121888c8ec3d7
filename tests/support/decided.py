"""A bot with a champion and the turns that it decided, written straight into SQL, many at a time."""

from datetime import datetime
from itertools import count

import sqlalchemy as sa

from service import database, tables
from service.intents.store import by_name
from tests.support.shop import BOT

NUMBERS = count()


def decide(engine: sa.Engine, at: datetime, intent: str, turns: int, *, n: int = 7, **columns: object) -> None:
    """`none`: out of scope; `columns` of the turns."""
    with database.writing(engine) as connection:
        intent_id = None if intent == "none" else by_name(connection, BOT, intent).id
        rows = [
            {"bot": BOT, "source": "native", "external_id": f"d-{next(NUMBERS)}", "at": at, "received_at": at}
            | {"text_key": b"k"}
            | columns
            for _ in range(turns)
        ]
        made = connection.execute(tables.turn.insert().returning(tables.turn.c.id), rows).scalars()
        scores = {"bot": BOT, "n": n, "intent_id": intent_id, "best_id": 1, "p1": 0.9, "p2": 0.1, "uncertainty": 0.2}
        connection.execute(tables.prediction.insert(), [scores | {"turn_id": turn_id} for turn_id in made])


def put_in_force(engine: sa.Engine, n: int) -> None:
    """The number only: there is no such classifier."""
    with database.writing(engine) as connection:
        connection.execute(sa.update(tables.bot).where(tables.bot.c.name == BOT).values(champion=n))
