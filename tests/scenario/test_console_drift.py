"""What the drift page says of measured windows, and what an owner does there."""

import re
from collections.abc import Iterator
from datetime import date

import pytest
import sqlalchemy as sa
from litestar import Litestar
from litestar.testing import TestClient

from service import database, tables
from service.clock import now
from service.console.drift import RATES
from service.context import Context
from tests.support.console import Browser, sign_in
from tests.support.edge import build
from tests.support.measured_windows import DAY, QUIET, drifted, grow, measure
from tests.support.shop import BOT, add_turn, open_shop

PAGE = f"/bots/{BOT}/drift"


@pytest.fixture
def client(context: Context) -> Iterator[TestClient[Litestar]]:
    open_shop(context.engine)
    with TestClient(build(context.settings), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def owner(client: TestClient[Litestar], context: Context) -> Browser:
    return sign_in(client, context, "Ona", "owner", BOT)


@pytest.fixture
def today() -> date:
    return now().date()


def words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_what_moved_since_when_and_the_turns_that_show_it(context: Context, owner: Browser, today: date) -> None:
    turns = drifted(context, today)
    page = owner.open(PAGE)
    said = words(page)
    assert f"What people said to shop, 500 turns of {today - DAY} against 4000 of" in said
    assert f"the mix of intents (PSI): 0.310, of which chance alone makes 0.140. Since {today - 3 * DAY}." in said
    assert f"turns out of scope: 6.0 % before, 12.0 % now. Since {today - DAY}." in said
    assert f"Alert since {today - 3 * DAY} : the mix of intents (PSI), turns out of scope." in said
    assert f'<a href="/bots/{BOT}/turns/{turns[0]}">gift wrap please</a>' in page
    assert f"Alert since {today - 3 * DAY}" in words(owner.open(f"/bots/{BOT}"))


def test_of_many_moves_the_surest_are_seen_at_once(context: Context, owner: Browser, today: date) -> None:
    moved = {name: (0.2, 0.1) for name in ("psi", "confidence", "margin", *RATES, "embeddings", "novel")}
    measure(context, today - DAY, moved | {"jensen_shannon": (0.2, 0.1)}, *moved, "jensen_shannon", of=1)
    with database.writing(context.engine) as connection:
        kept = tables.drift_window
        found = connection.scalar(sa.select(kept.c.findings))
        more = [["intent", n, 0.2, 0.1, 1e-6, 1e-5, True] for n in (2, 3)]
        connection.execute(sa.update(kept).values(findings=[*found, *more]))
    seen, _, folded = owner.open(PAGE).partition("<summary>2 more moved</summary>")
    assert (seen.count("Since 2"), folded.count("Since 2")) == (10, 2)


def test_a_rate_has_its_interval_and_every_chart_its_values(context: Context, owner: Browser, today: date) -> None:
    drifted(context, today)
    page = words(owner.open(PAGE))
    assert f"day value by chance p (Holm) alarm {today - DAY} 0.310 0.140 1e-05 yes" in page
    assert (
        f"day value before p (Holm) alarm {today - DAY} 12.0 % 6.0 % 1e-05 yes {today - 2 * DAY} 12.0 % 6.0 % 1 no"
        in page
    )
    spec = owner.client.get(f"/v1/bots/{BOT}/charts/drift-out-of-scope.json", headers={"cookie": owner.cookie}).json()
    newest = spec["data"]["values"][-1]
    assert (newest["value"], newest["low"], newest["high"]) == (0.12, 0.0944, 0.1514)


def test_a_quiet_window_says_that_nothing_moved(context: Context, owner: Browser, today: date) -> None:
    measure(context, today - DAY, QUIET)
    page = words(owner.open(PAGE))
    assert "Nothing moved for certain." in page and "Turns that show it" not in page
    assert "No cluster of unfamiliar turns grows at present." in page


def test_nothing_measured_says_what_it_needs(owner: Browser) -> None:
    page = words(owner.open(PAGE))
    assert "Drift of shop is not measured yet: it needs a classifier in force and turns." in page
    assert "No whole day is measured yet." in page


def test_a_turn_that_was_forgotten_has_no_text(context: Context, owner: Browser, today: date) -> None:
    turns = drifted(context, today)
    with database.writing(context.engine) as connection:
        content = tables.turn_content
        connection.execute(sa.delete(content).where(content.c.turn_id == turns[0]))
    page = owner.open(PAGE)
    assert f'<a href="/bots/{BOT}/turns/{turns[0]}">a forgotten turn</a>' in page and "gift wrap please" not in page


def test_turns_that_are_asked_blind_show_nothing(context: Context, owner: Browser, today: date) -> None:
    turns = [add_turn(context.engine, text) for text in ("gift wrap please", "wrap my gift")]
    measure(context, today - DAY, {"psi": (0.31, 0.14)}, "psi", turns=tuple(turns))
    grow(context, turns)
    with database.writing(context.engine) as connection:
        alert = tables.alert
        connection.execute(sa.update(alert).values(closed_at=now()))
        blind = {"bot": BOT, "turn_id": turns[0], "purpose": "audit", "is_blind": True, "created_at": now()}
        connection.execute(sa.insert(tables.card), {"id": "blind", **blind})
    page = owner.open(PAGE)
    assert page.count("wrap my gift") == 2, "it shows the move, and the cluster"
    assert "gift wrap please" not in page
    found = owner.client.get(f"/v1/bots/{BOT}/proposals", headers={"cookie": owner.cookie}).json()["items"]
    assert [one["text"] for one in found[0]["typical"]] == ["wrap my gift"]


def test_an_emerging_intent_is_proposed_by_its_name(context: Context, owner: Browser, today: date) -> None:
    proposal = grow(context, [add_turn(context.engine, "gift wrap please"), add_turn(context.engine, "wrap it")])
    page = owner.open(PAGE)
    assert "gift wrap 3.1 % of the turns, 0.2 % before; 40 turns." in words(page)
    assert f'action="{PAGE}/proposals/{proposal}"' in page
    answer = owner.post(f"{PAGE}/proposals/{proposal}", name="gift_wrapping")
    assert "shop has the intent gift_wrapping now. 2 turns wait to be asked about, before all others." in words(
        answer.text
    )
    assert f"proposals/{proposal}" not in answer.text
    with database.reading(context.engine) as connection:
        names = set(connection.scalars(sa.select(tables.intent.c.name)))
        cards = connection.scalars(sa.select(tables.card.c.purpose)).all()
    assert "gift_wrapping" in names and cards == ["rank", "rank"]


def test_a_name_that_is_taken_is_refused_on_a_page(context: Context, owner: Browser) -> None:
    proposal = grow(context, [add_turn(context.engine, "wrap it")])
    answer = owner.post(f"{PAGE}/proposals/{proposal}", name="refund")
    assert (answer.status_code, "That is not possible" in answer.text) == (409, True)
    assert owner.post(f"{PAGE}/proposals/{proposal}", name="").status_code == 400
    assert owner.post(f"{PAGE}/proposals/99", name="other").status_code == 404


def test_turns_go_to_review_once(context: Context, owner: Browser, today: date) -> None:
    turns = drifted(context, today)
    proposal = grow(context, turns)
    with database.reading(context.engine) as connection:
        alert = connection.scalar(sa.select(tables.alert.c.id))
    page = owner.post(f"{PAGE}/alerts/{alert}/review").text
    assert "2 turns wait now to be asked about, before all others." in words(page)
    again = owner.post(f"{PAGE}/proposals/{proposal}/review").text
    assert "0 turns wait now to be asked about, before all others. They were asked about already." in words(again)


def test_only_owners_have_the_buttons(
    client: TestClient[Litestar], context: Context, owner: Browser, today: date
) -> None:
    proposal = grow(context, drifted(context, today))
    rea = sign_in(client, context, "Rea", "reader", BOT)
    page = rea.open(PAGE)
    assert "gift wrap" in page and "Propose intent" not in page and "to review" not in page
    assert rea.post(f"{PAGE}/proposals/{proposal}/review").status_code == 403
    assert owner.post(f"{PAGE}/proposals/{proposal}/review", site="cross-site").status_code == 403
