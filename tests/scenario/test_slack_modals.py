"""Modals at the pace that Slack takes, in a time that passes only when somebody waits."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from slack_sdk.errors import SlackApiError

from integrations.slack import pace
from integrations.slack.blocks import Block
from integrations.slack.blocks.elements import context, modal
from integrations.slack.client import answering
from integrations.slack.modals import Busy, Modals, Update
from service import database
from service.context import Context
from tests.support.channel import Clock
from tests.support.slack import Slack


def view(text: str) -> Block:
    return modal("review", "Review", [context(text)], "")


def said(slack: Slack) -> str:
    """What U1's modal shows."""
    text: str = slack.view("U1")["blocks"][0]["elements"][0]["text"]
    return text


def update(slack: Slack, text: str) -> Update:
    return Update(slack.view("U1")["id"], "", lambda: view(text))


@pytest.fixture
def open_modals(desk: Context, slack: Slack, clock: Clock) -> Callable[..., Modals]:
    """U1 has one open."""

    def opened(pause: Callable[[float], None] = clock.pause) -> Modals:
        modals = Modals(answering(desk.settings, desk.engine), pause)
        modals.open(slack.trigger("U1"), view("first"))
        return modals

    return opened


def test_updates_wait_for_their_turn_and_none_is_one_too_many(
    slack: Slack, clock: Clock, open_modals: Callable[..., Modals]
) -> None:
    modals = open_modals()
    for n in range(120):
        modals.update(update(slack, str(n)))
        assert said(slack) == str(n)
    assert (slack.calls.count("views.update"), slack.limited["views.update"]) == (120, 0)
    assert max(clock.waited) < 1


def test_an_update_waits_a_short_retry_after_out(
    slack: Slack, clock: Clock, open_modals: Callable[..., Modals]
) -> None:
    modals = open_modals()
    slack.fail("views.update", "rate_limited")
    modals.update(update(slack, "second"))
    assert (said(slack), clock.waited, slack.calls.count("views.update")) == ("second", [1.0], 2)


def test_a_view_that_would_be_late_is_left_for_the_next_click(
    slack: Slack, clock: Clock, open_modals: Callable[..., Modals]
) -> None:
    modals = open_modals()
    slack.fail("views.update", *["rate_limited"] * 5)
    modals.update(update(slack, "second"))
    assert (said(slack), sum(clock.waited)) == ("first", 4.0)
    clock.pause(1)
    modals.update(update(slack, "third"))
    assert said(slack) == "third"


def test_only_the_newest_of_the_updates_that_wait_reaches_slack(
    slack: Slack, clock: Clock, open_modals: Callable[..., Modals]
) -> None:
    def click_meanwhile(seconds: float) -> None:
        modals.update(update(slack, "third"))
        clock.pause(seconds)

    modals = open_modals(click_meanwhile)
    slack.fail("views.update", "rate_limited")
    modals.update(update(slack, "second"))
    assert (said(slack), slack.calls.count("views.update")) == ("third", 2)


def test_an_update_under_way_holds_up_no_newer_one_and_does_not_undo_it(
    slack: Slack, open_modals: Callable[..., Modals]
) -> None:
    def click_meanwhile() -> Block:
        modals.update(update(slack, "third"))
        return view("second")

    modals = open_modals()
    with pytest.raises(SlackApiError, match="hash_conflict"):
        modals.update(Update(slack.view("U1")["id"], slack.view("U1")["hash"], click_meanwhile))
    assert said(slack) == "third"


def test_a_drawing_that_fails_holds_up_no_later_one(slack: Slack, open_modals: Callable[..., Modals]) -> None:
    def fail() -> Block:
        raise LookupError

    modals = open_modals()
    with pytest.raises(LookupError):
        modals.update(Update(slack.view("U1")["id"], "", fail))
    modals.update(update(slack, "second"))
    assert said(slack) == "second"


def test_no_modal_is_asked_for_before_a_long_retry_after_is_over(
    desk: Context, slack: Slack, clock: Clock, open_modals: Callable[..., Modals]
) -> None:
    modals = open_modals()
    with database.writing(desk.engine) as connection:
        pace.block(connection, "views.open", "", clock.now() + timedelta(seconds=30))
    with pytest.raises(Busy):
        modals.open(slack.trigger("U1"), view("again"))
    assert (slack.calls.count("views.open"), clock.waited) == (1, [])


def test_a_trigger_that_came_too_late_is_to_be_tried_again(
    slack: Slack, clock: Clock, open_modals: Callable[..., Modals]
) -> None:
    modals, trigger = open_modals(), slack.trigger("U1")
    clock.pause(4)
    with pytest.raises(Busy):
        modals.open(trigger, view("again"))
