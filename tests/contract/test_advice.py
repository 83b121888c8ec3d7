"""Stop advice from what is stored, on both databases, and in a terminal."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from service import database, tables
from service.classifiers.advice import Advice, advise
from service.cli import cli
from tests.support.scored import AT, BOT, PHRASES, Shop, opened_shop


@pytest.fixture
def shop(engine: sa.Engine, valkey: Path, tmp_path: Path) -> Iterator[Shop]:
    with opened_shop(engine, valkey, tmp_path) as shop:
        yield shop


def insert(shop: Shop, table: sa.Table, **row: Any) -> None:
    with database.writing(shop.engine) as connection:
        connection.execute(table.insert(), {"bot": BOT, **row})


def audited(shop: Shop, turn_id: int, intent_id: int | None, *, rate: float = 0.1) -> None:
    """Draw a turn for the audit slice; answered, or given to an adjudicator when the intent is None."""
    insert(shop, tables.mark, turn_id=turn_id, kind="audit", value=0.01, rate=rate, at=AT)
    status = "adjudicate" if intent_id is None else "resolved"
    card = {"id": f"c{turn_id}", "turn_id": turn_id, "purpose": "audit", "is_blind": True, "status": status}
    insert(shop, tables.card, **card, created_at=AT)
    if intent_id is not None:
        answer = {"turn_id": turn_id, "use": "audit", "answer": "intent", "intent_id": intent_id, "origin": "vote"}
        insert(shop, tables.label, **answer, at=AT)


def advice(shop: Shop) -> Advice:
    with database.reading(shop.engine) as connection:
        return advise(connection, BOT, AT + timedelta(days=1))


def say_and_audit(shop: Shop, n: int, wrong: int) -> None:
    """n turns the champion says are `refund`; of the first few it is not what people say."""
    ids = [shop.say(PHRASES["refund"], minute=i) for i in range(n)]
    shop.train()
    shop.rescore()
    for i, turn_id in enumerate(ids):
        audited(shop, turn_id, 2 if i < wrong else 1)


def test_without_answers_it_is_too_early(shop: Shop) -> None:
    found = advice(shop)
    assert (found.verdict, found.answered, found.votes) == ("too_early", 0, 0)
    known = (found.accuracy, found.kappa, found.gain, found.minutes_a_label, found.payback_weeks)
    assert known == (None,) * 5


def test_the_target_is_reached_when_the_lower_end_passes_it(shop: Shop) -> None:
    say_and_audit(shop, 40, wrong=4)
    assert advice(shop).verdict == "go_on"
    shop.set(target=0.75)
    found = advice(shop)
    assert found.accuracy and found.accuracy.estimate == pytest.approx(0.9)
    assert (found.verdict, found.answered, found.target) == ("stop", 40, 0.75)
    shop.set(target=0.9)
    assert advice(shop).verdict == "go_on"


def test_what_an_adjudicator_still_has_widens_the_interval(shop: Shop) -> None:
    say_and_audit(shop, 40, wrong=4)
    before = advice(shop).accuracy
    audited(shop, shop.say(PHRASES["refund"]), None)
    shop.rescore()
    after = advice(shop).accuracy
    assert before and after
    assert (before.estimate, after.low < before.low, after.high > before.high) == (after.estimate, True, True)


def test_two_classifiers_that_decide_alike_have_kappa_one(shop: Shop) -> None:
    for phrase in PHRASES.values():
        shop.say(phrase)
    shop.train()
    shop.rescore()
    shop.train()
    with database.writing(shop.engine) as connection:
        row = sa.select(tables.classifier.c.manifest).where(tables.classifier.c.n == 2)
        manifest = {**connection.scalar(row), "replaced": 1}
        connection.execute(sa.update(tables.classifier).where(tables.classifier.c.n == 2).values(manifest=manifest))
    assert advice(shop).kappa is None
    shop.rescore()
    assert advice(shop).kappa == 1.0


def test_a_gain_and_a_pace_say_when_labels_pay_back(shop: Shop) -> None:
    say_and_audit(shop, 40, wrong=4)
    first = shop.rows(tables.classifier, "n", order="n")
    n = shop.train()
    with database.writing(shop.engine) as connection:
        for number, labels in ((first[0][0], 100), (n, 300)):
            of = tables.classifier.c.n == number
            manifest = connection.scalar(sa.select(tables.classifier.c.manifest).where(of))
            connection.execute(sa.update(tables.classifier).where(of).values(manifest={**manifest, "labels": labels}))
    shop.rescore()
    trial = {"challenger": n, "champion": 1, "status": "promoted", "compared": 100, "disagreed": 20}
    insert(shop, tables.gate, **trial, wins=12, losses=4, neither=4, opened_at=AT, decided_at=AT)
    found = advice(shop)
    assert found.gain and found.gain.estimate == pytest.approx(0.2 * 8 / 20 / 2)  # of 200 labels
    for i in range(30):
        vote = {"card_id": "c", "reviewer": "ann", "answer": "intent", "surface": "console", "click_id": str(i)}
        insert(shop, tables.vote, **vote, at=AT + timedelta(seconds=15 * i))
    shop.set(minutes_per_error=2.0)
    found = advice(shop)
    assert found.minutes_a_label == pytest.approx(0.25)
    assert found.payback_weeks == pytest.approx(25 / (0.04 * 40 * 2))  # 40 turns a week
    assert found.votes == 30


def trained(shop: Shop, n: int, labels: int) -> None:
    """Classifier 1 once more as number n, held, with so many labels."""
    c = tables.classifier.c
    with database.writing(shop.engine) as connection:
        manifest = connection.scalar(sa.select(c.manifest).where(c.n == 1))
        row = {"bot": BOT, "n": n, "status": "held", "created_at": AT, "manifest": {**manifest, "labels": labels}}
        connection.execute(tables.classifier.insert(), row)


def held(shop: Shop, n: int, labels: int, disagreed: int, **more: int) -> None:
    trained(shop, n, labels)
    gate = {"challenger": n, "champion": 1, "status": "held", "compared": 2000, "disagreed": disagreed, **more}
    insert(shop, tables.gate, **gate, opened_at=AT, decided_at=AT)


def test_on_a_plateau_labelling_may_stop_though_nothing_is_promoted(shop: Shop) -> None:
    ids = [shop.say(PHRASES["refund" if i % 2 else "track_order"], minute=i) for i in range(40)]
    shop.train(labels=100)
    shop.rescore()
    for i, turn_id in enumerate(ids):
        audited(shop, turn_id, 1 if i % 2 else 3)
    assert (advice(shop).gain, advice(shop).kappa, advice(shop).verdict) == (None, None, "go_on")
    held(shop, 2, 600, disagreed=3)  # too few to ask about
    held(shop, 3, 900, disagreed=2)
    found = advice(shop)
    spread = (0.0015**2 + 0.001**2) ** 0.5  # as if it were right, or wrong, on all of them
    assert found.gain == pytest.approx((0.0, -spread / 13, spread / 13))  # a hundred of 500 + 800 labels
    assert found.kappa == pytest.approx(1 - 2 * 0.001)  # two intents, each half of the log
    assert (found.verdict, found.reason.split(":")[0]) == ("stop", "new labels change nothing any more")


def test_a_challenger_that_was_asked_about_and_held_counts_with_its_answers(shop: Shop) -> None:
    say_and_audit(shop, 40, wrong=4)
    trained(shop, 9, 0)  # never stood a trial
    held(shop, 2, 200, disagreed=200, wins=8, losses=8, neither=4)
    found = advice(shop)
    assert found.gain and found.gain.estimate == 0.0
    assert found.gain.high > 0.002
    assert found.verdict == "go_on"


def test_the_command_says_it_in_words(shop: Shop) -> None:
    say_and_audit(shop, 40, wrong=4)
    shop.set(target=0.75)
    said = CliRunner().invoke(cli, ["advice", BOT], obj=shop.context.settings)
    if shop.engine.dialect.name == "sqlite":  # the command opens the database of the settings
        assert said.output.startswith("Labelling may stop: the target is reached: the champion has 90.0 % (")
        found = CliRunner().invoke(cli, ["advice", BOT, "--json"], obj=shop.context.settings)
        assert msgspec.json.decode(found.output)["verdict"] == "stop"


@pytest.mark.parametrize(("name", "value"), [("target", 1.0), ("target", 0), ("minutes_per_error", -1)])
def test_senseless_wishes_are_refused_by_name(shop: Shop, name: str, value: float) -> None:
    with pytest.raises(Exception, match=r"Expected `float`") as refused:
        shop.set(**{name: value})
    assert refused.value.path == name  # type: ignore[attr-defined]  # BadInput
