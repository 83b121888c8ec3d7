"""Cards, claims, votes and labels, on both databases."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from threading import Barrier

import pytest
import sqlalchemy as sa

from service import database, tables
from service.bots.store import update_bot
from service.errors import BadInput, BotArchived, CardClosed, CardNotFound, Conflict
from service.intents.store import archive_intent, by_name, merge_intents, rename_intent
from service.reports.store import NewReport, insert_reports
from service.reviews import dealing, labels, listing, remarks, rules, store, voting
from service.reviews.schemas import Answer, CardStatus, Reviewer, Span, Vote, VoteResult
from service.reviews.turn_view import view_turn
from service.reviews.views import likely_spans, view
from service.turns.schemas import Report
from service.turns.store import Arrival, get_turn
from tests.support.shop import AT, BOT, add_card, add_reply, add_turn, deal, fold, open_shop


@pytest.fixture(autouse=True)
def shop(engine: sa.Engine) -> None:
    open_shop(engine)


def claim(
    engine: sa.Engine, reviewer: str, count: int = 1, *, now: datetime = AT, adjudicates: bool = False
) -> list[str]:
    with database.writing(engine) as connection:
        cards = dealing.claim_cards(connection, BOT, Reviewer(reviewer, adjudicates), now, count=count)
    return [card.id for card in cards]


clicks = iter(range(1_000_000))


def cast(
    engine: sa.Engine,
    card: str,
    reviewer: str,
    answer: Answer,
    intent: str | None = None,
    *,
    adjudicates: bool = False,
    **fields: object,
) -> VoteResult:
    """A vote by a click of its own, unless `click_id` is given."""
    given = Vote(answer=answer, intent=intent, **{"click_id": f"click-{next(clicks)}"} | fields)  # type: ignore[arg-type]
    with database.writing(engine) as connection:
        return voting.vote(connection, BOT, card, Reviewer(reviewer, adjudicates), given, AT, surface="api")


def resolve(engine: sa.Engine) -> list[int]:
    with database.writing(engine) as connection:
        return rules.resolve(connection, BOT, AT, limit=1000).labels


def status(engine: sa.Engine, card: str) -> CardStatus:
    with database.reading(engine) as connection:
        return store.get_card(connection, BOT, card).status


def votes(engine: sa.Engine, card: str) -> list[tuple[str, str]]:
    with database.reading(engine) as connection:
        return [(vote.reviewer, vote.answer) for vote in store.votes_of(connection, card)]


def label_rows(engine: sa.Engine) -> list[tuple[int, str, str, int | None, str, float]]:
    c = tables.label.c
    query = sa.select(c.turn_id, c.use, c.answer, c.intent_id, c.origin, c.weight).order_by(c.id)
    with database.reading(engine) as connection:
        return [tuple(row) for row in connection.execute(query)]


def training(engine: sa.Engine) -> dict[int, tuple[int | None, float, str]]:
    with database.reading(engine) as connection:
        found = labels.training_labels(connection, BOT)
    return {label.turn_id: (label.intent_id, label.weight, label.origin) for label in found}


def at_once(*calls: Callable[[], object]) -> list[object]:
    """Run the calls in threads that start together; a result, or the error it raised, for each."""
    barrier = Barrier(len(calls))

    def run(call: Callable[[], object]) -> object:
        barrier.wait()
        try:
            return call()
        except (CardClosed, Conflict) as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def test_cards_come_by_priority(engine: sa.Engine) -> None:
    low, high, middle = (deal(engine, f"text {p}", priority=p) for p in (0.1, 0.9, 0.5))
    assert claim(engine, "Ana", 3) == [high, middle, low]


def test_an_editor_of_entities_begins_with_the_taggers_else_the_platforms(engine: sa.Engine) -> None:
    entities = [
        {"type": "city", "value": "Lyon", "start": 7, "end": 11},
        {"type": " ", "value": "fly", "start": 0, "end": 3},  # no type that a reviewer could write
    ]
    plain, tagged, blind = (add_turn(engine, "fly to Lyon", entities=entities) for _ in range(3))
    cards = [add_card(engine, plain), add_card(engine, tagged), add_card(engine, blind, purpose="audit")]
    with database.writing(engine) as connection:
        has_tags = tables.card.c.id.in_(cards[1:])
        connection.execute(sa.update(tables.card).where(has_tags).values(tagged=[[0, 3, "verb"]]))
    with database.reading(engine) as connection:
        views = [view(connection, store.get_card(connection, BOT, card)) for card in cards]
    assert [seen.tagged for seen in views] == [None, (Span(0, 3, "verb"),), None]
    assert [likely_spans(seen) for seen in views] == [(Span(7, 11, "city"),), (Span(0, 3, "verb"),), ()]


def test_flips_come_first_and_every_fifth_card_is_an_audit(engine: sa.Engine) -> None:
    flip = deal(engine, "flip", purpose="flip", challenger=2)
    ranks = {deal(engine, f"rank {n}", priority=1.0) for n in range(10)}
    audits = {deal(engine, f"audit {n}", purpose="audit") for n in range(3)}
    dealt = claim(engine, "Ana", 12)
    assert dealt[0] == flip
    assert [card in audits for card in dealt[1:]] == [False] * 4 + [True] + [False] * 4 + [True] + [False]
    assert set(dealt) <= {flip} | ranks | audits


def test_a_claim_keeps_the_card_until_the_lease_ends(engine: sa.Engine) -> None:
    card = deal(engine, "where is it")
    assert claim(engine, "Ana") == [card]
    assert claim(engine, "Ben") == []
    assert claim(engine, "Ana", now=AT + timedelta(minutes=5)) == [card]  # looking again renews the lease
    assert claim(engine, "Ben", now=AT + timedelta(minutes=14)) == []
    assert claim(engine, "Ben", now=AT + timedelta(minutes=16)) == [card]


def test_people_at_once_are_dealt_different_cards(engine: sa.Engine) -> None:
    cards = {deal(engine, f"text {n}") for n in range(6)}
    dealt = at_once(*(partial(claim, engine, f"person {n}") for n in range(8)))
    assert sorted(card for found in dealt for card in found) == sorted(cards)  # type: ignore[attr-defined]


def test_one_person_in_two_tabs_gets_one_card(engine: sa.Engine) -> None:
    for n in range(12):
        deal(engine, f"text {n}")
    dealt = at_once(*(partial(claim, engine, name) for name in ("Ana", "Ben", "Cem") for _ in range(4)))
    assert [dealt[n : n + 4] for n in (0, 4, 8)] == [[dealt[n]] * 4 for n in (0, 4, 8)]


def test_a_vote_resolves_the_card_and_is_one_row(engine: sa.Engine) -> None:
    card = deal(engine, "give me my money")
    result = cast(engine, card, "Ana", "intent", "refund")
    assert (result.card, result.status) == (card, "resolved")
    assert votes(engine, card) == [("Ana", "intent")]
    assert claim(engine, "Ana") == claim(engine, "Ben") == []


def test_a_reviewers_votes_are_read_page_by_page_also_those_of_one_moment(engine: sa.Engine) -> None:
    cards = [deal(engine, f"text {n}") for n in range(3)]
    for card in cards:
        cast(engine, card, "Ana", "none")
    with database.reading(engine) as connection:
        first = listing.votes_by(connection, BOT, "Ana", None, 2)
        rest = listing.votes_by(connection, BOT, "Ana", first.next, 2)
    assert [one.vote.card for one in (*first.items, *rest.items)] == cards[::-1]
    assert (len(rest.items), rest.next) == (1, None)


def test_a_repeated_click_has_no_second_effect(engine: sa.Engine) -> None:
    card = deal(engine, "give me my money")
    first = cast(engine, card, "Ana", "intent", "refund", click_id="c-1")
    assert cast(engine, card, "Ana", "intent", "refund", click_id="c-1") == first
    assert len(votes(engine, card)) == 1


def test_the_same_click_many_times_at_once_is_one_vote(engine: sa.Engine) -> None:
    card = deal(engine, "give me my money")
    results = at_once(*(lambda: cast(engine, card, "Ana", "intent", "refund", click_id="c-1") for _ in range(8)))
    assert len(set(map(str, results))) == 1
    assert votes(engine, card) == [("Ana", "intent")]


def test_a_click_id_of_another_vote_is_refused(engine: sa.Engine) -> None:
    one, two = deal(engine, "one"), deal(engine, "two")
    cast(engine, one, "Ana", "none", click_id="c-1")
    with pytest.raises(Conflict, match="click_id"):
        cast(engine, two, "Ana", "none", click_id="c-1")
    with pytest.raises(Conflict, match="click_id"):
        cast(engine, one, "Ben", "none", click_id="c-1")
    assert votes(engine, two) == []


def test_of_two_people_at_once_the_first_resolves_the_card(engine: sa.Engine) -> None:
    for n in range(5):
        card = deal(engine, f"text {n}")
        results = at_once(*(partial(cast, engine, card, f"person {n}", "intent", "refund") for n in range(4)))
        assert sorted(type(result).__name__ for result in results) == ["CardClosed"] * 3 + ["VoteResult"]
        assert len(votes(engine, card)) == 1


def test_a_card_that_wants_two_votes_takes_exactly_two(engine: sa.Engine) -> None:
    card = deal(engine, "text", overlap=2)
    results = at_once(*(partial(cast, engine, card, f"person {n}", "intent", "refund") for n in range(5)))
    assert sorted(type(result).__name__ for result in results) == ["CardClosed"] * 3 + ["VoteResult"] * 2
    assert status(engine, card) == "resolved"


def test_two_votes_that_differ_go_to_an_adjudicator_whose_vote_decides(engine: sa.Engine) -> None:
    card = deal(engine, "text", overlap=2)
    assert claim(engine, "Ana") == claim(engine, "Ben") == [card]
    assert claim(engine, "Cem") == []
    cast(engine, card, "Ana", "intent", "refund")
    assert cast(engine, card, "Ben", "intent", "cancel_order").status == "adjudicate"
    assert claim(engine, "Cem") == []
    assert claim(engine, "Cem", adjudicates=True) == [card]
    assert cast(engine, card, "Cem", "intent", "cancel_order", adjudicates=True).status == "resolved"
    resolve(engine)
    assert [row[3] for row in label_rows(engine)] == [2]


def test_an_adjudicator_is_shown_both_answers_and_a_third_one_decides(engine: sa.Engine) -> None:
    card = deal(engine, "text", purpose="audit", overlap=2)
    cast(engine, card, "Ana", "intent", "refund")
    cast(engine, card, "Ben", "intent", "cancel_order")

    def said(*, adjudicates: bool) -> list[tuple[str | None, str | None, bool]]:
        with database.reading(engine) as connection:
            shown = view(connection, store.get_card(connection, BOT, card), adjudicates=adjudicates)
        return [(one.reviewer, one.intent, one.is_adjudication) for one in shown.said]

    both = [("Ana", "refund", False), ("Ben", "cancel_order", False)]
    assert said(adjudicates=False) == []
    assert said(adjudicates=True) == both
    assert cast(engine, card, "Zoe", "none", adjudicates=True).status == "resolved"
    assert said(adjudicates=False) == [*both, ("Zoe", None, True)]
    resolve(engine)
    assert [row[2] for row in label_rows(engine)] == ["none"]


def test_nobody_but_the_adjudicator_takes_back_what_they_decided(engine: sa.Engine) -> None:
    card = deal(engine, "text", purpose="audit", overlap=2)
    cast(engine, card, "Ana", "intent", "refund")
    cast(engine, card, "Ben", "intent", "cancel_order")
    cast(engine, card, "Zoe", "intent", "track_order", adjudicates=True)
    for answer in ("undo", "intent"):
        with pytest.raises(CardClosed, match="by Zoe"):
            cast(engine, card, "Ana", answer, "track_order")  # type: ignore[arg-type]
    assert cast(engine, card, "Zoe", "intent", "refund", adjudicates=True).status == "resolved"
    resolve(engine)
    assert label_rows(engine)[-1][2:4] == ("intent", 1)
    assert cast(engine, card, "Zoe", "undo", adjudicates=True).status == "adjudicate"
    resolve(engine)
    assert label_rows(engine)[-1][2] == "undo"


def test_a_blind_rank_card_keeps_everything_back_and_still_trains(engine: sa.Engine) -> None:
    card = deal(engine, "text", overlap=2, is_blind=True)
    with database.reading(engine) as connection:
        shown = view(connection, store.get_card(connection, BOT, card))
        assert (shown.purpose, shown.blind, shown.why, shown.said) == ("blind", True, None, ())
        assert view_turn(connection, BOT, shown.turn_id).opinions is None
    cast(engine, card, "Ana", "intent", "refund")
    assert claim(engine, "Ben") == [card]
    assert cast(engine, card, "Ben", "intent", "refund").status == "resolved"
    resolve(engine)
    assert list(training(engine).values()) == [(1, 1.0, "vote")]
    with database.reading(engine) as connection:
        opinions = view_turn(connection, BOT, shown.turn_id).opinions
    assert opinions is not None and [vote.reviewer for vote in opinions.votes] == ["Ana", "Ben"]


def test_a_reviewer_never_gets_a_card_twice(engine: sa.Engine) -> None:
    card = deal(engine, "hm")
    cast(engine, card, "Ana", "unsure")
    assert status(engine, card) == "open"
    assert claim(engine, "Ana") == []
    assert claim(engine, "Ben") == [card]


@pytest.mark.parametrize("purpose", ["audit", "flip"])
def test_unsure_on_a_blind_card_goes_to_an_adjudicator(engine: sa.Engine, purpose: str) -> None:
    card = deal(engine, "hm", purpose=purpose)
    assert cast(engine, card, "Ana", "unsure").status == "adjudicate"
    assert claim(engine, "Ben") == claim(engine, "Ana", adjudicates=True) == []
    with pytest.raises(CardClosed, match="adjudicator"):
        cast(engine, card, "Ben", "none")
    assert claim(engine, "Zoe", adjudicates=True) == [card]
    assert cast(engine, card, "Zoe", "intent", "refund", adjudicates=True).status == "resolved"


def test_a_correction_is_a_new_vote_and_a_new_label(engine: sa.Engine) -> None:
    card = deal(engine, "stop it")
    cast(engine, card, "Ana", "intent", "refund")
    resolve(engine)
    cast(engine, card, "Ana", "intent", "cancel_order")
    resolve(engine)
    assert votes(engine, card) == [("Ana", "intent")] * 2
    assert [row[3] for row in label_rows(engine)] == [1, 2]
    assert [intent for intent, _, _ in training(engine).values()] == [2]
    with pytest.raises(CardClosed, match="by Ana"):
        cast(engine, card, "Ben", "intent", "refund")


def test_an_unsure_vote_does_not_reopen_a_card_others_resolved(engine: sa.Engine) -> None:
    card = deal(engine, "hm")
    cast(engine, card, "Ana", "unsure")
    cast(engine, card, "Ben", "intent", "refund")
    with pytest.raises(CardClosed, match="by Ben"):
        cast(engine, card, "Ana", "intent", "cancel_order")


def test_undo_takes_the_label_back_and_gives_the_card_again(engine: sa.Engine) -> None:
    card = deal(engine, "stop it")
    cast(engine, card, "Ana", "intent", "refund")
    resolve(engine)
    assert cast(engine, card, "Ana", "undo").status == "open"
    resolve(engine)
    assert [row[2] for row in label_rows(engine)] == ["intent", "undo"]
    assert training(engine) == {}
    assert claim(engine, "Ben") == []  # Ana has it on screen again
    assert claim(engine, "Ana") == [card]
    cast(engine, card, "Ana", "none")
    resolve(engine)
    assert [intent for intent, _, _ in training(engine).values()] == [None]


def test_there_must_be_something_to_undo(engine: sa.Engine) -> None:
    card = deal(engine, "stop it")
    cast(engine, card, "Ana", "intent", "refund")
    with pytest.raises(Conflict, match="no vote of Ben"):
        cast(engine, card, "Ben", "undo")


def test_resolving_again_changes_nothing(engine: sa.Engine) -> None:
    for n in range(5):
        cast(engine, deal(engine, f"text {n}"), "Ana", "intent", "refund")
    added = at_once(*(lambda: resolve(engine) for _ in range(4)))
    assert sorted(id for found in added for id in found) == [1, 2, 3, 4, 5]  # type: ignore[attr-defined]
    assert resolve(engine) == []
    with database.writing(engine) as connection:  # as if a killed job had not cleared its flags
        connection.execute(sa.update(tables.card).values(is_settled=False))
    assert resolve(engine) == []
    assert len(label_rows(engine)) == 5


def test_two_intents_and_new_ones_are_kept_and_train_nothing(engine: sa.Engine) -> None:
    two, new = deal(engine, "refund and cancel"), deal(engine, "gift wrap?")
    cast(engine, two, "Ana", "two", "refund", second="cancel_order")
    assert cast(engine, new, "Ana", "new", proposed=" gift  wrapping ").status == "resolved"
    resolve(engine)
    assert [row[2:4] for row in label_rows(engine)] == [("two", 1)]
    assert training(engine) == {}
    with database.reading(engine) as connection:
        assert (
            connection.scalar(sa.select(tables.vote.c.proposed).where(tables.vote.c.card_id == new)) == "gift wrapping"
        )
        actions = connection.scalars(sa.select(tables.audit_log.c.action).where(tables.audit_log.c.who == "Ana"))
        assert actions.all() == ["intent.propose"]


def test_exact_folds_take_the_label_and_near_ones_a_weak_one(engine: sa.Engine) -> None:
    first, same, near = (add_turn(engine, text) for text in ("Where is it", "where is it", "where is it now"))
    card = add_card(engine, first)
    fold(engine, same, first)
    fold(engine, near, first)
    cast(engine, card, "Ana", "intent", "track_order", spans=(Span(0, 5, "word"),))
    resolve(engine)
    assert training(engine) == {first: (3, 1.0, "vote"), same: (3, 1.0, "fold"), near: (3, 0.5, "weak")}
    with database.reading(engine) as connection:
        spans = {label.turn_id: label.spans for label in labels.training_labels(connection, BOT)}
        assert labels.label_counts(connection, BOT) == {3: 2}
    assert spans == {first: (Span(0, 5, "word"),), same: (Span(0, 5, "word"),), near: None}


@pytest.mark.parametrize(
    ("answer", "intent", "expected"), [("undo", None, []), ("two", "refund", []), ("none", None, [None] * 3)]
)
def test_folds_follow_a_correction(engine: sa.Engine, answer: Answer, intent: str | None, expected: list[None]) -> None:
    first, same, near = (add_turn(engine, text) for text in ("Where is it", "where is it", "where is it now"))
    card = add_card(engine, first)
    fold(engine, same, first)
    fold(engine, near, first)
    cast(engine, card, "Ana", "intent", "track_order")
    resolve(engine)
    cast(engine, card, "Ana", answer, intent, second="cancel_order")
    resolve(engine)
    assert [intent_id for intent_id, _, _ in training(engine).values()] == expected


def test_a_fold_with_an_answer_of_its_own_keeps_it(engine: sa.Engine) -> None:
    first, same = (add_turn(engine, text) for text in ("Where is it", "where is it"))
    own = add_card(engine, same)
    cast(engine, own, "Ben", "intent", "cancel_order")
    resolve(engine)
    with database.writing(engine) as connection:
        connection.execute(sa.update(tables.candidate).values(folded_into=first))
    cast(engine, add_card(engine, first), "Ana", "intent", "track_order")
    resolve(engine)
    assert training(engine) == {same: (2, 1.0, "vote"), first: (3, 1.0, "vote")}


def test_candidates_know_that_they_are_labelled(engine: sa.Engine) -> None:
    card = deal(engine, "where is it")
    for answer, expected in (("none", "labelled"), ("undo", "carded")):
        cast(engine, card, "Ana", answer)  # type: ignore[arg-type]
        resolve(engine)
        with database.reading(engine) as connection:
            assert connection.scalar(sa.select(tables.candidate.c.status)) == expected


def test_audit_gold_and_undecided_flips_never_train(engine: sa.Engine) -> None:
    turns = {name: add_turn(engine, name) for name in ("audit", "flip", "rank", "gold", "marked")}
    cards = [add_card(engine, turns[name], purpose=name, challenger=3) for name in ("audit", "flip")]
    cards += [add_card(engine, turns[name]) for name in ("rank", "audit", "gold", "marked")]
    for card in cards:
        cast(engine, card, "Ana", "intent", "refund")
    resolve(engine)
    gold = {"bot": BOT, "turn_id": turns["gold"], "use": "gold", "answer": "none", "origin": "import", "at": AT}
    mark = {"bot": BOT, "turn_id": turns["marked"], "kind": "audit", "value": 1.0, "rate": 0.1, "at": AT}
    gate = {
        "bot": BOT,
        "challenger": 3,
        "champion": 1,
        "status": "open",
        "compared": 9,
        "disagreed": 4,
        "opened_at": AT,
    }
    with database.writing(engine) as connection:
        connection.execute(tables.label.insert(), gold)
        connection.execute(tables.mark.insert(), mark)
        connection.execute(tables.gate.insert(), gate)
    assert list(training(engine)) == [turns["rank"]]
    with database.writing(engine) as connection:
        connection.execute(sa.update(tables.gate).values(status="held"))
    assert sorted(training(engine)) == sorted([turns["rank"], turns["flip"]])


def test_no_label_is_lost_when_intents_change(engine: sa.Engine) -> None:
    refund, cancel = deal(engine, "money"), deal(engine, "stop")
    cast(engine, refund, "Ana", "intent", "refund")
    cast(engine, cancel, "Ana", "intent", "cancel_order")
    resolve(engine)

    def intent_ids() -> list[int | None]:
        return sorted((intent for intent, _, _ in training(engine).values()), key=str)

    with database.writing(engine) as connection:
        rename_intent(connection, BOT, 1, "money_back", AT)
    assert intent_ids() == [1, 2]
    with database.writing(engine) as connection:
        merge_intents(connection, BOT, 2, 1, AT)
    assert intent_ids() == [1, 1]
    with database.writing(engine) as connection:
        archive_intent(connection, BOT, by_name(connection, BOT, "money_back").id, AT)
    assert intent_ids() == []
    assert len(label_rows(engine)) == 2  # they wait for the intent's return


@pytest.mark.parametrize(
    ("answer", "fields", "path"),
    [
        ("intent", {}, "intent"),
        ("intent", {"intent": "nonsense"}, "intent"),
        ("two", {"intent": "refund"}, "second"),
        ("two", {"intent": "refund", "second": "refund"}, "second"),
        ("new", {"proposed": "  "}, "proposed"),
        ("none", {"spans": (Span(0, 99, "city"),)}, "spans[0]"),
        ("none", {"spans": (Span(0, 1, "city"), Span(3, 3, "city"))}, "spans[1]"),
    ],
)
def test_a_wrong_vote_names_the_field(engine: sa.Engine, answer: Answer, fields: dict[str, object], path: str) -> None:
    card = deal(engine, "text")
    with pytest.raises(BadInput) as caught:
        cast(engine, card, "Ana", answer, **fields)  # type: ignore[arg-type]
    assert caught.value.path == path
    assert votes(engine, card) == []


def test_an_archived_intent_an_unknown_card_and_an_archived_bot_take_no_vote(engine: sa.Engine) -> None:
    card = deal(engine, "text")
    with database.writing(engine) as connection:
        archive_intent(connection, BOT, 1, AT)
    with pytest.raises(BadInput, match="archived"):
        cast(engine, card, "Ana", "intent", "refund")
    with pytest.raises(CardNotFound):
        cast(engine, "nope", "Ana", "none")
    with database.writing(engine) as connection:
        connection.execute(sa.update(tables.bot).values(archived_at=AT))
    with pytest.raises(BotArchived):
        cast(engine, card, "Ana", "none")


def test_a_withdrawn_card_takes_no_vote(engine: sa.Engine) -> None:
    card = deal(engine, "text")
    with database.writing(engine) as connection:
        connection.execute(sa.update(tables.card).values(status="withdrawn"))
    with pytest.raises(CardClosed, match="withdrawal"):
        cast(engine, card, "Ana", "none")
    assert claim(engine, "Ana") == []


def test_a_forgotten_turn_is_not_dealt(engine: sa.Engine) -> None:
    deal(engine, "text")
    with database.writing(engine) as connection:
        connection.execute(sa.delete(tables.turn_content))
    assert claim(engine, "Ana") == []


def test_a_card_whose_turn_was_forgotten_holds_back_no_other(engine: sa.Engine) -> None:
    for n, overlap in enumerate((1, 2, 3)):
        deal(engine, f"text {n}", purpose="rank" if n < 2 else "audit", overlap=overlap)
    with database.writing(engine) as connection:
        one_of_each = tables.turn_content.c.text.in_(("text 1", "text 2"))
        connection.execute(sa.delete(tables.turn_content).where(one_of_each))
    with database.reading(engine) as connection:
        counts = [count(connection, BOT) for count in (store.count_open, store.count_waiting, store.count_wanted)]
    assert counts == [1, 1, 1]


def test_a_card_shows_two_turns_either_side_with_their_replies(engine: sa.Engine) -> None:
    for minute in range(7):
        turn_id = add_turn(engine, f"turn {minute}", conversation="c", minute=minute)
        add_reply(engine, f"reply {minute}", conversation="c", minute=minute)
        if minute == 3:
            shown, blind = add_card(engine, turn_id), add_card(engine, turn_id, purpose="audit")
    add_turn(engine, "elsewhere", conversation="d", minute=3)
    with database.reading(engine) as connection:
        around = view(connection, store.get_card(connection, BOT, shown)).context
        blind_around = view(connection, store.get_card(connection, BOT, blind)).context
    before = ["turn 1", "reply 1", "turn 2", "reply 2"]
    assert [line.text for line in around.before] == before
    assert [line.text for line in around.after] == ["reply 3", "turn 4", "reply 4", "turn 5", "reply 5"]
    assert ([line.text for line in blind_around.before], blind_around.after) == (before, ())
    assert [line.who for line in around.after] == ["bot", "user", "bot", "user", "bot"]


@pytest.mark.parametrize(("conversation", "before"), [("c", ["hello", "hi", "still here?"]), ("", [])])
def test_what_the_bot_answered_stands_after_the_turn_whatever_its_time(
    engine: sa.Engine, conversation: str, before: list[str]
) -> None:
    add_turn(engine, "hello", conversation="c", minute=1)
    add_reply(engine, "hi", conversation="c", minute=1)
    add_reply(engine, "still here?", conversation="c", minute=2)
    turn_id = add_turn(engine, "where is it", conversation=conversation, minute=4)
    for minute in (0, 3, 5):
        add_reply(engine, f"answer {minute}", conversation=conversation, minute=minute, to="t-1")
    add_reply(engine, "to nobody we show", conversation="", minute=4, to="t-9")
    cards = add_card(engine, turn_id), add_card(engine, turn_id, purpose="audit")
    with database.reading(engine) as connection:
        shown, blind = (view(connection, store.get_card(connection, BOT, card)).context for card in cards)
    assert [line.text for line in shown.before] == [line.text for line in blind.before] == before
    assert [line.text for line in shown.after] == ["answer 0", "answer 3", "answer 5"]
    assert blind.after == ()


def test_choices_carry_descriptions_and_the_owners_phrases_first(engine: sa.Engine) -> None:
    cast(engine, deal(engine, "voted phrase"), "Ana", "intent", "refund")
    resolve(engine)
    for n in range(3):
        turn_id = add_turn(engine, f"phrase {n}", source="import")
        row = {"bot": BOT, "turn_id": turn_id, "use": "train", "answer": "intent", "intent_id": 1, "origin": "import"}
        with database.writing(engine) as connection:
            connection.execute(tables.label.insert(), row | {"at": AT})
    card = deal(engine, "text")
    with database.reading(engine) as connection:
        choices = view(connection, store.get_card(connection, BOT, card)).choices
    assert [choice.intent for choice in choices] == ["cancel_order", "refund", "track_order"]
    assert choices[1].description == "money back for an order"
    assert choices[1].examples == ("phrase 0", "phrase 1", "phrase 2")
    assert choices[0].examples == ()


def test_a_reviewer_who_reached_the_daily_limit_is_dealt_no_more_that_day(engine: sa.Engine) -> None:
    cards, ana = [deal(engine, f"text {n}", priority=-n) for n in range(5)], Reviewer("Ana")
    with database.writing(engine) as connection:
        update_bot(connection, BOT, AT, daily_limit=3, timezone="Europe/Paris")
        for n, card in enumerate(cards[:2]):
            voting.vote(connection, BOT, card, ana, Vote(answer="none", click_id=f"c-{n}"), AT, surface="slack")
    assert claim(engine, "Ana", 5) == [cards[2]]
    with database.writing(engine) as connection:
        assert dealing.enough_today(connection, BOT, "Ana", AT) == ""
        voting.vote(connection, BOT, cards[2], ana, Vote(answer="none", click_id="c-2"), AT, surface="console")
        said = "You have answered 3 cards of shop today, as many as it asks of one person: more tomorrow."
        assert dealing.enough_today(connection, BOT, "Ana", AT) == said
        assert dealing.enough_today(connection, BOT, "Ben", AT) == ""
        # One who goes on in the channel is not held up.
        voting.vote(connection, BOT, cards[3], ana, Vote(answer="none", click_id="c-3"), AT, surface="slack")
    assert claim(engine, "Ana", 5) == []
    assert claim(engine, "Ben", 5) == [cards[4]]
    midnight = AT.replace(hour=23, minute=0)  # in Paris
    assert claim(engine, "Ana", 5, now=midnight) == [cards[4]]


def correct(engine: sa.Engine, turn_id: int, intent: str, minute: int = 0) -> None:
    """Somebody says what the bot should have understood."""
    with database.writing(engine) as connection:
        turn = get_turn(connection, BOT, turn_id)
        named = Report(
            external_id=f"r-{turn_id}-{intent}",
            kind="correction",
            at=AT + timedelta(minutes=minute),
            turn_external_id=turn.external_id,
            intent=intent,
        )
        insert_reports(connection, BOT, [NewReport(Arrival(turn.source, "d-1", AT + timedelta(hours=1)), named, "")])


def test_what_a_user_named_is_offered_first_and_labels_nothing_by_itself(engine: sa.Engine) -> None:
    card = deal(engine, "where is it")
    with database.reading(engine) as connection:
        turn_id = store.get_card(connection, BOT, card).turn_id
    correct(engine, turn_id, "refund")
    correct(engine, turn_id, "track_order", minute=1)
    correct(engine, turn_id, "no intent of ours", minute=-1)
    with database.reading(engine) as connection:
        choices = view(connection, store.get_card(connection, BOT, card)).choices
    assert [(choice.intent, choice.is_corrected) for choice in choices] == [
        ("track_order", True),
        ("cancel_order", False),
        ("refund", False),
    ]
    assert resolve(engine) == []
    cast(engine, card, "Ana", "intent", "refund")
    assert len(resolve(engine)) == 1


def test_a_blind_card_does_not_say_what_a_user_named(engine: sa.Engine) -> None:
    turn_id = add_turn(engine, "where is it")
    card = add_card(engine, turn_id, purpose="audit")
    correct(engine, turn_id, "track_order")
    with database.reading(engine) as connection:
        choices = view(connection, store.get_card(connection, BOT, card)).choices
    assert [(choice.intent, choice.is_corrected) for choice in choices] == [
        ("cancel_order", False),
        ("refund", False),
        ("track_order", False),
    ]


def test_nothing_is_kept_of_what_is_said_about_a_turn_while_it_is_forgotten(engine: sa.Engine) -> None:
    turn_id = add_turn(engine, "text")

    def say() -> None:
        with database.writing(engine) as connection:
            remarks.keep(connection, turn_id, "why")

    with ThreadPoolExecutor(1) as pool:
        with database.writing(engine) as connection:
            connection.execute(sa.delete(tables.turn_content).where(tables.turn_content.c.turn_id == turn_id))
            said = pool.submit(say)
            while engine.dialect.name == "postgresql" and not _waiting(connection):
                assert not said.done()
        said.result()
    with database.reading(engine) as connection:
        assert connection.execute(sa.select(tables.remark_content)).all() == []


def _waiting(connection: sa.Connection) -> int | None:
    """How many wait for what the connection's transaction has locked."""
    waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
    return connection.scalar(sa.text(waits))
