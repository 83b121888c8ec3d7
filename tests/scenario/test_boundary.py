"""The boundary map, a pair and advice over HTTP and in the console."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from litestar import Litestar
from litestar.testing import TestClient

from service import database, tables
from service.access.keys import create_key
from service.bots.store import update_bot
from service.context import Context
from service.reviews.assessments import Assessment, Mark, store_assessments
from tests.support.console import sign_in
from tests.support.decided import put_in_force
from tests.support.edge import build
from tests.support.shop import AT, BOT, add_turn, open_shop

API, PAGE = f"/v1/bots/{BOT}", f"/bots/{BOT}/boundary"


@pytest.fixture
def client(context: Context) -> Iterator[TestClient[Litestar]]:
    open_shop(context.engine)
    with TestClient(build(context.settings), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def headers(context: Context) -> dict[str, str]:
    """Of an owner."""
    with database.writing(context.engine) as connection:
        key = create_key(connection, name="Olga", role="owner", bot=BOT, now=AT)
    return {"authorization": f"Bearer {key}"}


def between(context: Context, text: str, p2: float) -> int:
    """A candidate that may be a refund or a cancelled order."""
    turn_id = add_turn(context.engine, text)
    seen = Assessment(1, 1, 2, 1 - p2, p2, 0.0, 2 * p2, (Mark("boundary", 2 * p2),))
    with database.writing(context.engine) as connection:
        store_assessments(connection, BOT, 1, {turn_id: seen}, AT)
    return turn_id


def test_before_the_first_classifier(client: TestClient[Litestar], context: Context, headers: dict[str, str]) -> None:
    assert client.get(f"{API}/boundary", headers=headers).json() == {"n": None, "turns": 0, "pairs": []}
    advice = client.get(f"{API}/intents/advice", headers=headers).json()
    assert advice == {"n": None, "goal": 0.0, "usual_reports": 0.0, "intents": []}
    page = sign_in(client, context, "Rea", "reader", BOT).open(PAGE)
    assert "No classifier is in force yet" in page
    assert "Nothing is advised before the first classifier." in page


def test_a_pair_by_api(client: TestClient[Litestar], context: Context, headers: dict[str, str]) -> None:
    put_in_force(context.engine, 1)
    put_manifest(context)
    turn_id = between(context, "take it back and send the money", 0.4)
    pair = {"a": {"id": 1, "name": "refund"}, "b": {"id": 2, "name": "cancel_order"}, "shared": 0.4, "turns": 1}
    pair |= {"compared": 0, "split": 0, "flips": 0, "contradictions": 0}
    assert client.get(f"{API}/boundary", headers=headers).json() == {"n": 1, "turns": 1, "pairs": [pair]}
    found = client.get(f"{API}/boundary/2/1", headers=headers).json()
    text = "take it back and send the money"
    unknown = {"answer": "unknown", "labels": 0, "bound": 0.05, "error": None, "more": None, "low": None, "high": None}
    assert found == {
        "pair": pair,
        "settlement": unknown,
        "waiting": [{"turn_id": turn_id, "text": text, "best": "refund", "p1": 0.6, "p2": 0.4}],
        "near": [],
        "contradictions": [],
    }
    queued = client.post(f"{API}/boundary/1/2/review", headers=headers)
    assert (queued.status_code, queued.json()) == (200, {"queued": [turn_id]})
    assert client.post(f"{API}/boundary/1/2/review", headers=headers).json() == {"queued": []}


def put_manifest(context: Context) -> None:
    """Of classifier 1."""
    with database.writing(context.engine) as connection:
        row = {"bot": BOT, "n": 1, "status": "champion", "created_at": AT}
        connection.execute(sa.insert(tables.classifier), row | {"manifest": {"encoder": "e", "dimensions": 4}})


@pytest.mark.parametrize(("pair", "status", "told"), [("1/9", 404, "intent 9"), ("1/1", 400, "two intents")])
def test_what_is_no_pair(
    client: TestClient[Litestar], headers: dict[str, str], pair: str, status: int, told: str
) -> None:
    answer = client.get(f"{API}/boundary/{pair}", headers=headers)
    assert (answer.status_code, told in answer.json()["detail"]) == (status, True)


def test_the_pages_and_the_button(client: TestClient[Litestar], context: Context) -> None:
    put_in_force(context.engine, 1)
    put_manifest(context)
    between(context, "take it <back>", 0.4)
    with database.writing(context.engine) as connection:
        update_bot(connection, BOT, AT, target=0.9)
    owner = sign_in(client, context, "Olga", "owner", BOT)
    page = owner.open(PAGE)
    assert f'<a href="{PAGE}/1/2">refund and cancel_order</a></th><td>40.00</td><td>1</td>' in page
    assert "Label about 20 more." in page
    assert "<svg" in page
    pair = owner.open(f"{PAGE}/1/2")
    assert "Unknown: there are 0 labels of the two" in pair
    assert "take it &lt;back&gt;" in pair
    assert "Send 1 to review" in pair
    sent = owner.post(f"{PAGE}/1/2/review")
    assert "1 turn waits now to be asked about" in sent.text
    assert "No recent turn between the two waits" in sent.text


def test_a_reader_sends_nothing(client: TestClient[Litestar], context: Context) -> None:
    put_in_force(context.engine, 1)
    put_manifest(context)
    between(context, "take it back", 0.4)
    reader = sign_in(client, context, "Rea", "reader", BOT)
    assert "to review</button>" not in reader.open(f"{PAGE}/1/2")
    assert reader.post(f"{PAGE}/1/2/review").status_code == 403
