"""Labelling functions from SQL to a classifier, on both databases, with a fake encoder."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from service import database, tables
from service.classifiers.schemas import Found, Manifest
from service.classifiers.store import manifest as read_manifest
from service.classifiers.store import newest_n
from service.weak import rules, store
from tests.contract.test_training import label, run, say_all
from tests.support.scored import AT, BOT, Shop, opened_shop
from workers import held_out, proposing, snapshot

YAML = """
- {name: money, kind: keywords, intent: refund, words: [money]}
- {name: stop, kind: regex, intent: cancel_order, pattern: 'stop .* order'}
- {name: platform, kind: platform_intent, min_score: 0.8}
- {name: alike, kind: nearest, min_cosine: 0.5}
"""


@pytest.fixture
def shop(engine: sa.Engine, valkey: Path, tmp_path: Path) -> Iterator[Shop]:
    with opened_shop(engine, valkey, tmp_path) as shop:
        yield shop


def put(shop: Shop, text: str = YAML) -> int:
    return rules.put(shop.context, BOT, text.encode(), AT, who="olga").id


def newest(shop: Shop) -> Manifest:
    with database.reading(shop.engine) as connection:
        return read_manifest(connection, BOT, newest_n(connection, BOT))


def found(shop: Shop) -> dict[str, Found]:
    return {one.name: one for one in newest(shop).functions}


def test_the_newest_set_counts_and_a_repeat_adds_none(shop: Shop) -> None:
    with database.writing(shop.engine) as connection:
        assert store.newest(connection, BOT) is None
        first = store.put(connection, BOT, "[]", AT, who="olga")
        assert store.put(connection, BOT, "[]", AT + timedelta(days=1), who="max") == first
        second = store.put(connection, BOT, YAML, AT + timedelta(days=1), who="max")
        assert store.newest(connection, BOT) == second
        assert store.newest(connection, "other") is None
    assert (second.id > first.id, second.text, second.at, second.who) == (True, YAML, AT + timedelta(days=1), "max")
    assert shop.rows(tables.audit_log, "action", "who", "details", order="id", action="labelling-functions.put") == [
        ("labelling-functions.put", "olga", {"set": first.id}),
        ("labelling-functions.put", "max", {"set": second.id}),
    ]


def test_a_training_hears_the_functions_and_says_what_each_is_worth(shop: Shop) -> None:
    turns = say_all(shop)
    label(shop, turns["refund"][0], "refund")
    label(shop, turns["refund"][1], "cancel_order")
    label(shop, turns["cancel_order"][0], "cancel_order")
    shop.say("hello", bot_intent="track_order", bot_score=0.9)
    set_id = put(shop)
    run(shop)
    manifest, functions = newest(shop), found(shop)
    assert (manifest.function_set, manifest.weak_examples > 20) == (set_id, True)
    money, stop, platform = functions["money"], functions["stop"], functions["platform"]
    assert money.coverage == pytest.approx(10 / 34)  # 37 turns, 3 of them labelled
    assert (money.labels, money.accuracy) == (2, pytest.approx(3 / 5, abs=0.15))
    assert (stop.labels, stop.coverage) == (1, pytest.approx(11 / 34))
    assert platform == Found(
        name="platform", coverage=1 / 34, conflict=platform.conflict, accuracy=platform.accuracy, labels=0
    )
    with database.reading(shop.engine) as connection:
        shown = rules.show(connection, BOT)
    assert shown.set and (shown.set.id, shown.classifier, shown.examples) == (set_id, 1, manifest.weak_examples)
    assert shown.functions == manifest.functions


def test_new_functions_are_worth_a_training_and_so_is_their_end(shop: Shop) -> None:
    say_all(shop)
    assert run(shop) == 1
    assert run(shop) is None
    set_id = put(shop)
    assert run(shop) == 2
    assert newest(shop).function_set == set_id
    assert run(shop) is None
    put(shop, "[]")
    assert run(shop) == 3
    assert (newest(shop).functions, newest(shop).weak_examples) == ((), 0)
    with database.reading(shop.engine) as connection:
        shown = rules.show(connection, BOT)
    assert shown.set and (shown.set.id, shown.classifier, shown.functions) == (newest(shop).function_set, 3, ())


def test_functions_are_heard_only_by_a_training(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    say_all(shop)
    put(shop)
    run(shop)
    monkeypatch.setattr(snapshot, "listen", lambda *_: pytest.fail("nobody wants a training"))
    assert run(shop) is None
    assert proposing.propose(shop.context, shop.encoder, BOT) == []


def test_a_training_hears_the_set_it_has_seen(shop: Shop) -> None:
    say_all(shop)
    first = put(shop)
    seen = snapshot.look(shop.context, shop.encoder, BOT)
    put(shop, "[]")
    said = snapshot.heard(shop.context, BOT, seen).said
    assert (seen.function_set, said and [one.name for one in said.functions]) == (
        first,
        ["money", "stop", "platform", "alike"],
    )


def test_what_is_too_slow_on_one_turn_says_nothing_about_labels_either(shop: Shop) -> None:
    turns = say_all(shop)
    label(shop, turns["refund"][0], "refund")
    shop.say("a" * 4000 + "!")
    with database.writing(shop.engine) as connection:  # past the trial that would refuse it
        yaml = "- {name: slow, kind: regex, intent: refund, pattern: '(a+)+$|money'}"
        store.put(connection, BOT, yaml, AT, who="olga")
    run(shop)
    assert (found(shop)["slow"].coverage, found(shop)["slow"].labels) == (0.0, 0)


def test_turns_that_test_and_texts_with_a_label_are_not_heard(shop: Shop) -> None:
    turns = say_all(shop)
    audited, gold, labelled = turns["refund"][:3]
    with database.writing(shop.engine) as connection:
        row = {"bot": BOT, "turn_id": audited, "kind": "audit", "value": 0.01, "rate": 0.05, "at": AT}
        connection.execute(tables.mark.insert(), row)
    label(shop, gold, "refund", use="gold")
    label(shop, labelled, None)
    [(text,)] = shop.rows(tables.turn_content, "text", turn_id=labelled)
    shop.say(text)  # a person said what it is
    for _ in range(5):
        shop.say("money money money")
    put(shop, "- {name: money, kind: keywords, intent: refund, words: [money]}")
    run(shop)
    money = found(shop)["money"]
    assert (money.coverage, money.labels) == (pytest.approx(10 / 34), 1)
    assert newest(shop).weak_examples == 10


def test_the_functions_of_an_archived_intent_fall_silent(shop: Shop) -> None:
    say_all(shop)
    put(shop)
    with database.writing(shop.engine) as connection:
        connection.execute(sa.update(tables.intent).where(tables.intent.c.id == 1).values(archived_at=AT))
    run(shop)
    assert found(shop)["money"].coverage == 0.0
    assert found(shop)["stop"].coverage > 0.0


def test_without_a_gain_the_manifest_says_none_were_used(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_out, "costs", lambda *_: True)
    for intent, ids in say_all(shop, 30).items():
        for turn_id in ids[:10]:
            label(shop, turn_id, intent)
    put(shop)
    run(shop)
    assert newest(shop).weak_examples == 0
    assert found(shop)["money"].labels == 10


def test_a_forgotten_turn_is_not_heard(shop: Shop) -> None:
    turns = say_all(shop)
    gone = turns["refund"][0]
    with database.writing(shop.engine) as connection:
        connection.execute(sa.delete(tables.turn_content).where(tables.turn_content.c.turn_id == gone))
    put(shop, "- {name: money, kind: keywords, intent: refund, words: [money]}")
    run(shop)
    assert newest(shop).weak_examples == 11
