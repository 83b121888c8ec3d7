"""The bot's own answers and the champion's, graded on the audit slice, on both databases."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from service import database, tables
from service.bots.store import create_bot
from service.classifiers.accuracy import Accuracy, accuracy
from service.intents.store import create_intents
from service.turns import tally

BOT, AT = "shop", datetime(2026, 3, 20, 12, tzinfo=UTC)
RIGHT, WRONG = 1, 2  # ids of `refund`, which is what people mean, and of `cancel_order`


@pytest.fixture
def shop(engine: sa.Engine) -> sa.Engine:
    with database.writing(engine) as connection:
        create_bot(connection, BOT, AT)
        create_intents(connection, BOT, {"refund": "", "cancel_order": ""}, AT)
    return engine


def ask(
    shop: sa.Engine,
    *,
    said: str = "",
    ours: int | None = RIGHT,
    answer: str | None = "intent",
    n: int = 1,
    days: int = 0,
    rate: float = 0.5,
    **turn: object,
) -> None:
    """A turn of the slice, to which the bot said that and classifier 1 `ours`; `answer` None: an adjudicator has it.
    `n`: the classifier that was in force."""
    at = AT - timedelta(days=days)
    with database.writing(shop) as connection:
        count = connection.scalar(sa.select(sa.func.count()).select_from(tables.turn))
        row = {"bot": BOT, "source": "native", "external_id": f"t-{count}", "at": at, "received_at": at}
        row |= {"text_key": b"", "bot_intent": said, **turn}
        stored = connection.execute(tables.turn.insert().returning(tables.turn), row).one()
        tally.count_turns(connection, BOT, [stored])
        of_turn = {"bot": BOT, "turn_id": stored.id}
        seen = {"n": 1, "intent_id": ours, "best_id": RIGHT, "p1": 0.8, "p2": 0.1, "uncertainty": 0.3}
        connection.execute(tables.prediction.insert(), of_turn | seen)
        mark = {"kind": "audit", "value": 0.01, "rate": rate, "n": n, "at": at}
        connection.execute(tables.mark.insert(), of_turn | mark)
        card = {"id": f"c-{count}", "purpose": "audit", "is_blind": True, "created_at": at}
        card["status"] = "resolved" if answer else "adjudicate"
        connection.execute(tables.card.insert(), of_turn | card)
        if answer:
            label = {"use": "audit", "answer": answer, "intent_id": RIGHT if answer == "intent" else None}
            connection.execute(tables.label.insert(), of_turn | label | {"origin": "vote", "at": at})


def found(shop: sa.Engine) -> Accuracy:
    with database.reading(shop) as connection:
        return accuracy(connection, BOT)


def shares(shop: sa.Engine) -> tuple[float | None, float | None]:
    """Of right answers: the bot's own and the champion's."""
    both = found(shop)
    bot, champion = (one.after.estimate if one.after else None for one in (both.bot, both.champion))
    return bot, champion


@pytest.mark.parametrize(
    ("answer", "turn", "bot"),
    [
        ("intent", {"said": "refund"}, 1.0),
        ("intent", {"said": "cancel_order"}, 0.0),
        ("intent", {"said": "small_talk"}, 0.0),  # no intent of ours
        ("none", {"said": "small_talk"}, 0.0),
        ("none", {"said": "nlu_fallback", "is_fallback": True}, 1.0),
        ("intent", {"said": "nlu_fallback", "is_fallback": True}, 0.0),
        ("intent", {"said": ""}, None),
    ],
)
def test_what_the_bot_said_is_graded(shop: sa.Engine, answer: str, turn: dict[str, object], bot: float | None) -> None:
    ask(shop, answer=answer, **turn)
    assert shares(shop)[0] == bot


@pytest.mark.parametrize(
    ("answer", "turn", "champion"),
    [
        ("intent", {"ours": RIGHT}, 1.0),
        ("intent", {"ours": WRONG}, 0.0),
        ("none", {"ours": None}, 1.0),
        ("intent", {"ours": None}, 0.0),
        ("intent", {"n": 2}, None),  # who was in force has not decided it
    ],
)
def test_the_champion_of_that_time_is_graded(
    shop: sa.Engine, answer: str, turn: dict[str, int | None], champion: float | None
) -> None:
    ask(shop, answer=answer, **turn)  # type: ignore[arg-type]  # passed on as they are
    assert shares(shop)[1] == champion


def test_a_turn_stands_for_as_many_as_its_chance_says(shop: sa.Engine) -> None:
    ask(shop, said="refund", rate=0.1)
    ask(shop, said="cancel_order", rate=0.5)
    assert shares(shop)[0] == pytest.approx(10 / 12)


def test_what_nobody_could_answer_widens_the_interval(shop: sa.Engine) -> None:
    for _ in range(20):
        ask(shop, said="refund")
    before = found(shop).bot.after
    ask(shop, said="refund", answer=None)
    after = found(shop).bot.after
    assert before and after
    assert (after.estimate, after.low < before.low, found(shop).bot.n_after) == (1.0, True, 20)


def test_a_versions_spans_do_not_reach_into_anothers(shop: sa.Engine) -> None:
    for days, version, said in ((20, "1", "cancel_order"), (10, "2", "refund"), (2, "3", "cancel_order")):
        for _ in range(5):
            ask(shop, days=days, said=said, bot_version=version)
    effects = {one.bot_version: one.accuracy for one in found(shop).versions}
    assert list(effects) == ["3", "2"]
    spans = {version: (one.before, one.after) for version, one in effects.items()}
    shown = {version: tuple(share.estimate for share in both if share) for version, both in spans.items()}
    assert shown == {"2": (0.0, 1.0), "3": (1.0, 0.0)}
    assert (effects["2"].n_before, effects["2"].n_after) == (5, 5)


def test_weeks_begin_on_mondays(shop: sa.Engine) -> None:
    for days in (0, 4, 5):  # Friday, Monday and Sunday
        ask(shop, days=days, said="refund")
    assert [(str(week.monday), week.answered) for week in found(shop).weeks] == [("2026-03-09", 1), ("2026-03-16", 2)]


def test_nothing_said_is_nothing_known(shop: sa.Engine) -> None:
    nothing = found(shop)
    assert (nothing.until, nothing.bot.difference, nothing.weeks, nothing.versions) == (None, None, (), ())
