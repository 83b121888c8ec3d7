"""Turns, replies and reports in SQL, on both databases."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from service import database, tables
from service.errors import TurnNotFound
from service.reports import store as reports
from service.reports.store import NewReport
from service.turns import store
from service.turns.schemas import Entity, IntentScore, Reply, Report, Turn
from service.turns.store import Arrival, Counts, NewReply, NewTurn

NOW = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
ARRIVAL = Arrival("native", "d-1", NOW)


def minute(n: float) -> datetime:
    return NOW - timedelta(hours=1) + timedelta(minutes=n)


def new_turn(
    external_id: str, n: float = 0, *, conversation: str = "c", text: str | None = None, **fields: object
) -> NewTurn:
    turn = Turn(
        external_id=external_id,
        text=text or f"text of {external_id}",
        at=minute(n),
        conversation_id=conversation,
        **fields,
    )
    return NewTurn(ARRIVAL, turn, [], "p-1", b"key", "")


def new_reply(external_id: str, n: float = 0, *, conversation: str = "c", turn: str = "", intent: str = "") -> NewReply:
    text = f"text of {external_id}"
    reply = Reply(
        external_id=external_id,
        text=text,
        at=minute(n),
        conversation_id=conversation,
        turn_external_id=turn,
        intent=intent,
    )
    return NewReply(ARRIVAL, reply)


def new_report(external_id: str, n: float = 0, *, person: str = "p-1", **fields: str) -> NewReport:
    return NewReport(ARRIVAL, Report(external_id=external_id, kind="thumbs_down", at=minute(n), **fields), person)


def insert(engine, *rows) -> dict[str, int]:
    """Ids of the new turns by external id."""
    with database.writing(engine) as connection:
        ids = store.insert_turns(connection, "shop", [row for row in rows if isinstance(row, NewTurn)])
        store.insert_replies(connection, "shop", [row for row in rows if isinstance(row, NewReply)])
        reports.insert_reports(connection, "shop", [row for row in rows if isinstance(row, NewReport)])
    return {external_id: turn_id for (_, external_id), turn_id in ids.items()}


def forget(engine, turn_id: int) -> None:
    with database.writing(engine) as connection:
        connection.execute(sa.delete(tables.turn_content).where(tables.turn_content.c.turn_id == turn_id))
        connection.execute(sa.update(tables.turn).where(tables.turn.c.id == turn_id).values(forgotten_at=NOW))


def test_a_turn_is_stored_with_its_content(engine):
    turn = Turn(
        external_id="t-1",
        text="fly to Lyon",
        at=minute(0),
        intents=(IntentScore("book", 0.4), IntentScore("track", 0.3)),
        entities=(Entity("city", "Lyon", 7, 11),),
        channel="c" * 200,
    )
    with database.writing(engine) as connection:
        new = NewTurn(ARRIVAL, turn, [(0, 9, 0, 11, "phone")], "p-1", b"key", "city")
        [turn_id] = store.insert_turns(connection, "shop", [new]).values()
        store.insert_vectors(connection, "fake@1", {turn_id: b"\0\1"})
    with database.reading(engine) as connection:
        stored = store.get_turn(connection, "shop", turn_id)
        vector = connection.execute(sa.select(tables.vector)).one()
    assert (stored.text, stored.entities, stored.intents) == ("fly to Lyon", turn.entities, turn.intents)
    assert (stored.bot_intent, stored.bot_score, stored.redactions) == ("book", 0.4, ((0, 9, 0, 11, "phone"),))
    assert (stored.at, stored.received_at, stored.channel) == (minute(0), NOW, "c" * 100)
    assert tuple(vector) == (turn_id, "fake@1", b"\0\1")


def test_inserts_may_repeat_and_the_first_counts(engine):
    once = insert(engine, new_turn("t-1", text="first"), new_turn("t-1", text="twin"), new_turn("t-2"))
    assert insert(engine, new_turn("t-2", text="late"), new_turn("t-3")).keys() == {"t-3"}
    for _ in range(2):
        insert(engine, new_reply("r-1"), new_reply("r-1"), new_report("x-1"), new_report("x-1"))
    with database.reading(engine) as connection:
        assert store.get_turn(connection, "shop", once["t-1"]).text == "first"
        assert store.counts(connection, "shop") == Counts(turns=3, replies=1, reports=1)
        assert store.turn_ids(connection, "shop", [("native", "t-1"), ("rasa", "t-1")]) == {
            ("native", "t-1"): once["t-1"]
        }


def test_ids_follow_the_order_of_arrival(engine):
    ids = insert(engine, *(new_turn(f"t-{n}") for n in range(50)))
    assert sorted(ids, key=ids.__getitem__) == [f"t-{n}" for n in range(50)]


def test_event_time_is_never_after_the_arrival(engine):
    ids = insert(engine, new_turn("t-1", 600), new_reply("r-1", 600), new_report("x-1", 600, turn_external_id="t-1"))
    with database.reading(engine) as connection:
        assert store.get_turn(connection, "shop", ids["t-1"]).at == NOW
        assert connection.scalar(sa.select(tables.reply.c.at)) == NOW
        assert [report.at for report in reports.reports_on_turns(connection, "shop")] == [NOW]


def test_a_turn_belongs_to_its_bot(engine):
    ids = insert(engine, new_turn("t-1"))
    with database.reading(engine) as connection:
        with pytest.raises(TurnNotFound):
            store.get_turn(connection, "bank", ids["t-1"])
        assert store.counts(connection, "bank") == Counts(0, 0, 0)


def test_a_forgotten_turn_keeps_its_key_and_says_so(engine):
    ids = insert(engine, new_turn("t-1", 0), new_turn("t-2", 1))
    forget(engine, ids["t-1"])
    assert insert(engine, new_turn("t-1", text="again")) == {}
    with database.reading(engine) as connection:
        assert store.get_turn(connection, "shop", ids["t-1"]).text is None
        assert [line.text for line in store.conversation(connection, "shop", ids["t-2"])] == [None, "text of t-2"]
        assert store.turn_ids(connection, "shop", [("native", "t-1")]) == {}


def test_turns_are_listed_in_pages(engine):
    ids = insert(engine, *(new_turn(f"t-{n}") for n in range(3)))
    with database.reading(engine) as connection:
        page = store.list_turns(connection, "shop", limit=2)
        assert [turn.external_id for turn in page] == ["t-0", "t-1"]
        assert [turn.id for turn in store.list_turns(connection, "shop", after=page[-1].id)] == [ids["t-2"]]


def test_a_conversation_shows_two_turns_and_the_replies_either_side(engine):
    rows = [row for n in range(7) for row in (new_turn(f"t-{n}", n), new_reply(f"r-{n}", n + 0.5))]
    ids = insert(
        engine, *reversed(rows), new_turn("other", 3, conversation="c-2"), new_reply("r-x", 3, conversation="c-2")
    )
    with database.reading(engine) as connection:
        lines = store.conversation(connection, "shop", ids["t-3"])
    expected = [f"text of {kind}-{n}" for n in range(1, 6) for kind in "tr"]
    assert [line.text for line in lines] == expected
    assert [line.who for line in lines] == ["user", "bot"] * 5
    assert [line.turn_id for line in lines if line.is_focus] == [ids["t-3"]]


def test_turns_of_one_instant_keep_the_order_of_arrival(engine):
    ids = insert(engine, *(new_turn(f"t-{n}", 0) for n in range(5)))
    with database.reading(engine) as connection:
        lines = store.conversation(connection, "shop", ids["t-2"], turns=1)
    assert [line.text for line in lines] == ["text of t-1", "text of t-2", "text of t-3"]


def test_a_turn_without_a_conversation_stands_with_its_replies(engine):
    ids = insert(
        engine,
        new_turn("t-1", 0, conversation=""),
        new_turn("t-2", 1, conversation=""),
        new_reply("r-1", 0.5, conversation="", turn="t-1"),
        new_reply("r-2", 1.5, conversation="", turn="t-2"),
    )
    with database.reading(engine) as connection:
        assert [line.text for line in store.conversation(connection, "shop", ids["t-1"])] == [
            "text of t-1",
            "text of r-1",
        ]


def test_the_preceding_reply_is_the_line_before(engine):
    ids = insert(
        engine, new_reply("r-0", 0), new_turn("t-1", 1), new_turn("t-2", 2), new_turn("t-9", 0, conversation="")
    )
    with database.reading(engine) as connection:
        assert store.preceding_reply(connection, "shop", ids["t-1"]) == "text of r-0"
        assert store.preceding_reply(connection, "shop", ids["t-2"]) is None
        assert store.preceding_reply(connection, "shop", ids["t-9"]) is None
