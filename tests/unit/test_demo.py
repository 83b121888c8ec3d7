"""The demo's parts: a reviewer with stated habits, and a control that differs from the champion in the choice alone."""

import numpy as np
import pytest

from service.reviews.schemas import Around, CardView, Choice
from workers.demo.control import draw, misread
from workers.demo.reviewer import NONE, Habits, Reviewer

NAMES = ("refund", "cancel_order", "track_order")


def card(turn_id: int) -> CardView:
    choices = tuple(Choice(name) for name in NAMES)
    return CardView(
        id=f"card-{turn_id}", bot="shop", turn_id=turn_id, purpose="rank", blind=False, status="open", text="?",
        context=Around(), choices=choices,
    )  # fmt: skip


def answers(habits: Habits, true: str, n: int = 4_000) -> list[str]:
    reviewer = Reviewer(dict.fromkeys(range(n), true), 1, habits)
    votes = [reviewer.answer(card(i)) for i in range(n)]
    return [vote.intent or vote.answer for vote in votes]


def test_a_careful_reviewer_answers_the_truth() -> None:
    careful = Habits(errs=0, unsure=0)
    assert set(answers(careful, "refund")) == {"refund"}
    assert set(answers(careful, NONE)) == {"none"}


def test_errors_and_doubts_come_at_the_stated_rates() -> None:
    found = answers(Habits(), "refund")
    assert found.count("unsure") / len(found) == pytest.approx(0.05, abs=0.01)
    assert found.count("refund") / len(found) == pytest.approx(0.90, abs=0.015)
    assert set(found) == {*NAMES, "unsure"}


def test_a_turn_without_truth_is_not_guessed() -> None:
    assert Reviewer({}, 1).answer(card(7)).answer == "unsure"


def test_a_person_errs_on_the_same_turn_whenever_it_is_asked() -> None:
    habits = Habits(errs=0.5, unsure=0.2)
    forth, back = (Reviewer(dict.fromkeys(range(50), "refund"), 1, habits) for _ in range(2))
    asked = {i: forth.answer(card(i)).intent for i in range(50)}
    assert {i: back.answer(card(i)).intent for i in reversed(range(50))} == asked


def test_no_two_votes_share_a_click() -> None:
    reviewer = Reviewer({1: "refund"}, 1)
    assert len({reviewer.answer(card(1)).click_id for _ in range(50)}) == 50


def test_the_control_draws_without_replacement() -> None:
    drawn = draw(100, 30, np.random.default_rng(1))
    assert len(set(drawn.tolist())) == 30
    assert draw(5, 30, np.random.default_rng(1)).tolist() != []


def test_the_control_misreads_as_often_as_the_reviewer_errs() -> None:
    true = np.repeat([1, 2, 3, 0], 5_000)
    read = misread(true, np.unique(true), Habits(), np.random.default_rng(1))
    assert (read != true).mean() == pytest.approx(0.05 / 0.95, abs=0.005)
    assert set(np.unique(read)) == {0, 1, 2, 3}
