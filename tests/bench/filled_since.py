"""What goes on while somebody looks at a bot's pages: turns come in, and people label."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from service import database, tables
from service.clock import now
from service.turns import brought, tally, word_index
from tests.bench.filled_log import BOT
from tests.bench.filled_plan import PROMOTED

CHAMPION = len(PROMOTED)
TEXT = "where is it"
ARRIVALS = 5  # turns that come in at once
LABELLED_EVERY = 5  # times


def go_on(engine: sa.Engine, place: int) -> None:
    """Turns come in, the first of them marked; now and then one that was asked about gets another label."""
    at = now()
    with database.writing(engine) as connection:
        rows = list(_arrive(connection, at))
        said = [_Said(**{name: row[name] for name in _Said._fields}) for row in rows]
        tally.count_turns(connection, BOT, said)
        brought.count(connection, BOT, said)
        word_index.add(connection, BOT, {row["id"]: TEXT for row in rows})
        mark = {"bot": BOT, "turn_id": rows[0]["id"], "kind": "boundary"}
        connection.execute(tables.mark.insert(), {**mark, "value": 0.7, "n": CHAMPION, "at": at})
        tally.count_marks(connection, BOT, [(rows[0]["id"], "boundary")], [])
        if place % LABELLED_EVERY == 0:
            turn_id = connection.scalar(labelled().offset(place).limit(1))
            label = {"turn_id": turn_id, "use": "train", "answer": "intent", "intent_id": 1, "origin": "vote"}
            connection.execute(tables.label.insert(), {"bot": BOT, "at": at, **label})


def _arrive(connection: sa.Connection, at: datetime) -> Iterator[dict[str, Any]]:
    """Turns like the newest ones."""
    newest = sa.select(tables.turn).order_by(tables.turn.c.id.desc()).limit(ARRIVALS)
    for row in connection.execute(newest).mappings().all():
        id_ = row["id"] + ARRIVALS
        turn = {**row, "id": id_, "external_id": f"n-{id_}", "at": at, "received_at": at}
        connection.execute(tables.turn.insert(), turn)
        connection.execute(tables.turn_content.insert(), {"turn_id": id_, "text": TEXT})
        connection.execute(tables.prediction.insert(), _prediction(id_))
        yield turn


class _Said(NamedTuple):
    source: str
    at: datetime
    received_at: datetime
    bot_version: str
    is_slot_fill: bool
    is_fallback: bool


def _prediction(turn_id: int) -> dict[str, Any]:
    numbers = {"p1": 0.6, "p2": 0.3, "out_of_scope": 0.0, "uncertainty": 0.7}
    return {"turn_id": turn_id, "n": CHAMPION, "bot": BOT, "intent_id": 1, "best_id": 1, "second_id": 2, **numbers}


def labelled() -> sa.Select[tuple[int]]:
    """Turns that people labelled, the newest first."""
    label = tables.label.c
    given = (label.bot == BOT, label.use == "train", label.origin == "vote")
    return sa.select(label.turn_id).where(*given).order_by(label.id.desc())
