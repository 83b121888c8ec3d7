"""The stream's promises, on a real Valkey."""

from datetime import UTC, datetime

import pytest
from redis import Redis
from redis.exceptions import ResponseError

from service import streams
from service.context import Context
from service.errors import RedisDown, StreamFull
from service.keyring import Keyring, Undecipherable
from service.streams import DeadLetterNotFound, Entry, Streams
from service.turns.schemas import Note, Receipt, Turn

NOW = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)


def turn(n: int, text: str = "where is my card") -> Turn:
    return Turn(external_id=f"t-{n}", text=text, at=NOW)


def turns(count: int) -> list[Turn]:
    return [turn(n) for n in range(count)]


@pytest.fixture
def stream(context: Context) -> Streams:
    return Streams(context.redis, context.keyring, bound=10)


def append(
    stream: Streams, delivery_id: str, count: int = 1, *, bot: str = "shop", receipt: Receipt | None = None
) -> Receipt:
    return stream.append(bot, "native", delivery_id, turns(count), receipt or Receipt(accepted=count), NOW)


def ids(entries: list[Entry]) -> list[str]:
    return [entry.id for entry in entries]


def test_a_delivery_is_appended_once_and_a_repeat_gets_the_first_answer(stream):
    first = append(stream, "d-1", 3, receipt=Receipt(accepted=3, notes=(Note(0, "$.lang", "dropped"),)))
    repeat = append(stream, "d-1", 2, receipt=Receipt(accepted=2))
    assert (repeat, stream.depth("shop")) == (first, 3)
    assert repeat.notes == (Note(0, "$.lang", "dropped"),)


def test_a_delivery_id_is_known_per_source_and_bot(stream):
    for bot, source in [("shop", "native"), ("shop", "rasa"), ("bank", "native")]:
        stream.append(bot, source, "d-1", turns(1), Receipt(accepted=1), NOW)
    assert (stream.depth("shop"), stream.depth("bank"), stream.bots()) == (2, 1, ["bank", "shop"])


def test_at_the_bound_nothing_of_the_delivery_is_appended(stream):
    append(stream, "d-1", 8)
    with pytest.raises(StreamFull):
        append(stream, "d-2", 3)
    assert stream.depth("shop") == 8
    append(stream, "d-3", 2)
    with pytest.raises(StreamFull):
        append(stream, "d-4", 1)
    assert append(stream, "d-5", 0).accepted == 0, "a delivery without a usable fact takes no room"
    assert append(stream, "d-6", bot="bank").accepted == 1, "another bot is not concerned"


def test_a_refused_delivery_is_taken_when_it_is_sent_again(stream):
    append(stream, "d-1", 10)
    with pytest.raises(StreamFull):
        append(stream, "d-2", 2)
    stream.settle("shop", ids(stream.fresh("shop", "a", 100)))
    assert append(stream, "d-2", 2).accepted == 2
    assert stream.depth("shop") == 2


def test_a_delivery_larger_than_the_bound_fits_into_an_empty_stream(stream):
    append(stream, "d-1", 12)
    assert stream.depth("shop") == 12


def test_entries_and_answers_are_sealed(stream, context):
    secret = "anna@example.org"
    note = Receipt(accepted=1, notes=(Note(0, "$.x", secret),))
    stream.append("shop", "native", "d-1", [turn(1, f"write to {secret}")], note, NOW)
    dumped = b"".join(context.redis.dump(key) for key in context.redis.keys("*"))
    assert secret.encode() not in dumped
    [entry] = stream.fresh("shop", "a", 10)
    assert stream.open("shop", entry.sealed).fact.text == f"write to {secret}"


def test_an_entry_opens_for_its_own_bot_and_key_only(stream, context):
    append(stream, "d-1")
    [entry] = stream.fresh("shop", "a", 10)
    with pytest.raises(Undecipherable):
        stream.open("bank", entry.sealed)
    with pytest.raises(Undecipherable):
        Streams(context.redis, Keyring(b"x" * 32), 10).open("shop", entry.sealed)


def test_an_entry_goes_to_one_consumer_until_it_is_settled(stream):
    append(stream, "d-1", 3)
    read = stream.fresh("shop", "a", 2)
    assert ids(stream.pending("shop", "a", 10)) == ids(read)
    assert len(stream.fresh("shop", "b", 10)) == 1
    stream.settle("shop", ids(read))
    assert (stream.pending("shop", "a", 10), stream.depth("shop")) == ([], 1)


def test_a_dead_consumers_entries_are_taken_over_once_idle(stream):
    append(stream, "d-1", 2)
    read = stream.fresh("shop", "dead", 10)
    assert stream.reclaim("shop", "b", 10, idle_s=60) == []
    assert stream.reclaim("shop", "b", 10, idle_s=0) == read
    assert (stream.pending("shop", "dead", 10), stream.pending("shop", "b", 10)) == ([], read)


def test_entries_deleted_while_pending_are_passed_over(stream, context):
    append(stream, "d-1", 2)
    gone, left = stream.fresh("shop", "dead", 10)
    context.redis.xdel(streams.TURNS.of("shop"), gone.id)
    assert stream.pending("shop", "dead", 10) == [left]
    assert stream.reclaim("shop", "b", 10, idle_s=0) == [left]
    assert context.redis.xpending(streams.TURNS.of("shop"), streams.GROUP)["pending"] == 1


@pytest.mark.parametrize(
    "parts",
    [
        [b"0-0", [(None, None), (b"1-1", {b"e": b"sealed"})]],
        [b"0-0", [(b"1-1", {b"e": b"sealed"})], [b"0-9"]],
    ],
)
def test_the_answers_of_redis_6_2_and_7_are_both_read(context, monkeypatch, parts):
    monkeypatch.setattr(Redis, "xautoclaim", lambda *_, **__: parts)
    assert Streams(context.redis, context.keyring, 10).reclaim("shop", "a", 10, 0) == [Entry("1-1", b"sealed")]


def test_a_flush_of_redis_does_not_stop_the_reader(stream, context):
    append(stream, "d-1")
    stream.fresh("shop", "a", 10)
    context.redis.flushall()
    assert stream.fresh("shop", "a", 10) == []
    append(stream, "d-1")
    assert len(stream.fresh("shop", "a", 10)) == 1


def test_tries_alone_are_counted_and_forgotten_when_settled(stream, context):
    append(stream, "d-1")
    [entry] = stream.fresh("shop", "a", 10)
    assert [stream.charge("shop", "a", entry.id) for _ in range(3)] == [1, 2, 3]
    stream.refund("shop", entry.id)
    assert stream.charge("shop", "a", entry.id) == 3
    stream.settle("shop", [entry.id])
    assert context.redis.hlen(streams.FAILURES.of("shop")) == 0


def test_only_the_consumer_that_holds_an_entry_is_charged(stream, context):
    append(stream, "d-1")
    [entry] = stream.fresh("shop", "a", 10)
    assert stream.charge("shop", "b", entry.id) is None
    stream.settle("shop", [entry.id])
    assert stream.charge("shop", "a", entry.id) is None
    context.redis.flushall()
    assert stream.charge("shop", "a", entry.id) is None


def test_a_buried_entry_is_listed_replayed_and_dropped(stream):
    append(stream, "d-1", 2)
    first, second = stream.fresh("shop", "a", 10)
    for entry in (first, second):
        stream.bury("shop", entry, failures=5, error="DataError", now=NOW)
    assert (stream.depth("shop"), stream.dead_count("shop")) == (0, 2)
    one, two = stream.dead_list("shop")
    assert (one.entry_id, one.failures, one.error, one.at, one.sealed) == (first.id, 5, "DataError", NOW, first.sealed)
    assert stream.dead_list("shop", after=one.id) == [two]

    stream.dead_replay("shop", one.id)
    assert [entry.sealed for entry in stream.fresh("shop", "a", 10)] == [first.sealed]
    stream.dead_drop("shop", two.id)
    assert stream.dead_list("shop") == []


@pytest.mark.parametrize("dead_id", ["1-1", "nonsense", "-", ""])
def test_an_unknown_dead_letter_is_an_error(stream, dead_id):
    for act in (stream.dead_letter, stream.dead_replay, stream.dead_drop):
        with pytest.raises(DeadLetterNotFound):
            act("shop", dead_id)


def test_an_absent_redis_is_an_outage_not_an_empty_stream(context, tmp_path):
    away = Streams(Redis.from_url(f"unix://{tmp_path}/none.sock", protocol=2), context.keyring, 10)
    for call in (lambda: append(away, "d-1"), lambda: away.fresh("shop", "a", 1), lambda: away.depth("shop")):
        with pytest.raises(RedisDown):
            call()


@pytest.mark.parametrize(
    "refusal", ["MISCONF Errors writing to the AOF file", "OOM command not allowed when used memory > 'maxmemory'"]
)
def test_a_redis_that_takes_no_writes_is_an_outage(stream, monkeypatch, refusal):
    def refuse(*_: object, **__: object) -> None:
        raise ResponseError(refusal)

    monkeypatch.setattr(Redis, "sadd", refuse)
    with pytest.raises(RedisDown):
        append(stream, "d-1")


def test_a_full_memory_refuses_a_delivery_whole(stream, context):
    """The real server's answer, from inside the script."""
    context.redis.config_set("maxmemory", 1)
    try:
        with pytest.raises(RedisDown):
            append(stream, "d-1", 3)
    finally:
        context.redis.config_set("maxmemory", 0)
    assert append(stream, "d-1", 3).accepted == 3
    assert stream.depth("shop") == 3
