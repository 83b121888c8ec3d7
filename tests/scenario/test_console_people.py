"""What the pages of reviewers and of sources say, and what an owner does there."""

import html
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from litestar import Litestar
from litestar.testing import TestClient
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from service import database, tables
from service.access import keys
from service.bots.store import add_secret
from service.clock import now
from service.context import Context
from service.streams import Streams
from tests.support.console import sign_in
from tests.support.edge import WEBHOOK, build, encode, numbered, sign, turns
from tests.support.shop import BOT, add_card, add_turn, fold, open_shop

PAGE, SOURCES, LETTERS = (f"/bots/{BOT}/{name}" for name in ("reviewers", "sources", "dead-letters"))

WRONG = r'name="(\w+)"[^>]*aria-invalid="true" aria-describedby="fault"'


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
        ben = {20: "intent", 21: "unsure"}.get(n, "none")
        vote(context, card, "Ben & Co", ben, intent_id=1 if n == 20 else None)
    vote(context, card, "Zoe", "none", is_adjudication=True)
    vote(context, card, "Old", at=now() - timedelta(days=40))
    asked_blind = add_turn(context.engine, "asked blind")
    vote(context, add_card(context.engine, asked_blind, purpose="audit", overlap=2), "Ana", "none")
    folded = add_turn(context.engine, "folded into it")
    fold(context.engine, folded, asked_blind)
    vote(context, add_card(context.engine, folded, purpose="audit", status="resolved"), "Ana", "none")
    ana, zoe = (sign_in(client, context, *who, BOT) for who in (("Ana", "reviewer"), ("Zoe", "adjudicator")))
    page, seen = words(ana.open(PAGE)), words(zoe.open(PAGE))
    assert "Ana last vote" in page and "Ben" not in page and "Reviewers see their own row" in page
    assert "95.5 %" in page and "of 22 answers" in page
    assert "not known: 0 of the 20 answers it takes" in seen and "Old away since" in seen
    assert "1 (5 %)" in seen and "slack 22" in seen and "console 2" in seen
    assert "Blind cards ask 2 people. Blind are the audit slice, flips, and 5 % of the other cards" in seen
    assert "votes of the last seven days 47 of 500" in seen
    rows = {row["reviewer"]: row for row in asked(client, context, "Zoe", "owner", "/reviewers").json()["items"]}
    assert {name: row["votes"] for name, row in rows.items()} == {"Ana": 24, "Ben & Co": 22, "Old": 1, "Zoe": 1}
    assert (rows["Old"]["is_away"], rows["Zoe"]["share"], rows["Ana"]["is_away"]) == (True, None, False)
    assert [row["reviewer"] for row in asked(client, context, "Ana", "reviewer", "/reviewers").json()["items"]] == [
        "Ana"
    ]
    votes = words(ana.open(f"{PAGE}/votes?of=Ana"))
    assert "text 21 none, slack" in votes and "asked blind" not in votes and "folded" not in votes
    assert "Ben & Co" in words(zoe.open(f"{PAGE}/votes?of=Ben+%26+Co"))
    assert ana.client.get(f"{PAGE}/votes?of=Zoe", headers={"cookie": ana.cookie}).status_code == 403
    assert zoe.client.get(f"{PAGE}/votes?of=Nobody", headers={"cookie": zoe.cookie}).status_code == 404
    assert asked(client, context, "Ana", "reviewer", "/votes?reviewer=Zoe").status_code == 403
    every = asked(client, context, "Ana", "reviewer", "/votes?reviewer=Ana").json()["items"]
    assert every[0]["vote"]["answer"] == "none"
    pages, cursor = [], ""
    while cursor is not None:
        more = asked(client, context, "Ana", "reviewer", f"/votes?reviewer=Ana&limit=9{cursor}").json()
        pages += more["items"]
        cursor = more["next"] and f"&cursor={more['next']}"
    assert pages == every and len(every) == 22
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
    for form, status, said, field in [
        ({"format": "rasa", "name": "till"}, 409, "till", ["name"]),
        ({"format": "nonsense"}, 400, "is no format", ["format"]),
        ({"format": "generic", "options": "[1]"}, 400, "Not a JSON object", ["options"]),
        ({"format": "rasa", "name": "A b"}, 400, "'A b' is no name for a source", ["name"]),
    ]:
        refused = owner.post(SOURCES, **form)
        assert (refused.status_code, re.findall(WRONG, refused.text)) == (status, field)
        assert re.search(f"Nothing was changed. .*{re.escape(said)}", words(refused.text))
    assert "It takes nothing yet: the platform shows a secret" in words(owner.post(SOURCES, format="chatwoot").text)
    refused = owner.post(f"{SOURCES}/till/rotate", secret="", grace_s="7")
    assert re.findall(WRONG, refused.text) == ["grace_s"] and "The earlier secret ends at once" in words(refused.text)
    assert "archived: it takes nothing more" in words(owner.post(f"{SOURCES}/till/archive").text)
    assert deliver(secret[0]) == 404
    assert "takes deliveries again" in words(owner.post(f"{SOURCES}/till/restore").text)
    with database.reading(context.engine) as connection:
        log = sa.select(tables.audit_log.c.action).where(tables.audit_log.c.who == "Ona")
        done = list(connection.scalars(log.order_by(tables.audit_log.c.id)))
    assert [one for one in done if one.startswith("source.")][-2:] == ["source.archive", "source.restore"]
    assert owner.post(f"{SOURCES}/till/archive", site="cross-site").status_code == 403


def test_what_came_in_what_was_refused_and_dead_letters_to_replay_or_delete(
    client: TestClient[Litestar], context: Context
) -> None:
    owner = sign_in(client, context, "Ona", "owner", BOT)
    with database.writing(context.engine) as connection:
        secret = add_secret(connection, context.keyring, BOT, "native", now())
    add_turn(context.engine, "where is it")
    data = encode(turns(*numbered(3), {"text": " "}))
    assert client.post(WEBHOOK, content=data, headers=sign(secret, data, "d-1")).status_code == 202
    assert client.post(WEBHOOK, content=data, headers=sign(secret, data, "d-1")).status_code == 202
    assert client.post(WEBHOOK, content=data).status_code == 401
    streams = Streams(context.redis, context.keyring, 100)
    for entry in streams.fresh(BOT, "worker", 2):
        streams.bury(BOT, entry, failures=5, error="DataError", now=now())
    page = words(owner.open(SOURCES))
    assert "1 waits to be stored" in page and "turns stored 1" in page
    assert "deliveries taken 1 came again 1 turns, replies and reports in them 3 items rejected 1 empty-text 1" in page
    assert "requests refused 1 signature missing, wrong or too old 1" in page
    assert (
        "2 dead letters could not be stored." in page
        and "2 facts failed five times" in page
        and "xxxx 0" in page
        and "text 0" not in page
    )
    first, second = (letter.id for letter in streams.dead_list(BOT))
    assert "on its way through ingest again" in owner.post(f"{LETTERS}/{first}/replay").text
    assert "The dead letter is deleted" in owner.post(f"{LETTERS}/{second}/drop").text
    assert owner.post(f"{LETTERS}/{second}/drop").status_code == 404
    assert (streams.depth(BOT), streams.dead_count(BOT)) == (2, 0)
    for entry in streams.fresh(BOT, "worker", 2):
        streams.bury(BOT, entry, failures=5, error="DataError", now=now())
    assert 'action="/bots/shop/dead-letters/replay"><button>Replay all' in owner.open(SOURCES)
    assert "The dead letters are on their way" in owner.post(f"{LETTERS}/replay").text
    assert (streams.depth(BOT), streams.dead_count(BOT)) == (2, 0)
    with database.reading(context.engine) as connection:
        log = sa.select(tables.audit_log.c.action, tables.audit_log.c.details).where(tables.audit_log.c.who == "Ona")
        done = [tuple(row) for row in connection.execute(log) if row.action.startswith("dead.")]
    assert done[:2] == [
        ("dead.replay", {"letter": first, "error": "DataError"}),
        ("dead.drop", {"letter": second, "error": "DataError"}),
    ]
    (source,) = asked(client, context, "Oli", "owner", "/deliveries").json()["sources"]
    assert (source["counts"]["accepted"], source["turns_by_day"]) == (3, {})
    assert asked(client, context, "Oli", "owner", "/dead-letters").json() == {"items": [], "next": None}


def test_while_redis_is_away_the_page_says_so_and_shows_what_is_stored(
    client: TestClient[Litestar], context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = sign_in(client, context, "Ona", "owner", BOT)
    add_turn(context.engine, "where is it")
    away = client.app.state.context._replace(redis=Redis(unix_socket_path="/nowhere.sock", retry=Retry(NoBackoff(), 0)))
    monkeypatch.setattr(client.app.state, "context", away)
    page = words(owner.open(SOURCES))
    assert "Redis does not answer" in page and "turns stored 1" in page and "Dead letters" not in page
