"""The boundary map, a pair, and advice from what is stored, on both databases."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from service import database, tables
from service.boundary import pairs, rules
from service.boundary.measuring import intents_advice
from service.boundary.schemas import BoundaryMap, IntentAdvice, Pair, PairView
from service.clock import now
from service.errors import BadInput, IntentNotFound
from service.intents.store import archive_intent, merge_intents
from tests.support.scored import AT, BOT, PHRASES, Shop, between, opened_shop

REFUND, CANCEL, TRACK = 1, 2, 3
NUMBERS = count()


@pytest.fixture
def shop(engine: sa.Engine, valkey: Path, tmp_path: Path) -> Iterator[Shop]:
    with opened_shop(engine, valkey, tmp_path) as shop:
        shop.train()
        yield shop


def insert(shop: Shop, table: sa.Table, **row: Any) -> None:
    with database.writing(shop.engine) as connection:
        connection.execute(table.insert(), {"bot": BOT, **row})


def seen(shop: Shop, best: int, second: int, p2: float, *, turn_id: int | None = None, waits: bool = True) -> int:
    """A turn that the champion decided for `best`, and whether it waits to be asked about."""
    made = shop.say(f"text {next(NUMBERS)}") if turn_id is None else turn_id
    scores = {"n": 1, "intent_id": best, "best_id": best, "second_id": second, "p1": 1 - p2, "p2": p2}
    insert(shop, tables.prediction, turn_id=made, uncertainty=0.5, **scores)
    if waits:
        insert(shop, tables.candidate, turn_id=made, n=1, uncertainty=0.5, created_at=AT)
    return made


def label(shop: Shop, turn_id: int, intent_id: int) -> None:
    given = {"use": "train", "answer": "intent", "intent_id": intent_id, "origin": "vote"}
    insert(shop, tables.label, turn_id=turn_id, at=AT, **given)


def answered(shop: Shop, *said: int, status: str = "resolved") -> int:
    """A blind card that so many people answered; its turn."""
    turn_id = shop.say(f"text {next(NUMBERS)}")
    card = f"k{turn_id}"
    row = {"id": card, "turn_id": turn_id, "purpose": "rank", "is_blind": True, "overlap": 2, "status": status}
    insert(shop, tables.card, created_at=AT, **row)
    for place, intent_id in enumerate(said):
        vote = {"card_id": card, "reviewer": f"r{place}", "answer": "intent", "intent_id": intent_id}
        insert(shop, tables.vote, surface="api", click_id=f"{card}-{place}", at=AT, **vote)
    return turn_id


def contradict(shop: Shop, one: int, other: int) -> tuple[int, int]:
    """Two turns that say the same, labelled differently."""
    turns = shop.say("the very same"), shop.say("the very same")
    for turn_id, intent_id in zip(turns, (one, other), strict=True):
        label(shop, turn_id, intent_id)
    insert(shop, tables.contradiction, low_turn=turns[0], high_turn=turns[1], card_id="c", label_id=turns[1], at=AT)
    return turns


def found(shop: Shop) -> BoundaryMap:
    with database.reading(shop.engine) as connection:
        return rules.boundary(connection, BOT)


def view(shop: Shop, a: int = REFUND, b: int = CANCEL) -> PairView:
    with database.reading(shop.engine) as connection:
        return pairs.pair_view(connection, BOT, a, b)


def numbers(pair: Pair) -> tuple[object, ...]:
    return (pair.a.id, pair.b.id, pair.shared, pair.turns)


def test_pairs_share_the_second_probability_of_the_turns_between_them(shop: Shop) -> None:
    seen(shop, REFUND, CANCEL, 0.4)
    seen(shop, CANCEL, REFUND, 0.2)
    seen(shop, TRACK, REFUND, 0.1)
    seen(shop, TRACK, CANCEL, 0.0)
    assert found(shop).turns == 4
    assert [numbers(pair) for pair in found(shop).pairs] == [
        (REFUND, CANCEL, 0.15, 2),
        (REFUND, TRACK, 0.025, 1),
        (CANCEL, TRACK, 0.0, 1),
    ]


def test_only_the_newest_turns_of_the_champion_count(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.boundary.recent.NEWEST", 2)
    for p2 in (0.5, 0.2, 0.1):
        seen(shop, REFUND, CANCEL, p2)
    assert [numbers(pair) for pair in found(shop).pairs] == [(REFUND, CANCEL, 0.15, 2)]
    shop.train()
    assert (found(shop).n, found(shop).turns, found(shop).pairs) == (2, 0, ())


def test_a_merged_intent_counts_for_the_other_and_an_archived_one_for_none(shop: Shop) -> None:
    seen(shop, REFUND, CANCEL, 0.4)
    seen(shop, REFUND, TRACK, 0.2)
    with database.writing(shop.engine) as connection:
        merge_intents(connection, BOT, CANCEL, TRACK, AT)
    assert [numbers(pair) for pair in found(shop).pairs] == [(REFUND, TRACK, 0.3, 2)]
    with database.writing(shop.engine) as connection:
        archive_intent(connection, BOT, TRACK, AT)
    assert found(shop).pairs == ()


def test_where_people_and_classifiers_took_one_for_the_other(shop: Shop) -> None:
    answered(shop, REFUND, CANCEL)
    answered(shop, REFUND, REFUND)
    answered(shop, CANCEL, TRACK)
    answered(shop, REFUND, CANCEL, status="open")  # of this nobody may learn
    contradict(shop, CANCEL, REFUND)
    insert(shop, tables.gate, challenger=2, champion=1, status="open", compared=9, disagreed=2, opened_at=AT)
    for turn_id, challenger in ((1, CANCEL), (2, CANCEL), (3, None)):
        row = {"turn_id": turn_id, "challenger": 2, "champion_intent_id": REFUND, "challenger_intent_id": challenger}
        insert(shop, tables.flip, **row)
    by_pair = {(p.a.id, p.b.id): (p.compared, p.split, p.flips, p.contradictions) for p in found(shop).pairs}
    assert by_pair == {(REFUND, CANCEL): (3, 1, 2, 1), (CANCEL, TRACK): (2, 1, 0, 0)}


def test_a_contradiction_that_was_mended_is_none(shop: Shop) -> None:
    older, _ = contradict(shop, CANCEL, REFUND)
    label(shop, older, REFUND)
    assert found(shop).pairs == ()


def test_candidates_the_most_undecided_first_and_none_that_is_asked(shop: Shop) -> None:
    sure, torn, asked = (seen(shop, REFUND, CANCEL, p2) for p2 in (0.2, 0.45, 0.48))
    seen(shop, REFUND, CANCEL, 0.49, waits=False)
    insert(shop, tables.card, id="k", turn_id=asked, purpose="audit", is_blind=True, status="open", created_at=AT)
    waiting = view(shop).waiting
    assert [(one.turn_id, one.best, one.p2) for one in waiting] == [(torn, "refund", 0.45), (sure, "refund", 0.2)]


def labelled_pair(shop: Shop, n: int) -> list[int]:
    """So many labels, every other one `refund`, each near its phrase."""
    made = []
    for place in range(n):
        intent = ("refund", "cancel_order")[place % 2]
        turn_id = shop.say(f"{intent} {place}", vector=between(shop, intent, noise=place))
        label(shop, turn_id, REFUND if intent == "refund" else CANCEL)
        made.append(turn_id)
    return made


def test_labels_settle_a_pair_from_twenty_on(shop: Shop) -> None:
    labelled_pair(shop, 19)
    assert (view(shop).settlement.answer, view(shop).settlement.labels) == ("unknown", 19)
    last = shop.say("one more", vector=between(shop, "cancel_order", noise=99))
    label(shop, last, CANCEL)
    settled = view(shop).settlement
    assert (settled.answer, settled.labels, settled.bound) == ("settled", 20, 0.05)
    assert settled.error and settled.error.estimate < 0.05


def test_the_nearest_labels_show_the_one_that_is_wrong(shop: Shop) -> None:
    labelled_pair(shop, 30)
    middle = shop.say("in the middle", vector=between(shop, "refund", "cancel_order"))
    wrong = shop.say("no refund at all", vector=between(shop, "cancel_order", noise=200))
    for turn_id in (middle, wrong):
        label(shop, turn_id, REFUND)
    near = {one.turn_id: one for one in view(shop).near}
    assert view(shop).near[0].turn_id == middle
    assert (near[wrong].intent, near[wrong].side < 0) == ("refund", True)
    assert len([one for one in near.values() if one.intent == "cancel_order"]) == pairs.SHOWN


def test_of_a_turn_with_an_open_blind_card_nothing_is_shown(shop: Shop) -> None:
    labelled_pair(shop, 30)
    one, other = contradict(shop, REFUND, CANCEL)
    shown = {label.turn_id for label in view(shop).near}
    assert len(view(shop).contradictions) == 1
    card = {"purpose": "flip", "challenger": 2, "is_blind": True, "status": "open", "created_at": AT}
    insert(shop, tables.card, id="f", turn_id=one, **card)
    first = min(shown - {one, other})
    insert(shop, tables.card, id="g", turn_id=first, **card)
    assert view(shop).contradictions == ()
    assert first not in {label.turn_id for label in view(shop).near}


def test_people_who_split_are_the_bound(shop: Shop) -> None:
    for said in ((REFUND, CANCEL), (REFUND, CANCEL), (REFUND, REFUND), (REFUND, REFUND)):
        answered(shop, *said)
    assert view(shop).settlement.bound == 0.05  # four cards say nothing yet
    answered(shop, CANCEL, CANCEL)
    assert view(shop).settlement.bound == pytest.approx(2 / 5 / 2)


def test_forgotten_turns_are_gone(shop: Shop) -> None:
    labelled_pair(shop, 20)
    seen(shop, REFUND, CANCEL, 0.4)
    contradict(shop, REFUND, CANCEL)
    with database.writing(shop.engine) as connection:
        connection.execute(sa.delete(tables.turn_content))
    assert (view(shop).waiting, view(shop).near, view(shop).contradictions) == ((), (), ())


def test_what_is_no_pair_is_refused_by_name(shop: Shop) -> None:
    with pytest.raises(IntentNotFound):
        view(shop, REFUND, 9)
    with pytest.raises(BadInput) as refused:
        view(shop, REFUND, REFUND)
    assert refused.value.path == "b"


def test_sent_to_review_once_before_all_others(shop: Shop) -> None:
    turns = [seen(shop, REFUND, CANCEL, p2 / 100) for p2 in range(20, 32)]
    with database.writing(shop.engine) as connection:
        first = pairs.review(connection, shop.context.keyring, BOT, CANCEL, REFUND, now(), who="Ana")
        again = pairs.review(connection, shop.context.keyring, BOT, CANCEL, REFUND, now(), who="Ana")
    assert (first.queued, again.queued) == (tuple(reversed(turns[2:])), (turns[1], turns[0]))
    assert shop.cards() == [*first.queued, *again.queued], "who was asked for first comes first"
    logged = shop.rows(tables.audit_log, "action", "who", "details", order="id", action="boundary.review")
    assert logged[0] == ("boundary.review", "Ana", {"intents": [REFUND, CANCEL], "turns": 10})


def advised(shop: Shop) -> dict[str, IntentAdvice]:
    with database.reading(shop.engine) as connection:
        return {one.name: one for one in intents_advice(connection, BOT).intents}


def value(one: IntentAdvice, what: str) -> tuple[float | None, int]:
    found = next(of for of in one.measured if of.what == what)
    return found.value, found.n


def test_an_intent_with_few_labels_wants_more(shop: Shop) -> None:
    labelled_pair(shop, 24)
    found = advised(shop)
    assert {name: (one.weak, one.verdict, one.labels) for name, one in found.items()} == {
        "track_order": ("few_labels", "label", 20)
    }


def test_recall_is_of_the_labels_until_enough_were_drawn_at_random(shop: Shop) -> None:
    labelled_pair(shop, 24)
    shop.set(target=0.99)
    wrong = shop.say("no refund", vector=between(shop, "cancel_order", noise=300))
    label(shop, wrong, REFUND)
    refund = advised(shop)["refund"]
    assert (refund.weak, value(refund, "recall")) == ("recall", (pytest.approx(12 / 13), 13))
    assert refund.rival and refund.rival.name == "cancel_order"
    for place in range(20):
        phrase = PHRASES["refund" if place < 15 else "track_order"]
        turn_id = shop.say(f"drawn {place}", vector=shop.encoder.encode(BOT, [phrase])[0])
        given = {"use": "audit", "answer": "intent", "intent_id": REFUND, "origin": "vote"}
        insert(shop, tables.label, turn_id=turn_id, at=AT, **given)
        mark = {"kind": "audit", "value": 1.0, "rate": 0.1 if place < 15 else 0.05}
        insert(shop, tables.mark, turn_id=turn_id, at=AT, **mark)
    assert value(advised(shop)["refund"], "recall") == (pytest.approx(15 / 25), 20), "five weigh twice as much"


def test_people_who_do_not_agree_want_another_definition(shop: Shop) -> None:
    labelled_pair(shop, 24)
    shop.set(target=0.99)
    wrong = shop.say("no refund", vector=between(shop, "cancel_order", noise=300))
    label(shop, wrong, REFUND)
    for _ in range(5):
        answered(shop, REFUND, CANCEL)
    refund = advised(shop)["refund"]
    assert (refund.verdict, value(refund, "agreement")[1]) == ("merge_or_redefine", 5)


def test_contradictions_want_labels_mended(shop: Shop) -> None:
    labelled_pair(shop, 24)
    shop.set(target=0.99)
    for _ in range(2):
        contradict(shop, REFUND, CANCEL)
    refund = advised(shop)["refund"]
    assert (refund.verdict, value(refund, "contradicted")) == ("fix_labels", (pytest.approx(2 / 14), 14))


def test_reports_that_stay_are_no_matter_of_data(shop: Shop) -> None:
    labelled_pair(shop, 24)
    for place in range(60):
        turn_id = seen(shop, REFUND if place < 20 else CANCEL, TRACK, 0.1, waits=False)
        if place < 15:
            shop.report(turn_id)
    refund = advised(shop)["refund"]
    assert (refund.weak, refund.verdict) == ("reports", "not_data")
    assert value(refund, "reports") == (0.75, 20)


def test_a_proposal_near_it_is_a_new_intent(shop: Shop) -> None:
    shop.set(target=0.99)
    turn_id = seen(shop, TRACK, REFUND, 0.2)
    with database.writing(shop.engine) as connection:
        row = {"bot": BOT, "n": 1, "at": AT, "turns": 9, "tightness": 0.8}
        proposal = connection.execute(tables.proposal.insert().returning(tables.proposal.c.id), row).scalar_one()
        connection.execute(tables.proposal_turn.insert(), {"proposal_id": proposal, "turn_id": turn_id, "position": 0})
    assert {name: one.verdict for name, one in advised(shop).items()} == {
        "refund": "label",
        "cancel_order": "label",
        "track_order": "new_intent",
    }
    assert len(PHRASES) == 3


def test_before_the_first_champion_nothing_is_advised(engine: sa.Engine, valkey: Path, tmp_path: Path) -> None:
    with opened_shop(engine, valkey, tmp_path) as shop:
        label(shop, shop.say("money back"), REFUND)
        assert advised(shop) == {}
        assert (found(shop).n, found(shop).turns) == (None, 0)
        assert view(shop).settlement.labels == 1
