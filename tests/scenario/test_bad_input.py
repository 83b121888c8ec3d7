"""Everything that can be wrong with a delivery: what it is answered, and that nothing of it is half-stored."""

import time
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
import pytest
from litestar.testing import TestClient

from service import database
from service.access.keys import create_key
from service.bots.store import add_secret, archive_bot, create_bot
from service.context import Context
from service.turns.schemas import Turn
from tests.support.edge import (
    BOT,
    TURNS,
    WEBHOOK,
    Edge,
    build,
    encode,
    gzipped,
    numbered,
    opened_edge,
    sign,
    turn,
    turns,
)

AT = datetime(2026, 3, 2, tzinfo=UTC)
MIB = 1 << 20


class Fault(NamedTuple):
    """A signed body of which nothing is usable, and what is said of it."""

    body: object
    path: str
    type: str


UNUSABLE = {
    "nothing": Fault(b"", "$", "not-json"),
    "not JSON": Fault(b"text=hello", "$", "not-json"),
    "JSON cut short": Fault(encode(turn())[:-1], "$", "not-json"),
    "bytes that are no UTF-8": Fault(b"\xff\xfe\x00", "$", "not-json"),
    "invalid UTF-8 in the text": Fault(encode(turn(text="caf?")).replace(b"?", b"\xe9"), "data.text", "not-unicode"),
    "a lone surrogate in the text": Fault(turn(text="so \ud83d sad"), "data.text", "not-unicode"),
    "a lone surrogate in an id": Fault(turn(turn_id="\udc00"), "data.turn_id", "not-unicode"),
    "NUL in the text": Fault(turn(text="a\0b"), "data.text", "nul-in-text"),
    "NUL in an id": Fault(turn(conversation_id="\0"), "data.conversation_id", "nul-in-text"),
    "an empty text": Fault(turn(text=""), "data.text", "empty-text"),
    "a text of spaces": Fault(turn(text=" \n\t"), "data.text", "empty-text"),
    "a text of 4,001 characters": Fault(turn(text="x" * 4001), "data.text", "text-too-long"),
    "no text": Fault({"type": "conversation.turn", "data": {"turn_id": "t"}}, "data.text", "missing"),
    "a number as text": Fault(turn(text=5), "data.text", "wrong-type"),
    "a number as id": Fault(turn(turn_id=5), "data.turn_id", "wrong-type"),
    "an empty id": Fault(turn(turn_id=""), "data.turn_id", "bad-id"),
    "an id of 301 characters": Fault(turn(turn_id="x" * 301), "data.turn_id", "bad-id"),
    "a list": Fault([turn()], "$", "wrong-type"),
    "null": Fault(b"null", "$", "wrong-type"),
    "no data": Fault({"type": "conversation.turn"}, "data", "wrong-type"),
    "data of a wrong type": Fault({"type": "conversation.turn", "data": "hello"}, "data", "wrong-type"),
    "no event type": Fault({"data": {}}, "type", "missing"),
    "an unknown event type": Fault({"type": "conversation.song", "data": {}}, "type", "unknown-event-type"),
    "an event type that is no text": Fault({"type": ["\ud800"]}, "type", "wrong-type"),
    "no turns": Fault({"type": "conversation.turns", "data": {}}, "data.turns", "missing"),
    "turns that are no list": Fault({"type": "conversation.turns", "data": {"turns": {}}}, "data.turns", "wrong-type"),
    "1,001 turns": Fault(turns(*numbered(1001)), "data.turns", "too-many"),
    "a turn that is no object": Fault(turns(7), "data.turns[0]", "wrong-type"),
    "100,000 open brackets": Fault(b"[" * 100_000, "$", "too-deep"),
    "100,000 open objects": Fault(b'{"a":' * 100_000, "$", "too-deep"),
    "a text nested 5,000 deep": Fault(
        encode(turn(text="?")).replace(b'"?"', b"[" * 5000 + b"]" * 5000), "data", "too-deep"
    ),
    "an unknown field nested 5,000 deep": Fault(
        encode(turn(more="?")).replace(b'"?"', b'{"a":' * 5000 + b"1" + b"}" * 5000), "data", "too-deep"
    ),
    "a report on nothing": Fault(
        {"type": "conversation.report", "data": {"kind": "thumbs_down"}}, "data.turn_id", "missing"
    ),
    "a report of an unknown kind": Fault(
        {"type": "conversation.report", "data": {"turn_id": "t", "kind": "\ud800"}}, "data.kind", "unknown-report-kind"
    ),
    "a reply without its id": Fault(
        {"type": "conversation.reply", "data": {"text": "hi"}}, "data.reply_id", "missing"
    ),
}  # fmt: skip

ENTITY, SCORE = "data.nlu.entities[0]", "data.nlu.intents[0]"


def entity(**fields: object) -> dict[str, Any]:
    """A delivery of one turn with one entity."""
    return turn(nlu={"entities": [{"type": "card", "start": 3, "end": 7} | fields]})


def scored(name: object, score: object) -> dict[str, Any]:
    return turn(nlu={"intents": [{"name": name, "score": score}]})


DROPPED = {
    "a span beyond the text": Fault(entity(end=99), ENTITY, "span-outside-text"),
    "a span before the text": Fault(entity(start=-1), ENTITY, "span-outside-text"),
    "a span that ends before it starts": Fault(entity(end=2), ENTITY, "span-outside-text"),
    "a span with another value": Fault(entity(value="cart"), ENTITY, "span-without-value"),
    "an offset that is no integer": Fault(entity(start="3"), ENTITY, "wrong-type"),
    "an offset of 6,000 digits": Fault(
        encode(entity(end=0.5)).replace(b"0.5", b"9" * 6000), ENTITY, "wrong-type"
    ),
    "an NLU that is no object": Fault(turn(nlu=[1]), "data.nlu", "wrong-type"),
    "a score that is no number": Fault(scored("a", float("nan")), SCORE, "wrong-type"),
    "an intent with NUL": Fault(scored("\0", 1), SCORE, "nul-in-text"),
    "a user that is no text": Fault(turn(user=7), "data.user", "wrong-type"),
    "half a surrogate pair as user": Fault(turn(user="\ud800"), "data.user", "not-unicode"),
    "a channel that does not fit": Fault(turn(channel="x" * 101), "data.channel", "text-too-long"),
    "an instant that is none": Fault(turn(ts="yesterday"), "data.ts", "bad-instant"),
    "an instant before the first year": Fault(turn(ts="0001-01-01T00:00:00+14:00"), "data.ts", "bad-instant"),
    "an instant without a zone": Fault(turn(ts="2026-03-02T09:15:04"), "data.ts", "no-time-zone"),
}  # fmt: skip


def cases(faults: dict[str, Fault]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("fault", [pytest.param(fault, id=name) for name, fault in faults.items()])


@cases(UNUSABLE)
def test_a_signed_delivery_with_nothing_usable_is_accepted_and_says_why(edge: Edge, fault: Fault) -> None:
    response = edge.deliver(fault.body)
    answer = response.json()
    assert (response.status_code, answer["accepted"], answer["notes"]) == (202, 0, [])
    assert [(found["index"], found["path"], found["type"]) for found in answer["rejected"]] == [
        (0, fault.path, fault.type)
    ]
    assert edge.facts() == []


@cases(DROPPED)
def test_a_bad_part_of_a_signed_turn_is_dropped_and_noted(edge: Edge, fault: Fault) -> None:
    response = edge.deliver(fault.body)
    answer = response.json()
    assert (response.status_code, answer["accepted"], answer["rejected"]) == (202, 1, [])
    assert [(found["index"], found["path"], found["type"]) for found in answer["notes"]] == [
        (0, fault.path, fault.type)
    ]
    (stored,) = edge.facts()
    assert isinstance(stored, Turn)
    assert (stored.text, stored.entities, stored.intents, stored.user, stored.channel) == (
        "my card never came",
        (),
        (),
        "",
        "",
    )


@cases({**UNUSABLE, **DROPPED})
def test_the_same_fault_with_a_key_is_a_problem_and_stores_nothing(edge: Edge, fault: Fault) -> None:
    response = edge.send(fault.body)
    problem = response.json()
    assert (response.status_code, problem["path"], problem["type"]) == (400, fault.path, fault.type)
    assert response.headers["content-type"] == "application/problem+json"
    assert edge.facts() == []


def test_one_bad_item_costs_the_others_nothing(edge: Edge) -> None:
    good = numbered(8)
    bad = [
        good[1] | {"text": "\ud800"},
        good[2] | {"text": ""},
        good[3] | {"turn_id": 3},
        "turn",
        good[5] | {"deep": "?"},
    ]
    body = encode(turns(good[0], *bad, good[6], good[6], good[7])).replace(b'"?"', b"[" * 5000 + b"]" * 5000)
    answer = edge.deliver(body).json()
    assert answer["accepted"] == 3
    assert [(found["index"], found["path"], found["type"]) for found in answer["rejected"]] == [
        (1, "data.turns[1].text", "not-unicode"),
        (2, "data.turns[2].text", "empty-text"),
        (3, "data.turns[3].turn_id", "wrong-type"),
        (4, "data.turns[4]", "wrong-type"),
        (5, "data.turns[5]", "too-deep"),
        (7, "data.turns[7]", "repeated"),
    ]
    assert [fact.external_id for fact in edge.facts()] == ["c-1:0", "c-1:6", "c-1:7"]


def test_one_bad_item_with_a_key_refuses_all_and_names_each_fault(edge: Edge) -> None:
    good = numbered(4)
    response = edge.send(turns(good[0], good[1] | {"text": ""}, good[2], good[3] | {"turn_id": 3}))
    problem = response.json()
    assert (response.status_code, problem["type"], problem["path"]) == (400, "empty-text", "data.turns[1].text")
    assert problem["detail"] == "the text is empty (and 1 more)"
    assert [found["path"] for found in problem["faults"]] == ["data.turns[1].text", "data.turns[3].turn_id"]
    assert edge.facts() == []


def test_unknown_fields_are_accepted(edge: Edge) -> None:
    body = turn(mood="grim", nlu={"intents": [], "model": {"name": "x"}}) | {"version": 7}
    assert edge.deliver(body).json() == {"accepted": 1, "notes": [], "rejected": []}
    assert edge.send(body | {"version": 8}).json() == {"accepted": 1, "notes": [], "rejected": []}


# --- signatures


def tampered(headers: dict[str, str], **changes: str | None) -> dict[str, str]:
    found = {name: changes.get(name.removeprefix("webhook-"), value) for name, value in headers.items()}
    return {name: value for name, value in found.items() if value is not None}


OTHER = "whsec_" + "QUFB" * 8
GARBAGE = [
    "garbage",
    "v1",
    "v1,",
    ",",
    "v1,!!!a",
    "v1,AAAA",
    "v2,AAAA",
    "v1,é",
    "v1,a,b",
    "v1 " * 500,
    "\x7f",
    "v1a,AAAA v1,",
]


@pytest.mark.parametrize("signature", GARBAGE)
def test_a_garbage_signature_is_unauthorized(edge: Edge, signature: str) -> None:
    body = encode(turn())
    headers = latin(tampered(sign(edge.secret, body), signature=signature))
    response = edge.client.post(WEBHOOK, content=body, headers=headers)
    assert (response.status_code, response.json()["type"]) == (401, "bad-signature")
    assert edge.facts() == []


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"id": None, "timestamp": None, "signature": None}, id="unsigned"),
        pytest.param({"signature": None}, id="no signature"),
        pytest.param({"id": None}, id="no id"),
        pytest.param({"timestamp": None}, id="no timestamp"),
        pytest.param({"id": "another"}, id="another id"),
        pytest.param({"timestamp": "soon"}, id="a timestamp that is none"),
        pytest.param({"timestamp": "nan"}, id="a timestamp that is not a number"),
        pytest.param({"timestamp": "9" * 400}, id="a timestamp beyond time"),
        pytest.param({"signature": ""}, id="an empty signature"),
    ],
)
def test_headers_that_do_not_fit_are_unauthorized(edge: Edge, changes: dict[str, str | None]) -> None:
    body = encode(turn())
    response = edge.client.post(WEBHOOK, content=body, headers=tampered(sign(edge.secret, body), **changes))
    assert (response.status_code, response.json()["type"]) == (401, "bad-signature")
    assert edge.facts() == []


def test_a_wrong_secret_and_a_changed_body_are_unauthorized(edge: Edge) -> None:
    body = encode(turn())
    assert edge.client.post(WEBHOOK, content=body, headers=sign(OTHER, body)).status_code == 401
    assert edge.client.post(WEBHOOK, content=body + b" ", headers=sign(edge.secret, body)).status_code == 401
    assert edge.client.post(WEBHOOK, content=b"\xff", headers=sign(OTHER, b"\xff")).status_code == 401
    assert edge.facts() == []


@pytest.mark.parametrize(("age_s", "status"), [(290, 202), (-290, 202), (310, 401), (-310, 401)])
def test_a_signature_lasts_five_minutes(edge: Edge, age_s: int, status: int) -> None:
    body = encode(turn())
    assert (
        edge.client.post(WEBHOOK, content=body, headers=sign(edge.secret, body, at=time.time() - age_s)).status_code
        == status
    )


def test_every_secret_in_force_signs(edge: Edge) -> None:
    with database.writing(edge.context.engine) as connection:
        second = add_secret(connection, edge.context.keyring, BOT, "native", datetime.now(UTC))
    body = encode(turn())
    for number, secret in enumerate((edge.secret, second)):
        headers = sign(secret, body, f"d-{number}")
        both = headers | {"webhook-signature": f"v1,AAAA v1a,AAAA {headers['webhook-signature']}"}
        assert edge.client.post(WEBHOOK, content=body, headers=both).status_code == 202


# --- who and where


@pytest.mark.parametrize(
    ("path", "type"),
    [
        ("/webhooks/nobody/native", "bot-not-found"),
        ("/webhooks/%00/native", "bot-not-found"),
        ("/webhooks/%ff/native", "bot-not-found"),
        ("/webhooks/%F0%9F%98%80/native", "bot-not-found"),
        (f"/webhooks/{'x' * 5000}/native", "bot-not-found"),
        ("/webhooks/shop/slackbot", "source-not-found"),
        ("/webhooks/shop/import", "source-not-found"),
        ("/webhooks/shop", "not-found"),
    ],
)
def test_an_unknown_bot_or_source_is_not_found(edge: Edge, path: str, type: str) -> None:
    response = edge.deliver(turn(), path=path)
    assert (response.status_code, response.json()["type"]) == (404, type)


def test_an_archived_bot_is_gone_for_who_can_sign(edge: Edge) -> None:
    with database.writing(edge.context.engine) as connection:
        archive_bot(connection, BOT, AT)
    signed, unsigned = edge.deliver(turn()), edge.client.post(WEBHOOK, content=encode(turn()))
    assert (signed.status_code, signed.json()["type"]) == (410, "bot-archived")
    assert unsigned.status_code == 401
    assert edge.send(turn()).status_code == 410
    assert edge.facts() == []


def test_a_key_must_be_an_ingest_key_of_this_bot(edge: Edge) -> None:
    with database.writing(edge.context.engine) as connection:
        create_bot(connection, "bank", AT)
        other = create_key(connection, name="other", role="ingest", bot="bank", now=AT)
        owner = create_key(connection, name="owner", role="owner", bot=BOT, now=AT)
    proofs = ["", "nonsense", "é", other, owner, edge.key]
    found = [edge.client.post(TURNS, json=turn(), headers=latin(bearer(proof))).status_code for proof in proofs]
    assert found == [401, 401, 401, 403, 403, 202]


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def latin(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    """Headers as a careless client sends them."""
    return [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]


# --- size and encoding


def test_nine_megabytes_are_too_large(edge: Edge) -> None:
    body = encode(turn(more="x" * (9 * MIB)))
    for response in (edge.deliver(body), edge.send(body)):
        assert (response.status_code, response.json()["type"]) == (413, "too-large")
    assert edge.facts() == []


def test_a_body_without_a_length_is_counted_as_it_comes(edge: Edge) -> None:
    chunks = iter([b" " * MIB] * 9)
    response = edge.client.post(WEBHOOK, content=chunks, headers=sign(edge.secret, b" " * (9 * MIB)))
    assert (response.status_code, response.json()["type"]) == (413, "too-large")


def test_a_gzip_bomb_is_too_large_however_it_was_signed(edge: Edge) -> None:
    plain = b" " * (200 * MIB)
    bomb = gzipped(plain)
    assert len(bomb) < MIB
    after = edge.client.post(WEBHOOK, content=bomb, headers=sign(edge.secret, plain) | {"content-encoding": "gzip"})
    for response in (edge.deliver(bomb, content_encoding="gzip"), edge.send(bomb, content_encoding="gzip"), after):
        assert (response.status_code, response.json()["type"]) == (413, "too-large")
    assert edge.facts() == []


def test_gzip_is_read_whether_signed_before_or_after(edge: Edge) -> None:
    body = encode(turn())
    packed = gzipped(body)
    before = edge.client.post(WEBHOOK, content=packed, headers=sign(edge.secret, body) | {"content-encoding": "gzip"})
    assert before.json()["accepted"] == 1
    assert edge.deliver(packed, delivery_id="d-2", content_encoding="GZIP").json()["accepted"] == 1
    assert edge.send(packed, content_encoding="gzip").json()["accepted"] == 1


@pytest.mark.parametrize(
    ("body", "encoding"),
    [(b"not gzip", "gzip"), (gzipped(turn())[:-9], "gzip"), (gzipped(turn()) * 2, "gzip"), (b"", "gzip"), (b"x", "br")],
)  # fmt: skip
def test_an_encoding_that_cannot_be_read_is_a_fault(edge: Edge, body: bytes, encoding: str) -> None:
    answer = edge.deliver(body, content_encoding=encoding)
    assert (answer.status_code, answer.json()["rejected"][0]["type"]) == (202, "bad-encoding")
    problem = edge.send(body, content_encoding=encoding)
    assert (problem.status_code, problem.json()["type"], problem.json()["path"]) == (400, "bad-encoding", "$")
    assert edge.client.post(WEBHOOK, content=body, headers={"content-encoding": encoding}).status_code == 401


# --- repeats, bounds, outages


def test_a_repeat_gets_the_first_answer_and_stores_nothing(edge: Edge) -> None:
    first = edge.deliver(turns(*numbered(2), "bad")).json()
    again = edge.deliver(turns(*numbered(5))).json()
    assert first == again
    assert (first["accepted"], len(edge.facts())) == (2, 2)
    assert edge.deliver(turns(*numbered(5)), delivery_id="d-2").json()["accepted"] == 5
    assert [edge.send(turn()).json()["accepted"] for _ in range(2)] == [1, 1]
    assert len(edge.facts()) == 8


def test_a_delivery_with_a_long_id_is_taken_once(edge: Edge) -> None:
    for _ in range(2):
        assert edge.deliver(turn(), delivery_id="x" * 3000).json()["accepted"] == 1
    assert len(edge.facts()) == 1


def test_a_report_that_comes_in_two_deliveries_has_one_id(edge: Edge) -> None:
    report = {"turn_id": "c-81:4", "kind": "thumbs_down", "comment": "call me: 555 0134", "user": "u-7"}
    for number, kind in enumerate(("thumbs_down", "thumbs_down", "handoff")):
        edge.deliver({"type": "conversation.report", "data": report | {"kind": kind}}, delivery_id=f"d-{number}")
    first, second, third = (fact.external_id for fact in edge.facts())
    assert first == second != third
    assert not first.startswith("content:")


def test_the_bound_answers_503_and_stores_nothing_more(context: Context) -> None:
    small = context._replace(settings=msgspec.structs.replace(context.settings, stream_bound=3))
    with opened_edge(small) as edge:
        assert edge.deliver(turns(*numbered(3))).status_code == 202
        full = edge.deliver(turns(*numbered(2)), delivery_id="d-2")
        assert (full.status_code, full.json()["type"], full.headers["retry-after"]) == (503, "stream-full", "5")
        assert edge.send(turn()).status_code == 503
        assert len(edge.facts()) == 3


def test_without_redis_a_delivery_is_answered_503(edge: Edge) -> None:
    settings = msgspec.structs.replace(edge.context.settings, redis_url="unix:///nowhere/valkey.sock")
    body = encode(turn())
    with TestClient(build(settings), raise_server_exceptions=False) as client:
        down = client.post(WEBHOOK, content=body, headers=sign(edge.secret, body))
        assert (down.status_code, down.json()["type"], "retry-after" in down.headers) == (503, "redis-down", True)
        assert client.get("/health/ready").status_code == 503
    assert edge.facts() == []


def test_an_unknown_intent_is_kept_by_name_and_noted_once(edge: Edge) -> None:
    scores = [{"name": "card_arrival", "score": 0.4}, {"name": "lost_card", "score": 0.3}]
    items = [item | {"nlu": {"intents": scores}} for item in numbered(2)]
    answer = edge.deliver(turns("bad", *items)).json()
    assert [(note["index"], note["path"], note["type"]) for note in answer["notes"]] == [
        (1, "data.turns[1]", "intent-not-imported")
    ] * 2
    stored = edge.facts()[0]
    assert isinstance(stored, Turn)
    assert [score.name for score in stored.intents] == ["card_arrival", "lost_card"]
    assert len(edge.send(turns(*items)).json()["notes"]) == 2
