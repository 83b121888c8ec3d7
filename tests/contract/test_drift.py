"""Drift of a bot's intents, counted in SQL, on both databases."""

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from service import database
from service.bots.store import get_bot
from service.intents.store import archive_intent, by_name, merge_intents
from service.windows import rules
from service.windows.schemas import Mix, Unmeasured
from tests.support.decided import decide, put_in_force
from tests.support.shop import AT, BOT, open_shop

WEEK_AGO = AT - timedelta(days=7)
MOMENT = timedelta(microseconds=1)


@pytest.fixture
def shop(engine: sa.Engine) -> sa.Engine:
    open_shop(engine)
    put_in_force(engine, 7)
    return engine


def mix(engine: sa.Engine) -> Mix | Unmeasured:
    with database.reading(engine) as connection:
        return rules.mix(connection, get_bot(connection, BOT))


def measured(engine: sa.Engine) -> Mix:
    found = mix(engine)
    assert isinstance(found, Mix)
    return found


def fill(engine: sa.Engine, at: datetime, n: int = 7, **intents: int) -> None:
    for intent, turns in intents.items():
        decide(engine, at, intent, turns, n=n)


def test_shares_of_two_windows_and_what_moved(shop: sa.Engine) -> None:
    fill(shop, WEEK_AGO, refund=100, track_order=250, none=50)
    fill(shop, AT, refund=100, track_order=150, none=250)
    found = measured(shop)
    assert (found.n, found.before.turns, found.after.turns) == (7, 400, 500)
    assert [(one.intent, one.move.before, one.move.after, one.is_significant) for one in found.moves] == [
        ("none", 0.125, 0.5, True),
        ("track_order", 0.625, 0.3, True),
        ("refund", 0.25, 0.2, False),
    ]
    assert found.significant == list(found.moves[:2])
    assert found.psi.by_chance == pytest.approx(2 * (1 / 400 + 1 / 500), rel=0.15)
    assert found.psi.value - found.psi.by_chance > 0.5


def test_the_windows_end_with_the_newest_turn_and_do_not_overlap(shop: sa.Engine) -> None:
    fill(shop, AT, refund=100)
    fill(shop, WEEK_AGO + MOMENT, refund=1)
    fill(shop, WEEK_AGO, refund=100)
    fill(shop, WEEK_AGO - timedelta(days=7) + MOMENT, refund=1)
    fill(shop, WEEK_AGO - timedelta(days=7), refund=1000)
    found = measured(shop)
    assert (found.before.turns, found.after.turns) == (101, 101)
    assert (found.before.since, found.before.until, found.after.since, found.after.until) == (
        WEEK_AGO - timedelta(days=7),
        WEEK_AGO,
        WEEK_AGO,
        AT,
    )


def test_only_what_the_champion_decided_counts_and_the_rest_is_said(shop: sa.Engine) -> None:
    for at in (WEEK_AGO, AT):
        fill(shop, at, refund=100)
    fill(shop, AT, n=6, cancel_order=30)
    fill(shop, WEEK_AGO, n=8, cancel_order=20)
    found = measured(shop)
    assert [one.intent for one in found.moves] == ["refund"]
    assert (found.before.undecided, found.after.undecided) == (20, 30)


def test_a_merged_intents_turns_are_the_others_and_an_archived_one_keeps_its_name(shop: sa.Engine) -> None:
    fill(shop, WEEK_AGO, cancel_order=100, track_order=20)
    fill(shop, AT, refund=100, track_order=20)
    with database.writing(shop) as connection:
        ids = {name: by_name(connection, BOT, name).id for name in ("cancel_order", "refund", "track_order")}
        merge_intents(connection, BOT, ids["cancel_order"], ids["refund"], AT)
        archive_intent(connection, BOT, ids["track_order"], AT)
    found = measured(shop)
    assert sorted((one.intent, one.move.difference.estimate) for one in found.moves) == [
        ("refund", 0.0),
        ("track_order", 0.0),
    ]


def test_examples_the_gold_set_and_slot_fills_are_no_turns_of_the_log(shop: sa.Engine) -> None:
    for at in (WEEK_AGO, AT):
        fill(shop, at, refund=100)
    later = AT + timedelta(days=30)
    for source in ("import", "gold"):
        decide(shop, later, "refund", 1, source=source)
    decide(shop, later, "refund", 1, is_slot_fill=True)
    found = measured(shop)
    assert (found.after.until, found.after.turns) == (AT, 100)


def test_without_a_classifier_turns_or_enough_of_them_it_says_so(engine: sa.Engine) -> None:
    open_shop(engine)
    assert mix(engine) == Unmeasured("no classifier is in force yet")
    put_in_force(engine, 7)
    assert mix(engine) == Unmeasured("the log holds no turn yet")
    fill(engine, AT, refund=99)
    fill(engine, WEEK_AGO, refund=100)
    assert mix(engine) == Unmeasured(
        "classifier 7 has decided 99 turns of the seven days up to 2026-03-02 and 100 of the seven before;"
        " 100 of each are needed"
    )
    fill(engine, AT, none=1)
    assert measured(engine).after.turns == 100
