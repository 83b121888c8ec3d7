"""What the overview says, and its charts by API."""

import re
import struct
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa
from litestar import Litestar
from litestar.testing import TestClient

from service import database, tables
from service.clock import now
from service.context import Context
from service.reports.store import NewReport, insert_reports
from service.reviews.assessments import Assessment, Mark, store_assessments
from service.turns.schemas import IntentScore, Report, Turn
from service.turns.store import Arrival, NewTurn, insert_turns
from tests.support.console import Browser, sign_in
from tests.support.edge import build
from tests.support.shop import AT, BOT, deal, open_shop

PAGE, CHARTS = f"/bots/{BOT}", f"/v1/bots/{BOT}/charts"
NEW, OLD = datetime(2026, 3, 20, 12, tzinfo=UTC), datetime(2026, 2, 20, 12, tzinfo=UTC)  # two spans of 28 days


@pytest.fixture
def client(context: Context) -> Iterator[TestClient[Litestar]]:
    open_shop(context.engine)
    with TestClient(build(context.settings), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def rea(client: TestClient[Litestar], context: Context) -> Browser:
    return sign_in(client, context, "Rea", "reader", BOT)


def say(context: Context, at: datetime, count: int, *, key: str, version: str = "1") -> list[int]:
    """Turns that the bot took for `refund`."""
    arrival, said = Arrival("native", "d-1", at), {"at": at, "bot_version": version}
    intents = (IntentScore("refund", 0.9),)
    turns = [Turn(external_id=f"{key}-{n}", text=f"{key} {n}", intents=intents, **said) for n in range(count)]
    with database.writing(context.engine) as connection:
        new = [NewTurn(arrival, turn, (), "", turn.text.encode(), "") for turn in turns]
        return list(insert_turns(connection, BOT, new).values())


def grade(context: Context, turn_ids: list[int], *, right: int, champion: int) -> None:
    """Blind answers: of the first `right` turns that the bot is right (intent 1), of the others that it is intent 2;
    the champion says intent 1 to the first `champion` of all."""
    with database.writing(context.engine) as connection:
        for place, turn_id in enumerate(turn_ids):
            truth = 1 if place < right else 2
            ours = truth if place < champion else 3
            seen = Assessment(ours, ours, None, 0.8, 0.1, 0.0, 0.3, (Mark("audit", 0.01, 0.5),))
            store_assessments(connection, BOT, 1, {turn_id: seen}, AT)
            label = {"bot": BOT, "turn_id": turn_id, "use": "audit", "answer": "intent", "intent_id": truth}
            connection.execute(tables.label.insert(), label | {"origin": "vote", "at": now()})


def report(context: Context, at: datetime, count: int, key: str) -> None:
    said = {"kind": "thumbs_down", "at": at}
    reports = [Report(external_id=f"{key}-{n}", turn_external_id=f"{key}-{n}", **said) for n in range(count)]
    with database.writing(context.engine) as connection:
        insert_reports(connection, BOT, [NewReport(Arrival("native", "d-1", at), one, "") for one in reports])


def improved(context: Context) -> None:
    """20 of 40 answers were right before version 2, 36 of 40 are since; 10 % of the turns were reported, 4 % are."""
    old, new = say(context, OLD, 120, key="old"), say(context, NEW, 100, version="2", key="new")
    grade(context, old[:40], right=20, champion=30)
    grade(context, new[:40], right=36, champion=34)
    report(context, OLD, 12, "old")
    report(context, NEW, 4, "new")


def words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_a_better_bot_is_said_to_be_with_intervals(context: Context, rea: Browser) -> None:
    improved(context)
    page = words(rea.open(PAGE))
    assert "Is the bot better? Yes: +40.0 points (+20.3 to +56.0) against the 28 days before." in page
    assert "the bot’s own answers are right 90.0 % (76.9 to 96.0)" in page
    assert "40 turns of 28 days; 50.0 % (35.2 to 64.8) in the 28 before" in page
    assert "the champion’s are right 85.0 % (70.9 to 92.9)" in page


def test_a_new_version_has_its_effect_beside_it(context: Context, rea: Browser) -> None:
    improved(context)
    page = words(rea.open(PAGE))
    assert "Version 2, from 2026-03-20" in page and "Version 1" not in page
    right = (
        "50.0 % (35.2 to 64.8) before, 90.0 % (76.9 to 96.0) since: +40.0 points (+20.3 to +56.0), of 40 and 40 turns"
    )
    assert f"Right answers: {right}" in page
    reported = (
        "10.0 % (5.8 to 16.7) before, 4.0 % (1.6 to 9.8) since: −6.0 points (−13.1 to +1.2), of 120 and 100 turns"
    )
    assert f"Reports by people: {reported}" in page


def test_little_is_said_of_little(context: Context, rea: Browser) -> None:
    say(context, NEW, 3, key="new")
    page = words(rea.open(PAGE))
    assert "Not known yet: 0 answers of the last 28 days, 0 of the 28 before." in page
    assert "Version" not in page


def test_a_bot_that_never_heard_anything_says_what_to_do(rea: Browser) -> None:
    page = words(rea.open(PAGE))
    assert "No turn yet." in page and "Nobody has labelled a turn in these weeks." in page


def test_what_came_in_is_counted_by_event_time(context: Context, rea: Browser) -> None:
    say(context, NEW, 1_200, key="new")
    say(context, NEW - timedelta(days=7), 30, key="week-before")
    report(context, NEW, 5, "new")
    page = words(rea.open(PAGE))
    assert "seven days up to 2026-03-20 now before turns 1,200 30 fallbacks 0 0 reports by people 5 0" in page


def test_marks_queue_and_labels_are_shown(context: Context, rea: Browser) -> None:
    turn_ids = say(context, NEW, 5, key="new")
    with database.writing(context.engine) as connection:
        doubtful = Assessment(1, 1, None, 0.5, 0.4, 0.0, 0.9, (Mark("boundary", 0.9),))
        store_assessments(connection, BOT, 1, dict.fromkeys(turn_ids, doubtful), AT)
        label = {"bot": BOT, "turn_id": turn_ids[0], "use": "train", "answer": "none", "origin": "vote", "at": now()}
        connection.execute(tables.label.insert(), label)
    deal(context.engine, "where is it")
    page = words(rea.open(PAGE))
    assert "The values why turns between two intents 5" in page
    assert "cards open 1" in page and "votes of the last seven days 0 of 500" in page
    assert re.search(r"from \d{4}-\d\d-\d\d 1 ", page)
    assert "Not measured for shop: nobody labelled its turns at random." in page


def test_what_was_not_asked_for_is_what_was_saved(context: Context, rea: Browser) -> None:
    manifest = {"encoder": "e", "dimensions": 4, "labels_by_origin": {"vote": 430, "fold": 1_182}}
    with database.writing(context.engine) as connection:
        row = {"bot": BOT, "n": 1, "status": "champion", "created_at": AT, "manifest": manifest}
        connection.execute(tables.classifier.insert(), row)
        connection.execute(sa.update(tables.bot).values(champion=1))
    page = words(rea.open(PAGE))
    assert "430 turns were labelled by people, and 1,182 more said the same word for word" in page


def test_tabs_are_those_one_may_open(client: TestClient[Litestar], context: Context, rea: Browser) -> None:
    page = rea.open(PAGE)
    assert f'<a href="{PAGE}" aria-current="page">Overview</a>' in page
    assert f'href="{PAGE}/drift"' in page and f'href="{PAGE}/review"' not in page
    assert f'href="{PAGE}/review"' in sign_in(client, context, "Ana", "reviewer", BOT).open(PAGE)


def test_a_bot_that_is_not_there_is_a_page_too(client: TestClient[Litestar], context: Context) -> None:
    olu = sign_in(client, context, "Olu", "operator", None)
    answer = client.get("/bots/bank", headers={"cookie": olu.cookie})
    assert (answer.status_code, "There is no bot &#39;bank&#39;." in answer.text) == (404, True)


@pytest.mark.parametrize("path", ["/turns?turn=abc", "/drift?queued=x"])
def test_what_is_asked_for_wrongly_is_answered_by_a_page(rea: Browser, path: str) -> None:
    answer = rea.client.get(f"{PAGE}{path}", headers={"cookie": rea.cookie})
    assert (answer.status_code, "All bots" in answer.text) == (400, True)


def test_versions_that_came_on_one_day_are_told_together(context: Context, rea: Browser) -> None:
    say(context, OLD, 2, key="old")
    for version in ("2", "3"):
        say(context, NEW, 2, key=version, version=version)
    page = words(rea.open(PAGE))
    assert "Version 2, 3, from 2026-03-20" in page and page.count("Right answers:") == 1


def test_a_chart_is_a_picture_and_a_specification(context: Context, rea: Browser) -> None:
    improved(context)
    headers = {"cookie": rea.cookie}
    png = rea.client.get(f"{CHARTS}/accuracy.png", headers=headers)
    assert (png.headers["content-type"], struct.unpack(">II", png.content[16:24])) == ("image/png", (760, 460))
    svg = rea.client.get(f"{CHARTS}/turns.svg", headers=headers)
    assert svg.headers["content-type"].startswith("image/svg+xml") and svg.text.startswith("<svg")
    spec = rea.client.get(f"{CHARTS}/accuracy.json", headers=headers).json()
    points = {(row["day"], row["who"]): row["estimate"] for row in spec["layer"][1]["data"]["values"]}
    assert points == {
        ("2026-02-16", "the bot's own"): 0.5,
        ("2026-02-16", "the champion's"): 0.75,
        ("2026-03-16", "the bot's own"): 0.9,
        ("2026-03-16", "the champion's"): 0.85,
    }
    accuracy = rea.client.get(f"/v1/bots/{BOT}/accuracy", headers=headers).json()
    assert (accuracy["until"], [week["answered"] for week in accuracy["weeks"]]) == (str(date(2026, 3, 20)), [40, 40])


@pytest.mark.parametrize("file", ["accuracy.gif", "nothing.png", "accuracy"])
def test_an_unknown_chart_names_the_known_ones(rea: Browser, file: str) -> None:
    answer = rea.client.get(f"{CHARTS}/{file}", headers={"cookie": rea.cookie})
    assert (answer.status_code, answer.json()["type"]) == (404, "chart-not-found")
    assert "accuracy.png" in answer.json()["hint"]


def test_a_chart_without_data_says_so(rea: Browser) -> None:
    answer = rea.client.get(f"{CHARTS}/accuracy.png", headers={"cookie": rea.cookie})
    assert (answer.status_code, answer.json()["detail"]) == (404, "'accuracy.png' has nothing to show yet")
