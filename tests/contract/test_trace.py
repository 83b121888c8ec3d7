"""The trace of a turn, on both databases."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from service import database, tables
from service.access import audit
from service.errors import EncoderDown, TurnNotFound
from service.learning.types import Floats2d, Ints2d
from service.reviews.trace import traced
from service.reviews.trace_steps import WITHHELD, Event, Step, Trace
from service.reviews.turn_view import view_turn
from tests.support.encoder import FakeEncoder
from tests.support.scored import AT, BOT, PHRASES, Shop, between, opened_shop


@pytest.fixture
def shop(engine: sa.Engine, valkey: Path, tmp_path: Path) -> Iterator[Shop]:
    with opened_shop(engine, valkey, tmp_path) as shop:
        yield shop


class Silent(FakeEncoder):
    """An encode process that is down."""

    def identity(self, bot: str) -> str:
        raise EncoderDown("nobody answers")

    def neighbours(self, bot: str, vectors: Floats2d, k: int) -> tuple[Ints2d, Floats2d]:
        raise EncoderDown("nobody answers")


def look(shop: Shop, turn_id: int, encoder: FakeEncoder | None = None) -> Trace:
    return traced(shop.engine, encoder or shop.encoder, BOT, turn_id)


def step(found: Trace, name: str) -> Step:
    [one] = [one for one in found.steps if one.step == name]
    return one


def events(found: Trace, name: str) -> tuple[Event, ...]:
    return step(found, name).events


def label(shop: Shop, turn_id: int, intent_id: int | None, **more: object) -> int:
    row = {"bot": BOT, "turn_id": turn_id, "use": "train", "answer": "intent" if intent_id else "none"}
    row |= {"intent_id": intent_id, "origin": "vote", "at": AT} | more
    with database.writing(shop.engine) as connection:
        made: int = connection.execute(tables.label.insert().returning(tables.label.c.id), row).scalar_one()
    return made


def insert(shop: Shop, table: sa.Table, **row: object) -> None:
    with database.writing(shop.engine) as connection:
        connection.execute(table.insert(), row)


def test_what_is_missing_is_said(shop: Shop) -> None:
    found = look(shop, shop.say("where is it"))
    assert {one.step: one.missing for one in found.steps if not one.events} == {
        "redaction": "nothing in it was personal",
        "reports": "nobody reported it",
        "probabilities": "no classifier had decided it yet",
        "marks": "nothing made it interesting",
        "ranking": "never a candidate: no mark asks for it",
        "card": "never asked",
        "votes": "nobody answered",
        "label": "never labelled",
        "training": "no classifier was trained with it",
        "changes": "no classifier is in force yet",
    }
    came, answered = events(found, "delivery")
    assert (came.what, came.at, answered.what) == (
        "came from source native", AT, "the bot did not say what it took it for",
    )  # fmt: skip


def test_another_bots_turn_is_not_found(shop: Shop) -> None:
    turn_id = shop.say("where is it")
    with pytest.raises(TurnNotFound):
        traced(shop.engine, shop.encoder, "other", turn_id)


def test_a_stored_priority_recomputes_from_its_stored_factors(shop: Shop) -> None:
    """Of every turn that a real ranking looked at, reported ones and picked ones too."""
    ids = [shop.say(f"turn {i}", vector=between(shop, "refund", "track_order", noise=i)) for i in range(12)]
    for i, turn_id in enumerate(ids[:3]):
        shop.report(turn_id, "wrong_answer", person=f"u-{i}")
    shop.set(batch_size=4)
    shop.train()
    shop.rescore()
    shop.rank()
    ranked = {turn_id: events(look(shop, turn_id), "ranking")[-1] for turn_id in ids}
    stored = dict(shop.rows(tables.ranking_item, "turn_id", "priority"))
    assert {turn_id: one.numbers["priority"] for turn_id, one in ranked.items()} == stored
    for one in ranked.values():
        assert one.numbers["recomputed"] == pytest.approx(one.numbers["priority"], abs=1e-6)
        assert {"uncertainty", "structure_rank", "pressure", "impact", "weight_of_pressure"} <= one.numbers.keys()
    assert any(one.numbers["pressure"] > 0 for one in ranked.values())
    picked = {turn_id for turn_id, one in ranked.items() if one.what.endswith("candidates, picked")}
    assert picked == set(shop.cards()) and len(picked) == 4
    best = max(stored, key=lambda turn_id: stored[turn_id])
    assert ranked[best].what.startswith("place 1 of 12 candidates")


def test_what_was_stored_is_told_and_what_was_not_is_computed(shop: Shop) -> None:
    turn_id = shop.say("so", vector=between(shop, "refund", "track_order", noise=1))
    shop.train()
    shop.rescore()
    shop.train(sharpness=12.0)  # decides nothing that is stored
    stored, computed = events(look(shop, turn_id), "probabilities")
    [(p1, p2, doubt)] = shop.rows(tables.prediction, "p1", "p2", "uncertainty")
    assert (stored.classifier, stored.origin) == (1, "prediction of classifier 1, as stored")
    assert (stored.numbers["p1"], stored.numbers["p2"], stored.numbers["uncertainty"]) == (p1, p2, doubt)
    assert (computed.classifier, computed.origin) == (2, "classifier 2, computed now from the stored vector")
    with database.writing(shop.engine) as connection:
        connection.execute(tables.prediction.delete())
    again, same = events(look(shop, turn_id), "probabilities")
    assert again.numbers == pytest.approx(stored.numbers, abs=1e-3)  # vectors are kept as float16
    assert same == computed


def test_an_owners_word_about_a_classifier_is_told_with_its_reason(shop: Shop) -> None:
    turn_id = shop.say("so")
    last = label(shop, turn_id, 1)
    for _ in range(3):
        shop.train(last_label_id=last)
    with database.writing(shop.engine) as connection:
        for action, n, reason in (("promote", 2, "it is better"), ("hold", 3, "too slow"), ("promote", 2, "it was")):
            audit.record(connection, BOT, f"classifier.{action}", AT, "Ona", n=n, replaced=1, reason=reason)
        audit.record(connection, BOT, "classifier.rollback", AT, "Bo", n=2, replaced=3)  # before reasons were asked for
        audit.record(connection, "other", "classifier.hold", AT, "Eve", n=1, reason="not this bot")
    said = {"promoted_by_hand": "by Ona: it is better; by Ona: it was", "rolled_back_to": "by Bo"}
    found = look(shop, turn_id)
    for name in ("probabilities", "training"):
        first, second, third = (one.names for one in events(found, name))
        assert said.items() <= second.items() and third["held_by_hand"] == "by Ona: too slow"
        assert not {"promoted_by_hand", "rolled_back_to", "held_by_hand"} & first.keys()


def test_a_classifier_of_another_encoder_is_named_as_unknown(shop: Shop) -> None:
    turn_id = shop.say("so")
    shop.train()
    shop.encoder.name = "other"
    shop.train()
    found = step(look(shop, turn_id), "probabilities")
    assert [one.classifier for one in found.events] == [1]
    assert found.missing == "not known of classifiers 2: its vector is another encoder's"
    assert step(look(shop, turn_id), "changes").missing == "it has no vector that the champion reads"


def test_of_many_classifiers_the_first_and_the_newest_are_told(shop: Shop) -> None:
    turn_id = shop.say("so")
    for _ in range(14):
        shop.train()
    found = step(look(shop, turn_id), "probabilities")
    assert [one.classifier for one in found.events] == [1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 14]
    assert found.missing == "2 classifiers between them are left out"


def test_an_open_blind_card_withholds_everything_but_the_arrival(shop: Shop) -> None:
    turn_id = shop.say(PHRASES["refund"], bot_intent="track_order", conversation="c")
    shop.reply("I track your order", conversation="c", minute=0)
    shop.train()
    shop.rescore()
    label(shop, turn_id, 1)
    insert(shop, tables.mark, bot=BOT, turn_id=turn_id, kind="audit", value=0.01, rate=0.05, at=AT)
    card = {"id": "a", "bot": BOT, "turn_id": turn_id, "purpose": "audit", "is_blind": True, "created_at": AT}
    insert(shop, tables.card, **card)
    found = look(shop, turn_id)
    assert found.is_withheld and found.context.after == ()
    assert [(one.step, len(one.events)) for one in found.steps if one.events] == [("delivery", 1)]
    assert {one.missing for one in found.steps[2:]} == {WITHHELD}
    with database.writing(shop.engine) as connection:
        connection.execute(tables.card.update().values(status="resolved"))
    shown = look(shop, turn_id)
    assert not shown.is_withheld and [one.what for one in events(shown, "marks")] == [
        "drawn at random for the audit slice"
    ]
    assert step(shown, "training").missing.endswith("it was drawn for the audit slice, which only tests")


def test_a_turn_folded_into_one_that_is_asked_blind_is_withheld_too(shop: Shop) -> None:
    asked, folded = shop.say("where is it"), shop.say("where is it")
    insert(shop, tables.candidate, bot=BOT, turn_id=folded, status="folded", folded_into=asked, created_at=AT)
    assert events(look(shop, folded), "ranking")[0].turn == asked
    card = {"id": "f", "bot": BOT, "turn_id": asked, "purpose": "flip", "is_blind": True, "created_at": AT}
    insert(shop, tables.card, **card)
    assert look(shop, folded).is_withheld
    with database.reading(shop.engine) as connection:
        assert view_turn(connection, BOT, folded).opinions is None


def test_a_forgotten_turn_keeps_its_ledger(shop: Shop) -> None:
    turn_id = shop.say("so", vector=between(shop, "refund", "track_order", noise=1))
    shop.train()
    shop.rescore()
    label(shop, turn_id, 1)
    with database.writing(shop.engine) as connection:
        for table in (tables.turn_content, tables.vector):
            connection.execute(table.delete().where(table.c.turn_id == turn_id))
        connection.execute(tables.turn.update().values(forgotten_at=AT))
    found = look(shop, turn_id)
    assert found.text is None
    assert step(found, "redaction").missing == "forgotten on 2026-03-02: its text, vector and person are gone"
    assert [one.names["intent"] for one in events(found, "label")] == ["refund"]
    assert [one.classifier for one in events(found, "probabilities")] == [1]


def test_classifiers_that_learnt_it_are_those_that_knew_its_label(shop: Shop) -> None:
    turn_id = shop.say("so")
    shop.train(labels=3, last_label_id=0)
    first = label(shop, turn_id, 1)
    shop.train(labels=4, last_label_id=first)
    undone = label(shop, turn_id, None, answer="undo")
    shop.train(labels=4, last_label_id=undone)
    second = label(shop, turn_id, 3, weight=0.5, origin="weak")
    shop.train(labels=5, last_label_id=second)
    shop.train({"refund": PHRASES["refund"]}, labels=2, last_label_id=second)  # knows no other intent
    learnt = events(look(shop, turn_id), "training")
    assert [(one.classifier, one.names["intent"], one.numbers) for one in learnt] == [
        (2, "refund", {"labels": 4, "weight": 1.0}),
        (4, "track_order", {"labels": 5, "weight": 0.5}),
    ]


def test_an_answer_to_a_flip_is_learnt_once_its_gate_is_decided(shop: Shop) -> None:
    turn_id = shop.say("so")
    card = {"id": "f", "bot": BOT, "turn_id": turn_id, "purpose": "flip", "challenger": 7, "is_blind": True}
    insert(shop, tables.card, **card, status="resolved", created_at=AT)
    last = label(shop, turn_id, 2, use="flip", card_id="f")
    gate = {"bot": BOT, "challenger": 7, "champion": 1, "status": "open", "compared": 9, "disagreed": 5}
    insert(shop, tables.gate, **gate, opened_at=AT)
    shop.train(last_label_id=last)
    assert events(look(shop, turn_id), "training") == ()
    with database.writing(shop.engine) as connection:
        connection.execute(tables.gate.update().values(status="held", decided_at=AT - timedelta(hours=1)))
    assert [one.classifier for one in events(look(shop, turn_id), "training")] == [1]


def test_neighbours_are_decided_as_before_it_was_learnt_and_as_now(shop: Shop) -> None:
    swapped = PHRASES | {"refund": PHRASES["track_order"], "track_order": PHRASES["refund"]}
    turn_id = shop.say(PHRASES["refund"])
    near = shop.say("i want my money back now please")
    repeat = shop.say(PHRASES["refund"])
    blind = shop.say("i want my money back today please")
    card = {"id": "a", "bot": BOT, "turn_id": blind, "purpose": "audit", "is_blind": True, "created_at": AT}
    insert(shop, tables.card, **card)
    shop.train(swapped, last_label_id=0)
    last = label(shop, turn_id, 1)
    shop.train(last_label_id=last, replaced=1)
    own, *others = events(look(shop, turn_id), "changes")
    assert own.names == {"change": "changed", "before": "track_order", "now": "refund"}
    assert [one.turn for one in others] == [near]  # neither the repeat nor the one that is asked blind
    assert (others[0].what, others[0].names) == ("“i want my money back now please”", own.names)
    assert repeat and 0.8 < others[0].numbers["cosine"] < 1
    assert others[0].origin == "computed now by classifier 1 and classifier 2"


def test_without_the_encode_process_the_trace_says_so(shop: Shop) -> None:
    turn_id = shop.say(PHRASES["refund"])
    shop.train()
    found = step(look(shop, turn_id, Silent()), "changes")
    assert [(one.what, one.names["now"]) for one in found.events] == [("the turn itself", "refund")]
    assert found.missing == "its neighbours are not known now: nobody answers; there was no champion before"


@pytest.mark.parametrize("table", [tables.ranking_item, tables.card, tables.label, tables.prediction, tables.mark])
def test_no_ledger_is_walked_for_a_turn(shop: Shop, table: sa.Table) -> None:
    query = sa.select(table).where(table.c.turn_id == 7).compile(shop.engine, compile_kwargs={"literal_binds": True})
    is_sqlite = shop.engine.dialect.name == "sqlite"
    with database.reading(shop.engine) as connection:
        if not is_sqlite:
            connection.exec_driver_sql("SET enable_seqscan = off")  # an empty table is walked for nothing
        plan = connection.exec_driver_sql(f"EXPLAIN {'QUERY PLAN ' if is_sqlite else ''}{query}").all()
    assert "INDEX" in str(plan).upper()
