"""The pages of intents, and what an owner changes there."""

import re
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from litestar import Litestar
from litestar.testing import TestClient

from service import database, tables
from service.access.keys import create_key
from service.clock import now
from service.context import Context
from service.reviews.assessments import Assessment, store_assessments
from service.streams import Streams
from service.turns.schemas import Example
from tests.support.console import Browser, sign_in
from tests.support.edge import build
from tests.support.shop import AT, BOT, add_card, add_turn, open_shop
from tests.support.trials import in_force

PAGE = f"/bots/{BOT}/intents"


@pytest.fixture
def client(context: Context) -> Iterator[TestClient[Litestar]]:
    open_shop(context.engine)
    with TestClient(build(context.settings), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def owner(client: TestClient[Litestar], context: Context) -> Browser:
    return sign_in(client, context, "Ona", "owner", BOT)


def words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def see(context: Context, text: str, best: int, second: int, p2: float = 0.3) -> int:
    """A turn that classifier 1 takes for the best of two intents."""
    turn_id = add_turn(context.engine, text)
    with database.writing(context.engine) as connection:
        seen = Assessment(best, best, second, 1 - p2, p2, 0.0, 2 * p2)
        store_assessments(connection, BOT, 1, {turn_id: seen}, AT)
    return turn_id


def label(context: Context, text: str, intent_id: int, origin: str) -> int:
    turn_id = add_turn(context.engine, text)
    row = {"bot": BOT, "turn_id": turn_id, "use": "train", "answer": "intent", "intent_id": intent_id}
    with database.writing(context.engine) as connection:
        connection.execute(tables.label.insert(), row | {"origin": origin, "at": AT})
    return turn_id


def test_every_intent_in_numbers_and_one_closely(owner: Browser, context: Context) -> None:
    in_force(context.engine)
    see(context, "give it back", 1, 2, 0.4)
    see(context, "money please", 1, 3)
    see(context, "stop it", 2, 3)
    secret = see(context, "is this one asked about", 1, 2)
    add_card(context.engine, secret, purpose="audit")
    label(context, "i want a refund", 1, "import")
    label(context, "refund me", 1, "vote")
    listed = words(owner.open(PAGE))
    assert "refund money back for an order 2 75.0 % not known not known 0.0 % (0.0 to 56.2)" in listed
    assert "track_order where an order is 0 0.0 % not known" in listed
    by_share = re.findall(r'<th scope="row"><a href="[^"]+">(\w+)', owner.open(f"{PAGE}?by=share"))
    assert by_share == ["refund", "cancel_order", "track_order"]
    page = owner.open(f"{PAGE}/1")
    said = words(page)
    for onward in ("labels?intent=refund", "turns?intent=refund", "turns?label=refund"):
        assert f'href="/bots/{BOT}/{onward}"' in page
    assert f'<a href="/bots/{BOT}/boundary/1/2">cancel_order</a>' in page
    assert "cancel_order 2 17.50 track_order 1 7.50" in said
    assert "Taken for it last money please give it back Examples i want a refund" in said
    assert "is this one asked about" not in said and "refund me" not in said
    assert "Label about 20 more." in said
    with database.writing(context.engine) as connection:
        key = create_key(connection, name="r", role="reader", bot=BOT, now=now())
    headers = {"authorization": f"Bearer {key}"}
    rows = owner.client.get(f"/v1{PAGE}/measured", headers=headers).json()["items"]
    assert [(row["name"], row["labels"], row["share"]) for row in rows] == [
        ("cancel_order", 0, 0.25),
        ("refund", 2, 0.75),
        ("track_order", 0, 0.0),
    ]
    found = owner.client.get(f"/v1{PAGE}/1", headers=headers).json()
    assert [turn["text"] for turn in found["turns"]] == ["money please", "give it back"]
    assert owner.client.get(f"/v1{PAGE}/99", headers=headers).status_code == 404


def test_an_owner_changes_an_intent_and_takes_it_back(owner: Browser, context: Context) -> None:
    label(context, "i want a refund", 1, "vote")
    assert "Its labels (1) count for the other intent from now on" in words(owner.open(f"{PAGE}/1"))
    described = words(owner.post(f"{PAGE}/1/describe", description="money back\r\nfor anything").text)
    assert "Its description is changed. money back for anything" in described
    renamed = words(owner.post(f"{PAGE}/1/rename", name="give_back").text)
    assert "it was called refund, and logs that say so still mean it" in renamed
    taken = owner.post(f"{PAGE}/1/rename", name="cancel_order")
    assert (taken.status_code, "Merge the two, or choose another name." in words(taken.text)) == (409, True)
    assert re.search(r'value="cancel_order" aria-invalid="true" aria-describedby="fault"', taken.text)
    merged = words(owner.post(f"{PAGE}/1/merge", into="cancel_order").text)
    assert "Its labels count for cancel_order ." in merged and "Restore give_back" in merged
    assert "Merged into it: give_back ." in words(owner.open(f"{PAGE}/2"))
    assert "give_back" not in words(owner.open(PAGE))
    every = words(owner.open(f"{PAGE}?archived=true"))
    assert "cancel_order stop an order before it ships live 1" in every
    assert "give_back money back for anything merged into cancel_order 0" in every
    restored = words(owner.post(f"{PAGE}/1/restore").text)
    assert "It is an intent again." in restored and "labels 1" in restored
    assert "Restore give_back" in words(owner.post(f"{PAGE}/1/archive").text)
    assert [job.func_name for job in context.queue.jobs] == ["workers.jobs.train"]
    with database.reading(context.engine) as connection:
        actions = list(connection.scalars(sa.select(tables.audit_log.c.action).order_by(tables.audit_log.c.id)))
    assert [one.removeprefix("intent.") for one in actions if one.startswith("intent.")][1:] == [
        "describe",
        "rename",
        "merge",
        "restore",
        "archive",
    ]
    assert owner.post(f"{PAGE}/1/describe", site="cross-site", description="x").status_code == 403
    reader = sign_in(owner.client, context, "Rea", "reader", BOT)
    assert "Change it" not in reader.open(f"{PAGE}/2")
    assert reader.post(f"{PAGE}/2/archive").status_code == 403


def test_a_new_intent_comes_with_its_examples_or_not_at_all(owner: Browser, context: Context) -> None:
    long = "x" * 4_001
    refused = owner.post(PAGE, name="gift_wrap", examples=f"wrap it\r\n{long}")
    assert refused.status_code == 400 and 'value="gift_wrap"' in refused.text and "line 2)" in refused.text
    assert owner.post(PAGE, name="none").status_code == 400
    assert "gift_wrap" not in words(owner.open(PAGE))
    made = owner.post(PAGE, name="gift_wrap", description="wrap a present", examples="wrap it\r\n\r\n  as a gift ")
    assert made.url.path == f"{PAGE}/4" and "The intent is made. wrap a present" in words(made.text)
    assert owner.post(f"{PAGE}/4/examples", examples="with a bow").status_code == 200
    assert owner.post(f"{PAGE}/4/examples", examples=" ").status_code == 400
    streams = Streams(context.redis, context.keyring, context.settings.stream_bound)
    entries: list[tuple[bytes, dict[bytes, bytes]]] = context.redis.xrange("fp:{shop}:v1:turns")  # type: ignore[assignment]  # RESP2
    facts = [streams.open(BOT, fields[b"e"]).fact for _, fields in entries]
    assert [(one.text, one.intent) for one in facts if isinstance(one, Example)] == [
        ("wrap it", "gift_wrap"),
        ("as a gift", "gift_wrap"),
        ("with a bow", "gift_wrap"),
    ]
