"""Drift and alerts over HTTP and at the terminal."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from litestar.testing import TestClient

from service import clock, database
from service.access.keys import create_key
from service.app import create_app
from service.cli import cli
from service.context import Context
from service.intents.store import by_name
from service.windows import alerts, ledger
from service.windows.schemas import Found, Measured
from tests.support.shop import AT, BOT, add_turn, open_shop

TODAY = clock.now().date()
DAYS = timedelta(days=1)


@pytest.fixture
def shop(context: Context) -> Context:
    open_shop(context.engine)
    return context


@pytest.fixture
def client(shop: Context) -> Iterator[TestClient[Any]]:
    with TestClient(create_app(shop.settings, sources={}, schemes={})) as client:
        yield client


@pytest.fixture
def owner(shop: Context) -> dict[str, str]:
    """Headers of an owner's requests."""
    with database.writing(shop.engine) as connection:
        key = create_key(connection, name="Olga", role="owner", bot=BOT, now=AT)
    return {"authorization": f"Bearer {key}"}


def keep(shop: Context, day: date, *found: Found, reason: str = "", likeliest: tuple[int, ...] = ()) -> None:
    measured = Measured(
        day=day,
        n=3,
        since=day,
        reference_since=day - 28 * DAYS,
        turns=1200,
        reference_turns=5000,
        reason=reason,
        is_alarm=any(one.is_alarm for one in found),
        findings=found,
        likeliest=likeliest,
    )
    with database.writing(shop.engine) as connection:
        ledger.keep(connection, BOT, measured, clock.now())
        alerts.follow(connection, BOT, measured, clock.now())


@pytest.fixture
def moved(shop: Context) -> int:
    """Yesterday the share of refunds moved, and nothing else for certain; a turn that shows it."""
    turn_id = add_turn(shop.engine, "i want my money")
    with database.reading(shop.engine) as connection:
        refund = by_name(connection, BOT, "refund").id
    found = (
        Found("psi", None, 0.31, 0.14, 1e-3, 2e-3, is_alarm=False),
        Found("intent", refund, 0.183, 0.12, 1e-9, 2e-9, is_alarm=True),
    )
    keep(shop, TODAY - DAYS, *found, likeliest=(turn_id,))
    return turn_id


def run(shop: Context, *arguments: str) -> str:
    result = CliRunner().invoke(cli, arguments, obj=shop.settings, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def finding(name: str, subject: str | None, value: float, *rest: float, is_alarm: bool) -> dict[str, object]:
    numbers = zip(("value", "by_chance", "p", "corrected"), (value, *rest), strict=True)
    return {"name": name, "subject": subject, **dict(numbers), "is_alarm": is_alarm}


def test_windows_with_every_statistic(
    shop: Context, client: TestClient[Any], owner: dict[str, str], moved: int
) -> None:
    keep(shop, TODAY - 9 * DAYS, reason="too few turns")
    answer = client.get(f"/v1/bots/{BOT}/drift", headers=owner).json()
    first, second = answer["windows"]
    assert (first["day"], first["reason"], first["findings"]) == (str(TODAY - 9 * DAYS), "too few turns", [])
    assert second == {
        "day": str(TODAY - DAYS),
        "since": str(TODAY - DAYS),
        "reference_since": str(TODAY - 29 * DAYS),
        "n": 3,
        "turns": 1200,
        "reference_turns": 5000,
        "reason": "",
        "is_alarm": True,
        "findings": [
            finding("psi", None, 0.31, 0.14, 1e-3, 2e-3, is_alarm=False),
            finding("intent", "refund", 0.183, 0.12, 1e-9, 2e-9, is_alarm=True),
        ],
        "likeliest": [moved],
    }
    some = {"from": str(TODAY - 9 * DAYS), "to": str(TODAY - 2 * DAYS)}
    found = client.get(f"/v1/bots/{BOT}/drift", headers=owner, params=some).json()["windows"]
    assert [one["day"] for one in found] == [str(TODAY - 9 * DAYS)]


def test_a_flat_table_for_tools_that_read_tables(
    shop: Context, client: TestClient[Any], owner: dict[str, str], moved: int
) -> None:
    keep(shop, TODAY - 9 * DAYS, reason="too few turns")
    answer = client.get(f"/v1/bots/{BOT}/drift/findings.csv", headers=owner)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    first, psi, refund = csv.DictReader(io.StringIO(answer.text, newline=""))
    assert (first["day"], first["reason"], first["name"]) == (str(TODAY - 9 * DAYS), "too few turns", "")
    assert (psi["name"], psi["subject"], psi["is_alarm"]) == ("psi", "", "false")
    assert refund == {
        **dict(zip(("day", "since", "reference_since"), (str(TODAY - n * DAYS) for n in (1, 1, 29)), strict=True)),
        **{"n": "3", "turns": "1200", "reference_turns": "5000", "reason": ""},
        **{"name": "intent", "subject": "refund", "value": "0.183", "by_chance": "0.12", "p": "1e-09"},
        **{"corrected": "2e-09", "is_alarm": "true"},
    }


@pytest.mark.parametrize(
    ("since", "until"),
    [
        ("yesterday", "2026-03-01"),
        ("2026-03-02", "2026-03-01"),
        ("2020-01-01", "2022-01-01"),
        ("0001-01-01", "0001-01-02"),
    ],
)
def test_a_wrong_time_is_refused_by_name(
    client: TestClient[Any], owner: dict[str, str], since: str, until: str
) -> None:
    response = client.get(f"/v1/bots/{BOT}/drift", headers=owner, params={"from": since, "to": until})
    assert (response.status_code, response.json()["path"]) == (400, "from")


def test_alerts_and_their_review(client: TestClient[Any], owner: dict[str, str], moved: int) -> None:
    (alert,) = client.get(f"/v1/bots/{BOT}/alerts", headers=owner).json()["items"]
    assert (alert["since"], alert["closed_at"], alert["proposals"]) == (str(TODAY - DAYS), None, [])
    assert alert["moved"] == [{"name": "intent", "subject": "refund"}]
    assert alert["turns"] == [{"id": moved, "text": "i want my money"}]
    for status, count in (("open", 1), ("closed", 0)):
        found = client.get(f"/v1/bots/{BOT}/alerts", headers=owner, params={"status": status}).json()
        assert len(found["items"]) == count
    review = client.post(f"/v1/bots/{BOT}/alerts/{alert['id']}/review", headers=owner)
    assert (review.status_code, review.json()) == (200, {"queued": []}), "no classifier has seen the turn yet"
    missing = client.post(f"/v1/bots/{BOT}/alerts/{alert['id'] + 1}/review", headers=owner)
    assert (missing.status_code, missing.json()["type"]) == (404, "alert-not-found")


def test_what_is_not_there_is_not_found(client: TestClient[Any], owner: dict[str, str]) -> None:
    for path in ("drift", "alerts"):
        assert client.get(f"/v1/bots/{BOT}/{path}").status_code == 401
    post = client.post(f"/v1/bots/{BOT}/proposals/1/review", headers=owner)
    assert (post.status_code, post.json()["type"]) == (404, "proposal-not-found")


def test_the_terminal_says_it_in_words(shop: Context, moved: int) -> None:
    day, before = TODAY - DAYS, f"{TODAY - 29 * DAYS} to {TODAY - 2 * DAYS}"
    assert run(shop, "drift", BOT).splitlines() == [
        f"What people said to shop, 1200 turns of {day} against 5000 of {before}, as classifier 3 sees them:",
        "intent refund: 12.0 % before, 18.3 % now.",
    ]
    assert json.loads(run(shop, "drift", BOT, "--json"))["likeliest"] == [moved]


def test_the_terminal_says_why_nothing_is_known(shop: Context) -> None:
    none = "Drift of shop is not measured yet: it needs a classifier in force and turns.\n"
    assert run(shop, "drift", BOT) == none
    keep(shop, TODAY, reason="too few turns")
    assert run(shop, "drift", BOT) == f"Drift of shop on {TODAY} is not known: too few turns.\n"
    keep(shop, TODAY)
    assert run(shop, "drift", BOT).endswith("Nothing moved for certain.\n")
