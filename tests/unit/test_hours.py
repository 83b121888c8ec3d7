"""Quiet hours and days, in the bot's time zone."""

import doctest
from datetime import UTC, datetime, time
from typing import Any

import pytest

from integrations.slack import drawing, lookup
from service import slack_trouble
from service.bots import hours
from service.bots.schemas import Bot


def bot(**options: Any) -> Bot:
    return Bot(name="shop", created_at=datetime(2026, 1, 1, tzinfo=UTC), **options)


@pytest.mark.parametrize("module", [hours, slack_trouble, lookup, drawing], ids=lambda module: module.__name__)
def test_examples_are_true(module: Any) -> None:
    found = doctest.testmod(module)
    assert (found.failed, found.attempted > 0) == (0, True)


@pytest.mark.parametrize(
    ("span", "quiet", "loud"),
    [
        ("20:00-07:00", [time(20), time(23, 59), time(0), time(6, 59)], [time(7), time(19, 59)]),
        ("12:00-13:30", [time(12), time(13, 29)], [time(11, 59), time(13, 30), time(0)]),
    ],
)
def test_hours_begin_with_their_start_and_end_before_their_end(span: str, quiet: list[time], loud: list[time]) -> None:
    found = hours.parse(span)
    assert [found.hold(at) for at in quiet] == [True] * len(quiet)
    assert [found.hold(at) for at in loud] == [False] * len(loud)


def test_quiet_hours_follow_the_clocks_of_their_place() -> None:
    paris = bot(quiet_hours="20:00-07:00", timezone="Europe/Paris")
    winter, summer = datetime(2026, 2, 2, 5, 30, tzinfo=UTC), datetime(2026, 7, 2, 5, 30, tzinfo=UTC)
    assert (hours.is_quiet(paris, winter), hours.is_quiet(paris, summer)) == (True, False)
    assert not hours.is_quiet(bot(), winter)


def test_a_day_begins_at_midnight_where_the_bot_is() -> None:
    at = datetime(2026, 3, 2, 3, tzinfo=UTC)
    assert hours.day_start(bot(timezone="America/New_York"), at) == datetime(2026, 3, 1, 5, tzinfo=UTC)
    assert hours.day_start(bot(), at) == datetime(2026, 3, 2, tzinfo=UTC)
