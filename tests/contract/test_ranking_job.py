"""The ranking job, on both databases: what becomes a card, in which order, and that it happens once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
import sqlalchemy as sa

from service import database, tables
from service.bots.store import get_bot
from service.clock import now
from service.learning.diversity import DUPLICATE
from service.learning.ranking import Factors, Weights, priority, recompute
from service.reports.rules import Evidence, evidence
from service.reviews import budget, candidates, overlap
from tests.support.scored import AT, BOT, GIBBERISH, PHRASES, Shop, between, opened_shop
from workers import ranking

SURE = PHRASES["track_order"]


@pytest.fixture
def shop(engine: sa.Engine, valkey: Path, tmp_path: Path) -> Iterator[Shop]:
    with opened_shop(engine, valkey, tmp_path) as shop:
        yield shop


def fill(shop: Shop, count: int = 12) -> list[int]:
    """Candidates on the fence that are no duplicates of each other."""
    return [shop.say(f"turn {i}", vector=between(shop, "refund", "track_order", noise=i)) for i in range(count)]


def ready(shop: Shop, **options: object) -> None:
    shop.train(**options)  # type: ignore[arg-type]  # passed on as they are
    shop.rescore()


def answer(shop: Shop, turn_id: int) -> None:
    """Close the turn's card as a resolved vote would."""
    with database.writing(shop.engine) as connection:
        card, candidate = tables.card.c, tables.candidate.c
        values = {"status": "resolved", "resolved_at": now()}
        connection.execute(sa.update(tables.card).where(card.turn_id == turn_id).values(values))
        connection.execute(sa.update(tables.candidate).where(candidate.turn_id == turn_id).values(status="labelled"))


def vector_of(shop: Shop, turn_ids: list[int]) -> np.ndarray:
    return np.stack([shop.encoder.turns[BOT][turn_id] for turn_id in turn_ids])


def test_without_a_champion_nothing_is_asked(shop: Shop) -> None:
    fill(shop)
    shop.rank()
    assert shop.rows(tables.ranking, "id", order="id") == []


def test_the_most_undecided_are_asked_first(shop: Shop) -> None:
    shop.set(batch_size=3)
    ids = fill(shop)
    ready(shop)
    shop.rank()
    asked = shop.cards()
    uncertainty = dict(shop.rows(tables.candidate, "turn_id", "uncertainty"))
    assert len(asked) == 3
    assert asked[0] == max(ids, key=lambda turn_id: uncertainty[turn_id])
    rows = shop.rows(tables.card, "purpose", "is_blind", "overlap", "status")
    assert rows == [("rank", False, 1, "open")] * 3
    assert [shop.candidate(turn_id)["status"] for turn_id in asked] == ["carded"] * 3


def test_a_reported_turn_comes_before_its_unreported_twin(shop: Shop) -> None:
    """Sure twins that do not fold, for the bot had said different things before."""
    twins = [shop.say(SURE, conversation=f"c-{i}", minute=10 * i + 5, bot_intent="track_order") for i in range(2)]
    for i, reply in enumerate(("How can I help?", "Your parcel was sent.")):
        shop.reply(reply, conversation=f"c-{i}", minute=10 * i)
    fill(shop)
    shop.train()
    shop.rescore()
    for twin in twins:  # both are candidates
        shop.report(twin, "abandoned", person=f"u-{twin}")
    shop.report(twins[1], "correction", person="u-9")
    shop.refresh_reports()
    shop.rank()
    order = [turn_id for (turn_id,) in shop.rows(tables.ranking_item, "turn_id", order="position")]
    assert order.index(twins[1]) < order.index(twins[0])
    assert twins[1] in shop.cards()
    assert twins[0] not in shop.cards()  # it would ask the same
    assert shop.candidate(twins[0])["status"] == "open"  # but one answer does not serve both


def test_an_unreported_twin_folds_into_the_reported_one(shop: Shop) -> None:
    fence = between(shop, "refund", "track_order")
    twins = [shop.say("what about my parcel then", vector=fence, bot_intent="track_order") for _ in range(3)]
    ready(shop, sharpness=0.5)
    shop.report(twins[1], "correction")
    shop.refresh_reports()
    shop.rank()
    assert shop.cards() == [twins[1]]
    assert [shop.candidate(one)["folded_into"] for one in twins] == [twins[1], None, twins[1]]


def test_a_ranking_recomputes_from_its_stored_factors(shop: Shop) -> None:
    ids = fill(shop, 30)
    for i, turn_id in enumerate(ids[:3]):
        shop.report(turn_id, "wrong_answer", person=f"u-{i}")
    ready(shop)
    shop.rank()
    [(ranking_id, n, strategy, candidates, weights)] = shop.rows(
        tables.ranking, "id", "n", "strategy", "candidates", "weights", order="id"
    )
    items = shop.rows(
        tables.ranking_item, "turn_id", "priority", "factors", "picked", order="position", ranking_id=ranking_id
    )
    assert (n, strategy, candidates, len(items)) == (1, "margin+kmeans", 30, 30)
    assert [recompute(factors, weights) for _, _, factors, _ in items] == pytest.approx(
        [priority for _, priority, _, _ in items], abs=1e-6
    )
    assert [row[1] for row in items] == sorted((row[1] for row in items), reverse=True)
    assert {row[0] for row in items if row[3]} == set(shop.cards())
    assert dict(shop.rows(tables.card, "turn_id", "priority")).items() <= {row[0]: row[1] for row in items}.items()
    assert any(factors["pressure"] > 0 for _, _, factors, _ in items)


def test_a_batch_holds_no_two_near_duplicates(shop: Shop) -> None:
    shop.set(batch_size=8)
    for i in range(6):
        for text in ("what about order one", "what about order two", "what about an order"):
            nearly = between(shop, "refund", "track_order", noise=i)
            shop.say(f"{text} {i}", vector=nearly + 0.01 * between(shop, "cancel_order"))
    ready(shop)
    shop.rank()
    asked = shop.cards()
    assert len(asked) == 6
    x = vector_of(shop, asked)
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    assert ((x @ x.T)[~np.eye(6, dtype=bool)] < DUPLICATE).all()


def test_two_rankings_at_once_give_one_batch_and_one_card_a_turn(shop: Shop) -> None:
    shop.set(batch_size=5, low_water=100)
    fill(shop, 30)
    ready(shop)
    barrier = Barrier(2)

    def run() -> None:
        barrier.wait()
        shop.rank()

    # Both have planned before either writes: the moment at which a twin could do harm.
    carry_out = ranking._carry_out
    meeting = Barrier(2, timeout=60)

    def together(*args: object) -> int:
        meeting.wait()
        return carry_out(*args)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as pool:
        patch.setattr(ranking, "_carry_out", together)
        for future in [pool.submit(run) for _ in range(2)]:
            future.result(120)
    assert len(shop.rows(tables.ranking, "id", order="id")) == 1
    assert len(shop.cards()) == len(set(shop.cards())) == 5
    picked = shop.rows(tables.ranking_item, "turn_id", picked=True)
    assert sorted(shop.cards()) == [turn_id for (turn_id,) in picked]


def test_a_full_queue_asks_for_nothing_and_the_next_batch_is_of_other_turns(shop: Shop) -> None:
    shop.set(batch_size=4, low_water=4)
    fill(shop, 12)
    ready(shop)
    shop.rank()
    first = shop.cards()
    shop.rank()
    assert shop.cards() == first
    answer(shop, first[0])
    shop.rank()
    assert len(shop.cards()) == 8
    assert len(shop.rows(tables.ranking, "id", order="id")) == 2


def test_the_weeks_budget_is_kept(shop: Shop) -> None:
    shop.set(batch_size=4, low_water=4, weekly_budget=6)
    fill(shop, 12)
    ready(shop)
    shop.rank()
    first = shop.cards()
    vote = {"bot": BOT, "reviewer": "ann", "answer": "none", "surface": "api"}
    for turn_id in first:
        answer(shop, turn_id)
        with database.writing(shop.engine) as connection:
            row = {"card_id": str(turn_id), "click_id": str(turn_id), "at": now()}
            connection.execute(tables.vote.insert(), vote | row)
    shop.rank()
    assert len(shop.cards()) == 6
    for turn_id in shop.cards():
        answer(shop, turn_id)
    shop.rank()
    assert len(shop.cards()) == 8  # two votes of the week are still to be given
    with database.writing(shop.engine) as connection:
        connection.execute(sa.update(tables.vote).values(at=now() - timedelta(days=8)))
        connection.execute(sa.update(tables.card).values(status="resolved"))
    shop.rank()
    assert len(shop.cards()) == 12


def test_an_audit_turn_is_asked_blind_and_never_for_training(shop: Shop) -> None:
    shop.set(audit_rate=1.0)
    drawn = fill(shop, 3)
    ready(shop)
    shop.set(audit_rate=0.0)
    twin = shop.say("turn 0", vector=between(shop, "refund", "track_order", noise=0))
    shop.rescore()
    shop.rank()
    assert sorted(shop.cards("audit")) == drawn
    assert shop.rows(tables.card, "is_blind", purpose="audit") == [(True,)] * 3
    assert shop.cards("rank") == [twin]
    assert [shop.candidate(turn_id)["status"] for turn_id in drawn] == ["open"] * 3
    shop.rank()
    assert len(shop.cards("audit")) == 3


def test_audit_cards_take_their_share_of_the_budget_in_the_order_of_their_draw(shop: Shop) -> None:
    shop.set(audit_rate=1.0, weekly_budget=20, low_water=0)
    fill(shop, 9)
    ready(shop)
    shop.rank()
    draws = sorted((value, turn_id) for turn_id, value in shop.rows(tables.mark, "turn_id", "value", kind="audit"))
    assert shop.cards("audit") == [turn_id for _, turn_id in draws[:4]]
    shop.rank()
    assert len(shop.cards("audit")) == 4


def test_after_two_hundred_answers_the_audit_slice_takes_a_tenth(shop: Shop) -> None:
    row = {"bot": BOT, "purpose": "audit", "is_blind": True, "status": "resolved", "created_at": AT}
    with database.writing(shop.engine) as connection:
        bot = get_bot(connection, BOT)
        assert budget.audit_votes_a_week(connection, bot) == 100
        rows = [row | {"id": str(i), "turn_id": i} for i in range(200)]
        connection.execute(tables.card.insert(), rows)
        assert budget.audit_votes_a_week(connection, bot) == 50


def voted(shop: Shop, *reviewers: str, days_ago: int = 0) -> None:
    """Each of them voted once, on a card long gone."""
    row = {"bot": BOT, "card_id": "gone", "answer": "none", "surface": "api", "at": now() - timedelta(days=days_ago)}
    with database.writing(shop.engine) as connection:
        rows = [row | {"reviewer": name, "click_id": f"gone:{name}"} for name in reviewers]
        connection.execute(tables.vote.insert(), rows)


def test_an_audit_card_asks_as_many_as_the_bot_has_and_costs_as_many_votes(shop: Shop) -> None:
    shop.set(audit_rate=1.0, weekly_budget=20, low_water=0, overlap=3, policy="dawid_skene")
    voted(shop, "Ana", "Ben", days_ago=20)
    voted(shop, "Cem", days_ago=31)
    fill(shop, 9)
    ready(shop)
    shop.rank()
    shop.rank()
    assert shop.rows(tables.card, "overlap", "policy", purpose="audit") == [(2, "dawid_skene")] * 2


def test_open_cards_hold_back_the_votes_they_still_want(shop: Shop) -> None:
    shop.set(weekly_budget=20, batch_size=20)
    plain = {"bot": BOT, "purpose": "audit", "is_blind": True, "created_at": AT}
    with database.writing(shop.engine) as connection:
        rows = [plain | {"id": str(i), "turn_id": i, "overlap": 3} for i in range(4)]
        connection.execute(tables.card.insert(), rows)
        connection.execute(tables.turn_content.insert(), [{"turn_id": i, "text": "text"} for i in range(4)])
        vote = {"bot": BOT, "card_id": "0", "reviewer": "Ana", "surface": "api", "at": now(), "answer": "none"}
        connection.execute(tables.vote.insert(), [vote | {"click_id": "1"}])
        connection.execute(tables.vote.insert(), [vote | {"click_id": "2", "reviewer": "Ben", "answer": "unsure"}])
        assert budget.rank_room(connection, get_bot(connection, BOT), now()) == 20 - 2 - (4 * 3 - 1)


def test_one_rank_card_in_twenty_is_blind_where_two_would_answer(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlap, "BLIND_SHARE", 0.5)
    shop.set(batch_size=12, low_water=12)
    voted(shop, "Ana", "Ben")
    fill(shop, 12)
    ready(shop)
    shop.rank()
    keyring = shop.context.keyring
    drawn = {turn_id: keyring.fraction("blind", BOT, str(turn_id)) < 0.5 for turn_id in shop.cards()}
    assert 0 < sum(drawn.values()) < 12
    made = shop.rows(tables.card, "turn_id", "is_blind", "overlap", purpose="rank")
    assert made == [(turn_id, is_blind, 2 if is_blind else 1) for turn_id, is_blind in sorted(drawn.items())]


@pytest.mark.parametrize(("voters", "policy"), [(("Ana",), "majority"), (("Ana", "Ben"), "single")])
def test_no_rank_card_is_blind_where_one_answer_decides(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, voters: tuple[str, ...], policy: str
) -> None:
    monkeypatch.setattr(overlap, "BLIND_SHARE", 1.0)
    shop.set(batch_size=3, low_water=3, policy=policy)
    voted(shop, *voters)
    fill(shop, 3)
    ready(shop)
    shop.rank()
    assert shop.rows(tables.card, "is_blind", "overlap", purpose="rank") == [(False, 1)] * 3


def test_the_audit_rate_is_set_once_a_week_to_fill_its_share(shop: Shop) -> None:
    shop.set(weekly_budget=50)
    with database.writing(shop.engine) as connection:
        connection.execute(sa.update(tables.bot).values(created_at=AT))
    for i in range(40):
        shop.say(SURE, minute=i)
    later = AT + timedelta(days=6, hours=23)
    with database.writing(shop.engine) as connection:
        assert budget.set_audit_rate(connection, get_bot(connection, BOT), later) == 0.0
        later = AT + timedelta(days=7)
        connection.execute(sa.update(tables.turn).values(received_at=later))
        assert budget.set_audit_rate(connection, get_bot(connection, BOT), later) == 10 / 40
        assert get_bot(connection, BOT).audit_rate == 0.25
        connection.execute(sa.update(tables.turn).values(received_at=AT))
        assert budget.set_audit_rate(connection, get_bot(connection, BOT), later + timedelta(days=3)) == 0.25


def test_turns_surely_out_of_scope_are_asked_last(shop: Shop) -> None:
    gibberish = shop.encoder.encode(BOT, [GIBBERISH])[0]
    rng = np.random.default_rng(0)
    outside = []
    for i in range(20):
        apart = rng.normal(size=64)
        x = gibberish + 0.6 * apart / np.linalg.norm(apart)
        outside.append(shop.say(f"{GIBBERISH} {i}", vector=x / np.linalg.norm(x)))
    inside = fill(shop, 8)
    ready(shop, gate=True)
    assert sum(value > 0.9 for (value,) in shop.rows(tables.prediction, "out_of_scope")) == 20
    shop.rank()
    items = [turn_id for (turn_id,) in shop.rows(tables.ranking_item, "turn_id", order="position")]
    assert set(items[:8]) == set(inside)


def test_what_is_asked_for_its_entities_is_carded(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.set(batch_size=5)
    fill(shop, 8)
    ready(shop)
    last = np.array([6, 7])  # of eight, by priority
    monkeypatch.setattr(ranking, "_about_entities", lambda *_: last)
    shop.rank()
    order = [turn_id for (turn_id,) in shop.rows(tables.ranking_item, "turn_id", order="position")]
    assert len(shop.cards()) == 5
    assert set(order[6:]) <= set(shop.cards())


def test_a_complaint_about_a_turn_out_of_scope_is_heard(shop: Shop) -> None:
    gibberish = shop.encoder.encode(BOT, [GIBBERISH])[0]
    rng = np.random.default_rng(0)
    ids = []
    for i in range(30):
        apart = rng.normal(size=64)
        x = gibberish + 0.6 * apart / np.linalg.norm(apart)
        ids.append(shop.say(f"{GIBBERISH} {i}", vector=x / np.linalg.norm(x)))
    ready(shop, gate=True)
    for turn_id in ids:
        shop.report(turn_id, "wrong_answer", person=f"u-{turn_id}")
    shop.refresh_reports()
    shop.rank()
    reviewed = shop.rows(tables.card, "turn_id", is_blind=True)  # asked about whatever their priority
    assert len(shop.rows(tables.ranking_item, "turn_id")) == 30 - len(reviewed)


@pytest.mark.parametrize(
    ("one", "other", "folded"),
    [
        ("please refund my order", "please refund my order", True),
        ("please refund my order", "please do not refund my order", False),
        ("please refund two orders", "please refund three orders", False),
        ("please refund two orders", "please refund 2 orders", True),
    ],
)
def test_what_folds_and_what_only_looks_alike(shop: Shop, one: str, other: str, folded: bool) -> None:
    fence = between(shop, "refund", "track_order")
    first, second = shop.say(one, vector=fence), shop.say(other, vector=fence)
    ready(shop)
    shop.rank()
    assert shop.cards() == [first]
    row = shop.candidate(second)
    assert (row["status"], row["folded_into"]) == (("folded", first) if folded else ("open", None))


def test_a_yes_folds_only_where_it_means_the_same(shop: Shop) -> None:
    """Three conversations: the second ran like the first, the third did not."""
    fence = between(shop, "refund", "track_order")
    asked = ["book a table", "book a table", "cancel the table"]
    yes = []
    for i, before in enumerate(asked):
        shop.say(before, conversation=f"c-{i}", minute=20 * i, is_slot_fill=True)
        shop.reply("Are you sure?", conversation=f"c-{i}", minute=20 * i + 1)
        yes.append(shop.say("yes", conversation=f"c-{i}", minute=20 * i + 2, vector=fence))
    ready(shop)
    shop.rank()
    assert shop.cards() == [yes[0]]
    assert [shop.candidate(turn_id)["folded_into"] for turn_id in yes] == [None, yes[0], None]


def test_a_repeat_folds_into_the_card_that_waits_and_is_not_asked_again_after_its_answer(shop: Shop) -> None:
    fence = between(shop, "refund", "track_order")
    first = shop.say("please refund my order", vector=fence)
    ready(shop)
    shop.rank()
    second = shop.say("please refund my order", vector=fence)
    other = shop.say("please do not refund it", vector=fence)
    new = shop.say("something else", vector=between(shop, "refund", "track_order", noise=1))
    shop.rescore()
    shop.rank()
    assert set(shop.cards()) == {first, new}
    assert shop.candidate(second)["folded_into"] == first
    answer(shop, first)
    answer(shop, new)
    third = shop.say("please refund my order", vector=fence)
    last = shop.say("something quite else", vector=between(shop, "refund", "track_order", noise=2))
    shop.rescore()
    shop.rank()
    assert set(shop.cards()) == {first, new, last}
    assert [shop.candidate(turn_id)["status"] for turn_id in (third, other)] == ["open", "open"]


def test_frequent_turns_come_before_rare_ones(shop: Shop) -> None:
    often = [
        shop.say(f"anything {i}", vector=between(shop, "refund", "track_order", noise=1), conversation=f"c-{i}")
        for i in range(5)
    ]
    for i, turn_id in enumerate(often):
        shop.reply(f"Reply {'abcdef'[i]}", conversation=f"c-{i}", minute=-1)
        assert turn_id
    once = shop.say("else", vector=between(shop, "refund", "track_order", noise=2))
    old = shop.say("anything", vector=between(shop, "refund", "track_order", noise=1), minute=-60 * 24 * 60)
    ready(shop)
    shop.rank()
    factors = dict(shop.rows(tables.ranking_item, "turn_id", "factors"))
    assert factors[often[0]]["impact"] == pytest.approx(np.log(5), abs=1e-3)
    assert factors[once]["impact"] == 0.0
    assert factors[old]["impact"] == pytest.approx(np.log(6), abs=1e-3)  # the five recent ones, and itself
    assert shop.candidate(once)["impact"] == 0.0


def test_a_forgotten_turn_is_not_asked(shop: Shop) -> None:
    ids = fill(shop, 3)
    ready(shop)
    with database.writing(shop.engine) as connection:
        connection.execute(sa.delete(tables.turn_content).where(tables.turn_content.c.turn_id == ids[0]))
        connection.execute(sa.delete(tables.vector).where(tables.vector.c.turn_id == ids[0]))
    shop.rank()
    assert sorted(shop.cards()) == ids[1:]


def scatter(shop: Shop, count: int, seed: int) -> None:
    """Candidates with factors at random, many equal; some carded, audited or forgotten."""
    rng = np.random.default_rng(seed)
    ids = [shop.say(f"turn {i}", vector=between(shop, "refund", "track_order", noise=i)) for i in range(count)]
    drawn = {
        "uncertainty": rng.beta(2, 3, count).round(2),
        "structure": np.where(rng.random(count) < 0.3, rng.integers(1, 4, count), 0.0),
        "pressure": np.where(rng.random(count) < 0.1, rng.exponential(1.0, count), 0.0).round(3),
        "impact": np.log(rng.geometric(0.6, count)).round(3),
    }
    outside = np.where(rng.random(count) < 0.4, 0.9, rng.random(count) * 0.6).tolist()
    plain = {"bot": BOT, "n": 1}
    with database.writing(shop.engine) as connection:
        for at, turn_id in enumerate(ids):
            row = {name: float(values[at]) for name, values in drawn.items()}
            connection.execute(
                tables.candidate.insert(), {**plain, "turn_id": turn_id, "created_at": AT, "measured_at": AT, **row}
            )
            seen = {"best_id": 1, "p1": 0.5, "p2": 0.3, "out_of_scope": outside[at], "uncertainty": row["uncertainty"]}
            connection.execute(tables.prediction.insert(), {**plain, "turn_id": turn_id, **seen})
        for turn_id in ids[::7]:
            card = {"id": f"c{turn_id}", "bot": BOT, "turn_id": turn_id, "purpose": "audit", "is_blind": True}
            connection.execute(tables.card.insert(), {**card, "created_at": AT})
        for turn_id in ids[::11]:
            mark = {"bot": BOT, "turn_id": turn_id, "kind": "audit", "value": 0.1, "at": AT}
            connection.execute(tables.mark.insert(), mark)


def plainly_best(shop: Shop, found: Evidence, n: int) -> list[int]:
    """The shortlist by the formula as it is written, over every row at once."""
    barred = {row[0] for row in shop.rows(tables.card, "turn_id")}
    barred |= {row[0] for row in shop.rows(tables.mark, "turn_id", kind="audit")}
    columns = ("turn_id", "uncertainty", "structure", "pressure", "impact")
    rows = [row for row in shop.rows(tables.candidate, *columns, status="open") if row[0] not in barred]
    turn_ids, *factors = (np.array(column) for column in zip(*rows, strict=True))
    scores = priority(Factors(*factors), Weights())
    belief = dict(zip(found.turn_ids.tolist(), found.belief.tolist(), strict=True))
    order = sorted(range(len(rows)), key=lambda at: (-scores[at], -belief.get(turn_ids[at], 0.0), turn_ids[at]))
    return turn_ids[order[:n]].tolist()


@pytest.mark.parametrize("n", [1, 5, 20, 60, 500])
def test_the_shortlist_is_what_the_formula_says(shop: Shop, n: int) -> None:
    scatter(shop, 150, seed=n)
    for turn_id, kind in ((20, "thumbs_down"), (51, "correction"), (90, "correction")):
        shop.report(turn_id, kind, person=f"u-{turn_id}")
    with database.reading(shop.engine) as connection:
        found = evidence(connection, BOT)
        pool = candidates.read_pool(connection, BOT)
        best = ranking._best(connection, pool, found, n)
    assert list(best) == plainly_best(shop, found, n)


def test_a_forgotten_turn_leaves_its_place_to_the_next(shop: Shop) -> None:
    scatter(shop, 40, seed=1)
    with database.writing(shop.engine) as connection:
        found = evidence(connection, BOT)
        pool = candidates.read_pool(connection, BOT)
        before = list(ranking._best(connection, pool, found, 6))
        connection.execute(sa.delete(tables.turn_content).where(tables.turn_content.c.turn_id == before[2]))
        after = list(ranking._best(connection, pool, found, 5))
    assert after == before[:2] + before[3:]


def test_a_plan_made_under_another_champion_is_dropped(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(shop)
    ready(shop)
    carry_out = ranking._carry_out

    def late(*args: object) -> int:
        shop.train()
        return carry_out(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(ranking, "_carry_out", late)
    shop.rank()
    assert shop.cards() == []
