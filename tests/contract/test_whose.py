"""The owner chooses whose uncertainty ranks a bot's turns, on both databases: ours, the platform's, or how likely the
two are to disagree."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import sqlalchemy as sa

from service import clock, database, tables
from service.bots import rules
from service.classifiers import store
from service.classifiers.cache import Champions
from service.classifiers.schemas import Classifier
from service.errors import BadInput
from service.intents.store import rename_intent
from service.learning.confidence import Scale, Whose, chance
from service.reviews import views
from service.reviews.schemas import Prediction
from service.reviews.store import get_card
from service.reviews.turn_view import view_turn
from tests.support.scored import AT, BOT, PHRASES, Shop, between, opened_shop
from workers.scoring import BOUNDARY
from workers.training import train

WHOSE: list[Whose] = list(get_args(Whose))
NAMES = [*PHRASES]
WORDS = ["sofa", "lamp", "chair", "desk", "table", "bed", "carpet", "mirror", "shelf", "stool", "clock"]


@pytest.fixture
def shop(engine: sa.Engine, valkey: Path, tmp_path: Path) -> Iterator[Shop]:
    with opened_shop(engine, valkey, tmp_path) as shop:
        yield shop


def choose(shop: Shop, whose: str) -> None:
    rules.change_bot(shop.context, BOT, clock.now(), uncertainty=whose)


def label(shop: Shop, turn_id: int, intent: str | None, use: str = "train") -> None:
    """None is `none`."""
    row = {"bot": BOT, "turn_id": turn_id, "use": use, "origin": "vote", "at": AT}
    row |= {"answer": "intent" if intent else "none", "intent_id": NAMES.index(intent) + 1 if intent else None}
    with database.writing(shop.engine) as connection:
        connection.execute(tables.label.insert(), row)


def say_scored(shop: Shop, n: int, score: float, right: int, **more: Any) -> dict[int, bool]:
    """n turns that mean `refund`, of which the platform gets that many right; turn → whether it is right."""
    said = {}
    for i in range(n):
        text = f"{PHRASES['refund']} {WORDS[i % 11]} {WORDS[i % 7]} {score}"
        turn_id = shop.say(text, bot_intent="refund" if i < right else "track_order", bot_score=score, **more)
        said[turn_id] = i < right
    return said


def champion(shop: Shop) -> Classifier:
    with database.reading(shop.engine) as connection:
        found = store.champion(connection, BOT)
    assert found
    return found


def scale(shop: Shop) -> Scale:
    return Scale(champion(shop).manifest.score_slope, champion(shop).manifest.score_intercept)


def prediction(shop: Shop, turn_id: int) -> Prediction:
    """The newest, as the trace shows it."""
    with database.reading(shop.engine) as connection:
        opinions = view_turn(connection, BOT, turn_id).opinions
    assert opinions
    return opinions.predictions[-1]


def test_a_training_learns_what_the_platforms_scores_mean(shop: Shop) -> None:
    """A platform whose true chance is the score's cube; turns that test would say that it is always right."""
    scores = {0.5: 5, 0.7: 14, 0.9: 29}
    for score, right in scores.items():
        for turn_id in say_scored(shop, 40, score, right):
            label(shop, turn_id, "refund")
    for i, turn_id in enumerate(say_scored(shop, 30, 0.5, 30)):
        label(shop, turn_id, "refund", use="gold" if i < 15 else "train")
        if i >= 15:
            with database.writing(shop.engine) as connection:
                row = {"bot": BOT, "turn_id": turn_id, "kind": "audit", "value": 0.01, "rate": 0.05, "at": AT}
                connection.execute(tables.mark.insert(), row)
    assert train(shop.context, shop.encoder, BOT, patience_s=0.0) == 1
    assert champion(shop).manifest.score_labels == 120
    assert chance(np.array([*scores]), scale(shop)) == pytest.approx([0.5**3, 0.7**3, 0.9**3], abs=0.05)


def test_a_card_with_many_folds_counts_once(shop: Shop) -> None:
    """A platform that is right nine times in ten, and wrong on what a hundred people say alike."""
    for turn_id, is_right in say_scored(shop, 40, 0.9, 36).items():
        label(shop, turn_id, "refund" if is_right else "cancel_order")
    card, *folded = say_scored(shop, 101, 0.9, 101)
    for turn_id in (card, *folded):
        label(shop, turn_id, "cancel_order")
    row = {"bot": BOT, "status": "folded", "folded_into": card, "created_at": AT}
    with database.writing(shop.engine) as connection:
        connection.execute(tables.candidate.insert(), [{**row, "turn_id": turn_id} for turn_id in folded])
    train(shop.context, shop.encoder, BOT, patience_s=0.0)
    assert chance(np.array([0.9]), scale(shop))[0] == pytest.approx(36 / 41, abs=0.03)


def test_what_a_held_challenger_learnt_about_the_platform_is_in_use(shop: Shop) -> None:
    choose(shop, "theirs")
    shop.train(names={"refund": 1})
    champions = Champions(shop.engine, max_age_s=0.0)
    before = champions.get(BOT)
    learnt = {"names": {"refund": 1, "money_back": 1}, "score_slope": 1.0, "score_intercept": -2.0}
    c = tables.classifier.c
    with database.writing(shop.engine) as connection:
        manifest = {**connection.scalar(sa.select(c.manifest)), **learnt}
        row = {"bot": BOT, "n": 2, "status": "held", "created_at": AT, "manifest": manifest}
        connection.execute(tables.classifier.insert(), row)
    turn_id = shop.say(PHRASES["refund"], bot_intent="money_back", bot_score=0.8)
    shop.rescore()
    assert prediction(shop, turn_id).confidence == pytest.approx(chance(np.array([0.8]), Scale(1.0, -2.0))[0])
    after = champions.get(BOT)
    assert before and after
    assert (before.platform.scale, after.platform.scale) == (Scale(), Scale(1.0, -2.0))
    assert champions.get(BOT) is after


def test_what_no_label_can_tell_is_not_learnt_from(shop: Shop) -> None:
    label(shop, shop.say("what a day", bot_intent="refund", bot_score=0.9), None)  # the gate's question
    label(shop, shop.say(PHRASES["refund"], bot_intent="small_talk", bot_score=0.9), "refund")  # no intent of ours
    label(shop, shop.say(PHRASES["refund"], bot_intent="refund"), "refund")  # no score
    label(shop, shop.say(PHRASES["refund"]), "refund")
    train(shop.context, shop.encoder, BOT, patience_s=0.0)
    assert (champion(shop).manifest.score_labels, scale(shop)) == (0, Scale())


def test_a_platform_may_go_on_using_an_old_name(shop: Shop) -> None:
    with database.writing(shop.engine) as connection:
        rename_intent(connection, BOT, 1, "money_back", AT)
    label(shop, shop.say(PHRASES["refund"], bot_intent="refund", bot_score=0.9), "refund")
    train(shop.context, shop.encoder, BOT, patience_s=0.0)
    turn_id = shop.say("and again", bot_intent="refund", bot_score=0.9)
    shop.rescore()
    assert champion(shop).manifest.score_labels == 1
    assert prediction(shop, turn_id).confidence == pytest.approx(chance(np.array([0.9]), scale(shop))[0])


def test_a_manifest_from_before_takes_scores_at_their_word(shop: Shop) -> None:
    choose(shop, "theirs")
    turn_id = shop.say(PHRASES["refund"], bot_intent="refund", bot_score=0.4)
    shop.train()
    c = tables.classifier.c
    with database.writing(shop.engine) as connection:
        kept = dict(connection.scalar(sa.select(c.manifest)))
        for name in ("names", "score_slope", "score_intercept", "score_labels"):
            del kept[name]
        connection.execute(sa.update(tables.classifier).values(manifest=kept))
    shop.rescore()
    assert (prediction(shop, turn_id).confidence, prediction(shop, turn_id).uncertainty) == pytest.approx((0.4, 0.6))


def test_the_choice_is_kept_and_another_word_refused(shop: Shop) -> None:
    with pytest.raises(BadInput, match=r"ours\|theirs\|disagreement") as refused:
        choose(shop, "mine")
    assert refused.value.path == "uncertainty"
    assert shop.rows(tables.bot, "uncertainty", order="name") == [("ours",)]
    assert [job.func_name for job in shop.context.queue.jobs] == []
    choose(shop, "theirs")
    choose(shop, "theirs")
    assert shop.rows(tables.bot, "uncertainty", order="name") == [("theirs",)]
    assert [job.func_name for job in shop.context.queue.jobs] == ["workers.jobs.rescore"]


@pytest.mark.parametrize(
    ("whose", "expected"),
    [
        ("ours", lambda p1, p2, p3: 1 - (p1 - p2)),
        ("theirs", lambda p1, p2, p3: 0.4),
        ("disagreement", lambda p1, p2, p3: 1 - 0.6 * p3 - 0.4 * (p1 * p1 + p2 * p2) / (p1 + p2)),
    ],
)
def test_a_turn_is_as_uncertain_as_the_chosen_one_is(shop: Shop, whose: Whose, expected: Any) -> None:
    """We lean to `refund`, the platform says `cancel_order` with .6."""
    choose(shop, whose)
    turn_id = shop.say(
        "money or parcel",
        vector=0.8 * between(shop, "refund", "track_order") + 0.6 * between(shop, "refund"),
        bot_intent="cancel_order",
        bot_score=0.6,
    )
    shop.train(sharpness=2.0)
    shop.rescore()
    shown = prediction(shop, turn_id)
    assert (shown.best, shown.second, shown.whose, shown.confidence) == ("refund", "track_order", whose, 0.6)
    uncertainty = expected(shown.p1, shown.p2, 1 - shown.p1 - shown.p2)
    assert shown.uncertainty == pytest.approx(uncertainty, abs=1e-6)
    assert shop.candidate(turn_id)["uncertainty"] == shown.uncertainty
    assert shop.marks(turn_id)["boundary"] == shown.uncertainty


@pytest.mark.parametrize(("whose", "expected"), [("theirs", lambda p: 1 - p[0]), ("disagreement", lambda p: 1 - p @ p)])
@pytest.mark.parametrize(
    "said", [{}, {"bot_intent": "refund"}, {"bot_intent": "small_talk", "bot_score": 0.1}], ids=str
)
def test_a_platform_that_says_nothing_answers_as_we_do(
    shop: Shop, whose: Whose, expected: Any, said: dict[str, Any]
) -> None:
    choose(shop, whose)
    turn_id = shop.say("money or parcel", vector=between(shop, "refund", "track_order"), **said)
    shop.train()
    shop.rescore()
    shown = prediction(shop, turn_id)
    ours = np.array([shown.p1, shown.p2, 1 - shown.p1 - shown.p2])
    assert shown.confidence is None
    assert shown.uncertainty == pytest.approx(expected(ours), abs=1e-6)


def test_what_is_out_of_scope_is_hardly_uncertain_to_anybody(shop: Shop) -> None:
    shop.train(gate=True)
    turn_id = shop.say("qwx zzv kkj", bot_intent="refund", bot_score=0.3)
    for whose in WHOSE:
        choose(shop, whose)
        shop.rescore()
        assert (prediction(shop, turn_id).whose, prediction(shop, turn_id).uncertainty < 0.01) == (whose, True)


def everything(shop: Shop) -> list[list[Any]]:
    with database.reading(shop.engine) as connection:
        kept = [tables.prediction, tables.candidate, tables.structure]
        rows = [sorted(map(tuple, connection.execute(sa.select(table))), key=repr) for table in kept]
    return [*rows, sorted(shop.rows(tables.mark, "turn_id", "kind", "value", "rate", "n"), key=repr)]


def test_another_choice_assesses_every_turn_anew_and_the_way_back_restores_it(shop: Shop) -> None:
    shop.set(audit_rate=1.0)
    doubted = shop.say(PHRASES["refund"], bot_intent="refund", bot_score=0.3, entities="city")
    waiting = shop.say("x", vector=between(shop, "refund", "track_order"), bot_intent="refund", bot_score=0.9)
    asked = shop.say("y", vector=between(shop, "refund", "track_order", noise=1), bot_intent="refund", bot_score=0.9)
    shop.train()
    shop.rescore()
    with database.writing(shop.engine) as connection:
        c = tables.candidate.c
        connection.execute(sa.update(tables.candidate).where(c.turn_id == asked).values(status="carded"))
    shop.rescore()
    before, card = everything(shop), shop.candidate(asked)
    assert shop.candidate(doubted) == {}
    choose(shop, "theirs")
    shop.rescore()
    assert shop.candidate(doubted)["uncertainty"] == pytest.approx(0.7)
    assert shop.candidate(waiting)["uncertainty"] == pytest.approx(0.1)
    assert prediction(shop, asked).uncertainty == pytest.approx(0.1)
    assert shop.candidate(asked) == card  # it was asked; nothing changes that
    changed = everything(shop)
    shop.rescore()
    assert everything(shop) == changed
    choose(shop, "ours")
    shop.rescore()
    assert everything(shop) == before


def test_turns_taken_in_under_an_older_choice_are_caught_up(shop: Shop) -> None:
    """An ingest that read the bot before the choice changed stores what it made of a turn after it."""
    choose(shop, "theirs")
    shop.train()
    early = shop.say(PHRASES["refund"], bot_intent="refund", bot_score=0.3)
    choose(shop, "ours")
    shop.rescore()
    choose(shop, "theirs")
    late = shop.say(PHRASES["refund"], bot_intent="refund", bot_score=0.2)
    shop.rescore()
    assert [prediction(shop, turn_id).uncertainty for turn_id in (early, late)] == pytest.approx([0.7, 0.8])


def test_a_platform_that_is_sure_of_everything_does_not_empty_the_queue(shop: Shop) -> None:
    choose(shop, "theirs")
    sure = shop.say(PHRASES["refund"], bot_intent="refund", bot_score=0.99)
    torn = shop.say("x", vector=between(shop, "refund", "track_order"), bot_intent="refund", bot_score=0.99)
    shop.train()
    shop.rescore()
    assert shop.candidate(sure) == {}
    assert shop.candidate(torn)["uncertainty"] == pytest.approx(0.01)
    assert BOUNDARY["theirs"] > 0.01


@pytest.mark.parametrize("whose", WHOSE)
@pytest.mark.parametrize("said", [("refund", 0.9), ("track_order", 0.6), ("small_talk", 0.9), ("", None)])
def test_reports_never_lower_their_turns_uncertainty(shop: Shop, whose: Whose, said: tuple[str, float | None]) -> None:
    choose(shop, whose)
    turn_id = shop.say(PHRASES["refund"], bot_intent=said[0], bot_score=said[1])
    shop.train()
    shop.rescore()
    found = [prediction(shop, turn_id).uncertainty]
    for i, kind in enumerate(("abandoned", "thumbs_down", "correction", "correction")):
        shop.report(turn_id, kind, person=f"u-{i}")
        shop.refresh_reports()
        found.append(shop.candidate(turn_id)["uncertainty"])
    assert found == sorted(found)
    if said[0] == "refund" or not said[0]:  # what the champion answers
        assert found[-1] > 0.9


def test_with_theirs_a_report_counts_though_the_champion_answers_otherwise(shop: Shop) -> None:
    turn_id = shop.say(PHRASES["refund"], bot_intent="track_order", bot_score=0.8)
    shop.train()
    shop.report(turn_id, "wrong_answer")
    found = {}
    for whose in ("ours", "theirs"):
        choose(shop, whose)
        shop.rescore()
        found[whose] = shop.candidate(turn_id)["uncertainty"]
    assert found["theirs"] == pytest.approx(1 - 0.3 * 0.8)
    assert found["ours"] < 0.2


@pytest.mark.parametrize("is_calibrated", [True, False])
def test_with_theirs_the_turns_most_often_wrong_come_first(shop: Shop, is_calibrated: bool) -> None:
    """A platform that is always sure is wrong on three turns in five. Where it says nothing the champion is right,
    though less sure than the platform's scores are."""
    for turn_id in say_scored(shop, 60, 0.99, 24):
        label(shop, turn_id, "refund")
    train(shop.context, shop.encoder, BOT, patience_s=0.0)
    learnt = scale(shop)
    for i in range(30):
        shop.say(f"unsaid {i}", vector=between(shop, "refund", "track_order", noise=i))
    is_wrong = {}
    for i in range(30):
        said = "refund" if i % 5 < 2 else "track_order"
        sure = between(shop, "refund", "track_order", noise=100 + i)
        is_wrong[shop.say(f"said {i}", vector=sure, bot_intent=said, bot_score=0.99)] = said != "refund"
    choose(shop, "theirs")
    shop.train(**({"score_slope": learnt.slope, "score_intercept": learnt.intercept} if is_calibrated else {}))
    shop.rescore()
    shop.rank()
    order = [turn_id for (turn_id,) in shop.rows(tables.ranking_item, "turn_id", order="position")]
    wrong = sum(is_wrong.get(turn_id, False) for turn_id in order[:30])
    assert wrong >= 15 if is_calibrated else wrong == 0


def test_a_card_says_whose_uncertainty_it_was_dealt_by(shop: Shop) -> None:
    choose(shop, "theirs")
    shop.say(PHRASES["refund"], bot_intent="refund", bot_score=0.3)
    shop.train()
    shop.rescore()
    shop.rank()
    [(card_id,)] = shop.rows(tables.card, "id")
    with database.reading(shop.engine) as connection:
        why = views.view(connection, get_card(connection, BOT, card_id)).why
    assert why
    assert (why.strategy, why.factors["uncertainty"]) == ("theirs+kmeans", pytest.approx(0.7))
