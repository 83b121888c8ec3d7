"""What a conversation gives away about the bot's answers."""

from datetime import UTC, datetime, timedelta

import pytest

from service.reports.inferred import REPHRASED, Line, inferred

AT = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
LATER = AT + timedelta(hours=1)


def line(turn_id: int, text: str = "where is my parcel", intent: str = "", **flags: bool) -> Line:
    flags = {"is_fallback": False, "is_slot_fill": False} | flags
    return Line(turn_id, AT + timedelta(minutes=turn_id), text, intent, **flags)


def found(*lines: Line, cosine: float = 0.0, now: datetime = AT) -> list[tuple[str, int]]:
    reports = inferred(lines, lambda *_: cosine, now=now)
    return [(report.kind, report.turn_id) for report in reports]


def test_a_turn_said_again_within_two_was_not_understood() -> None:
    said = line(1), line(2, "what about the weather"), line(3, "my parcel where is it")
    likeness = {(1, 3): REPHRASED, (1, 2): 0.2, (2, 3): 0.2}
    reports = inferred(said, lambda *pair: likeness[pair], now=AT)
    assert [(report.kind, report.turn_id, report.at) for report in reports] == [("rephrase", 1, said[2].at)]


def test_the_third_turn_after_is_too_late_to_rephrase() -> None:
    said = [line(turn_id) for turn_id in range(1, 5)]
    likeness = {(1, 4): 1.0}
    assert inferred(said, lambda *pair: likeness.get(pair, 0.0), now=AT) == []


@pytest.mark.parametrize(
    "again",
    [line(2, "yes please"), line(2, "where is my parcel 7"), line(2, is_slot_fill=True)],
    ids=["too short", "other numbers", "an answer to a question"],
)
def test_what_is_no_rephrase(again: Line) -> None:
    assert found(line(1), again, cosine=0.99) == []
    assert found(line(1), line(2), cosine=0.69) == []
    assert found(line(1), line(2), cosine=0.7) == [("rephrase", 1)]


def test_a_fallback_is_a_report_on_its_own_turn() -> None:
    assert found(line(1, is_fallback=True), line(2)) == [("fallback", 1)]


def test_a_handoff_is_about_the_turn_before_it() -> None:
    assert found(line(1), line(2, intent="talk_to_human"), line(3, intent="RequestAgent")) == [("handoff", 1)]
    assert found(line(1, intent="talk_to_human")) == []
    assert found(line(1), line(2, intent="agenda")) == []


def test_a_conversation_is_abandoned_once_it_is_quiet() -> None:
    lost = line(1), line(2, is_fallback=True)
    assert found(*lost, now=AT + timedelta(minutes=31)) == [("fallback", 2)]
    assert found(*lost, now=AT + timedelta(minutes=32)) == [("fallback", 2), ("abandoned", 2)]
    assert found(line(1), line(2), now=LATER) == []


def test_an_answer_to_a_question_is_neither_abandoned_nor_handed_over() -> None:
    assert found(line(1, is_fallback=True, is_slot_fill=True), now=LATER) == []
    assert found(line(1, is_slot_fill=True), line(2, intent="talk_to_human")) == []
