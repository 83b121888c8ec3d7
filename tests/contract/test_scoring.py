"""Predictions, marks, candidates and what reports make of them, on both databases."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from service import database, tables
from service.bots.store import get_bot
from service.classifiers.store import champion
from service.learning.head import probabilities
from service.learning.reports import PRIOR
from service.learning.uncertainty import margin
from service.reviews.assessments import Assessment, Mark, Unassessed
from service.turns.schemas import IntentScore
from tests.support.scored import AT, BOT, GIBBERISH, PHRASES, Shop, between, opened_shop
from workers import scoring

DAY = 24 * 60
SURE = PHRASES["track_order"]


@pytest.fixture
def shop(engine: sa.Engine, valkey: Path, tmp_path: Path) -> Iterator[Shop]:
    with opened_shop(engine, valkey, tmp_path) as shop:
        yield shop


def assess(shop: Shop, *turns: Unassessed, text: str = SURE) -> list[Assessment | None]:
    with database.reading(shop.engine) as connection:
        classifier, bot = champion(connection, BOT), get_bot(connection, BOT)
    assert classifier
    vectors = shop.encoder.encode(BOT, [text] * len(turns))
    return scoring.assess(classifier, bot, vectors, list(turns), shop.context.keyring)


def turn(
    name: str = "t-1", *, source: str = "native", intents: tuple[IntentScore, ...] = (), slot: bool = False
) -> Unassessed:
    return Unassessed(1, source, name, intents, slot)


def test_a_sure_turn_is_predicted_and_nothing_more(shop: Shop) -> None:
    turn_id = shop.say(SURE)
    n = shop.train()
    shop.rescore()
    assert shop.rows(tables.prediction, "turn_id", "n", "intent_id", "best_id") == [(turn_id, n, 3, 3)]
    assert (shop.marks(turn_id), shop.candidate(turn_id)) == ({}, {})


def test_a_turn_on_the_fence_becomes_a_candidate(shop: Shop) -> None:
    turn_id = shop.say("refund or parcel", vector=between(shop, "refund", "track_order"))
    n = shop.train()
    shop.rescore()
    [(uncertainty, p1, p2)] = shop.rows(tables.prediction, "uncertainty", "p1", "p2")
    assert uncertainty == pytest.approx(1 - (p1 - p2))
    assert shop.marks(turn_id) == {"boundary": pytest.approx(uncertainty)}
    row = shop.candidate(turn_id)
    assert (row["status"], row["n"], row["uncertainty"]) == ("open", n, pytest.approx(uncertainty))


def test_slot_fills_and_imported_examples_are_never_assessed(shop: Shop) -> None:
    shop.train()
    turns = [turn(slot=True), turn(source="import"), turn(source="gold"), turn()]
    assert [one is not None for one in assess(shop, *turns)] == [False, False, False, True]
    shop.say("tuesday", is_slot_fill=True)
    shop.say(SURE, source="import")
    shop.rescore()
    assert shop.rows(tables.prediction, "turn_id") == []


def test_a_classifier_without_intents_assesses_nothing(shop: Shop) -> None:
    shop.say(SURE)
    shop.train({})
    shop.rescore()
    assert shop.rows(tables.prediction, "turn_id") == []


@pytest.mark.parametrize(
    ("intents", "disagrees"),
    [
        ((IntentScore("refund", 0.9),), True),
        ((IntentScore("track_order", 0.9),), False),
        ((IntentScore("refund", 0.6),), False),  # the platform is not sure
        ((IntentScore("small_talk", 0.9),), False),  # no intent of ours
        ((), False),
    ],
)
def test_a_sure_platform_that_says_otherwise_is_a_disagreement(
    shop: Shop, intents: tuple[IntentScore, ...], disagrees: bool
) -> None:
    shop.train()
    [found] = assess(shop, turn(intents=intents))
    assert found
    assert ("disagreement" in [mark.kind for mark in found.marks]) == disagrees


def test_what_the_gate_turns_away_is_unfamiliar(shop: Shop) -> None:
    turn_id = shop.say(GIBBERISH)
    shop.train(gate=True)
    shop.rescore()
    assert shop.rows(tables.prediction, "intent_id") == [(None,)]
    assert shop.marks(turn_id)["unfamiliar"] == pytest.approx(1.0, abs=1e-3)


def test_what_is_like_no_intent_is_unfamiliar_while_there_is_no_gate(shop: Shop) -> None:
    turn_id = shop.say(GIBBERISH)
    shop.train({"refund": PHRASES["refund"]})  # one intent: nothing is undecided
    shop.rescore()
    refund, gibberish = shop.encoder.encode(BOT, [PHRASES["refund"], GIBBERISH])
    assert shop.marks(turn_id) == {"unfamiliar": pytest.approx(1 - refund @ gibberish, abs=1e-3)}
    assert shop.candidate(turn_id)["status"] == "open"


def test_the_audit_slice_is_drawn_by_hash_at_the_bots_rate(shop: Shop) -> None:
    shop.train()
    shop.set(audit_rate=0.25)
    turns = [turn(f"t-{i}") for i in range(400)]
    drawn = [
        [(mark.value, mark.rate) for mark in one.marks if mark.kind == "audit"] for one in assess(shop, *turns) if one
    ]
    fractions = [shop.context.keyring.fraction("audit", BOT, "native", one.external_id) for one in turns]
    assert drawn == [[(fraction, 0.25)] if fraction < 0.25 else [] for fraction in fractions]
    assert 70 <= sum(map(bool, drawn)) <= 130


def test_the_audit_slice_alone_makes_no_candidate_and_is_settled_at_first_sight(shop: Shop) -> None:
    shop.set(audit_rate=1.0)
    first = shop.say(SURE)
    shop.train()
    shop.rescore()
    shop.set(audit_rate=0.0)
    second = shop.say(PHRASES["refund"])
    shop.rescore()
    shop.set(audit_rate=1.0)
    shop.train()
    shop.rescore()
    assert (list(shop.marks(first)), shop.marks(second)) == (["audit"], {})
    assert shop.rows(tables.mark, "rate", order="id") == [(1.0,)]
    assert shop.candidate(first) == {}


def test_storing_again_changes_nothing(shop: Shop) -> None:
    shop.say("refund or parcel", vector=between(shop, "refund", "track_order"), entities="city")
    shop.train()
    shop.rescore()
    kept = [tables.prediction, tables.candidate, tables.structure]

    def everything() -> list[list[tuple[object, ...]]]:
        with database.reading(shop.engine) as connection:
            rows = [[tuple(row) for row in connection.execute(sa.select(table))] for table in kept]
        return [*rows, shop.rows(tables.mark, "turn_id", "kind", "value", "n")]

    before = everything()
    [(turn_id, n, intent_id, best_id, second_id, p1, p2, outside, uncertainty)] = shop.rows(
        tables.prediction,
        "turn_id",
        "n",
        "intent_id",
        "best_id",
        "second_id",
        "p1",
        "p2",
        "out_of_scope",
        "uncertainty",
    )
    shop.rescore()
    assert everything() == before
    marks = (Mark("boundary", uncertainty),)
    again = Assessment(intent_id, best_id, second_id, p1, p2, outside, uncertainty, marks)
    with database.writing(shop.engine) as connection:
        scoring.store_assessments(connection, BOT, n, {turn_id: again}, AT)
    assert everything() == before


def test_a_better_champion_empties_the_queue_of_what_it_knows(shop: Shop) -> None:
    on_fence = between(shop, "refund", "track_order")
    waiting, asked = shop.say("first", vector=on_fence), shop.say("second", vector=on_fence)
    shop.train(sharpness=1.0)
    shop.rescore()
    with database.writing(shop.engine) as connection:
        c = tables.candidate.c
        connection.execute(sa.update(tables.candidate).where(c.turn_id == asked).values(status="carded"))
    second = shop.train({**PHRASES, "refund or track": "first"})
    shop.encoder.add(BOT, [], np.zeros((0, 64)))
    shop.rescore()
    assert len(shop.rows(tables.prediction, "turn_id", n=second)) == 2
    assert shop.candidate(waiting)["n"] == second
    assert shop.candidate(asked)["n"] != second
    shop.train({"refund": PHRASES["refund"]})  # one intent: nothing is undecided
    shop.rescore()
    assert (shop.candidate(waiting), shop.marks(waiting)) == ({}, {})
    assert shop.candidate(asked)["status"] == "carded"
    assert "boundary" in shop.marks(asked)


def test_turns_said_before_the_first_champion_are_caught_up_in_chunks(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "CHUNK", 7)
    ids = [shop.say(f"{SURE} {i}", minute=i) for i in range(20)]
    shop.train()
    shop.rescore()
    assert [row[0] for row in shop.rows(tables.prediction, "turn_id")] == ids


def test_a_rare_entity_structure_is_marked_once_the_intent_is_known(shop: Shop) -> None:
    usual = [shop.say(SURE, entities="order_id", minute=i) for i in range(40)]
    rare = shop.say(SURE, entities="order_id>date")
    missing = shop.say(SURE, entities="")
    shop.train()
    shop.rescore()
    # 42 turns of the intent, three structures and one not seen: (1 + 1) / (42 + 4).
    assert shop.marks(rare) == {"entity_structure": pytest.approx(np.log(46 / 2))}
    assert shop.candidate(missing)["structure"] == pytest.approx(np.log(46 / 2))
    assert [shop.marks(turn_id) for turn_id in usual] == [{}] * 40


def believed(shop: Shop, turn_id: int) -> tuple[float, float]:
    """The mark's q, and the candidate's uncertainty."""
    return shop.marks(turn_id).get("reported", 0.0), shop.candidate(turn_id).get("uncertainty", 0.0)


def test_a_report_makes_a_sure_turn_a_candidate(shop: Shop) -> None:
    turn_id = shop.say(SURE, bot_intent="track_order", bot_score=0.9)
    shop.train()
    shop.rescore()
    shop.report(turn_id, "thumbs_down", person="u-1")
    shop.refresh_reports()
    [(p1,)] = shop.rows(tables.prediction, "p1")
    assert believed(shop, turn_id) == pytest.approx((0.5, 1 - 0.5 * p1), abs=1e-3)
    shop.report(turn_id, "wrong_answer", person="u-2")
    shop.refresh_reports()
    assert believed(shop, turn_id) == pytest.approx((0.85, 1 - 0.15 * p1), abs=1e-3)
    shop.report(turn_id, "rephrase", person="u-2")  # the same person again
    shop.refresh_reports()
    assert believed(shop, turn_id)[0] == pytest.approx(0.85)


def test_a_report_that_came_before_its_turn_counts(shop: Shop) -> None:
    shop.train()
    with database.writing(shop.engine) as connection:
        row = {"bot": BOT, "source": "native", "external_id": "p", "kind": "correction", "at": AT, "received_at": AT}
        connection.execute(tables.report.insert(), row | {"turn_external_id": "t-0"})
    shop.refresh_reports()
    turn_id = shop.say(SURE)
    shop.rescore()
    assert shop.marks(turn_id)["reported"] == PRIOR["correction"]


def test_a_report_on_an_answer_the_champion_would_not_give_is_no_evidence_against_it(shop: Shop) -> None:
    turn_id = shop.say(SURE, bot_intent="refund", bot_score=0.9)
    fallback = shop.say(SURE, bot_intent="track_order", is_fallback=True)
    unknown = shop.say(SURE, bot_intent="small_talk")
    shop.train()
    shop.rescore()
    for reported in (turn_id, fallback, unknown):
        shop.report(reported, "correction")
    shop.refresh_reports()
    [(uncertainty,)] = shop.rows(tables.prediction, "uncertainty", turn_id=turn_id)
    assert [believed(shop, one)[1] for one in (turn_id, fallback, unknown)] == pytest.approx(
        [uncertainty] * 3, abs=1e-3
    )


def test_a_report_on_a_reply_is_about_the_turn_before_it(shop: Shop) -> None:
    turn_id = shop.say(SURE, conversation="c-1")
    later = shop.say(PHRASES["refund"], conversation="c-1", minute=5)
    shop.train()
    shop.rescore()
    shop.report(None, "wrong_answer", reply=shop.reply("It is on its way.", conversation="c-1", minute=1))
    shop.refresh_reports()
    assert (believed(shop, turn_id)[0], believed(shop, later)[0]) == pytest.approx((0.7, 0.0), abs=1e-3)


def test_reports_fade_and_stop_counting_with_the_next_version(shop: Shop) -> None:
    turn_id = shop.say(SURE, version="7")
    shop.train()
    shop.rescore()
    shop.report(turn_id, "wrong_answer")
    shop.say(PHRASES["refund"], version="7", minute=14 * DAY)
    shop.refresh_reports()
    assert believed(shop, turn_id)[0] == pytest.approx(0.35)
    shop.say(PHRASES["refund"], version="8", minute=15 * DAY)
    shop.refresh_reports()
    assert (shop.marks(turn_id), shop.candidate(turn_id)) == ({}, {})


def test_a_reported_candidate_on_the_fence_stays_one_when_the_report_lapses(shop: Shop) -> None:
    turn_id = shop.say("x", vector=between(shop, "refund", "track_order"), version="7", bot_intent="refund")
    shop.train()
    shop.rescore()
    shop.report(turn_id, "correction")
    shop.refresh_reports()
    shop.say(SURE, version="8", minute=5)
    shop.refresh_reports()
    [(uncertainty,)] = shop.rows(tables.prediction, "uncertainty", turn_id=turn_id)
    assert (list(shop.marks(turn_id)), shop.candidate(turn_id)["uncertainty"]) == (["boundary"], uncertainty)


def test_pressure_is_felt_by_the_neighbours_of_a_reported_turn(shop: Shop) -> None:
    fence = between(shop, "refund", "track_order")
    reported, near = shop.say("one", vector=fence), shop.say("two", vector=fence)
    far = shop.say("three", vector=between(shop, "refund", "cancel_order"))
    shop.train()
    shop.rescore()
    shop.report(reported, "wrong_answer")
    shop.refresh_reports()
    pressures = [shop.candidate(turn_id)["pressure"] for turn_id in (reported, near, far)]
    # Three turns, one report of .7: base (.7 + 1) / 103; two turns here, .7 reports where 2·base are expected.
    expected = 1.7 / (1 + 2 * 1.7 / 103) - 1
    assert pressures == pytest.approx([expected, expected, 0.0], rel=0.02)


def test_a_rescore_believes_the_reports_again(shop: Shop) -> None:
    turn_id = shop.say(SURE, bot_intent="track_order")
    shop.train()
    shop.rescore()
    shop.report(turn_id, "correction")
    shop.refresh_reports()
    shop.train(sharpness=5.0)
    shop.rescore()
    with database.reading(shop.engine) as connection:
        classifier = champion(connection, BOT)
    assert classifier
    proba = probabilities(classifier.head, shop.encoder.encode(BOT, [SURE]))
    assert believed(shop, turn_id) == pytest.approx((0.9, 1 - 0.1 * proba.max()), abs=1e-3)
    assert margin(proba)[0] < believed(shop, turn_id)[1]


def test_reports_on_labelled_turns_change_no_queue(shop: Shop) -> None:
    turn_id = shop.say(SURE)
    shop.train()
    shop.rescore()
    row = {"bot": BOT, "turn_id": turn_id, "use": "train", "answer": "intent", "intent_id": 3, "origin": "vote"}
    with database.writing(shop.engine) as connection:
        connection.execute(tables.label.insert(), row | {"at": datetime.now(UTC)})
    shop.report(turn_id, "correction")
    shop.refresh_reports()
    assert (shop.marks(turn_id), shop.candidate(turn_id)) == ({}, {})
