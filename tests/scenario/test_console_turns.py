"""Turns and labels in the console and over HTTP: found by whoever may read, corrected by an adjudicator."""

import html
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from litestar import Litestar
from litestar.testing import TestClient

from service import database, tables
from service.access.keys import create_key
from service.clock import now
from service.context import Context
from service.errors import BadInput
from service.reviews import rules, voting
from service.reviews.schemas import Reviewer, Vote
from tests.support.console import sign_in
from tests.support.edge import build
from tests.support.shop import AT, BOT, add_turn, deal, open_shop

HERE = f"/bots/{BOT}"
API = f"/v1/bots/{BOT}"


@pytest.fixture
def client(context: Context) -> Iterator[TestClient[Litestar]]:
    open_shop(context.engine)
    with TestClient(build(context.settings), raise_server_exceptions=False) as client:
        yield client


def words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def answer(client: TestClient[Litestar], context: Context, card: str, intent: str) -> None:
    with database.writing(context.engine) as connection:
        key = create_key(connection, name="Rue", role="reviewer", bot=BOT, now=now())
    vote = {"answer": "intent", "intent": intent, "click_id": f"{card}-1"}
    sent = client.post(f"{API}/cards/{card}/votes", json=vote, headers={"authorization": f"Bearer {key}"})
    assert sent.status_code == 201, sent.text
    rules.resolve_votes(context, BOT)


def labels(context: Context) -> list[tuple[Any, ...]]:
    c = tables.label.c
    with database.reading(context.engine) as connection:
        query = sa.select(c.turn_id, c.use, c.answer, c.intent_id, c.origin).order_by(c.id)
        return [tuple(row) for row in connection.execute(query)]


def test_turns_are_searched_on_the_page_and_over_http(client: TestClient[Litestar], context: Context) -> None:
    reader = sign_in(client, context, "Ria", "reader", BOT)
    assert "No turn yet." in words(reader.open(f"{HERE}/turns"))
    first = add_turn(context.engine, 'where is <b>"my"</b> order')
    deal(context.engine, "where is the shop")
    page = reader.open(f"{HERE}/turns?q=order")
    link = f'<a href="{HERE}/turns/{first}">where is &lt;b&gt;&#34;my&#34;&lt;/b&gt; order</a>'
    assert link in page and "the shop" not in page
    assert "No turn is like that." in words(reader.open(f"{HERE}/turns?q=parcel"))
    found = client.get(f"{API}/turns?q=order", headers={"cookie": reader.cookie}).json()
    assert [one["text"] for one in found["items"]] == ['where is <b>"my"</b> order'] and found["next"] is None
    jump = client.get(f"{HERE}/turns?turn={first}", headers={"cookie": reader.cookie}, follow_redirects=False)
    assert (jump.status_code, jump.headers["location"]) == (303, f"{HERE}/turns/{first}")
    down = words(reader.open(f"{HERE}/turns?q=parcel&by=meaning"))
    assert "Search by meaning does not answer now" in down and "search by words works without" in down
    refused = client.get(f"{API}/turns?q=parcel&by=meaning", headers={"cookie": reader.cookie})
    assert (refused.status_code, refused.json()["type"]) == (503, "encoder-down")
    bad = {"q": "?!", "since": "soon", "report": "rude", "intent": "unheard_of", "cursor": "x", "turn": "x"}
    for field, said in bad.items():
        asked = {"params": {field: said}, "headers": {"cookie": reader.cookie}}
        page = client.get(f"{HERE}/turns", **asked)
        assert page.status_code == 400
        if field in ("q", "since", "report", "intent"):  # it is said at the field, which keeps what was typed
            assert f'id="{field}-fault" role="alert"' in page.text and html.escape(said) in page.text
        if field != "turn":
            answered = client.get(f"{API}/turns", **asked)
            assert (answered.status_code, field in answered.text) == (400, True), answered.text


def remarks(context: Context) -> list[tuple[int, int, str]]:
    c = tables.remark_content.c
    with database.reading(context.engine) as connection:
        rows = connection.execute(sa.select(c.turn_id, c.label_id, c.text).order_by(c.id))
        return [(row.turn_id, row.label_id, row.text) for row in rows]


@pytest.mark.usefixtures("redacted_unlocked")
def test_why_an_intent_is_missing_is_redacted(context: Context) -> None:
    open_shop(context.engine)
    card = deal(context.engine, "wrap it up")
    vote = Vote(answer="new", proposed="gift", why=" as anna.berg@example.org says\n", click_id="one")
    voting.cast(context, BOT, card, Reviewer("Rue"), vote, surface="api")
    with pytest.raises(BadInput, match="NUL"):
        voting.cast(context, BOT, card, Reviewer("Rue"), msgspec.structs.replace(vote, why="\0"), surface="api")
    assert [text for _, _, text in remarks(context)] == ["as <EMAIL> says"]


@pytest.mark.usefixtures("redacted_unlocked")
def test_a_label_is_found_and_corrected_with_a_reason(client: TestClient[Litestar], context: Context) -> None:
    reader = sign_in(client, context, "Ria", "reader", BOT)
    judge = sign_in(client, context, "Ada", "adjudicator", BOT)
    card = deal(context.engine, "where is my money")
    answer(client, context, card, "track_order")
    [(turn_id, *_)] = labels(context)
    page = judge.open(f"{HERE}/labels?q=money")
    assert "track_order for training, from a reviewer’s vote by Rue" in words(page)
    assert "Correct it" not in reader.open(f"{HERE}/labels")
    click = re.search(r'name="click_id" value="([^"]+)"', page)
    assert click
    reason = "money, not a parcel: ask anna.berg@example.org, +44 20 7946 0958"
    form = {"intent": "refund", "reason": reason, "click_id": click[1]}
    for bad in ({"reason": " "}, {"intent": "unheard_of"}):
        refused = judge.post(f"{HERE}/labels/1?q=money", **(form | bad))
        kept = re.findall(r'id="(?:intent|reason)-1"[^>]* value="([^"]*)"', refused.text)
        assert (refused.status_code, kept) == (400, list((form | bad).values())[:2])
        (wrong,) = re.findall(r'id="(\w+)-1"[^>]*aria-invalid="true" aria-describedby="wrong"', refused.text)
        assert [wrong] == list(bad) and 'name="q" type="search" value="money"' in refused.text
    assert reader.post(f"{HERE}/labels/1", **form).status_code == 403
    assert judge.post(f"{HERE}/labels/1", site="cross-site", **form).status_code == 403
    assert judge.post(f"{HERE}/labels/9", **form).status_code == 404
    for _ in range(2):
        done = judge.post(f"{HERE}/labels/1?reviewer=Rue", **form)
        assert f"Corrected. Turn {turn_id} gets its new label" in words(done.text) and 'value="Rue"' in done.text
    rules.resolve_votes(context, BOT)
    assert labels(context) == [(turn_id, "train", "intent", 3, "vote"), (turn_id, "train", "intent", 1, "vote")]
    shown = words(judge.open(f"{HERE}/labels"))
    assert "refund for training, from a reviewer’s vote by Ada" in shown and shown.count("replaced since") == 1
    told = words(judge.open(f"{HERE}/turns/{turn_id}"))
    redacted = "money, not a parcel: ask &lt;EMAIL&gt;, &lt;NUMBER&gt;"
    assert f"why {redacted}" in told and f"corrected because {redacted}" in told
    replaced = judge.post(f"{HERE}/labels/1", **(form | {"click_id": "two"}))
    assert replaced.status_code == 409 and "label 1 was replaced by label 2" in words(replaced.text)
    assert judge.post(f"{HERE}/labels/2", **(form | {"click_id": "two"})).status_code == 409  # says so already
    with database.reading(context.engine) as connection:
        log = connection.execute(sa.select(tables.audit_log).where(tables.audit_log.c.action == "label.correct")).one()
    assert (log.who, log.details) == ("Ada", {"label": 1, "turn": turn_id})
    assert remarks(context) == [(turn_id, 1, "money, not a parcel: ask <EMAIL>, <NUMBER>")]
    with database.writing(context.engine) as connection:
        connection.execute(sa.delete(tables.turn_content).where(tables.turn_content.c.turn_id == turn_id))
    assert remarks(context) == []
    assert "not a parcel" not in judge.open(f"{HERE}/turns/{turn_id}")


def test_labels_without_a_card_are_corrected_too(client: TestClient[Litestar], context: Context) -> None:
    owner = sign_in(client, context, "Ona", "owner", BOT)
    example = add_turn(context.engine, "money", source="import")
    gold = add_turn(context.engine, "x", source="gold")
    row = {"bot": BOT, "answer": "intent", "intent_id": 3, "origin": "import", "at": AT}
    with database.writing(context.engine) as connection:
        rows = [row | {"turn_id": example, "use": "train"}, row | {"turn_id": gold, "use": "gold"}]
        connection.execute(tables.label.insert(), rows)
    headers = {"cookie": owner.cookie, "sec-fetch-site": "same-origin"}
    said = {"answer": "intent", "intent": "refund", "reason": "wrong"}
    for label_id, click in ((1, "a"), (2, "b")):
        url = f"{API}/labels/{label_id}/corrections"
        done = client.post(url, json=said | {"click_id": click}, headers=headers)
        assert done.status_code == 201, done.text
    rules.resolve_votes(context, BOT)
    assert labels(context)[2:] == [(gold, "gold", "intent", 1, "import"), (example, "train", "intent", 1, "vote")]
    assert remarks(context) == [(example, 1, "wrong"), (gold, 2, "wrong")]
    found = client.get(f"{API}/labels?q=money&intent=refund", headers=headers).json()
    assert [(one["id"], one["reviewer"], one["counts"]) for one in found["items"]] == [(4, "Ona", True)]
    assert f'href="{API}/exports/csv"' in owner.open(f"{HERE}/labels")
    assert 'id="q-fault" role="alert"' in client.get(f"{HERE}/labels?q=%3F", headers=headers).text
    with database.writing(context.engine) as connection:
        connection.execute(sa.delete(tables.turn_content))
    none = said | {"answer": "none", "intent": None, "click_id": "c"}
    forgotten = client.post(f"{API}/labels/4/corrections", json=none, headers=headers)
    assert forgotten.status_code == 409 and "was forgotten" in forgotten.text
    assert "a forgotten turn" in owner.open(f"{HERE}/labels")
