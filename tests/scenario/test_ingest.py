"""Facts become rows: all of them, once, whatever the order and whatever dies."""

import sqlite3
from datetime import timedelta
from itertools import permutations

import pytest
import sqlalchemy as sa

from service import database, streams, tables
from service.broker import start
from service.context import Context, wait_for_redis
from service.encoding import pack
from service.errors import DatabaseDown, EncoderDown, RedisDown
from service.reports.store import reports_on_turns
from service.streams import DeadLetterNotFound
from service.turns.schemas import Entity, IntentScore
from tests.support.encoder import FakeEncoder
from tests.support.ingest import AT, BOT, Desk, example, open_desk, redactor, reply, report, turn, turns
from tests.support.scored import Shop
from workers import ingest
from workers.ingest import QUOTA, RECLAIM_IDLE_S, TRIES
from workers.recording import Recorder


class Killed(BaseException):
    """A worker's death: nothing of it may be caught, and what it had in memory is gone."""


@pytest.fixture
def desk(context: Context) -> Desk:
    return open_desk(context)


@pytest.fixture
def any_desk(context: Context, engine: sa.Engine) -> Desk:
    """On both databases."""
    return open_desk(context._replace(engine=engine))


def external_ids(desk: Desk, table: sa.Table = tables.turn) -> list[object]:
    return [external_id for (external_id,) in desk.rows(table, "external_id")]


def queued(desk: Desk) -> list[str]:
    return [job.func_name for job in desk.context.queue.get_jobs()]


def test_facts_become_rows(any_desk):
    said = turn(
        "t-1",
        "mail anna@example.org about ORD-123456 to Lyon",
        user="u-7",
        entities=(Entity("mail", "anna", 5, 9), Entity("city", "Lyon", 42, 46)),
        intents=(IntentScore("track", 0.7),),
    )
    told = report("x-1", turn_external_id="t-1", comment="I am at 10.0.0.1", user="u-7")
    any_desk.send(said, reply("r-1", "mail ben@example.org", turn_external_id="t-1"), told)
    any_desk.ingest()

    [(turn_id, signature, bot_intent, delivery)] = any_desk.rows(
        tables.turn, "id", "entity_signature", "bot_intent", "delivery_id"
    )
    [(text, entities, redactions, person)] = any_desk.rows(
        tables.turn_content, "text", "entities", "redactions", "person"
    )
    assert (signature, bot_intent, delivery) == ("mail>city", "track", "d-1")
    assert text == "mail <EMAIL_1> about <ORDER_ID_1> to Lyon"
    assert entities == [
        {"type": "mail", "value": "<EMAIL_1>", "start": 5, "end": 14},
        {"type": "city", "value": "Lyon", "start": 37, "end": 41},
    ]
    assert redactions == [[5, 21, 5, 14, "EMAIL"], [28, 38, 21, 33, "ORDER_ID"]]
    assert any_desk.rows(tables.reply_content, "text") == [("mail <EMAIL_1>",)]
    assert any_desk.rows(tables.report_content, "comment", "person") == [("I am at <IP_1>", person)]
    assert len(person) == 32
    vector = pack(any_desk.encoder.encode(BOT, [text])[0])
    assert any_desk.rows(tables.vector, "turn_id", "encoder", "data") == [
        (turn_id, any_desk.encoder.identity(BOT), vector)
    ]
    assert any_desk.streams.depth(BOT) == 0


def test_an_example_becomes_a_turn_with_a_label(any_desk):
    any_desk.send(
        example("e-1", "money back to anna@example.org", "refund", entities=(Entity("mail", "x", 14, 30),)),
        example("e-2", "tell me a joke", ""),
        source="import",
    )
    any_desk.send(example("g-1", "stop it", "cancel_order", use="gold"), source="gold", delivery_id="d-2")
    any_desk.ingest()
    ids = dict(any_desk.rows(tables.turn, "external_id", "id"))
    labels = any_desk.rows(tables.label, "turn_id", "use", "answer", "intent_id", "spans", "origin")
    assert labels == [
        (ids["e-1"], "train", "intent", 1, [[14, 23, "mail"]], "import"),
        (ids["e-2"], "train", "none", None, None, "import"),
        (ids["g-1"], "gold", "intent", 2, None, "import"),
    ]
    assert any_desk.rows(tables.turn, "source") == [("import",), ("import",), ("gold",)]


def test_what_comes_twice_is_stored_once(any_desk):
    facts = (*turns(5), reply("r-1"), report("x-1", turn_external_id="t-1"), example("e-1", "refund me", "refund"))
    for delivery in range(3):
        any_desk.send(*facts, *turns(2), delivery_id=f"d-{delivery}")
        any_desk.ingest()
    assert external_ids(any_desk) == ["t-0", "t-1", "t-2", "t-3", "t-4", "e-1"]
    counted = [len(any_desk.rows(table, "bot")) for table in (tables.reply, tables.report, tables.label)]
    assert counted == [1, 1, 1]
    assert [len(any_desk.rows(table, "turn_id")) for table in (tables.turn_content, tables.vector)] == [6, 6]


def test_the_champion_sees_a_turn_in_the_transaction_that_stores_it(any_desk):
    n = Shop(any_desk.context, any_desk.encoder).train()
    any_desk.send(turn("t-1", "where is my parcel right now"), turn("t-2", "umbrella"), turn("t-3", is_slot_fill=True))
    any_desk.send(example("e-1", "umbrella stand", "refund"), source="import", delivery_id="d-2")
    any_desk.ingest()
    ids = dict(any_desk.rows(tables.turn, "external_id", "id"))
    assert any_desk.rows(tables.prediction, "turn_id", "n", "intent_id")[0] == (ids["t-1"], n, 3)
    assert [turn_id for (turn_id,) in any_desk.rows(tables.prediction, "turn_id")] == [ids["t-1"], ids["t-2"]]
    assert (ids["t-2"], "boundary") in any_desk.rows(tables.mark, "turn_id", "kind")
    assert any_desk.rows(tables.candidate, "turn_id", "status") == [(ids["t-2"], "open")]


def test_a_champion_of_another_encoder_is_not_asked(desk):
    Shop(desk.context, FakeEncoder("older")).train()
    desk.send(turn("t-1"))
    desk.ingest()
    assert desk.rows(tables.prediction, "turn_id") == []
    assert desk.rows(tables.vector, "encoder") == [(desk.encoder.identity(BOT),)]


FACTS = (
    turn("t-1", intents=(IntentScore("track", 0.6),)),
    reply("r-1", at=AT + timedelta(seconds=-1), turn_external_id="t-1"),
    report("x-1", reply_external_id="r-1"),
)


@pytest.mark.parametrize(
    "order", list(permutations(range(3))), ids=lambda order: "-".join(FACTS[i].external_id for i in order)
)
def test_no_order_of_arrival_is_assumed(any_desk, order):
    for i in order:
        any_desk.send(FACTS[i], delivery_id=f"d-{i}")
        any_desk.ingest()
    with database.reading(any_desk.context.engine) as connection:
        [found] = reports_on_turns(connection, BOT)
    assert (found.kind, found.bot_intent) == ("thumbs_down", "track")
    assert queued(any_desk) == ["workers.jobs.reports"]


@pytest.mark.parametrize("late", [turn("t-1"), reply("r-1", turn_external_id="t-1")])
def test_what_a_report_waited_for_has_the_reports_weighed_again(desk, late):
    desk.send(report("x-1", turn_external_id="t-1"), report("x-2", reply_external_id="r-1"))
    desk.ingest()
    desk.context.redis.flushall()
    desk.send(turn("t-9"), reply("r-9"), delivery_id="d-2")
    desk.ingest()
    assert queued(desk) == []
    desk.send(late, delivery_id="d-3")
    desk.ingest()
    assert queued(desk) == ["workers.jobs.reports"]


def test_an_entry_that_fails_five_times_alone_is_buried_and_its_neighbours_are_not(any_desk):
    any_desk.send(turn("t-1"), example("e-1", "hello", "greet"), turn("t-2"))
    any_desk.ingest()
    [letter] = any_desk.dead()
    assert external_ids(any_desk) == ["t-1", "t-2"]
    assert (letter.failures, letter.error, any_desk.streams.depth(BOT)) == (TRIES, "IntentNotFound", 0)

    with database.writing(any_desk.context.engine) as connection:
        connection.execute(tables.intent.insert(), {"bot": BOT, "id": 3, "name": "greet", "created_at": AT})
        connection.execute(tables.intent_name.insert(), {"bot": BOT, "name": "greet", "intent_id": 3})
    any_desk.streams.dead_replay(BOT, letter.id)
    any_desk.ingest()
    assert external_ids(any_desk) == ["t-1", "t-2", "e-1"]
    assert any_desk.dead() == []


def test_a_failing_entry_is_tried_five_times_with_pauses(desk):
    desk.send(example("e-1", "hello", "greet"))
    reader = desk.reader()
    reader.round()  # as a batch of one: not yet alone
    tries = []
    for _ in range(TRIES):
        desk.clock.seconds += 2
        reader.round()
        assert not reader.round(), "not again at once"
        tries.append(desk.context.redis.hvals(streams.FAILURES.of(BOT)))
    assert tries == [[b"1"], [b"2"], [b"3"], [b"4"], []]
    assert len(desk.dead()) == 1


def test_an_entry_that_cannot_be_opened_is_a_dead_letter(desk):
    desk.context.redis.xadd(streams.TURNS.of(BOT), {"e": b"garbage"})
    desk.send(turn("t-1"))
    desk.ingest()
    assert [letter.error for letter in desk.dead()] == ["Undecipherable"]
    assert external_ids(desk) == ["t-1"]


def test_a_row_that_a_database_refuses_is_a_dead_letter(any_desk):
    """NUL: Postgres refuses it, SQLite takes it. The edge refuses it before either."""
    any_desk.send(turn("t-1"), turn("t-2", conversation_id="c\0"), turn("t-3"))
    any_desk.ingest()
    is_sqlite = any_desk.context.engine.dialect.name == "sqlite"
    assert external_ids(any_desk) == (["t-1", "t-2", "t-3"] if is_sqlite else ["t-1", "t-3"])
    assert [letter.error for letter in any_desk.dead()] == ([] if is_sqlite else ["DataError"])


def test_many_failing_entries_do_not_stop_the_others(desk):
    desk.send(*(example(f"e-{n}", f"hello {n}", "greet") for n in range(QUOTA + 5)))
    desk.send(*turns(10), delivery_id="d-2")
    desk.ingest()
    assert (len(external_ids(desk)), len(desk.dead()), desk.streams.depth(BOT)) == (10, QUOTA + 5, 0)


class Mortal(Recorder):
    """Dies of a turn that says so, before or after it is stored."""

    after = False

    def record(self, bot, envelopes, now):
        is_last = any("die" in envelope.fact.text for envelope in envelopes)
        if is_last and not self.after:
            raise Killed
        super().record(bot, envelopes, now)
        if is_last:
            raise Killed


def mortal(desk: Desk, *, after: bool = False) -> Recorder:
    recorder = Mortal(desk.context, desk.encoder, redactor())
    recorder.after = after
    return recorder


def live_and_die(desk: Desk, recorder: Recorder) -> bool:
    """One life of a worker; whether it ended in death."""
    reader = desk.reader(recorder=recorder)
    try:
        desk.ingest(reader)
    except Killed:
        return True
    return False


def test_an_entry_that_kills_its_worker_is_buried_after_five_deaths_alone(desk):
    desk.send(turn("t-1"), turn("t-2", "die"), turn("t-3"))
    lives = 0
    while live_and_die(desk, mortal(desk)):
        lives += 1
    assert lives == 1 + TRIES, "once in company, then alone"
    assert [(letter.error, letter.failures) for letter in desk.dead()] == [("WorkerDied", TRIES)]
    assert external_ids(desk) == ["t-1", "t-3"]


def test_a_death_between_commit_and_settlement_costs_a_repeat_and_no_more(any_desk):
    any_desk.send(*turns(3), turn("t-die", "die"))
    assert live_and_die(any_desk, mortal(any_desk, after=True))
    assert (len(external_ids(any_desk)), any_desk.streams.depth(BOT)) == (4, 4)
    any_desk.encoder.turns.clear()
    any_desk.ingest()
    assert (len(external_ids(any_desk)), any_desk.streams.depth(BOT)) == (4, 0)
    assert len(any_desk.encoder.turns[BOT]) == 4, "the index gets what it may have missed"


def test_another_worker_takes_over_what_a_dead_one_held(desk, monkeypatch):
    desk.send(*turns(3), turn("t-die", "die"))
    with pytest.raises(Killed):
        desk.reader("dead", recorder=mortal(desk)).round()
    heir = desk.reader("heir")
    desk.ingest(heir)
    assert external_ids(desk) == [], "30 s have not passed on the server's clock"
    monkeypatch.setattr(ingest, "RECLAIM_IDLE_S", 0)
    desk.ingest(heir)
    assert (len(external_ids(desk)), desk.streams.depth(BOT)) == (4, 0)
    assert RECLAIM_IDLE_S > 10 + database.BUSY_TIMEOUT_MS / 1000, "no live worker holds a batch that long"


class Moody(FakeEncoder):
    """Down while told so."""

    down = True

    def encode(self, bot, texts):
        if self.down:
            raise EncoderDown("no answer")
        return super().encode(bot, texts)


def test_an_encoder_that_is_down_counts_nothing_and_loses_nothing(context):
    encoder = Moody()
    desk = open_desk(context, encoder, bots=("bank", BOT))
    desk.send(turn("t-1"))
    reader = desk.reader()
    for _ in range(2 * TRIES):
        desk.clock.seconds += 60
        assert not reader.round()
    assert context.redis.hlen(streams.FAILURES.of(BOT)) == 0
    desk.send(reply("r-1"), bot="bank")
    reader.round()
    assert external_ids(desk, tables.reply) == ["r-1"], "a bot that asks nothing of the encoder goes on"

    encoder.down = False
    desk.ingest(reader)
    assert (external_ids(desk), desk.dead(), desk.streams.depth(BOT)) == (["t-1"], [], 0)


def test_an_encoder_that_is_down_while_an_entry_is_alone_is_not_its_fault(context):
    encoder = Moody()
    encoder.down = False
    desk = open_desk(context, encoder)
    desk.send(turn("t-1"), example("e-1", "hello", "greet"))
    reader = desk.reader()
    reader.round()
    encoder.down = True
    for _ in range(2 * TRIES):
        desk.clock.seconds += 60
        reader.round()
    assert context.redis.hvals(streams.FAILURES.of(BOT)) == [b"0"]
    assert desk.dead() == []


def test_a_database_that_is_down_counts_nothing_and_loses_nothing(desk):
    desk.send(*turns(3))
    reader = desk.reader()
    path = desk.context.engine.url.database
    with sqlite3.connect(path) as raw:
        raw.execute("ALTER TABLE turn RENAME TO away")
    for _ in range(2 * TRIES):
        with pytest.raises(DatabaseDown):
            reader.round()
    with sqlite3.connect(path) as raw:
        raw.execute("ALTER TABLE away RENAME TO turn")
    desk.ingest(reader)
    assert (len(external_ids(desk)), desk.dead(), desk.streams.depth(BOT)) == (3, [], 0)


def test_a_redis_that_is_down_loses_nothing(context, short_folder, sqlite_engine):
    folder = short_folder / "own"
    server = start(folder, folder / "v.sock")
    own = context._replace(redis=type(context.redis).from_url(f"unix://{folder}/v.sock", protocol=2))
    wait_for_redis(own)
    desk = open_desk(own)
    desk.send(*turns(3))
    reader = desk.reader()
    server.kill()
    server.wait(10)
    with pytest.raises(RedisDown):
        reader.round()
    server = start(folder, folder / "v.sock")
    wait_for_redis(own)
    desk.ingest(reader)
    assert (len(external_ids(desk)), desk.streams.depth(BOT)) == (3, 0)
    own.redis.close()
    server.terminate()
    server.wait(10)


def test_a_redis_lost_after_the_commit_has_the_batch_settled_later(desk, monkeypatch):
    desk.send(*turns(3))
    reader = desk.reader()

    def lost(*_: object) -> None:
        raise RedisDown("gone")

    monkeypatch.setattr(desk.streams.__class__, "settle", lost)
    with pytest.raises(RedisDown):
        reader.round()
    monkeypatch.undo()
    desk.ingest(reader)
    assert (len(external_ids(desk)), desk.streams.depth(BOT)) == (3, 0)


def test_a_flood_for_one_bot_does_not_delay_another(context):
    desk = open_desk(context, bots=("bank", BOT))
    desk.send(*turns(3 * QUOTA), bot="bank")
    desk.send(*turns(3))
    desk.reader().round()
    stored = {bot: 0 for bot in ("bank", BOT)}
    for (bot,) in desk.rows(tables.turn, "bot"):
        stored[bot] += 1
    assert stored == {"bank": QUOTA, BOT: 3}


def test_told_to_stop_it_finishes_what_is_in_hand_and_leaves_the_rest(desk):
    desk.send(*turns(2 * QUOTA))

    class Stopping(Recorder):
        def record(self, bot, envelopes, now):
            super().record(bot, envelopes, now)
            desk.stop.set()

    reader = desk.reader(recorder=Stopping(desk.context, desk.encoder, redactor()))
    ingest_loop(reader, desk)
    assert (len(external_ids(desk)), desk.streams.depth(BOT)) == (QUOTA, QUOTA)
    desk.stop.clear()
    desk.ingest()
    assert (len(external_ids(desk)), desk.streams.depth(BOT)) == (2 * QUOTA, 0)


def ingest_loop(reader: ingest.Reader, desk: Desk) -> None:
    while not desk.stop.is_set():
        reader.round()


def test_a_replayed_dead_letter_that_is_gone_is_an_error(desk):
    with pytest.raises(DeadLetterNotFound):
        desk.streams.dead_replay(BOT, "1-1")


def test_a_pattern_that_does_not_finish_stores_nothing(desk, monkeypatch):
    monkeypatch.setattr("service.bots.patterns.SEARCH_S", 0.02)
    with database.writing(desk.context.engine) as connection:
        evil = [{"name": "evil", "regex": r"([a-z]+)*\d"}]
        connection.execute(sa.update(tables.bot).values(patterns=evil))
    desk.send(turn("t-1", "x" * 999 + "!"), turn("t-2", "short"))
    desk.ingest()
    assert [letter.error for letter in desk.dead()] == ["PatternTooSlow"]
    assert external_ids(desk) == ["t-2"]


def test_errors_name_no_values(desk):
    with pytest.raises(sa.exc.StatementError) as caught, database.writing(desk.context.engine) as connection:
        connection.execute(tables.turn_content.insert(), {"turn_id": 1, "text": None, "person": "anna"})
    assert "anna" not in str(caught.value)
