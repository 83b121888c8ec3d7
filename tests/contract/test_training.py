"""From labels to a classifier in force, on both databases, with a fake encoder."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from service import clock, database, tables
from service.bots.store import update_bot
from service.classifiers import gates, store
from service.classifiers.flips import flips
from service.classifiers.history import history
from service.classifiers.operations import (
    NeverInForce,
    NotHeld,
    NotOnTrial,
    OtherEncoder,
    Word,
    hold,
    promote,
    roll_back,
    version,
    versions,
)
from service.classifiers.rules import LOG_FROM, Duel
from service.classifiers.schemas import Classifier, Gate, Manifest
from service.classifiers.store import ChampionMoved
from service.errors import BadInput, ClassifierNotFound
from service.events import endpoints
from service.intents.store import create_intents
from service.learning.head import decide
from service.reviews.rules import wants_training
from service.streams import Streams
from service.turns.schemas import Receipt, Turn
from tests.support.encoder import FakeEncoder
from tests.support.scored import AT, BOT, Shop, opened_shop
from workers import gating
from workers.training import train

SAID = {
    "refund": "i want my money back for this",
    "cancel_order": "please stop the order before it ships",
    "track_order": "where is the parcel i am waiting for",
}
WORDS = ["now", "today", "hello", "thanks", "please", "again", "still", "really", "quickly", "sofa", "lamp", "chair"]
OLGA = Word("olga", "the numbers say so")


@pytest.fixture
def shop(engine: sa.Engine, valkey: Path, tmp_path: Path) -> Iterator[Shop]:
    with opened_shop(engine, valkey, tmp_path) as shop:
        yield shop


def say_all(shop: Shop, n: int = 12) -> dict[str, list[int]]:
    """n turns per intent, no two alike; ids by intent."""
    return {
        intent: [shop.say(f"{text} {WORDS[i % 12]} {WORDS[(i // 12 + i) % 12]}", minute=i) for i in range(n)]
        for intent, text in SAID.items()
    }


def label(
    shop: Shop, turn_id: int, answer: str | None, *, use: str = "train", origin: str = "vote", **more: Any
) -> int:
    """None is `none`."""
    row = {"bot": BOT, "turn_id": turn_id, "use": use, "origin": origin, "at": AT, **more}
    row |= {"answer": "intent" if answer else "none", "intent_id": [*SAID].index(answer) + 1 if answer else None}
    with database.writing(shop.engine) as connection:
        added: int = connection.execute(tables.label.insert().returning(tables.label.c.id), row).scalar_one()
    return added


def run(shop: Shop) -> int | None:
    return train(shop.context, shop.encoder, BOT, patience_s=0.0)


def champion(shop: Shop) -> Classifier:
    with database.reading(shop.engine) as connection:
        found = store.champion(connection, BOT)
    assert found
    return found


def gate_of(shop: Shop, n: int) -> Gate:
    with database.reading(shop.engine) as connection:
        return gates.gates(connection, BOT)[n]


def asked(shop: Shop) -> list[str]:
    """Jobs that were queued, in order; the queue is empty afterwards."""
    queue = shop.context.queue
    names = [job.func_name.rpartition(".")[2] for job in queue.jobs]
    shop.context.redis.flushall()
    return names


def flip_cards(shop: Shop, n: int, *columns: str) -> list[tuple[Any, ...]]:
    return shop.rows(tables.card, *columns, purpose="flip", challenger=n)


def mislead(shop: Shop, turns: dict[str, list[int]]) -> int:
    """A second classifier that learnt `refund` and `track_order` swapped: it differs on most turns."""
    other = {"refund": "track_order", "track_order": "refund", "cancel_order": "cancel_order"}
    for intent, ids in turns.items():
        for turn_id in ids[:4]:
            label(shop, turn_id, other[intent])
    n = run(shop)
    assert n
    return n


def answer(shop: Shop, n: int, who: str, most: int = 40) -> None:
    """The flips of the challenger, so many at most, are answered as the one or the other decided."""
    for turn_id, champion_id, challenger_id in shop.rows(
        tables.flip, "turn_id", "champion_intent_id", "challenger_intent_id", challenger=n
    )[:most]:
        right = {"champion": champion_id, "challenger": challenger_id}[who]
        [(card_id,)] = shop.rows(tables.card, "id", turn_id=turn_id, purpose="flip", challenger=n)
        label(shop, turn_id, [*SAID][right - 1], use="flip", card_id=card_id)
        with database.writing(shop.engine) as connection:
            connection.execute(sa.update(tables.card).where(tables.card.c.id == card_id).values(status="resolved"))


def test_the_first_classifier_is_put_in_force_at_once(shop: Shop) -> None:
    turns = say_all(shop)
    assert run(shop) == 1
    found = champion(shop)
    assert (found.n, found.status, found.manifest.phase) == (1, "champion", "cold")
    assert found.manifest.intents == {"refund": 1, "cancel_order": 2, "track_order": 3}
    assert (found.manifest.labels, found.manifest.log_turns, found.manifest.pseudo_labels) == (0, 36, 36)
    assert found.encoder == shop.encoder.identity(BOT)
    assert asked(shop) == ["rescore", "rank", "propose"]
    x = shop.encoder.encode(BOT, ["cancel order"])
    assert decide(found.head, x).tolist() == [2]
    assert flip_cards(shop, 1, "turn_id") == []
    assert len(turns["refund"]) == 12


def test_training_again_without_news_makes_nothing(shop: Shop) -> None:
    label(shop, say_all(shop)["refund"][0], "refund")
    run(shop)
    asked(shop)
    assert run(shop) is None
    assert asked(shop) == []
    assert [found[0] for found in shop.rows(tables.classifier, "n", order="n")] == [1]


def test_a_bot_without_intents_has_nothing_to_learn(shop: Shop) -> None:
    with database.writing(shop.engine) as connection:
        connection.execute(sa.update(tables.intent).values(archived_at=AT))
    say_all(shop)
    assert run(shop) is None


def test_labels_train_and_the_manifest_says_which(shop: Shop) -> None:
    turns = say_all(shop)
    first = label(shop, turns["refund"][0], "cancel_order")
    label(shop, turns["refund"][0], "refund")  # the newest counts
    label(shop, turns["cancel_order"][0], "cancel_order", origin="import")
    label(shop, turns["cancel_order"][1], "cancel_order", origin="weak", weight=0.5)
    last = label(shop, turns["track_order"][0], None)
    run(shop)
    found = champion(shop).manifest
    assert (found.labels, found.labels_none, found.phase) == (4, 1, "warm")
    assert found.labels_by_origin == {"vote": 2, "import": 1, "weak": 1}
    assert (found.first_label_id, found.last_label_id) == (first + 1, last)
    assert found.log_turns == 32


def test_turns_that_test_never_train_and_are_not_asked_about(shop: Shop) -> None:
    turns = say_all(shop)
    audited, gold, slot = turns["refund"][0], turns["refund"][1], turns["refund"][2]
    with database.writing(shop.engine) as connection:
        row = {"bot": BOT, "turn_id": audited, "kind": "audit", "value": 0.01, "rate": 0.05, "at": AT}
        connection.execute(tables.mark.insert(), row)
        connection.execute(sa.update(tables.turn).where(tables.turn.c.id == slot).values(is_slot_fill=True))
    label(shop, audited, "refund")
    label(shop, gold, "refund", use="gold")
    run(shop)
    found = champion(shop).manifest
    assert (found.labels, found.log_turns) == (0, 33)
    n = mislead(shop, {intent: ids[3:] for intent, ids in turns.items()})
    assert not {audited, gold, slot} & {turn_id for (turn_id,) in flip_cards(shop, n, "turn_id")}


def test_a_challenger_is_tried_on_turns_where_the_two_differ(shop: Shop) -> None:
    turns = say_all(shop)
    run(shop)
    asked(shop)
    n = mislead(shop, turns)
    assert (n, champion(shop).n) == (2, 1)
    gate = gate_of(shop, n)
    cards = flip_cards(shop, n, "turn_id", "is_blind", "overlap", "status")
    assert (gate.status, gate.compared, gate.champion) == ("open", 24, 1)
    assert 4 <= gate.disagreed == len(cards) <= 24
    assert {card[1:] for card in cards} == {(True, 1, "open")}
    with database.reading(shop.engine) as connection:
        challenger = store.load(connection, BOT, n)
    for turn_id, before, after in shop.rows(
        tables.flip, "turn_id", "champion_intent_id", "challenger_intent_id", challenger=n
    ):
        x = shop.encoder.encode(BOT, [shop.rows(tables.turn_content, "text", turn_id=turn_id)[0][0]])
        assert decide(champion(shop).head, x).tolist() == [before]
        assert decide(challenger.head, x).tolist() == [after]
        assert before != after


def test_a_turn_whose_card_shows_predictions_is_not_asked_about_blind(shop: Shop) -> None:
    turns = say_all(shop)
    run(shop)
    asked_about = turns["cancel_order"][4:9]
    statuses = ["open", "adjudicate", "resolved", "open", "withdrawn"]
    row = {"bot": BOT, "purpose": "rank", "is_blind": False, "created_at": AT}
    cards = [
        {"id": f"c{turn}", "turn_id": turn, "status": status, **row}
        for turn, status in zip(asked_about, statuses, strict=True)
    ]
    with database.writing(shop.engine) as connection:
        connection.execute(tables.card.insert(), cards)
    n = mislead(shop, turns)
    flips = {turn_id for (turn_id,) in flip_cards(shop, n, "turn_id")}
    assert flips & set(asked_about) == {asked_about[-1]}
    assert (gate_of(shop, n).compared, gate_of(shop, n).disagreed) == (20, len(flips))


def test_a_challenger_that_wins_is_put_in_force(shop: Shop) -> None:
    turns = say_all(shop)
    run(shop)
    n = mislead(shop, turns)
    assert gating.decide(shop.context, shop.encoder, BOT) is None
    answer(shop, n, "challenger")
    asked(shop)
    assert gating.decide(shop.context, shop.encoder, BOT) == "promoted"
    assert asked(shop) == ["rescore", "propose"]
    gate = gate_of(shop, n)
    assert (champion(shop).n, gate.status, gate.losses) == (n, "promoted", 0)
    assert gate.wins == gate.disagreed
    assert f"{gate.wins} wins" in gate.reason
    assert dict(shop.rows(tables.classifier, "n", "status", order="n")) == {1: "retired", 2: "champion"}
    assert gating.decide(shop.context, shop.encoder, BOT) is None  # a repeat finds it closed


def test_a_gate_does_not_wait_for_flips_whose_turns_were_forgotten(shop: Shop) -> None:
    turns = say_all(shop)
    run(shop)
    n = mislead(shop, turns)
    with database.writing(shop.engine) as connection:
        connection.execute(sa.delete(tables.turn_content))
    with database.reading(shop.engine) as connection:
        assert gates.count_waiting(connection, BOT, n) == 0
    assert gating.decide(shop.context, shop.encoder, BOT) == "held"
    gate = gate_of(shop, n)
    assert (gate.wins, gate.losses, gate.neither) == (0, 0, 0)  # nobody answered


def test_a_challenger_that_loses_is_held_and_its_flips_train_the_next(shop: Shop) -> None:
    turns = say_all(shop)
    run(shop)
    n = mislead(shop, turns)
    flips = len(flip_cards(shop, n, "turn_id"))
    answer(shop, n, "champion")
    assert gating.decide(shop.context, shop.encoder, BOT) == "held"
    assert (champion(shop).n, gate_of(shop, n).status) == (1, "held")
    third = run(shop)
    assert third == 3
    with database.reading(shop.engine) as connection:
        assert store.load(connection, BOT, 3).manifest.labels == 12 + flips


def add_tests(shop: Shop, n: int, use: str, times: int, *, right: str = "champion") -> str:
    """Repeat a turn on which the two differ as labelled turns of the audit slice or gold set; the intent."""
    flips = shop.rows(tables.flip, "turn_id", f"{right}_intent_id", challenger=n)
    turn_id, intent_id = flips[0]
    intent = [*SAID][intent_id - 1]
    for _ in range(times):
        label(shop, shop.say("a test", vector=shop.encoder.turns[BOT][turn_id]), intent, use=use)
    return intent


@pytest.mark.parametrize("use", ["audit", "gold"])
def test_the_audit_slice_and_the_gold_set_may_veto(shop: Shop, use: str) -> None:
    turns = say_all(shop)
    run(shop)
    n = mislead(shop, turns)
    intent = add_tests(shop, n, use, 5)
    answer(shop, n, "challenger")
    asked(shop)
    assert gating.decide(shop.context, shop.encoder, BOT) == "held"
    assert gate_of(shop, n).reason.endswith(
        f"but worse on the audit slice and the gold set: {intent} (0 wins, 5 losses)"
    )
    assert (champion(shop).n, gate_of(shop, n).status) == (1, "held")
    assert dict(shop.rows(tables.classifier, "n", "status", order="n"))[n] == "held"
    assert asked(shop) == []


def test_few_test_labels_and_turns_without_a_vector_veto_nothing(shop: Shop) -> None:
    turns = say_all(shop)
    run(shop)
    n = mislead(shop, turns)
    label(shop, shop.say("what is the weather like"), None, use="gold")
    intent = add_tests(shop, n, "audit", 6)
    forgotten = [turn_id for (turn_id,) in shop.rows(tables.label, "turn_id", use="audit")][4:]
    with database.writing(shop.engine) as connection:
        connection.execute(sa.delete(tables.vector).where(tables.vector.c.turn_id.in_(forgotten)))
    with database.reading(shop.engine) as connection:
        found = gating.duels(connection, BOT, champion(shop), store.load(connection, BOT, n))
    assert found == {intent: Duel(0, 4), "none": Duel(0, 0)}
    answer(shop, n, "challenger")
    assert gating.decide(shop.context, shop.encoder, BOT) == "promoted"


def test_the_test_labels_do_not_promote(shop: Shop) -> None:
    """They go with the challenger, and the reviewers against it."""
    turns = say_all(shop)
    run(shop)
    n = mislead(shop, turns)
    add_tests(shop, n, "gold", 20, right="challenger")
    answer(shop, n, "champion")
    assert gating.decide(shop.context, shop.encoder, BOT) == "held"


def test_a_winner_that_nobody_has_tested_stays(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last answer comes between the test and the lock: its own job decides."""
    turns = say_all(shop)
    run(shop)
    n = mislead(shop, turns)
    monkeypatch.setattr(gating, "_winner", lambda *_: answer(shop, n, "challenger"))
    assert gating.decide(shop.context, shop.encoder, BOT) is None
    monkeypatch.undo()
    assert gating.decide(shop.context, shop.encoder, BOT) == "promoted"


def test_a_training_first_ends_a_gate_whose_answers_are_in(shop: Shop) -> None:
    turns = say_all(shop)
    run(shop)
    n = mislead(shop, turns)
    answer(shop, n, "challenger")
    run(shop)
    assert gate_of(shop, n).status == "promoted"


def test_votes_that_no_label_knows_yet_are_waited_for(shop: Shop) -> None:
    turns = say_all(shop)
    run(shop)
    n = mislead(shop, turns)
    with database.writing(shop.engine) as connection:
        flips = sa.update(tables.card).where(tables.card.c.purpose == "flip")
        connection.execute(flips.values(status="resolved", is_settled=False))
    assert gating.decide(shop.context, shop.encoder, BOT) is None
    with database.writing(shop.engine) as connection:  # settled without a label: a new intent was proposed
        connection.execute(sa.update(tables.card).values(is_settled=True))
    assert gating.decide(shop.context, shop.encoder, BOT) == "held"
    assert gate_of(shop, n).neither == gate_of(shop, n).disagreed


def test_an_unsure_flip_counts_for_neither_and_leaves_the_queue(shop: Shop) -> None:
    turns = say_all(shop)
    run(shop)
    n = mislead(shop, turns)
    with database.writing(shop.engine) as connection:
        flips = sa.update(tables.card).where(tables.card.c.purpose == "flip")
        connection.execute(flips.values(status="adjudicate"))
    assert gating.decide(shop.context, shop.encoder, BOT) == "held"
    assert gate_of(shop, n).reason.startswith("0 wins, 0 losses")
    assert {status for (status,) in flip_cards(shop, n, "status")} == {"withdrawn"}


def test_an_open_gate_is_not_voided_for_a_few_labels(shop: Shop) -> None:
    turns = say_all(shop)
    run(shop)
    n = mislead(shop, turns)  # trained on 12 labels
    label(shop, turns["refund"][5], "refund")
    assert run(shop) is None
    assert gate_of(shop, n).status == "open"


def test_a_newer_challenger_voids_the_open_gate(shop: Shop) -> None:
    turns = say_all(shop)
    run(shop)
    n = mislead(shop, turns)
    for turn_id in (*turns["refund"][4:7], *turns["track_order"][4:7]):
        label(shop, turn_id, "cancel_order")
    assert run(shop) == n + 1
    old, new = gate_of(shop, n), gate_of(shop, n + 1)
    assert (old.status, old.reason, new.champion) == ("void", "classifier 3 was trained", 1)
    assert {status for (status,) in flip_cards(shop, n, "status")} == {"withdrawn"}
    assert dict(shop.rows(tables.classifier, "n", "status", order="n"))[n] == "held"


def test_without_a_difference_there_is_nothing_to_gain(shop: Shop) -> None:
    turns = say_all(shop)
    for intent, ids in turns.items():
        label(shop, ids[0], intent)
    run(shop)
    for intent, ids in turns.items():
        label(shop, ids[1], intent)
    assert run(shop) == 2
    gate = gate_of(shop, 2)
    assert (gate.status, gate.disagreed, gate.compared) == ("held", 0, 30)
    assert "nothing to gain" in gate.reason
    assert flip_cards(shop, 2, "turn_id") == []


def test_flips_are_forty_at_most_and_the_same_for_the_same_seed(shop: Shop) -> None:
    turns = say_all(shop, 60)
    run(shop)
    n = mislead(shop, turns)
    assert gate_of(shop, n).disagreed > 40
    assert len(flip_cards(shop, n, "turn_id")) == 40


def test_a_promotion_in_between_makes_a_training_stale(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = say_all(shop)
    run(shop)
    label(shop, turns["refund"][0], "refund")
    from workers import trainer

    fit = trainer.fit

    def slow(*args: Any, **more: Any) -> trainer.Fitted:
        """While this one fits, another training comes first."""
        monkeypatch.setattr(trainer, "fit", fit)
        assert run(shop) == 2
        asked(shop)
        return fit(*args, **more)

    monkeypatch.setattr(trainer, "fit", slow)
    assert run(shop) is None
    assert asked(shop) == ["train"]
    assert [n for (n,) in shop.rows(tables.classifier, "n", order="n")] == [1, 2]


def test_merged_intents_count_as_one_and_archived_ones_are_left_out(shop: Shop) -> None:
    turns = say_all(shop)
    for intent, ids in turns.items():
        for turn_id in ids[:3]:
            label(shop, turn_id, intent)
    with database.writing(shop.engine) as connection:
        where = (tables.intent.c.bot == BOT, tables.intent.c.id == 2)
        connection.execute(sa.update(tables.intent).where(*where).values(archived_at=AT, merged_into=1))
        where = (tables.intent.c.bot == BOT, tables.intent.c.id == 3)
        connection.execute(sa.update(tables.intent).where(*where).values(archived_at=AT))
    run(shop)
    found = champion(shop)
    assert (found.manifest.intents, found.manifest.labels) == ({"refund": 1}, 6)
    assert found.head.intent_ids.tolist() == [1]


def test_a_new_intent_makes_a_challenger_that_knows_it(shop: Shop) -> None:
    say_all(shop)
    run(shop)
    with database.writing(shop.engine) as connection:
        create_intents(connection, BOT, {"opening_hours": "when you are open"}, AT)
    assert run(shop) == 2
    with database.reading(shop.engine) as connection:
        assert store.load(connection, BOT, 2).head.intent_ids.tolist() == [1, 2, 3, 4]


def test_a_changed_encoder_leaves_nothing_to_compare_with(shop: Shop) -> None:
    say_all(shop)
    run(shop)
    other = FakeEncoder("other")
    assert train(shop.context, other, BOT, patience_s=0.0) == 2
    assert (champion(shop).n, champion(shop).encoder) == (2, other.identity(BOT))
    with pytest.raises(OtherEncoder):
        roll_back(shop.context, BOT, 1, AT, OLGA)


def test_the_first_training_waits_for_examples_on_their_way(shop: Shop) -> None:
    """An import sends its examples to ingest and asks for a training at once."""
    streams = Streams(shop.context.redis, shop.context.keyring, 100)
    streams.append(BOT, "import", "d-1", [Turn(external_id="e", text="hi", at=AT)], Receipt(accepted=1), AT)
    naps: list[float] = []

    def arrive(seconds: float) -> None:
        naps.append(seconds)
        shop.context.redis.delete("fp:{shop}:v1:turns")
        label(shop, shop.say("money back"), "refund", origin="import")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workers.training.time.sleep", arrive)
        train(shop.context, shop.encoder, BOT)
    assert len(naps) == 1
    assert champion(shop).manifest.labels_by_origin == {"import": 1}


def test_rollback_puts_an_older_one_back_and_ends_the_open_gate(shop: Shop) -> None:
    turns = say_all(shop, 40)
    run(shop)
    n = mislead(shop, turns)
    answer(shop, n, "challenger")
    gating.decide(shop.context, shop.encoder, BOT)
    for turn_id in (*turns["refund"][4:24], *turns["track_order"][4:24]):
        label(shop, turn_id, "cancel_order")
    third = run(shop)
    assert third == 3
    asked(shop)
    rolled = roll_back(shop.context, BOT, 1, AT + timedelta(days=1), OLGA)
    assert (rolled.n, rolled.status, champion(shop).n) == (1, "champion", 1)
    assert (gate_of(shop, 3).status, gate_of(shop, 3).reason) == ("void", "rolled back to classifier 1")
    assert asked(shop) == ["rescore", "propose"]
    [details] = shop.rows(tables.audit_log, "who", "details", order="id", action="classifier.rollback")
    assert details == ("olga", {"n": 1, "replaced": 2, "reason": "the numbers say so"})
    roll_back(shop.context, BOT, 1, AT, OLGA)  # a repeat changes nothing
    assert asked(shop) == []
    with pytest.raises(NeverInForce):
        roll_back(shop.context, BOT, 3, AT, OLGA)
    with pytest.raises(ClassifierNotFound):
        roll_back(shop.context, BOT, 9, AT, OLGA)


def test_an_owner_puts_a_held_challenger_in_force(shop: Shop) -> None:
    turns = say_all(shop)
    run(shop)
    n = mislead(shop, turns)
    with pytest.raises(NotHeld, match="on trial"):
        promote(shop.context, BOT, n, AT, OLGA)
    answer(shop, n, "champion")
    assert gating.decide(shop.context, shop.encoder, BOT) == "held"
    asked(shop)
    assert promote(shop.context, BOT, n, AT, OLGA).status == "champion"
    assert champion(shop).n == n
    assert asked(shop) == ["rescore", "propose"]
    [details] = shop.rows(tables.audit_log, "who", "details", order="id", action="classifier.promote")
    assert details == ("olga", {"n": n, "replaced": 1, "reason": "the numbers say so"})
    promote(shop.context, BOT, n, AT, OLGA)  # a repeat changes nothing
    assert asked(shop) == []
    assert gate_of(shop, n).status == "held"  # what the reviewers said stands
    with pytest.raises(ChampionMoved):  # the owner saw classifier 3 in force
        roll_back(shop.context, BOT, 1, AT, OLGA._replace(replacing=3))
    with pytest.raises(BadInput, match="a reason is wanted"):
        roll_back(shop.context, BOT, 1, AT, Word("olga", "  "))
    assert champion(shop).n == n
    with pytest.raises(NotHeld, match="roll back"):
        promote(shop.context, BOT, 1, AT, OLGA)


def test_an_owner_ends_a_trial_by_hand(shop: Shop) -> None:
    turns = say_all(shop)
    run(shop)
    n = mislead(shop, turns)
    answer(shop, n, "challenger", most=3)
    with database.reading(shop.engine) as connection:
        so_far, told = version(connection, BOT, n).trial, flips(connection, BOT, n)
    assert so_far and (so_far.gate.wins, so_far.gate.losses) == (3, 0)
    assert (len(told.judged), told.waiting) == (3, so_far.waiting)
    assert {(one.result, one.answer == (one.challenger,)) for one in told.judged} == {("win", True)}
    held = hold(shop.context, BOT, n, clock.now(), OLGA)
    assert held.status == "held" and held.trial
    assert (held.trial.gate.status, held.trial.waiting) == ("held", 0)
    assert held.trial.gate.reason == "3 wins, 0 losses, 0 neither: an owner ended the trial"
    assert {status for (status,) in flip_cards(shop, n, "status")} == {"resolved", "withdrawn"}
    assert hold(shop.context, BOT, n, clock.now(), OLGA) == held  # a repeat changes nothing
    assert gating.decide(shop.context, shop.encoder, BOT) is None
    with pytest.raises(NotOnTrial, match="in force"):
        hold(shop.context, BOT, 1, clock.now(), OLGA)
    promote(shop.context, BOT, n, clock.now(), OLGA)
    with database.reading(shop.engine) as connection:
        told = flips(connection, BOT, n)
        moments = [history(connection, BOT, version(connection, BOT, one)) for one in (1, n)]
    assert told.waiting == 0 and {one.result for one in told.judged} == {"win", "gone"}
    assert [(one.what, one.other) for one in moments[0]] == [("made", None), ("promoted", None), ("replaced", n)]
    assert {(one.what, one.who, one.reason) for one in moments[1]} >= {
        ("held_by_hand", "olga", "the numbers say so"),
        ("by_hand", "olga", "the numbers say so"),
        ("held", "fencepost", held.trial.gate.reason),
    }


def test_a_gate_whose_champion_is_gone_is_void(shop: Shop) -> None:
    turns = say_all(shop)
    run(shop)
    n = mislead(shop, turns)
    answer(shop, n, "challenger")
    with database.writing(shop.engine) as connection:
        other = store.save(connection, BOT, champion(shop).head, Manifest(encoder="e", dimensions=64), "held", AT)
        update_bot(connection, BOT, AT)
        connection.execute(sa.update(tables.bot).values(champion=other))
    assert gating.decide(shop.context, shop.encoder, BOT) == "void"
    assert champion(shop).n == other
    assert gate_of(shop, n).status == "void"


def test_versions_show_how_a_gate_stands(shop: Shop) -> None:
    turns = say_all(shop)
    run(shop)
    n = mislead(shop, turns)
    with database.reading(shop.engine) as connection:
        newest, oldest = versions(connection, BOT)
        assert version(connection, BOT, n) == newest
    assert (newest.n, newest.status, oldest.n, oldest.status, oldest.trial) == (2, "challenger", 1, "champion", None)
    assert newest.trial and newest.trial.waiting == newest.trial.gate.disagreed
    assert len(newest.sha256) == 64


def test_before_anybody_answered_a_card_nothing_has_to_be_defended(shop: Shop) -> None:
    say_all(shop)
    first = run(shop)
    with database.writing(shop.engine) as connection:
        create_intents(connection, BOT, {"gift_card": "what is left on a voucher"}, AT)
    second = run(shop)
    assert second != first
    assert champion(shop).n == second
    assert shop.rows(tables.card, "id", purpose="flip") == []


def test_a_cold_bot_learns_again_when_its_log_has_doubled(shop: Shop) -> None:
    run(shop)
    with database.reading(shop.engine) as connection:
        assert not wants_training(connection, BOT)
    for i in range(LOG_FROM):
        shop.say(f"{WORDS[i % 12]} {WORDS[i // 12 % 12]} {i}", minute=i)
    with database.reading(shop.engine) as connection:
        assert wants_training(connection, BOT)


@pytest.fixture
def told(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[tuple[str, dict[str, Any]]]]:
    """Events that an endpoint wants, oldest first; a second goes by at each look at the clock."""
    seconds = count()
    monkeypatch.setattr("service.clock.now", lambda: AT + timedelta(seconds=next(seconds)))
    with database.writing(shop.engine) as connection:
        endpoints.add(connection, shop.context.keyring, BOT, "https://hooks.example", (), AT, who="olga")
    return lambda: shop.rows(tables.event, "type", "data", order="id")


Told = Callable[[], list[tuple[str, dict[str, Any]]]]


def test_what_becomes_of_classifiers_is_told_to_endpoints(shop: Shop, told: Told) -> None:
    turns = say_all(shop)
    run(shop)
    n = mislead(shop, turns)
    answer(shop, n, "champion")
    assert gating.decide(shop.context, shop.encoder, BOT) == "held"
    lost = gate_of(shop, n)
    promote(shop.context, BOT, n, clock.now(), OLGA)
    roll_back(shop.context, BOT, 1, clock.now(), OLGA)
    counts = {"wins": 0, "losses": lost.losses, "neither": 0}
    assert told() == [
        ("classifier.promoted", {"bot": BOT, "classifier": 1, "replaced": None, "how": "untried"}),
        ("classifier.held", {"bot": BOT, "classifier": n, "champion": 1, "reason": lost.reason, **counts}),
        ("classifier.promoted", {"bot": BOT, "classifier": n, "replaced": 1, "how": "owner"}),
        ("classifier.promoted", {"bot": BOT, "classifier": 1, "replaced": n, "how": "rollback"}),
    ]


def test_a_promotion_by_the_gate_is_told(shop: Shop, told: Told) -> None:
    turns = say_all(shop)
    run(shop)
    n = mislead(shop, turns)
    answer(shop, n, "challenger")
    assert gating.decide(shop.context, shop.encoder, BOT) == "promoted"
    assert told()[1:] == [("classifier.promoted", {"bot": BOT, "classifier": n, "replaced": 1, "how": "gate"})]


def test_a_challenger_whose_gate_ended_without_a_result_is_told_as_held(shop: Shop, told: Told) -> None:
    turns = say_all(shop)
    run(shop)
    n = mislead(shop, turns)
    with database.writing(shop.engine) as connection:
        gates.void(connection, BOT, "its encoder is gone", clock.now())
    [(type, data)] = told()[1:]
    assert (type, data["classifier"], data["reason"]) == ("classifier.held", n, "its encoder is gone")


def test_a_challenger_that_is_held_at_once_is_told(shop: Shop, told: Told) -> None:
    turns = say_all(shop)
    for n in (1, 2):
        for intent, ids in turns.items():
            label(shop, ids[n], intent)
        assert run(shop) == n
    counts = {"wins": 0, "losses": 0, "neither": 0}
    data = {"bot": BOT, "classifier": 2, "champion": 1, "reason": gate_of(shop, 2).reason, **counts}
    assert told()[1:] == [("classifier.held", data)]
