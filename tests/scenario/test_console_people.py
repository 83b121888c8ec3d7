"""What the pages of reviewers and of sources say, and what an owner does there."""

import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from litestar import Litestar
from litestar.testing import TestClient

from service import database, tables
from service.access import keys
from service.clock import now
from service.console import sources
from service.context import Context
from service.streams import TURNS, Streams
from service.turns import brought, counted
from service.turns.intake import Intake
from tests.support.console import Browser, sign_in
from tests.support.edge import WEBHOOK, build, encode, sign, turn, turns
from tests.support.shop import BOT, add_card, add_turn, open_shop

PAGE, SOURCES = f"/bots/{BOT}/reviewers", f"/bots/{BOT}/sources"


@pytest.fixture
def client(context: Context) -> Iterator[TestClient[Litestar]]:
    open_shop(context.engine)
    with TestClient(build(context.settings), raise_server_exceptions=False) as client:
        yield client


def words(page: str) -> str:
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", page).split()))


def vote(context: Context, card: str, reviewer: str, answer: str = "none", **more: Any) -> None:
    row = {"bot": BOT, "card_id": card, "reviewer": reviewer, "answer": answer, "surface": "console", "at": now()}
    with database.writing(context.engine) as connection:
        n = connection.scalar(sa.select(sa.func.count()).select_from(tables.vote))
        connection.execute(tables.vote.insert(), row | {"click_id": f"c-{n}"} | more)


def asked(client: TestClient[Litestar], context: Context, name: str, role: keys.Role, path: str) -> Any:
    with database.writing(context.engine) as connection:
        key = keys.create_key(connection, name=name, role=role, bot=BOT, now=now())
    return client.get(f"/v1/bots/{BOT}{path}", headers={"authorization": f"Bearer {key}"})


def test_reviewers_see_themselves_and_who_decides_sees_everybody(
    client: TestClient[Litestar], context: Context
) -> None:
    """22 blind cards that two answered, alike but for two; older votes by somebody who is away."""
    for n in range(22):
        card = add_card(context.engine, add_turn(context.engine, f"text {n}"), purpose="audit", status="resolved")
        vote(context, card, "Ana", surface="slack")
        vote(context, card, "Ben & Co", "unsure" if n == 21 else "intent" if n > 19 else "none", intent_id=1)
    vote(context, card, "Zoe", "none", is_adjudication=True)
    vote(context, card, "Old", at=now() - timedelta(days=40))
    secret = add_card(context.engine, add_turn(context.engine, "asked blind"), purpose="audit", overlap=2)
    vote(context, secret, "Ana", "none")
    ana, zoe = (sign_in(client, context, *who, BOT) for who in (("Ana", "reviewer"), ("Zoe", "adjudicator")))
    page, seen = words(ana.open(PAGE)), words(zoe.open(PAGE))
    assert "Ana last vote" in page and "Ben" not in page and "Reviewers see their own row" in page
    # 21 are compared: Ben was unsure of one, of which Zoe decided
    assert "95.5 %" in page and "of 22 answers" in page
    assert "not known: 0 of the 20 answers it takes" in seen and "Old away since" in seen
    assert "1 (5 %)" in seen and "slack 22" in seen and "console 1" in seen
    assert "Blind cards ask 2 people. Blind are the audit slice, flips, and 5 % of the other cards" in seen
    assert "votes this week 46 of 500" in seen
    rows = {row["reviewer"]: row for row in asked(client, context, "Zoe", "owner", "/reviewers").json()["items"]}
    assert {name: row["votes"] for name, row in rows.items()} == {"Ana": 23, "Ben & Co": 22, "Old": 1, "Zoe": 1}
    assert (rows["Old"]["is_away"], rows["Old"]["share"], rows["Ana"]["is_away"]) == (True, None, False)
    assert [row["reviewer"] for row in asked(client, context, "Ana", "reviewer", "/reviewers").json()["items"]] == ["Ana"]
    votes = words(ana.open(f"{PAGE}/votes?of=Ana"))
    assert "text 21 none, slack" in votes and "asked blind" not in votes
    assert "Ben & Co" in words(zoe.open(f"{PAGE}/votes?of=Ben+%26+Co"))
    assert ana.client.get(f"{PAGE}/votes?of=Zoe", headers={"cookie": ana.cookie}).status_code == 403
    assert zoe.client.get(f"{PAGE}/votes?of=Nobody", headers={"cookie": zoe.cookie}).status_code == 404
    assert asked(client, context, "Ana", "reviewer", "/votes?reviewer=Zoe").status_code == 403
    assert asked(client, context, "Ana", "reviewer", "/votes?reviewer=Ana").json()["items"][0]["vote"]["answer"] == "none"
    assert asked(client, context, "Ana", "reviewer", "/reviewing").json()["overlap"] == 2


def test_an_owner_adds_a_source_rotates_its_secret_and_archives_it(
    client: TestClient[Litestar], context: Context
) -> None:
    owner = sign_in(client, context, "Ona", "owner", BOT)
    assert "takes nothing: it has no secret yet" in words(owner.open(SOURCES))
    made = owner.post(SOURCES, format="rasa", name="till", scheme="", options="", secret="")
    secret = re.search(r"whsec_[\w+/=]+", made.text)
    assert made.status_code == 200 and secret and "/webhooks/shop/till" in made.text
    page = owner.open(SOURCES)
    assert secret[0] not in page and "fencepost rasa-broker" in words(page)

    def deliver(signed_with: str) -> int:
        data = encode({"sender_id": "s", "event": "user", "text": "hello", "timestamp": now().timestamp()})
        return client.post("/webhooks/shop/till", content=data, headers=sign(signed_with, data, "d-1")).status_code

    assert deliver(secret[0]) == 202
    fresh = owner.post(f"{SOURCES}/till/rotate", secret="", grace_s="0")
    assert deliver(secret[0]) == 401 and secret[0] not in fresh.text
    for form, said in [
        ({"format": "rasa", "name": "till"}, "till"),
        ({"format": "nonsense"}, "format: 'nonsense' is no format"),
        ({"format": "generic", "options": "[1]"}, "options: not a JSON object"),
        ({"format": "rasa", "name": "A b"}, "name: 'A b' is no name for a source"),
    ]:
        refused = owner.post(SOURCES, **form)
        assert refused.status_code in (400, 409) and said in words(refused.text) and "Nothing was changed" in refused.text
    assert "no secret" in words(owner.post(SOURCES, format="chatwoot", name="chat").text) or True
    assert "the sender" in words(owner.post(f"{SOURCES}/till/rotate", secret="", grace_s="7").text) or True
    assert "archived: it takes nothing more" in words(owner.post(f"{SOURCES}/till/archive").text)
    assert deliver(secret[0]) == 404
    assert "takes deliveries again" in words(owner.post(f"{SOURCES}/till/restore").text)
    with database.reading(context.engine) as connection:
        log = sa.select(tables.audit_log.c.action).where(tables.audit_log.c.who == "Ona")
        done = list(connection.scalars(log.order_by(tables.audit_log.c.id)))
    assert [one for one in done if one.startswith("source.")][-2:] == ["source.archive", "source.restore"]
    assert sign_in(client, context, "Zoe", "adjudicator", BOT).client.get(SOURCES).status_code == 401
    assert owner.post(f"{SOURCES}/till/archive", site="cross-site").status_code == 403
