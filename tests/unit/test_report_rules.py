"""What reviews of reported turns teach about kinds of reports."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.learning.reports import PRIOR
from service.reports.rules import learnt_weights, weigh
from service.reports.store import TurnReport
from service.turns.schemas import ReportKind

AT = datetime(2026, 3, 2, tzinfo=UTC)
NAMES = {"refund": 1, "cancel": 2, "reimburse": 1}


def report(turn: int, kind: ReportKind = "thumbs_down", *, said: str = "refund", person: str = "u") -> TurnReport:
    return TurnReport(
        id=turn,
        turn_id=turn,
        kind=kind,
        is_explicit=True,
        intent="",
        at=AT,
        person=person,
        bot_intent=said,
        bot_version="",
    )


def test_ten_wrong_reports_of_a_kind_lower_its_weight_alone() -> None:
    found = [report(turn) for turn in range(10)]
    weights = learnt_weights(found, dict.fromkeys(range(10), 1), NAMES)
    assert weights == PRIOR | {"thumbs_down": 0.25}


def test_a_report_is_right_when_the_answer_is_not_what_the_bot_said() -> None:
    found = [report(1), report(2), report(3), report(4, said="cancel"), report(5, said="reimburse")]
    answers = {1: 2, 2: None, 3: 1, 4: 2, 5: 1}  # two right, three wrong
    assert learnt_weights(found, answers, NAMES)["thumbs_down"] == pytest.approx((10 * 0.5 + 2) / 15)


def test_what_the_bot_said_and_we_do_not_know_teaches_nothing() -> None:
    found = [report(1, said=""), report(2, said="small_talk"), report(3)]
    assert learnt_weights(found, {1: 1, 2: 2}, NAMES) == PRIOR


def test_a_fallback_was_wrong_when_an_intent_was_meant() -> None:
    found = [report(1, "fallback", said="nlu_fallback"), report(2, "fallback", said="")]
    assert learnt_weights(found, {1: 1, 2: 2}, NAMES)["fallback"] == pytest.approx(7 / 12)
    assert learnt_weights(found, {1: None, 2: None}, NAMES)["fallback"] == pytest.approx(5 / 12)


@given(st.permutations(range(8)))
def test_the_order_of_reviews_does_not_matter(order: list[int]) -> None:
    found, answers = [report(turn) for turn in range(8)], {turn: turn % 3 or None for turn in range(8)}
    shuffled = learnt_weights([found[turn] for turn in order], {turn: answers[turn] for turn in order}, NAMES)
    assert shuffled == learnt_weights(found, answers, NAMES)


def test_weights_are_what_reports_are_believed_by() -> None:
    found = weigh([report(1), report(2, "correction")], AT, 100, PRIOR | {"thumbs_down": 0.125})
    assert found.belief.tolist() == pytest.approx([0.125, 0.9])


def test_a_liar_is_rationed_and_many_anonymous_people_are_not() -> None:
    loud = weigh([report(turn) for turn in range(60)], AT, 100)
    quiet = weigh([report(turn, person="") for turn in range(60)], AT, 100)
    assert loud.belief == pytest.approx([0.05] * 60)
    assert quiet.belief == pytest.approx([0.5] * 60)
