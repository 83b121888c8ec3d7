"""How good a classifier is, from what is stored, on both databases."""

import numpy as np
import pytest
import sqlalchemy as sa

from service import database, tables
from service.classifiers import store
from service.classifiers.metrics import Metrics, metrics
from service.classifiers.schemas import Manifest
from service.encoding import pack
from service.intents.store import archive_intent, merge_intents
from service.learning.head import Head
from service.learning.stopping import wilson
from tests.support.shop import AT, BOT, add_card, add_turn, open_shop

REFUND, CANCEL, TRACK = 1, 2, 3
ENCODER = "fake@1"


def put_in_force(engine: sa.Engine) -> None:
    """A head that takes the nearest of three axes, and is .731 sure where there is one other."""
    head = Head(
        intent_ids=np.array([REFUND, CANCEL, TRACK]),
        weights=np.eye(3, dtype=np.float32),
        bias=np.zeros(3, np.float32),
        temperature=1.0,
        center=np.zeros(3, np.float32),
        prototypes=np.eye(3, dtype=np.float32),
        gate_weights=np.zeros(3, np.float32),
        gate_familiarity=0.0,
        gate_bias=0.0,
    )
    intents = {"refund": REFUND, "cancel_order": CANCEL, "track_order": TRACK}
    with database.writing(engine) as connection:
        n = store.save(connection, BOT, head, Manifest(encoder=ENCODER, dimensions=3, intents=intents), "champion", AT)
        store.promote(connection, BOT, n, None)


def say(engine: sa.Engine, taken_for: int, meant: int | None, use: str, rate: float = 0.1) -> int:
    """A turn that the head takes for an intent, and what people found it to mean."""
    turn_id = add_turn(engine, f"{taken_for} {meant} {use}")
    vector = {"turn_id": turn_id, "encoder": ENCODER, "data": pack(np.eye(3)[taken_for - 1])}
    answer = {"answer": "none" if meant is None else "intent", "intent_id": meant}
    with database.writing(engine) as connection:
        connection.execute(tables.vector.insert(), vector)
        label = {"bot": BOT, "turn_id": turn_id, "use": use, "origin": "vote", "at": AT} | answer
        connection.execute(tables.label.insert(), label)
        if use == "audit":
            mark = {"bot": BOT, "turn_id": turn_id, "kind": "audit", "value": 1.0, "rate": rate, "at": AT}
            connection.execute(tables.mark.insert(), mark)
    return turn_id


def look(engine: sa.Engine) -> Metrics:
    with database.reading(engine) as connection:
        return metrics(connection, BOT, 1)


def test_recall_precision_and_calibration(engine: sa.Engine) -> None:
    open_shop(engine)
    put_in_force(engine)
    empty = look(engine)
    assert (empty.answered, empty.accuracy, empty.reliability) == (0, None, None)
    assert [(one.name, one.recall) for one in empty.intents] == [
        ("cancel_order", None),
        ("refund", None),
        ("track_order", None),
    ]
    for taken_for, meant, times in ((REFUND, REFUND, 18), (CANCEL, REFUND, 6), (CANCEL, CANCEL, 14), (TRACK, None, 2)):
        for _ in range(times):
            say(engine, taken_for, meant, "audit")
    say(engine, REFUND, REFUND, "gold")
    found = look(engine)
    assert (found.answered, found.gold) == (40, 1)
    assert found.accuracy and found.accuracy == pytest.approx((0.8, 0.6524, 0.8950), abs=1e-4)  # 32 of 40
    refund = next(one for one in found.intents if one.name == "refund")
    assert refund.recall and (refund.recall.over, refund.recall.n) == ("audit", 24), "the gold set is told apart"
    assert refund.recall.estimate == pytest.approx(18 / 24)
    cancel = next(one for one in found.intents if one.name == "cancel_order")
    assert cancel.recall is None  # 14 turns mean it, and nobody labelled one
    assert cancel.precision and (cancel.precision.n, cancel.precision.estimate) == (20, 0.7)
    said = float(np.exp(1) / (np.exp(1) + 2))
    assert found.reliability and [(one.n, one.right.estimate) for one in found.reliability.bins] == [(38, 32 / 38)]
    assert found.reliability.error == pytest.approx(32 / 38 - said, abs=1e-3)


def test_what_changed_since_counts_at_once(engine: sa.Engine) -> None:
    open_shop(engine)
    put_in_force(engine)
    for _ in range(20):
        say(engine, CANCEL, REFUND, "audit")
    assert look(engine).accuracy == pytest.approx((0.0, 0.0, 0.1611), abs=1e-4)
    say(engine, REFUND, REFUND, "audit", rate=0.05)  # stands for twice as many turns
    found = look(engine)
    assert found.accuracy and found.accuracy.estimate == pytest.approx(2 / 22)
    undecided = add_turn(engine, "who knows")
    add_card(engine, undecided, purpose="audit", status="adjudicate")
    with database.writing(engine) as connection:
        mark = {"bot": BOT, "turn_id": undecided, "kind": "audit", "value": 1.0, "rate": 0.05, "at": AT}
        connection.execute(tables.mark.insert(), mark)
    wider = look(engine).accuracy
    assert wider and wider.estimate == found.accuracy.estimate and wider.high > found.accuracy.high
    either = say(engine, CANCEL, REFUND, "audit")
    with database.writing(engine) as connection:
        label = tables.label
        two = sa.update(label).where(label.c.turn_id == either).values(answer="two", second_id=CANCEL)
        connection.execute(two)
        merge_intents(connection, BOT, CANCEL, REFUND, AT)
        archive_intent(connection, BOT, TRACK, AT)
    merged = look(engine)
    assert merged.accuracy and merged.accuracy.estimate == 1.0
    assert [(one.name, one.recall and one.recall.n) for one in merged.intents] == [("refund", 22)], (
        "either of two that were merged is one"
    )


def test_an_audited_turn_weighs_as_many_as_it_was_drawn_from(engine: sa.Engine) -> None:
    open_shop(engine)
    put_in_force(engine)
    for taken_for, rate in ((REFUND, 0.1), (CANCEL, 0.4)):
        for _ in range(12):
            say(engine, taken_for, REFUND, "audit", rate)
    for _ in range(8):
        say(engine, CANCEL, CANCEL, "audit", rate=0.1)
    for _ in range(20):
        say(engine, REFUND, CANCEL, "gold")
    found = {one.name: one for one in look(engine).intents}
    told = 150**2 / (12 * 10**2 + 12 * 2.5**2)  # as many equally drawn turns
    refund, cancel = found["refund"], found["cancel_order"]
    assert refund.recall and (refund.recall.over, refund.recall.of) == ("audit", "24 audit turns")
    assert refund.recall.estimate == pytest.approx(120 / 150)
    assert (refund.recall.low, refund.recall.high) == pytest.approx(wilson(0.8, told))
    assert cancel.precision and cancel.precision.over == "audit"
    assert cancel.precision.estimate == pytest.approx(80 / 110)
    assert cancel.recall and (cancel.recall.over, cancel.recall.n, cancel.recall.estimate) == ("gold", 20, 0.0), (
        "of the audit slice too few mean it; nobody drew the gold set at random, so the two are never one number"
    )


def test_with_few_tests_its_labels_are_told_by_each_other(engine: sa.Engine) -> None:
    open_shop(engine)
    put_in_force(engine)
    labels = [say(engine, intent, intent, "train") for intent in (REFUND, CANCEL) for _ in range(6)]
    wrong = say(engine, REFUND, CANCEL, "train")
    with database.writing(engine) as connection:
        newest = connection.scalar(sa.select(sa.func.max(tables.label.c.id)))
        row = connection.execute(sa.select(tables.classifier.c.manifest)).scalar_one()
        changed = {**row, "last_label_id": newest}
        connection.execute(sa.update(tables.classifier).values(manifest=changed))
    found = {one.name: one for one in look(engine).intents}
    assert len({*labels, wrong}) == 13
    cancel, refund = found["cancel_order"], found["refund"]
    assert cancel.recall and (cancel.recall.over, cancel.recall.n) == ("labels", 7)
    assert cancel.recall.estimate == pytest.approx(6 / 7)
    assert refund.precision and (refund.precision.n, refund.precision.estimate) == (7, pytest.approx(6 / 7))
    assert refund.recall and refund.recall.estimate == 1.0
