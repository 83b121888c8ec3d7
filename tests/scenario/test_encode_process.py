"""The encode process and its client, over a real Unix socket and a real Valkey; only the model is small."""

import os
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from redis import Redis

from service import database, encoding_wire
from service.bots.store import update_bot
from service.context import Context
from service.encoding import EncodeClient, EncoderChanged, insist, pack
from service.errors import BadInput, ConfigError, EncoderDown
from service.settings import Settings
from service.streams import ENCODE_REQUESTS, PENDING
from service.turns.vectors import store_vectors
from tests.support.encode import FakeHub, leave_stale_socket, serving
from tests.support.encoder import FakeEncoder
from tests.support.shop import AT, BOT, add_turn, open_shop
from workers import encode

FAKE = FakeEncoder()


@pytest.fixture
def settings(valkey: Path, sqlite_url: str, short_folder: Path, request: pytest.FixtureRequest) -> Settings:
    folder = short_folder / f"e{abs(hash(request.node.name)):x}"[:12]
    folder.mkdir(exist_ok=True)
    url = getattr(request, "param", "")
    return Settings(data_dir=str(folder), database_url=sqlite_url, redis_url=f"unix://{valkey}", encode_url=url)


@pytest.fixture
def hub() -> FakeHub:
    return FakeHub()


@pytest.fixture
def served(context: Context, hub: FakeHub) -> Iterator[FakeHub]:
    with serving(context, hub):
        yield hub


@pytest.fixture
def client(context: Context) -> Iterator[EncodeClient]:
    client = EncodeClient(context.settings, context.redis)
    yield client
    client.close()


over_both = pytest.mark.parametrize("settings", ["", "redis"], indirect=True, ids=["socket", "redis"])


@over_both
def test_answers_what_the_model_says(served, client):
    texts = [f"where is order {i}" for i in range(600)]
    assert client.identity(BOT) == FAKE.identity(BOT)
    np.testing.assert_array_equal(client.encode(BOT, texts), FAKE.encode(BOT, texts))
    assert client.encode(BOT, []).shape == (0, 0)


@over_both
def test_turns_added_are_neighbours_until_removed(served, client):
    vectors = client.encode(BOT, [f"where is order {i}" for i in range(300)])
    client.add(BOT, range(1, 301), vectors)
    client.add(BOT, range(1, 301), vectors)
    turn_ids, cosines = client.neighbours(BOT, vectors, 1)
    assert turn_ids[:, 0].tolist() == list(range(1, 301))
    np.testing.assert_allclose(cosines, 1, atol=1e-3)
    client.remove(BOT, range(1, 300))
    assert client.neighbours(BOT, vectors[:1], 3)[0].tolist() == [[300, -1, -1]]
    assert client.neighbours("other", vectors[:1], 1)[0].tolist() == [[-1]]
    assert client.neighbours(BOT, vectors[:0], 2)[0].shape == (0, 2)


@over_both
def test_an_encoder_may_be_asked_for_by_name(served, client):
    """It knows texts, whatever the bot has, and no neighbours."""
    other = client.named("other")
    assert client.identity(BOT) == FAKE.identity(BOT)
    assert other.identity(BOT) == FakeEncoder("other").identity(BOT)
    np.testing.assert_array_equal(other.encode(BOT, ["hello"]), FakeEncoder("other").encode(BOT, ["hello"]))
    np.testing.assert_array_equal(client.named("").encode(BOT, ["hello"]), client.encode(BOT, ["hello"]))
    with pytest.raises(BadInput, match="knows no neighbours"):
        other.add(BOT, [1], other.encode(BOT, ["hello"]))
    with pytest.raises(EncoderDown, match="'broken' is not to be had"):
        client.named("broken").identity(BOT)
    insist(client, BOT, "other", FakeEncoder("other").identity(BOT))
    with pytest.raises(EncoderDown, match="for the encode process, not"):
        insist(client, BOT, "other", FAKE.identity(BOT))


def test_who_asks_for_the_identity_is_told_of_a_change_at_once(context, served, client):
    open_shop(context.engine)
    assert client.identity(BOT) == FAKE.identity(BOT)
    with database.writing(context.engine) as connection:
        update_bot(connection, BOT, AT, encoder="other")
    assert client.identity(BOT) == FakeEncoder("other").identity(BOT)


@over_both
def test_threads_share_a_client(served, client):
    def ask(i: int) -> None:
        for j in range(20):
            text = f"thread {i} text {j}"
            found[i] = found[i] and np.array_equal(client.encode(BOT, [text]), FAKE.encode(BOT, [text]))

    found = [True] * 12
    threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(found))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 12


@over_both
def test_without_a_process_the_deadline_says_so(context):
    client = EncodeClient(context.settings, context.redis, deadline_s=0.2)
    with pytest.raises(EncoderDown, match="no answer"):
        client.identity(BOT)
    assert context.redis.llen(ENCODE_REQUESTS) == 0  # nothing is left for a process that starts later


@over_both
def test_a_slow_model_is_an_encoder_that_is_down(context, served, client):
    client.identity(BOT)
    served.models[""].gate.clear()
    hasty = EncodeClient(context.settings, context.redis, deadline_s=0.2)
    with pytest.raises(EncoderDown):
        hasty.encode(BOT, ["hello"])
    served.models[""].gate.set()
    np.testing.assert_array_equal(hasty.encode(BOT, ["bye"]), FAKE.encode(BOT, ["bye"]))
    hasty.close()


@over_both
def test_a_failing_model_is_told_and_survived(served, client):
    with pytest.raises(EncoderDown, match="RuntimeError"):
        client.encode(BOT, ["poison"])
    assert client.encode(BOT, ["fine"]).shape == (1, 64)


def test_a_client_finds_a_process_that_starts_later(context, hub, client):
    answers: list[str] = []
    waiting = threading.Thread(target=lambda: answers.append(client.identity(BOT)))
    waiting.start()
    with serving(context, hub):
        waiting.join()
    assert answers == [FAKE.identity(BOT)]


def test_a_client_survives_a_restart(context, client):
    for _ in range(2):
        with serving(context, FakeHub()):
            assert client.encode(BOT, ["hello"]).shape == (1, 64)


def test_a_stop_answers_what_is_in_hand_and_takes_the_socket_away(context, hub, client):
    answers: list[np.ndarray] = []
    with serving(context, hub):
        client.identity(BOT)
        hub.models[""].gate.clear()
        waiting = threading.Thread(target=lambda: answers.append(client.encode(BOT, ["hello"])))
        waiting.start()
        while not hub.models[""].passes:
            time.sleep(0.001)
    waiting.join()
    np.testing.assert_array_equal(answers[0], FAKE.encode(BOT, ["hello"]))
    assert not context.settings.encode_socket.exists()


def test_a_socket_left_behind_is_replaced_and_only_its_owner_may_talk(context, hub, client):
    leave_stale_socket(context.settings.encode_socket)
    with serving(context, hub):
        assert client.identity(BOT) == FAKE.identity(BOT)
        assert stat.S_IMODE(context.settings.encode_socket.stat().st_mode) == 0o600


def test_a_second_process_is_refused_and_the_first_goes_on(context, served, client):
    client.identity(BOT)
    with pytest.raises(ConfigError, match="another encode process"):
        encode.run(context, threading.Event(), FakeHub().load)
    assert client.identity(BOT) == FAKE.identity(BOT)


def test_a_folder_too_long_for_a_socket_is_said(context, hub, tmp_path):
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    long = context._replace(settings=msgspec.structs.replace(context.settings, data_dir=str(folder)))
    with pytest.raises(ConfigError, match="too long for a Unix socket"):
        encode.run(long, threading.Event(), hub.load)


def test_an_unknown_transport_is_refused(context, hub):
    settings = msgspec.structs.replace(context.settings, encode_url="http://x")
    with pytest.raises(ConfigError, match="FENCEPOST_ENCODE_URL"):
        encode.run(context._replace(settings=settings), threading.Event(), hub.load)
    with pytest.raises(ConfigError, match="FENCEPOST_ENCODE_URL"):
        EncodeClient(settings, context.redis)


def test_redis_away_is_an_encoder_that_is_down(context):
    settings = msgspec.structs.replace(context.settings, encode_url="redis")
    client = EncodeClient(settings, Redis(unix_socket_path="/nowhere/valkey.sock", protocol=2))
    with pytest.raises(EncoderDown, match="no answer from the encoder"):
        client.identity(BOT)


# --- nonsense on the wire -------------------------------------------------------------------------------------------


@pytest.fixture
def raw(context: Context, served: FakeHub, client: EncodeClient) -> Iterator[socket.socket]:
    client.identity(BOT)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(context.settings.encode_socket))
        yield connection


def refusal(connection: socket.socket) -> encoding_wire.Refusal:
    deadline = time.monotonic() + 10
    length = encoding_wire.receive_length(connection, deadline)
    reply = encoding_wire.decode_reply(encoding_wire.receive_body(connection, length, deadline))
    assert isinstance(reply, encoding_wire.Refusal)
    return reply


def test_an_absurd_frame_is_refused_before_it_is_read(raw, client):
    raw.sendall(b"\xff\xff\xff\xff")
    assert refusal(raw).detail == "a frame of 4294967295 bytes; at most 67108864 are taken"
    assert raw.recv(1) == b""
    assert client.identity(BOT) == FAKE.identity(BOT)


@pytest.mark.parametrize("message", [b"", b"\xc1", b"hello", msgspec.msgpack.encode({"bot": 1}), b"\x91" * 5000])
def test_a_message_that_is_no_request_is_refused_and_the_next_answered(raw, message):
    encoding_wire.send_frame(raw, message, time.monotonic() + 10)
    assert refusal(raw).kind in ("bad-input", "encoder-down")
    request = encoding_wire.Request(bot=BOT, deadline_s=5, ask=encoding_wire.Encode(["poison"]))
    encoding_wire.send_frame(raw, encoding_wire.encode_message(request), time.monotonic() + 10)
    assert refusal(raw).detail == "the encoder failed: RuntimeError"


def test_half_a_frame_ends_only_its_own_connection(raw, client):
    raw.sendall(b"\x00\x00\x01\x00half")
    raw.close()
    assert client.identity(BOT) == FAKE.identity(BOT)


ROWS = encoding_wire.floats(np.eye(2, dtype=np.float32))


@pytest.mark.parametrize(
    ("ask", "reason"),
    [
        (encoding_wire.Encode(["x"] * 1025), "1025 texts in one request; at most 1024"),
        (encoding_wire.Neighbours(ROWS, 0), "k is 0, not within"),
        (encoding_wire.Neighbours(ROWS, 1001), "k is 1001, not within"),
        (encoding_wire.Neighbours(encoding_wire.Rows(3, ROWS.data), 1), "no matrix of 3 columns"),
        (encoding_wire.Neighbours(encoding_wire.Rows(0, b""), 1), "no matrix of 0 columns"),
        (encoding_wire.Add([1], ROWS), "1 turns, but 2 vectors"),
        (encoding_wire.Add([1, 2], encoding_wire.floats(np.full((2, 2), np.nan))), "not of length 1"),
        (encoding_wire.Add([1, 2], encoding_wire.floats(np.zeros((2, 2)))), "not of length 1"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(raw, ask, reason):
    request = encoding_wire.Request(bot=BOT, deadline_s=5, ask=ask)
    encoding_wire.send_frame(raw, encoding_wire.encode_message(request), time.monotonic() + 10)
    reply = refusal(raw)
    assert reply.kind == "bad-input"
    assert reason in reply.detail


def test_vectors_of_another_length_are_bad_input(served, client):
    client.add(BOT, [1], client.encode(BOT, ["hello"]))
    with pytest.raises(BadInput, match="2 dimensions"):
        client.neighbours(BOT, np.eye(2, dtype=np.float32), 1)


# --- indexes from SQL, encoders per bot -----------------------------------------------------------------------------


def stored_turn(context: Context, text: str, encoder: FakeEncoder = FAKE) -> int:
    turn_id = add_turn(context.engine, text)
    with database.writing(context.engine) as connection:
        store_vectors(connection, encoder.identity(BOT), [(turn_id, pack(encoder.encode(BOT, [text])[0]))])
    return turn_id


def set_encoder(context: Context, name: str) -> None:
    with database.writing(context.engine) as connection:
        update_bot(connection, BOT, AT, encoder=name)


def test_the_index_is_rebuilt_from_sql(context, hub, client):
    open_shop(context.engine)
    turn_ids = [stored_turn(context, text) for text in ("where is my order", "i want a refund", "hello")]
    with serving(context, hub):
        found, _ = client.neighbours(BOT, client.encode(BOT, ["i want a refund", "hello"]), 1)
    assert found.tolist() == [[turn_ids[1]], [turn_ids[2]]]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed setting is seen at once."""
    monkeypatch.setattr("workers.encoders.SETTING_S", 0.0)


def test_bots_have_encoders_of_their_own(context, served, client, quick):
    open_shop(context.engine)
    set_encoder(context, "special")
    special = FakeEncoder("special")
    assert client.identity(BOT) == special.identity(BOT)
    np.testing.assert_array_equal(client.encode(BOT, ["hello"]), special.encode(BOT, ["hello"]))
    np.testing.assert_array_equal(client.encode("other", ["hello"]), FAKE.encode(BOT, ["hello"]))


def test_a_changed_encoder_is_never_mixed_with_the_one_a_thread_was_told_of(context, served, client, quick):
    open_shop(context.engine)
    told = client.identity(BOT)
    vectors = client.encode(BOT, ["hello"])
    client.add(BOT, [1], vectors)
    set_encoder(context, "special")
    with pytest.raises(EncoderChanged, match=f"not {told}"):
        client.encode(BOT, ["hello"])
    with pytest.raises(EncoderChanged):
        client.add(BOT, [2], vectors)
    with pytest.raises(EncoderChanged):
        client.neighbours(BOT, vectors, 1)
    assert client.identity(BOT) == FakeEncoder("special").identity(BOT)
    fresh = client.encode(BOT, ["hello"])
    assert client.neighbours(BOT, fresh, 1)[0].tolist() == [[-1]]  # a new index: turn 1 lies in the old one
    client.add(BOT, [1], fresh)
    assert client.neighbours(BOT, fresh, 1)[0].tolist() == [[1]]


def test_vectors_of_another_encoder_call_for_the_reembed_job_once(context, served, client, quick):
    open_shop(context.engine)
    stored_turn(context, "hello")
    client.identity(BOT)
    assert context.queue.count == 0
    set_encoder(context, "special")
    client.identity(BOT)
    client.identity(BOT)
    assert [job.func_name for job in context.queue.jobs] == ["workers.jobs.reembed"]
    assert context.redis.exists(PENDING.of(BOT, job="reembed"))


def test_an_encoder_that_cannot_be_loaded_stops_its_bot_only(context, served, client, quick):
    open_shop(context.engine)
    set_encoder(context, "broken")
    for _ in range(2):
        with pytest.raises(EncoderDown, match="'broken' is not to be had") as caught:
            client.encode(BOT, ["hello"])
        assert caught.value.hint == "choose another"
    assert client.encode("other", ["hello"]).shape == (1, 64)


def test_the_installations_encoder_must_be_there(context, hub):
    broken = context._replace(settings=msgspec.structs.replace(context.settings, encoder="broken"))
    with pytest.raises(ConfigError, match="'broken' is not to be had"):
        encode.run(broken, threading.Event(), hub.load)


def test_a_forked_child_makes_connections_of_its_own(served, client):
    client.encode(BOT, ["before"])
    connections = [connection.fileno() for connection in client._transport._idle]
    client._transport._pid = os.getpid() + 1  # as a child would see it
    assert client.encode(BOT, ["after"]).shape == (1, 64)
    assert len(connections) == len(client._transport._idle) == 1
    assert client._transport._pid == os.getpid()
