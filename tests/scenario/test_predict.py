"""Predictions over HTTP, answered by a real encode process; only the model is small, but for one test."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest
import sqlalchemy as sa
from litestar import Litestar
from litestar.testing import TestClient

from service import database, tables
from service.access.keys import create_key
from service.bots.schemas import Pattern
from service.bots.store import create_bot
from service.classifiers import store as classifiers
from service.classifiers.store import Move, digest
from service.context import Context
from service.encoding import EncodeClient
from service.errors import EncoderDown
from service.intents.store import create_intents, merge_intents, rename_intent
from service.learning.tagging import Span
from service.settings import Settings
from service.streams import ENCODE_REQUESTS
from service.turns.schemas import Envelope, Turn
from tests.support.edge import build, encode
from tests.support.encode import FakeHub, serving
from tests.support.encoder import FakeEncoder
from tests.support.scored import AT, BOT, GIBBERISH, PHRASES, Shop
from workers import tagger
from workers.encoder import SentenceModel
from workers.recording import Recorder
from workers.redaction import redactor

URL = f"/v1/bots/{BOT}/predict"
CARD, EMAIL = "4111 1111 1111 1111", "anna@example.org"
ITEMS = ("sofa", "lamp", "desk", "bed", "shelf", "clock")


class Desk(NamedTuple):
    client: TestClient[Litestar]
    shop: Shop
    hub: FakeHub
    keys: dict[str, str]

    def post(self, body: object, key: str = "ingest") -> httpx.Response:
        headers = {"authorization": f"Bearer {self.keys[key]}", "content-type": "application/json"}
        return self.client.post(URL, content=encode(body), headers=headers)

    def ask(self, *texts: str, **more: Any) -> dict[str, Any]:
        response = self.post({"texts": texts, **more})
        assert response.status_code == 200, response.text
        return response.json()  # type: ignore[no-any-return]

    def encoded(self) -> list[str]:
        """Every text that a model of the encode process has seen."""
        return [text for model in self.hub.models.values() for one in model.passes for text in one]


@pytest.fixture
def settings(settings: Settings, short_folder: Path, request: pytest.FixtureRequest) -> Settings:
    folder = short_folder / f"p{abs(hash(request.node.name)):x}"[:12]
    folder.mkdir(exist_ok=True)
    return msgspec.structs.replace(settings, data_dir=str(folder), encode_url=getattr(request, "param", ""))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """What an owner changes is not remembered from before."""
    if request.node.get_closest_marker("model") is None:
        monkeypatch.setattr("workers.predicting.MAX_AGE_S", 0.0)


@pytest.fixture
def shop(context: Context) -> Shop:
    with database.writing(context.engine) as connection:
        create_bot(connection, BOT, AT, audit_rate=0.0)
        create_intents(connection, BOT, dict.fromkeys(PHRASES, ""), AT)
    return Shop(context, FakeEncoder())


@pytest.fixture
def desk(shop: Shop) -> Iterator[Desk]:
    """Without an encode process."""
    with database.writing(shop.engine) as connection:
        keys = {role: create_key(connection, name=role, role=role, bot=BOT, now=AT) for role in ("ingest", "reader")}
    with TestClient(build(shop.context.settings), raise_server_exceptions=False) as client:
        yield Desk(client, shop, FakeHub(), keys)


@pytest.fixture
def served(desk: Desk) -> Iterator[Desk]:
    with serving(desk.shop.context, desk.hub):
        yield desk


over_both = pytest.mark.parametrize("settings", ["", "redis"], indirect=True, ids=["socket", "redis"])


def teach_items(shop: Shop, n: int) -> None:
    """A tagger of the items that money is wanted back for, and of order numbers."""
    said = [f"i want my money back for the {item} please" for item in ITEMS]
    said += [f"stop order <ORDER_1> before the {item} ships" for item in ITEMS]
    spans = [
        [Span(text.index(item), text.index(item) + len(item), "item")]
        for text in said
        for item in ITEMS
        if item in text
    ]
    for text, found in zip(said, spans, strict=True):
        if "<ORDER_1>" in text:
            found.append(Span(text.index("<"), text.index(">") + 1, "order"))
    crf = tagger.fit([tagger.Labelled(tagger.prepare(t, {}), tuple(s)) for t, s in zip(said, spans, strict=True)], {})
    assert crf
    with database.writing(shop.engine) as connection:
        connection.execute(tables.tagger.insert(), {"bot": BOT, "n": n, "sha256": digest(crf), "data": crf})


@over_both
def test_each_text_has_its_answer_in_order(served: Desk) -> None:
    n = served.shop.train()
    texts = [PHRASES["track_order"], PHRASES["refund"], PHRASES["cancel_order"]] * 5
    answer = served.ask(*texts)
    assert (answer["classifier"], answer["encoder"], answer["threshold"]) == (n, FakeEncoder().identity(BOT), None)
    assert [one["intent"] for one in answer["predictions"]] == ["track_order", "refund", "cancel_order"] * 5
    first = answer["predictions"][0]
    assert (first["redacted"], first["entities"], first["out_of_scope"]) == (texts[0], [], 0.0)
    assert (first["intents"][0]["id"], first["intents"][0]["name"]) == (3, "track_order")
    shares = [one["probability"] for one in first["intents"]]
    assert shares == sorted(shares, reverse=True) and sum(shares) == pytest.approx(1)


def test_only_as_many_intents_as_were_asked_for(served: Desk) -> None:
    served.shop.train()
    assert [len(served.ask("refund me", top=top)["predictions"][0]["intents"]) for top in (1, 2, 100)] == [1, 2, 3]


def test_out_of_scope_is_no_intent(served: Desk) -> None:
    served.shop.train(gate=True)
    answer = served.ask(GIBBERISH, PHRASES["refund"])
    outside, inside = answer["predictions"]
    assert answer["threshold"] == 0.5
    assert outside["intent"] is None and outside["out_of_scope"] >= 0.5 and len(outside["intents"]) == 3
    assert inside["intent"] == "refund" and inside["out_of_scope"] < 0.5


def test_a_turn_is_predicted_as_ingest_stored_it(served: Desk) -> None:
    served.shop.train(gate=True)
    check_same(served, served.shop.context, EncodeClient(served.shop.context.settings, served.shop.context.redis))


def check_same(desk: Desk, context: Context, encoder: EncodeClient) -> None:
    """Let ingest store turns, ask about the same texts, and compare to a millionth."""
    texts = [f"i want my parcel back, {EMAIL}", GIBBERISH, PHRASES["refund"], "stop the money before it ships"]
    turns = [Turn(external_id=f"t-{i}", text=text, at=AT) for i, text in enumerate(texts)]
    envelopes = [Envelope(bot=BOT, source="native", delivery_id="d", received_at=AT, fact=turn) for turn in turns]
    Recorder(context, encoder, redactor()).record(BOT, envelopes, AT)
    encoder.close()
    p = tables.prediction.c
    query = sa.select(p.intent_id, p.best_id, p.second_id, p.p1, p.p2, p.out_of_scope).order_by(p.turn_id)
    with database.reading(context.engine) as connection:
        stored = [tuple(row) for row in connection.execute(query)]
    answered = [_as_stored(one) for one in desk.ask(*texts)["predictions"]]
    assert len(stored) == len(texts)
    for row, prediction in zip(stored, answered, strict=True):
        assert prediction == pytest.approx(row, abs=1e-6)


def _as_stored(one: dict[str, Any]) -> tuple[Any, ...]:
    first, second = one["intents"][:2]
    is_none = one["intent"] is None
    shares = (first["probability"], second["probability"], one["out_of_scope"])
    return (None if is_none else first["id"], first["id"], second["id"], *shares)


@pytest.mark.model
def test_the_real_encoder_says_the_same_over_http_as_to_ingest(desk: Desk) -> None:
    hub = RealHub()
    with serving(desk.shop.context, hub):
        client = EncodeClient(desk.shop.context.settings, desk.shop.context.redis)
        shop = Shop(desk.shop.context, client)  # type: ignore[arg-type]  # an encoder like the small one
        shop.train(gate=True)
        check_same(desk, shop.context, client)
        assert desk.ask("can i have my money back?")["predictions"][0]["intent"] == "refund"


class RealHub(FakeHub):
    def load(self, name: str, threads: int) -> SentenceModel:  # type: ignore[override]  # of which it keeps none
        from workers.encoder import load

        return load(name, threads)


# --- redaction ------------------------------------------------------------------------------------------------------


@over_both
def test_what_names_a_person_never_reaches_the_encoder(served: Desk) -> None:
    served.shop.train()
    served.shop.set(patterns=[Pattern("order", r"ORD-\d{6}")])
    text = f"refund ORD-123456 to {CARD} and write to {EMAIL}"
    [prediction] = served.ask(text)["predictions"]
    assert prediction["redacted"] == "refund <ORDER_1> to <CARD_1> and write to <EMAIL_1>"
    assert prediction["redacted"] in served.encoded()
    assert not [one for one in served.encoded() if CARD in one or EMAIL in one or "ORD-" in one]


def test_entities_are_spans_of_the_text_as_it_was_sent(served: Desk) -> None:
    teach_items(served.shop, served.shop.train())
    served.shop.set(patterns=[Pattern("order", r"ORD-\d{6}")])
    plain = "i want my money back for the sofa please"
    moved = f"{EMAIL}: {plain}"
    covered = "stop order ORD-123456 before the bed ships"
    found = [one["entities"] for one in served.ask(plain, moved, covered)["predictions"]]
    assert found[0] == [{"type": "item", "value": "sofa", "start": 29, "end": 33}]
    assert found[1] == [{"type": "item", "value": "sofa", "start": 47, "end": 51}]
    assert found[2] == [
        {"type": "order", "value": "ORD-123456", "start": 11, "end": 21},
        {"type": "item", "value": "bed", "start": 33, "end": 36},
    ]
    assert moved[47:51] == "sofa"


@pytest.mark.parametrize("settings", ["redis"], indirect=True)
def test_no_text_lies_open_in_redis(desk: Desk) -> None:
    desk.shop.train()
    answers: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: answers.append(desk.post({"texts": [f"write to {EMAIL}"]})))
    asking.start()
    redis = desk.shop.context.redis
    while not (waiting := redis.lrange(ENCODE_REQUESTS, 0, -1)):
        time.sleep(0.001)
    assert b"shop" in waiting[0] and b"anna" not in waiting[0]  # type: ignore[index]  # RESP2: a list
    with serving(desk.shop.context, desk.hub):
        asking.join()
    assert answers[0].json()["predictions"][0]["redacted"] == "write to <EMAIL_1>"


def test_a_question_sealed_with_another_key_is_refused(served: Desk) -> None:
    with (
        closing(EncodeClient(served.shop.context.settings, served.shop.context.redis)) as client,
        pytest.raises(EncoderDown, match="another key"),
    ):
        client.predict(BOT, b"refund me", 5.0)


def test_a_pattern_that_does_not_finish_is_said(served: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.bots.patterns.SEARCH_S", 0.05)
    served.shop.train()
    served.shop.set(patterns=[Pattern("evil", r"([a-z]+)*\d")])
    problem = served.post({"texts": ["hi", "x" * 999 + "!"]})
    assert (problem.status_code, problem.json()["path"]) == (400, "texts[1]")
    assert "pattern evil" in problem.json()["detail"] and "bot set" in problem.json()["hint"]


# --- changes --------------------------------------------------------------------------------------------------------


def test_a_promotion_and_new_names_count_at_once(served: Desk) -> None:
    shop = served.shop
    first = shop.train()
    assert served.ask("hello")["classifier"] == first
    second = shop.train({"refund": GIBBERISH, "cancel_order": PHRASES["refund"], "track_order": "hello"})
    with database.writing(shop.engine) as connection:
        rename_intent(connection, BOT, 2, "stop_order", AT)
    answer = served.ask(PHRASES["refund"])
    assert (answer["classifier"], answer["predictions"][0]["intent"]) == (second, "stop_order")


def test_intents_merged_since_count_for_one(served: Desk) -> None:
    served.shop.train()
    before = {one["id"]: one["probability"] for one in served.ask("refund order")["predictions"][0]["intents"]}
    with database.writing(served.shop.engine) as connection:
        merge_intents(connection, BOT, 1, 2, AT)
    [after] = served.ask("refund order")["predictions"]
    assert {one["id"]: one["probability"] for one in after["intents"]} == pytest.approx(
        {2: before[1] + before[2], 3: before[3]}
    )


def test_another_encoder_waits_for_its_classifier_and_is_promoted_with_it(
    served: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is remembered of encoder and champion, the two that are answered by belong together."""
    monkeypatch.setattr("workers.encoders.SETTING_S", 3600.0)
    shop = served.shop
    shop.train()
    served.ask("hello")
    shop.set(encoder="other")
    other = Shop(shop.context, FakeEncoder("other"))
    with database.reading(shop.engine) as connection:
        champion = classifiers.champion_n(connection, BOT)
    # The setting is remembered, and fits the champion still.
    assert served.ask("hello")["encoder"] == FakeEncoder().identity(BOT)
    with closing(EncodeClient(shop.context.settings, shop.context.redis)) as client:
        assert client.identity(BOT) == FakeEncoder("other").identity(BOT)
    refused = served.post({"texts": ["hello"]})
    assert (refused.status_code, refused.json()["type"]) == (503, "encoder-changed")
    assert int(refused.headers["retry-after"]) > 0
    n = other.train()
    assert n > (champion or 0)
    answer = served.ask(PHRASES["refund"])
    assert (answer["classifier"], answer["encoder"]) == (n, FakeEncoder("other").identity(BOT))
    assert answer["predictions"][0]["intent"] == "refund"
    with database.writing(shop.engine) as connection:  # and back, both in one transaction
        assert classifiers.promote(connection, BOT, 1, n, Move("other", ""))
    assert served.ask("hello")["classifier"] == 1


# --- refusals -------------------------------------------------------------------------------------------------------

BAD: dict[str, tuple[object, str, str]] = {
    "nothing": (b"", "data", "the body is missing"),
    "not JSON": (b"texts=hello", "", "malformed"),
    "a list": (["hello"], "data", "Expected `object`"),
    "no texts": ({}, "data", "missing required field `texts`"),
    "an empty list": ({"texts": []}, "texts", "length >= 1"),
    "101 texts": ({"texts": ["hello"] * 101}, "texts", "length <= 100"),
    "a text alone": ({"texts": "hello"}, "texts", "Expected `array`"),
    "an object": ({"texts": ["hello", {"text": "hello"}]}, "texts[1]", "Expected `str`"),
    "a blank text": ({"texts": ["hello", " \n"]}, "texts[1]", "the text is empty"),
    "4,001 characters": ({"texts": ["hello", "x" * 4001]}, "texts[1]", "at most 4,000"),
    "NUL": ({"texts": ["a\0b"]}, "texts[0]", "NUL"),
    "half of a surrogate pair": ({"texts": ["\ud83d"]}, "", "half of a surrogate pair"),
    "invalid UTF-8": (b'{"texts": ["caf\xe9"]}', "", "UTF-8"),
    "no intents": ({"texts": ["hello"], "top": 0}, "top", ">= 1"),
    "too many intents": ({"texts": ["hello"], "top": 101}, "top", "<= 100"),
    "an unknown field": ({"texts": ["hello"], "lang": "en"}, "data", "unknown field `lang`"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_question_is_told_where_it_is_bad(desk: Desk, name: str) -> None:
    body, path, detail = BAD[name]
    problem = desk.post(body)
    assert (problem.status_code, problem.json().get("path", "")) == (400, path), problem.text
    assert detail in problem.json()["detail"]


def test_the_longest_question_is_taken(served: Desk) -> None:
    served.shop.train()
    assert len(served.ask(*[chr(0x1F600) * 3999 + str(i % 10) for i in range(100)])["predictions"]) == 100


def test_a_body_too_large_is_refused(desk: Desk) -> None:
    assert desk.post({"texts": ["hello"], "more": "x" * (8 << 20)}).status_code == 413


def test_a_reader_may_ask_too(served: Desk) -> None:
    served.shop.train()
    assert served.post({"texts": ["hello"]}, key="reader").status_code == 200


def test_without_a_classifier_there_is_no_answer_yet(served: Desk) -> None:
    problem = served.post({"texts": ["hello"]})
    assert (problem.status_code, problem.json()["type"]) == (409, "no-classifier")
    assert "import" in problem.json()["hint"]


def test_without_an_encode_process_the_caller_is_told_to_come_back(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.predict.rules.DEADLINE_S", 0.2)
    problem = desk.post({"texts": ["hello"]})
    assert (problem.status_code, problem.json()["type"]) == (503, "encoder-down")
    assert problem.headers["retry-after"] == "5"


def test_a_flood_is_turned_away_at_its_bound(served: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.predict.rules.BOUND", 1)
    served.shop.train()
    served.ask("hello")
    model = served.hub.models[""]
    model.gate.clear()
    answers: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: answers.append(served.post({"texts": ["slow"]})))
    asking.start()
    while ["slow"] not in model.passes:
        time.sleep(0.001)
    refused = served.post({"texts": ["hello"]})
    assert (refused.status_code, refused.json()["type"]) == (503, "predict-busy")
    assert refused.headers["retry-after"] == "1"
    model.gate.set()
    asking.join()
    assert answers[0].status_code == 200
    served.ask("hello")


def test_a_flood_leaves_other_handlers_their_threads(served: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """More predictions wait for the encoder than the app has threads; a request that needs SQL is answered."""
    served.shop.train()
    served.ask("hello")
    model = served.hub.models[""]
    model.gate.clear()
    asking = [threading.Thread(target=served.post, args=({"texts": [f"text {i}"]},)) for i in range(50)]
    for thread in asking:
        thread.start()
    while not model.passes[-1][0].startswith("text"):
        time.sleep(0.001)
    headers = {"authorization": f"Bearer {served.keys['reader']}"}
    assert served.client.get(f"/v1/bots/{BOT}", headers=headers).status_code == 200
    assert all(thread.is_alive() for thread in asking)
    model.gate.set()
    for thread in asking:
        thread.join()
    assert max(map(len, model.passes)) > 1  # those that waited together shared a pass
