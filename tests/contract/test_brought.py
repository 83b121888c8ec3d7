"""What sources brought by day is kept and equals what counting the log says, on both databases."""

from datetime import UTC, date, datetime, timedelta

import sqlalchemy as sa

from service import database
from service.bots.store import create_bot
from service.turns import brought, store
from service.turns.brought import Brought
from service.turns.schemas import Turn
from service.turns.store import Arrival, NewTurn

BOT, AT = "shop", datetime(2026, 3, 2, 23, 30, tzinfo=UTC)


def new(n: int, source: str, *, hours: int = 0, received: int = 2) -> NewTurn:
    arrival = Arrival(source, "d-1", AT + timedelta(hours=received))
    turn = Turn(external_id=f"t-{n}", text=f"text {n}", at=AT + timedelta(hours=hours))
    return NewTurn(arrival, turn, (), "", str(n).encode(), "")


def test_new_turns_count_for_their_source_and_their_own_day_and_a_repeat_for_none(engine: sa.Engine) -> None:
    with database.writing(engine) as connection:
        create_bot(connection, BOT, AT)
        store.insert_turns(connection, BOT, [new(1, "web"), new(2, "web", hours=1), new(1, "phone", received=3)])
        store.insert_turns(connection, BOT, [new(1, "web", received=9), new(3, "web", received=5), new(4, "import")])
    expected = {("web", date(2026, 3, 2)): 2, ("web", date(2026, 3, 3)): 1, ("phone", date(2026, 3, 2)): 1}
    sources = {"web": Brought(3, AT + timedelta(hours=5)), "phone": Brought(1, AT + timedelta(hours=3))}
    with database.writing(engine) as connection:
        assert brought.by_day(connection, BOT, date(2026, 3, 1)) == expected
        assert brought.in_all(connection, BOT) == sources
        assert brought.counted(connection, BOT) == brought.read(connection, BOT)
        assert list(brought.by_day(connection, BOT, date(2026, 3, 3))) == [("web", date(2026, 3, 3))]
