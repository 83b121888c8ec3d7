"""A turn's trace and the labels behind an intent's recall, over HTTP, on the real app."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from litestar import Litestar
from litestar.testing import TestClient

from service import database, tables
from service.access import audit
from service.access.keys import create_key
from service.classifiers import store as classifiers
from service.classifiers.schemas import Manifest
from service.cli import cli
from service.clock import now
from service.reviews import rules
from service.settings import Settings
from tests.support.edge import build
from tests.support.scored import AT, BOT, PHRASES, Shop, between, opened_shop
from workers import trainer
from workers.held_out import Tuning


class Desk(NamedTuple):
    shop: Shop
    client: TestClient[Litestar]
    key: str
    settings: Settings

    def get(self, path: str, **params: Any) -> httpx.Response:
        return self.client.get(path, params=params, headers={"authorization": f"Bearer {self.key}"})

    def trace(self, turn_id: int) -> dict[str, Any]:
        response = self.get(f"/v1/bots/{BOT}/turns/{turn_id}/trace")
        assert response.status_code == 200, response.text
        return {step["step"]: step for step in response.json()["steps"]}

    def page(self, path: str, **params: Any) -> str:
        response = self.get(f"/bots/{BOT}{path}", **params)
        assert response.status_code == 200, response.text
        return " ".join(response.text.split())


@pytest.fixture
def desk(sqlite_engine: sa.Engine, valkey: Path, tmp_path: Path) -> Iterator[Desk]:
    with opened_shop(sqlite_engine, valkey, tmp_path) as shop:
        with database.writing(shop.engine) as connection:
            key = create_key(connection, name="Ana", role="reviewer", bot=BOT, now=now())
        settings = shop.context.settings
        url = sqlite_engine.url.render_as_string(hide_password=False)
        own = type(settings)(data_dir=settings.data_dir, redis_url=settings.redis_url, database_url=url)
        with TestClient(build(own), raise_server_exceptions=False) as client:
            yield Desk(shop, client, key, own)


def asked_and_answered(desk: Desk) -> int:
    """A turn that was ranked, asked about and labelled; its id."""
    shop = desk.shop
    shop.set(batch_size=1)
    turn_id = shop.say("what of my order", vector=between(shop, "refund", "track_order", noise=1))
    shop.train()
    shop.rescore()
    shop.rank()
    [card] = [row[0] for row in shop.rows(tables.card, "id")]
    vote = {"answer": "intent", "intent": "refund", "click_id": "one"}
    headers = {"authorization": f"Bearer {desk.key}"}
    assert desk.client.post(f"/v1/bots/{BOT}/cards/{card}/votes", json=vote, headers=headers).status_code == 201
    rules.resolve_votes(shop.context, BOT)
    return turn_id


def test_a_turn_is_followed_from_its_delivery_to_the_classifier_that_learnt_it(desk: Desk) -> None:
    turn_id = asked_and_answered(desk)
    desk.shop.train(labels=1, last_label_id=1, replaced=1)
    with database.writing(desk.shop.engine) as connection:
        audit.record(connection, BOT, "classifier.promote", AT, "Ona", n=2, replaced=1, reason="it is better")
    steps = desk.trace(turn_id)
    [picked] = [event for event in steps["ranking"]["events"] if event["origin"].startswith("ranking")]
    assert picked["what"] == "place 1 of 1 candidates, picked"
    assert picked["numbers"]["recomputed"] == pytest.approx(picked["numbers"]["priority"], abs=1e-6)
    assert steps["card"]["events"][0]["what"].startswith("a card to learn from, resolved at ")
    assert [event["what"] for event in steps["votes"]["events"]] == ["Ana: refund"]
    assert [event["what"] for event in steps["label"]["events"]] == ["refund, for train, from vote by Ana"]
    assert [event["what"] for event in steps["training"]["events"]] == ["classifier 2, champion, learnt it as refund"]
    assert steps["changes"]["missing"].startswith("its neighbours are not known now: ")
    assert steps["training"]["events"][0]["names"]["promoted_by_hand"] == "by Ona: it is better"
    page = desk.page(f"/turns/{turn_id}")
    assert page.count("<dt>promoted by hand</dt><dd>by Ona: it is better</dd>") == 2
    told = CliRunner().invoke(cli, ["trace", BOT, str(turn_id)], obj=desk.settings).output.splitlines()
    learnt = told[told.index("TRAINING") + 1 :]
    assert learnt[0].startswith("classifier 2, champion, learnt it as refund, ")
    assert "  promoted by hand: by Ona: it is better" in learnt
    for step in steps.values():
        assert all(str(event["what"]) in page and event["origin"] in page for event in step["events"])
        assert step["missing"][1:] in page
    assert f'href="/bots/{BOT}/classifiers/2/influence?intent=refund"' in page


def test_the_page_of_a_turn_that_is_asked_blind_tells_nothing(desk: Desk) -> None:
    turn_id = asked_and_answered(desk)
    card = {"id": "a", "bot": BOT, "turn_id": turn_id, "purpose": "audit", "is_blind": True, "created_at": AT}
    with database.writing(desk.shop.engine) as connection:
        connection.execute(tables.card.insert(), card)
    page = desk.page(f"/turns/{turn_id}")
    assert "what of my order" in page and page.count("Withheld: somebody is asked about it blind.") == 9
    assert not any(intent in page for intent in PHRASES)
    assert {step["missing"] for step in desk.trace(turn_id).values()} == {
        "", "nothing in it was personal", "withheld: somebody is asked about it blind",
    }  # fmt: skip


def test_a_turn_that_is_not_there_has_no_trace(desk: Desk) -> None:
    assert desk.get(f"/v1/bots/{BOT}/turns/99/trace").json()["type"] == "turn-not-found"
    assert desk.get(f"/bots/{BOT}/turns/99").status_code == 404
    assert desk.get(f"/v1/bots/{BOT}/turns/{2**63}/trace").status_code == 400


WRONG = 6  # turns said about a parcel and labelled refund


def taught(desk: Desk, tests: int) -> int:
    """A classifier trained on labels of three intents, six of them wrong; `tests` turns of the gold set mean a
    parcel."""
    shop, rng = desk.shop, np.random.default_rng(1)
    phrases = shop.encoder.encode(BOT, list(PHRASES.values()))
    meant = [*(place for place in range(3) for _ in range(20)), *[2] * WRONG]
    said = [place + 1 for place in meant[:-WRONG]] + [1] * WRONG
    x = phrases[meant] + 0.1 * rng.normal(size=(len(meant), phrases.shape[1]))
    ids = [shop.say(f"turn {at}", vector=row / np.linalg.norm(row)) for at, row in enumerate(x)]
    rows = [{"turn_id": one, "use": "train", "intent_id": intent} for one, intent in zip(ids, said, strict=True)]
    golden = phrases[2] + 0.1 * rng.normal(size=(tests, phrases.shape[1]))
    gold = [shop.say(f"gold {at}", vector=row / np.linalg.norm(row), source="gold") for at, row in enumerate(golden)]
    rows += [{"turn_id": one, "use": "gold", "intent_id": 3} for one in gold]
    with database.writing(shop.engine) as connection:
        shared = {"bot": BOT, "answer": "intent", "origin": "import", "at": AT}
        connection.execute(tables.label.insert(), [row | shared for row in rows])
    labels = trainer.Labels(np.float32(x), np.array(said), np.ones(len(x)), np.arange(len(x)))
    nothing = np.zeros((0, x.shape[1]), np.float32)
    tuning = Tuning(1.0, len(x))
    head = trainer.fit(np.array([1, 2, 3]), phrases, labels, nothing, seed=1, tuning=tuning).head
    manifest = Manifest(
        encoder=shop.encoder.identity(BOT),
        dimensions=x.shape[1],
        intents={"refund": 1, "cancel_order": 2, "track_order": 3},
        labels=len(ids),
        last_label_id=len(ids),
        c=1.0,
    )
    with database.writing(shop.engine) as connection:
        return classifiers.save(connection, BOT, head, manifest, "challenger", AT)


@pytest.mark.parametrize(("tests", "over", "turns"), [(12, "tests", 12), (9, "labels", 20)])
def test_labels_behind_an_intents_recall_are_named(desk: Desk, tests: int, over: str, turns: int) -> None:
    n = taught(desk, tests)
    found = desk.get(f"/v1/bots/{BOT}/classifiers/{n}/influence", intent="track_order").json()
    assert (found["over"], found["turns"], found["labels"], found["missing"]) == (over, turns, 66, "")
    assert 0.5 < found["probability"] < 1 and found["recall"] > 0.9
    refunds = {one["label"] for one in found["hurt"] if one["intent"] == "refund"}
    assert len(refunds) >= 4 and refunds <= set(range(61, 67))  # said about a parcel, and labelled otherwise
    assert [one["effect"] for one in found["hurt"]] == sorted((one["effect"] for one in found["hurt"]), reverse=True)
    assert all(one["effect"] < 0 for one in found["helped"])
    page = desk.page(f"/classifiers/{n}/influence", intent="track_order")
    assert all(f'<a href="/bots/{BOT}/turns/{one["turn"]}">{one["text"]}</a>' in page for one in found["hurt"])


def test_a_label_of_a_turn_that_is_asked_blind_is_not_named(desk: Desk) -> None:
    path = f"/v1/bots/{BOT}/classifiers/{taught(desk, 12)}/influence"
    secret, *others = desk.get(path, intent="track_order").json()["hurt"]
    card = {"id": "a", "bot": BOT, "turn_id": secret["turn"], "purpose": "flip", "is_blind": True, "created_at": AT}
    with database.writing(desk.shop.engine) as connection:
        connection.execute(tables.card.insert(), card)
    assert desk.get(path, intent="track_order").json()["hurt"][: len(others)] == others


def test_what_cannot_be_asked_is_said(desk: Desk) -> None:
    desk.shop.train({"refund": PHRASES["refund"], "cancel_order": PHRASES["cancel_order"]})
    path = f"/v1/bots/{BOT}/classifiers/1/influence"
    assert desk.get(path, intent="refund").json()["missing"] == "none of its labels has a vector that it reads"
    unknown = desk.get(path, intent="track_order")
    assert (unknown.status_code, unknown.json()["type"], unknown.json()["path"]) == (400, "bad-input", "intent")
    assert "it knows refund, cancel_order" in unknown.json()["hint"]
    assert desk.get(path, intent="none such").json()["type"] == "intent-not-found"
    assert desk.get(f"/v1/bots/{BOT}/classifiers/7/influence", intent="refund").json()["type"] == "classifier-not-found"
    assert desk.get(path).status_code == 400
    assert desk.get(f"/v1/bots/{BOT}/classifiers/{2**31}/influence", intent="refund").status_code == 400
    assert f'href="/bots/{BOT}/classifiers/1/influence?intent=refund"' in desk.page("/classifiers/1/influence")
