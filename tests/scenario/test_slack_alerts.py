"""Drift in the channel: that it began and is over, each told once, and what an owner does about it there."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from integrations.slack import news, people
from service import database, tables
from service.context import Context
from service.intents.store import list_intents
from service.proposals import store as proposals
from service.proposals.schemas import Growth, NewProposal
from service.windows import alerts, ledger
from service.windows.schemas import Found, Measured
from tests.support.channel import Clock, words
from tests.support.shop import AT, BOT, add_turn
from tests.support.slack import CHANNEL, Json, Slack, problems

TODAY = AT.date()
Act = Callable[[Json], None]
Look = Callable[[], None]


@pytest.fixture
def look(desk: Context, clock: Clock, post: Callable[[], int]) -> Look:
    """One look for news, and one run of the dispatcher."""

    def run() -> None:
        news.look(desk.engine, BOT, clock.at)
        post()

    return run


def measure(desk: Context, day: date, turn_ids: Sequence[int] = (), *names: str) -> None:
    found = tuple(Found(name, None, 0.6, 0.3, 0.0, 0.0, is_alarm=True) for name in names)
    numbers = {"n": 1, "since": day, "reference_since": day - timedelta(days=28), "turns": 1000}
    measured = Measured(
        day=day, reference_turns=5000, is_alarm=bool(names), findings=found, likeliest=tuple(turn_ids), **numbers
    )  # type: ignore[arg-type]  # of one dict
    with database.writing(desk.engine) as connection:
        ledger.keep(connection, BOT, measured, AT)
        alerts.follow(connection, BOT, measured, AT)


def add_seen(desk: Context, text: str) -> int:
    """A turn that a classifier has seen and nobody was asked about."""
    turn_id = add_turn(desk.engine, text)
    row = {"turn_id": turn_id, "n": 1, "bot": BOT, "best_id": 1, "p1": 0.4, "p2": 0.3, "uncertainty": 0.9}
    with database.writing(desk.engine) as connection:
        connection.execute(tables.prediction.insert(), row)
    return turn_id


@pytest.fixture
def theme(desk: Context, look: Look) -> list[int]:
    """Turns that show drift, which the channel was told; U1 is an owner, and one cluster of them grows."""
    turn_ids = [add_seen(desk, f"can i pay with gift card {i}") for i in range(7)]
    new = NewProposal(turn_ids=tuple(turn_ids), middle=b"", turns=7, tightness=0.9, phrases=(), growth=Growth(0.0, 0.1))
    with database.writing(desk.engine) as connection:
        people.add(connection, BOT, "U1", "owner", AT, who="Olga")
        proposals.replace_growing(connection, BOT, 1, "fake", [new], {}, AT)
    measure(desk, TODAY, turn_ids, "novel", "psi")
    look()
    return turn_ids


def cards(desk: Context) -> set[int]:
    with database.reading(desk.engine) as connection:
        return set(connection.scalars(sa.select(tables.card.c.turn_id)))


def test_an_alert_is_told_once_with_turns_that_show_it_and_when_it_is_over(
    desk: Context, slack: Slack, theme: list[int], look: Look
) -> None:
    look()
    [told] = slack.messages[CHANNEL]
    assert told["text"].startswith("shop: what people ask has changed. Since 2026-03-02")
    said = words(told)
    assert "What moved: turns unlike those before, the mix of intents (PSI)." in said
    assert [f"gift card {i}" in said for i in range(7)] == [True] * 5 + [False] * 2
    assert slack.buttons(told) == ["Propose intent", "Send 10 to review"]
    assert problems(told["blocks"]) == []
    with database.writing(desk.engine) as connection:
        connection.execute(sa.update(tables.alert).values(closed_at=AT))
    look()
    look()
    heads = [message["blocks"][0]["text"]["text"] for message in slack.messages[CHANNEL]]
    assert heads == ["shop: what people ask has changed", "shop: the drift is over"]


def test_a_forgotten_turn_leaves_the_notice(
    desk: Context, slack: Slack, theme: list[int], post: Callable[[], int]
) -> None:
    with database.writing(desk.engine) as connection:
        connection.execute(tables.turn_content.delete().where(tables.turn_content.c.turn_id == theme[0]))
    post()
    said = words(slack.messages[CHANNEL][-1])
    assert ("gift card 0" in said, "gift card 1" in said) == (False, True)


def test_an_alert_that_closed_before_it_was_told_is_not_told(desk: Context, slack: Slack, look: Look) -> None:
    measure(desk, TODAY, (), "novel")
    with database.writing(desk.engine) as connection:
        connection.execute(sa.update(tables.alert).values(closed_at=AT))
    look()
    assert slack.messages[CHANNEL] == []


def test_an_owner_sends_the_turns_to_review(desk: Context, slack: Slack, act: Act, theme: list[int]) -> None:
    told = slack.messages[CHANNEL][-1]
    act(slack.click("U2", told, "Send 10 to review"))
    assert slack.ephemerals[-1]["text"].startswith("Your click was not counted: this takes an owner of shop")
    assert cards(desk) == set()
    again = slack.click("U1", told, "Send 10 to review")
    act(again)
    assert cards(desk) == set(theme)
    act(again)
    assert slack.ephemerals[-1]["text"].startswith("Nothing was sent: all of its turns are asked about already")
    assert cards(desk) == set(theme)
    assert words(slack.messages[CHANNEL][-1]).endswith("<U1> sent turns of it to review.")


def test_an_owner_makes_an_intent_of_what_grows(desk: Context, slack: Slack, act: Act, theme: list[int]) -> None:
    told = slack.messages[CHANNEL][-1]
    act(slack.click("U2", told, "Propose intent"))
    assert not slack.stacks["U2"]
    act(slack.click("U1", told, "Propose intent"))
    slack.fill("U1", {"name": "refund"})
    act(slack.submit("U1"))
    assert slack.stacks["U1"], "the name is taken: the view stays open"
    slack.fill("U1", {"name": "gift_card", "description": "pays with a gift card"})
    act(slack.submit("U1"))
    assert not slack.stacks["U1"]
    with database.reading(desk.engine) as connection:
        assert {"gift_card": "pays with a gift card"}.items() <= {
            one.name: one.description for one in list_intents(connection, BOT)
        }.items()
    assert cards(desk) == set(theme[:6])
    assert words(slack.messages[CHANNEL][-1]).endswith("<U1> made an intent of it.")
