"""The pages of classifiers, and what an owner decides there."""

import doctest
import re
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from litestar import Litestar
from litestar.testing import TestClient

from service import database, tables
from service.access.keys import create_key
from service.classifiers import store
from service.classifiers.gates import Flip
from service.clock import now
from service.console import classifiers, intents
from service.context import Context
from service.encoding import pack
from service.learning.head import decide
from tests.support.console import Browser, sign_in
from tests.support.edge import build
from tests.support.encoder import FakeEncoder
from tests.support.shop import BOT, add_turn, open_shop
from tests.support.trials import answer, challenge
from workers.training import train

PAGE = f"/bots/{BOT}/classifiers"
WHY = "it finds the new wordings"


@pytest.fixture
def client(context: Context) -> Iterator[TestClient[Litestar]]:
    """Classifier 1 is in force."""
    open_shop(context.engine)
    add_turn(context.engine, "where is my stuff")
    assert train(context, FakeEncoder(), BOT, patience_s=0.0) == 1
    with TestClient(build(context.settings), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def owner(client: TestClient[Litestar], context: Context) -> Browser:
    return sign_in(client, context, "Ona", "owner", BOT)


def words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def champion(context: Context) -> int | None:
    with database.reading(context.engine) as connection:
        return store.champion_n(connection, BOT)


def logged(context: Context, action: str) -> list[dict[str, Any]]:
    log = tables.audit_log.c
    with database.reading(context.engine) as connection:
        return list(connection.scalars(sa.select(log.details).where(log.action == action).order_by(log.id)))


def test_an_owner_puts_a_held_one_in_force_and_takes_it_back(owner: Browser, context: Context) -> None:
    n = challenge(context.engine, "held", reason="it differs on 3 of 400 recent turns")
    page = owner.open(f"{PAGE}/{n}")
    said = words(page)
    assert "It replaces classifier 1 , which is in force since" in said
    assert "Its own trial: it differs on 3 of 400 recent turns." in said
    assert f'action="{PAGE}/{n}/promote"' in page and 'name="replacing" value="1"' in page
    refused = owner.post(f"{PAGE}/{n}/promote", replacing="1", reason=" ")
    assert (refused.status_code, champion(context)) == (400, 1)
    assert "Nothing was done. A reason is wanted." in words(refused.text)
    done = words(owner.post(f"{PAGE}/{n}/promote", replacing="1", reason=WHY).text)
    assert f"Classifier {n} is in force now." in done
    assert f"Put in force by Ona in place of classifier 1, against its trial: “{WHY}”." in done
    assert champion(context) == n
    owner.post(f"{PAGE}/{n}/promote", replacing="1", reason=WHY)  # a repeat changes nothing
    assert logged(context, "classifier.promote") == [{"n": n, "replaced": 1, "reason": WHY}]
    assert f"Replaced by classifier {n}: “{WHY}”." in words(owner.open(f"{PAGE}/1"))
    back = words(owner.post(f"{PAGE}/1/rollback", replacing=str(n), reason="complaints").text)
    assert f"Put back in force by Ona in place of classifier {n}: “complaints”." in back
    listed = words(owner.open(PAGE))
    assert f"held: it differs on 3 of 400 recent turns. Put in force by Ona, against its trial: “{WHY}”" in listed


def test_another_champion_meanwhile_is_said_on_the_page(owner: Browser, context: Context) -> None:
    n = challenge(context.engine, "held")
    stale = owner.post(f"{PAGE}/{n}/promote", replacing="7", reason=WHY)
    assert (stale.status_code, champion(context)) == (409, 1)
    assert "Nothing was done. Bot &#39;shop&#39; got another champion before 2 could be put in force." in words(
        stale.text
    )
    assert f'value="{WHY}"' in stale.text  # who decides again need not type it again
    assert owner.post(f"{PAGE}/{n}/promote", replacing="x", reason=WHY).status_code == 400
    assert owner.post(f"{PAGE}/{n}/hold", reason=WHY).url.path == f"{PAGE}/{n}"  # held it is
    assert owner.post(f"{PAGE}/1/hold", reason=WHY).status_code == 409
    assert owner.post(f"{PAGE}/1/burn", reason=WHY).status_code == 400
    assert owner.post(f"{PAGE}/9/promote", reason=WHY).status_code == 404
    assert owner.post(f"{PAGE}/{n}/promote", site="cross-site", replacing="1", reason=WHY).status_code == 403
    reader = sign_in(owner.client, context, "Rea", "reader", BOT)
    assert "What will happen" not in reader.open(f"{PAGE}/{n}")
    assert reader.post(f"{PAGE}/{n}/promote", replacing="1", reason=WHY).status_code == 403
    assert champion(context) == 1


def test_flips_are_told_once_they_are_answered_and_a_trial_is_ended_by_hand(owner: Browser, context: Context) -> None:
    told, kept = add_turn(context.engine, "give it back to me"), add_turn(context.engine, "the parcel is late")
    n = challenge(context.engine, "open", [Flip(told, 2, 1), Flip(kept, 3, None)])
    answer(context.engine, told, 1)
    page = owner.open(f"{PAGE}/{n}")
    said = words(page)
    assert "give it back to me cancel_order refund refund a win: only it was right" in said
    assert "the parcel is late" not in said and "out of scope loss" not in said
    assert "1 turn is asked about blind at present; nothing is told of it before that is over." in said
    assert "1 wins, 0 losses, 0 neither, 1 wait" in said
    assert "1 card that nobody has answered is withdrawn" in said
    done = words(owner.post(f"{PAGE}/{n}/hold", replacing="1", reason="the test was botched").text)
    assert f"Classifier {n} is held now; its trial has ended." in done
    assert "held: 1 wins, 0 losses, 0 neither: an owner ended the trial" in done
    assert "Held by Ona: “the test was botched”." in done
    assert "the parcel is late track_order out of scope – withdrawn, not answered" in done
    assert logged(context, "classifier.hold") == [{"n": n, "champion": 1, "reason": "the test was botched"}]
    with database.writing(context.engine) as connection:
        key = create_key(connection, name="r", role="reader", bot=BOT, now=now())
    api = owner.client.get(f"/v1{PAGE}/{n}/flips", headers={"authorization": f"Bearer {key}"}).json()
    assert (api["waiting"], [one["result"] for one in api["judged"]]) == (0, ["win", "gone"])


def test_how_good_it_is_on_the_audit_slice(owner: Browser, context: Context) -> None:
    """Thirty turns drawn at random, of which people found every third to mean something else."""
    texts = [f"where is order {place}" for place in range(30)]
    turns, x = [add_turn(context.engine, text) for text in texts], FakeEncoder().encode(BOT, texts)
    with database.writing(context.engine) as connection:
        found = store.champion(connection, BOT)
        assert found
        said = decide(found.head, x).tolist()
        seen = zip(turns, x, strict=True)
        vectors = [{"turn_id": one, "encoder": found.encoder, "data": pack(row)} for one, row in seen]
        connection.execute(tables.vector.insert(), vectors)
        marks = [{"bot": BOT, "turn_id": one, "kind": "audit", "value": 1.0, "rate": 0.1, "at": now()} for one in turns]
        connection.execute(tables.mark.insert(), marks)
        right = [1 + one % 3 if place % 3 == 0 else one for place, one in enumerate(said)]
        row = {"bot": BOT, "use": "audit", "answer": "intent", "origin": "vote", "at": now()}
        labels = [row | {"turn_id": one, "intent_id": meant} for one, meant in zip(turns, right, strict=True)]
        connection.execute(tables.label.insert(), labels)
    page = owner.open(f"{PAGE}/1")
    assert "Champion, in force, made" in words(page) and f'href="/bots/{BOT}/intents/1">refund' in page
    assert "66.7 % (48.8 to 80.8)" in words(page) and "30 turns drawn at random and answered blind" in words(page)
    assert "points of which chance alone would make about" in words(page) and "<svg" in page
    assert "66.7 % (48.8 to 80.8)" in words(owner.open(PAGE))


def test_the_examples_are_true() -> None:
    assert [doctest.testmod(module).failed for module in (classifiers, intents)] == [0, 0]
