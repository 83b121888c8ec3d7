"""Cards, votes, labels and turns over HTTP, on the real app."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

import httpx
import numpy as np
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from service import database, tables
from service.access.keys import create_key
from service.access.roles import Role
from service.classifiers import store as classifiers
from service.classifiers.schemas import Manifest
from service.clock import now
from service.context import Context
from service.encoding import pack
from service.learning.head import Head
from service.reviews import rules
from tests.support.edge import build
from tests.support.shop import AT, BOT, add_card, add_reply, add_turn, deal, open_shop


class Desk(NamedTuple):
    """A bot behind the real app; people with keys of their own."""

    client: TestClient[Litestar]
    context: Context
    keys: dict[str, str]

    def ask(self, who: str, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.keys[who]}"}
        return self.client.request(method, f"/v1/bots/{BOT}{path}", headers=headers, **options)

    def get(self, who: str, path: str, **params: Any) -> Any:
        response = self.ask(who, "GET", path, params=params)
        assert response.status_code == 200, response.text
        return response.json()

    def vote(self, who: str, card: str, **vote: Any) -> httpx.Response:
        return self.ask(who, "POST", f"/cards/{card}/votes", json={"click_id": f"{who}-{card}"} | vote)


PEOPLE: dict[str, Role] = {"Ana": "reviewer", "Ben": "reviewer", "Zoe": "adjudicator", "Rea": "reader", "Oli": "owner"}


@pytest.fixture
def desk(context: Context) -> Iterator[Desk]:
    open_shop(context.engine)
    with database.writing(context.engine) as connection:
        keys = {name: create_key(connection, name=name, role=role, bot=BOT, now=now()) for name, role in PEOPLE.items()}
    with TestClient(build(context.settings), raise_server_exceptions=False) as client:
        yield Desk(client, context, keys)


def crown(desk: Desk, turn_id: int) -> None:
    """A champion that holds the turn for `track_order` with .7 and for `refund` with .2."""
    zeros = np.zeros(2, np.float32)
    head = Head(
        intent_ids=np.array([1, 2, 3]),
        weights=np.zeros((3, 2), np.float32),
        bias=np.log(np.array([0.2, 0.1, 0.7], np.float32)),
        temperature=1.0,
        center=zeros,
        prototypes=np.zeros((3, 2), np.float32),
        gate_weights=zeros,
        gate_familiarity=0.0,
        gate_bias=0.0,
    )
    with database.writing(desk.context.engine) as connection:
        n = classifiers.save(connection, BOT, head, Manifest(encoder="fake@1", dimensions=2), "challenger", AT)
        classifiers.promote(connection, BOT, n, None)
        vector = {"turn_id": turn_id, "encoder": "fake@1", "data": pack(np.array([1.0, 0.0]))}
        connection.execute(tables.vector.insert(), vector)
        mark = {"bot": BOT, "turn_id": turn_id, "kind": "boundary", "value": 0.5, "n": n, "at": AT}
        connection.execute(tables.mark.insert(), mark)
        prediction = {"bot": BOT, "turn_id": turn_id, "n": n, "intent_id": 3, "best_id": 3, "second_id": 1}
        connection.execute(tables.prediction.insert(), prediction | {"p1": 0.7, "p2": 0.2, "uncertainty": 0.5})


def test_a_card_is_shown_voted_on_and_becomes_a_label(desk: Desk) -> None:
    turn_id = add_turn(desk.context.engine, "where is my stuff", conversation="c")
    card = add_card(desk.context.engine, turn_id)
    crown(desk, turn_id)
    (shown,) = desk.get("Ana", "/cards/next")["items"]
    assert (shown["id"], shown["purpose"], shown["blind"], shown["text"]) == (card, "rank", False, "where is my stuff")
    assert [(choice["intent"], choice["probability"]) for choice in shown["choices"]] == [
        ("track_order", 0.7),
        ("refund", 0.2),
        ("cancel_order", 0.1),
    ]
    assert shown["why"]["marks"] == [{"kind": "boundary", "value": 0.5}]
    assert desk.get("Ben", "/cards/next")["items"] == []
    response = desk.vote("Ana", card, answer="intent", intent="track_order")
    assert (response.status_code, response.json()) == (201, {"vote": 1, "card": card, "status": "resolved"})
    assert rules.resolve_votes(desk.context, BOT) == [1]
    (label,) = desk.get("Rea", "/labels")["items"]
    assert (label["turn_id"], label["use"], label["intent"], label["reviewer"]) == (
        turn_id,
        "train",
        "track_order",
        "Ana",
    )


def test_a_vote_asks_for_labels_once_and_a_repeat_is_the_same_vote(desk: Desk) -> None:
    card = deal(desk.context.engine, "where is it")
    first, again = (desk.vote("Ana", card, answer="none") for _ in range(2))
    assert first.json() == again.json()
    assert [job.func_name for job in desk.context.queue.jobs] == ["workers.jobs.resolve"]


def test_resolving_asks_for_cards_a_training_and_a_gate(desk: Desk) -> None:
    desk.vote("Ana", deal(desk.context.engine, "where is it"), answer="intent", intent="refund")
    desk.vote("Ana", deal(desk.context.engine, "flip", purpose="flip", challenger=2), answer="none")
    rules.resolve_votes(desk.context, BOT)
    asked = [job.func_name for job in desk.context.queue.jobs]
    assert asked == [f"workers.jobs.{name}" for name in ("resolve", "gate", "train", "rank")]


def test_a_training_waits_for_forty_new_labels(desk: Desk) -> None:
    turn_id = add_turn(desk.context.engine, "one")
    crown(desk, turn_id)
    for n in range(39):
        desk.vote("Ana", deal(desk.context.engine, f"text {n}"), answer="intent", intent="refund")
    rules.resolve_votes(desk.context, BOT)
    with database.reading(desk.context.engine) as connection:
        assert not rules.wants_training(connection, BOT)
    desk.vote("Ana", deal(desk.context.engine, "the fortieth"), answer="none")
    rules.resolve_votes(desk.context, BOT)
    with database.reading(desk.context.engine) as connection:
        assert rules.wants_training(connection, BOT)


def test_a_blind_card_leaks_nothing(desk: Desk) -> None:
    engine = desk.context.engine
    city = {"type": "city", "value": "Bonn", "start": 6, "end": 10}
    turn_id = add_turn(engine, "is it Bonn", conversation="c", entities=[city])
    add_reply(engine, "I shall cancel your order", conversation="c", minute=0)
    card = add_card(engine, turn_id, purpose="audit")
    crown(desk, turn_id)
    with database.writing(engine) as connection:
        row = {"bot": BOT, "turn_id": turn_id, "use": "train", "answer": "none", "origin": "vote", "at": AT}
        connection.execute(tables.label.insert(), row)
        connection.execute(tables.card.update().values(tagged=[[6, 10, "city"]]))
    (shown,) = desk.get("Ana", "/cards/next")["items"]
    assert shown | {"choices": []} == {
        "id": card,
        "bot": BOT,
        "turn_id": turn_id,
        "purpose": "blind",
        "blind": True,
        "status": "open",
        "text": "is it Bonn",
        "context": {"before": [], "after": []},
        "choices": [],
        "entities": [],
        "tagged": None,
        "why": None,
        "said": [],
    }
    assert [choice["intent"] for choice in shown["choices"]] == ["cancel_order", "refund", "track_order"]
    assert {choice["probability"] for choice in shown["choices"]} == {None}
    assert desk.get("Zoe", f"/turns/{turn_id}")["opinions"] is None
    assert desk.get("Zoe", f"/turns/{turn_id}")["context"] == {"before": [], "after": []}
    assert desk.get("Zoe", "/labels")["items"] == []
    assert desk.get("Zoe", "/cards")["items"][0]["purpose"] == "blind"
    desk.vote("Ana", card, answer="unsure")
    assert desk.get("Zoe", f"/turns/{turn_id}")["opinions"] is None
    desk.vote("Zoe", card, answer="intent", intent="refund")
    rules.resolve_votes(desk.context, BOT)
    assert desk.get("Rea", "/cards")["items"][0]["purpose"] == "audit"


def test_a_turn_shows_what_became_of_it(desk: Desk) -> None:
    engine = desk.context.engine
    turn_id = add_turn(engine, "where is it", conversation="c")
    crown(desk, turn_id)
    report = {"bot": BOT, "source": "native", "external_id": "x", "turn_external_id": "t-0", "kind": "thumbs_down"}
    with database.writing(engine) as connection:
        connection.execute(tables.report.insert(), report | {"at": AT, "received_at": AT})
    desk.vote("Ana", add_card(engine, turn_id), answer="two", intent="refund", second="cancel_order")
    rules.resolve_votes(desk.context, BOT)
    shown = desk.get("Rea", f"/turns/{turn_id}")
    opinions = shown["opinions"]
    assert (shown["text"], shown["external_id"], opinions["bot_intent"]) == ("where is it", "t-0", "track_order")
    assert [prediction["intent"] for prediction in opinions["predictions"]] == ["track_order"]
    assert [report["kind"] for report in opinions["reports"]] == ["thumbs_down"]
    (vote,), (label,) = opinions["votes"], opinions["labels"]
    assert (vote["reviewer"], vote["answer"], vote["intent"], vote["second"]) == (
        "Ana",
        "two",
        "refund",
        "cancel_order",
    )
    assert (label["answer"], label["intent"], label["origin"]) == ("two", "refund", "vote")
    assert desk.ask("Rea", "GET", "/turns/99").json()["type"] == "turn-not-found"


def test_lists_go_page_by_page(desk: Desk) -> None:
    engine = desk.context.engine
    cards = [deal(engine, f"text {n}") for n in range(5)]
    with database.writing(engine) as connection:
        for n, card in enumerate(cards):
            moved = tables.card.update().where(tables.card.c.id == card)
            connection.execute(moved.values(created_at=AT + timedelta(minutes=n // 2)))
    for card in cards:
        desk.vote("Ana", card, answer="none")
    rules.resolve_votes(desk.context, BOT)
    for path in ("/cards", "/labels"):
        pages = [desk.get("Rea", path, limit=2)]
        while cursor := pages[-1]["next"]:
            pages.append(desk.get("Rea", path, limit=2, cursor=cursor))
        assert [len(page["items"]) for page in pages] == [2, 2, 1]
        assert sorted(item["turn_id"] for page in pages for item in page["items"]) == [1, 2, 3, 4, 5]
    assert desk.get("Rea", "/cards", status="open")["items"] == []
    assert desk.ask("Rea", "GET", "/cards", params={"cursor": "nonsense"}).json()["path"] == "cursor"
    assert desk.ask("Rea", "GET", "/labels", params={"cursor": "nonsense"}).json()["path"] == "cursor"


@pytest.mark.parametrize(
    ("vote", "status", "kind", "path"),
    [
        ({"answer": "intent"}, 400, "bad-input", "intent"),
        ({"answer": "intent", "intent": "nonsense"}, 400, "bad-input", "intent"),
        ({"answer": "perhaps"}, 400, "bad-input", "answer"),
        ({"answer": "none", "click_id": ""}, 400, "bad-input", "click_id"),
        ({"answer": "none", "spans": [[0, 99, "city"]]}, 400, "bad-input", "spans[0]"),
        ({"answer": "new", "proposed": "x\u0000y"}, 400, "bad-input", "proposed"),
        ({"answer": "undo"}, 409, "conflict", ""),
    ],
)
def test_wrong_votes_are_problems(desk: Desk, vote: dict[str, Any], status: int, kind: str, path: str) -> None:
    response = desk.vote("Ana", deal(desk.context.engine, "where is it"), **vote)
    problem = response.json()
    assert (response.status_code, problem["type"], problem.get("path", "")) == (status, kind, path)


def test_closed_and_unknown_cards(desk: Desk) -> None:
    card = deal(desk.context.engine, "where is it")
    desk.vote("Ana", card, answer="none")
    closed, unknown = desk.vote("Ben", card, answer="none"), desk.vote("Ben", "nope", answer="none")
    assert (closed.status_code, closed.json()["type"]) == (409, "card-closed")
    assert (unknown.status_code, unknown.json()["type"]) == (404, "card-not-found")


def test_readers_do_not_review(desk: Desk) -> None:
    card = deal(desk.context.engine, "where is it")
    assert desk.ask("Rea", "GET", "/cards/next").status_code == 403
    assert desk.vote("Rea", card, answer="none").status_code == 403
    assert desk.client.get(f"/v1/bots/{BOT}/cards/next").status_code == 401


def test_an_adjudicator_reads_who_said_what_and_the_owner_how_often_they_agree(desk: Desk) -> None:
    card = deal(desk.context.engine, "text", purpose="audit", overlap=2)
    desk.vote("Ana", card, answer="intent", intent="refund")
    desk.vote("Ben", card, answer="none")
    (shown,) = desk.get("Zoe", "/cards/next")["items"]
    assert [(said["reviewer"], said["answer"], said["intent"]) for said in shown["said"]] == [
        ("Ana", "intent", "refund"),
        ("Ben", "none", None),
    ]
    desk.vote("Zoe", card, answer="none")
    assert desk.ask("Rea", "GET", "/reviewers").status_code == 403
    found = {one["reviewer"]: (one["agreed"], one["n"]) for one in desk.get("Oli", "/reviewers")["items"]}
    assert found == {"Ana": (0, 1), "Ben": (1, 1), "Zoe": (0, 0)}
    refund = {"intent": "refund", "n": 1, "alpha": 0.0}
    assert desk.get("Rea", "/agreement") == {"n": 1, "alpha": 0.0, "intents": [refund]}
