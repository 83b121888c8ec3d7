"""From labels with spans to a tagger, and from a tagger to marks, on both databases."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from service import database, tables
from service.bots.store import get_bot
from service.classifiers import store
from service.classifiers.cache import Champions
from service.classifiers.schemas import Classifier
from service.console.entities import known_types
from service.reports.rules import evidence
from service.reviews.assessments import RARE
from service.reviews.labels import training_labels
from tests.support.scored import AT, BOT, Shop, between, opened_shop
from workers import ranking, tagging
from workers.scoring import ENTITY_BOUNDARY
from workers.training import train

ITEMS = ["sofa", "lamp", "red chair", "desk", "oak table", "bed", "carpet", "mirror", "shelf", "small stool", "clock"]
SAID = ["i want my money back for the {} please", "refund the {} today"]
DISPUTED = "repair the kettle"


@pytest.fixture
def shop(engine: sa.Engine, valkey: Path, tmp_path: Path) -> Iterator[Shop]:
    with opened_shop(engine, valkey, tmp_path) as shop:
        yield shop


def label(shop: Shop, turn_id: int, spans: Any, origin: str = "vote") -> None:
    row = {"bot": BOT, "turn_id": turn_id, "use": "train", "answer": "intent", "intent_id": 1, "origin": origin}
    with database.writing(shop.engine) as connection:
        connection.execute(tables.label.insert(), {**row, "at": AT, "spans": spans})


def teach(shop: Shop, items: Sequence[str] = ITEMS) -> None:
    """Turns about items, the items marked."""
    for i, item in enumerate(items):
        text = SAID[i % len(SAID)].format(item)
        start = text.index(item)
        label(shop, shop.say(text, minute=i), [[start, start + len(item), "item"]])


def run(shop: Shop) -> Classifier:
    train(shop.context, shop.encoder, BOT, patience_s=0.0)
    with database.reading(shop.engine) as connection:
        found = store.champion(connection, BOT)
    assert found
    return found


def test_labels_with_spans_lead_to_a_tagger_and_to_marks(shop: Shop) -> None:
    teach(shop)
    for spans in ([[11, 17, "item"]], []) * 3:
        label(shop, shop.say(DISPUTED), spans)
    doubtful, clear = shop.say(DISPUTED), shop.say(SAID[0].format("sofa"))
    found = run(shop)
    assert found.tagger and found.tagger.n == found.n
    assert (found.manifest.span_labels, found.manifest.entity_types) == (17, ("item",))
    shop.rescore()
    mark = shop.marks(doubtful)["entity_boundary"]
    assert ENTITY_BOUNDARY <= mark <= 1
    assert shop.candidate(doubtful)["structure"] >= RARE * mark  # and the surprise of its structure
    assert "entity_boundary" not in shop.marks(clear)
    assert shop.rows(tables.structure, "signature", order="signature", signature="item") == [("item",)]


def test_without_spans_nothing_changes(shop: Shop) -> None:
    turn_id = shop.say(SAID[0].format("sofa"), entities="thing")
    for spans in (None, []):
        label(shop, shop.say(SAID[1].format("lamp")), spans)
    found = run(shop)
    assert (found.tagger, found.manifest.span_labels, found.manifest.entity_types) == (None, 0, ())
    shop.rescore()
    assert "entity_boundary" not in shop.marks(turn_id)
    assert shop.rows(tables.tagger, "n", order="n") == []
    assert ("thing",) in shop.rows(tables.structure, "signature", order="signature")


@pytest.mark.parametrize(
    ("spans", "types"),
    [
        ([[19, 30, "item"]], ("item",)),  # ends inside a word
        ([[4, 24, "phrase"], [20, 24, "item"]], ("item", "phrase")),  # overlap
        ([[20, 24, "item"], [500, 600, "item"]], ("item",)),  # outside the text
    ],
)
def test_odd_spans_train_what_they_can(shop: Shop, spans: Any, types: tuple[str, ...]) -> None:
    label(shop, shop.say("i want my money back for the sofa"), spans)
    found = run(shop)
    assert found.tagger and found.manifest.entity_types == types
    shop.say(SAID[1].format("lamp"))
    shop.rescore()


def test_spans_outside_their_text_are_no_tagger(shop: Shop) -> None:
    label(shop, shop.say("refund"), [[50, 60, "item"]])
    assert run(shop).tagger is None


@pytest.mark.parametrize(
    ("entities", "disagrees"),
    [
        ([(20, 24, "item")], True),  # other words
        ([(29, 33, "item")], False),  # the same
        ([(20, 24, "colour")], False),  # a type nobody taught us
        ([], False),  # a platform that names none says nothing
    ],
)
def test_a_platform_that_sees_other_entities_is_a_disagreement(
    shop: Shop, entities: list[tuple[int, int, str]], disagrees: bool
) -> None:
    teach(shop, ITEMS * 3)
    text = SAID[0].format("sofa")
    turn_id = shop.say(text)
    rows = [{"type": kind, "value": text[start:end], "start": start, "end": end} for start, end, kind in entities]
    with database.writing(shop.engine) as connection:
        content = tables.turn_content
        connection.execute(sa.update(content).where(content.c.turn_id == turn_id).values(entities=rows))
    run(shop)
    shop.rescore()
    assert ("disagreement" in shop.marks(turn_id)) == disagrees


def test_the_newest_tagger_is_in_force_whatever_becomes_of_its_classifier(shop: Shop) -> None:
    shop.say(SAID[0].format("sofa"))
    first = run(shop)
    now = [0.0]
    champions = Champions(shop.engine, clock=lambda: now[0])
    assert (seen := champions.get(BOT)) and seen.tagger is None
    teach(shop, ITEMS)
    second = run(shop)
    assert second.tagger and second.tagger.n == 2
    assert first.n == 1
    now[0] = 1.0
    assert (seen := champions.get(BOT)) and seen.tagger == second.tagger
    now[0] = 2.0
    assert champions.get(BOT) is seen


def test_a_damaged_tagger_does_not_stop_the_bot(shop: Shop) -> None:
    teach(shop)
    run(shop)
    with database.writing(shop.engine) as connection:
        connection.execute(sa.update(tables.tagger).values(data=b"nothing"))
    with database.reading(shop.engine) as connection:
        with pytest.raises(store.ClassifierDamaged, match="tagger"):
            store.tagger(connection, BOT)
        found = store.champion(connection, BOT)
    assert found
    assert (found.n, found.tagger) == (1, None)


def test_training_again_makes_the_same_tagger(shop: Shop) -> None:
    teach(shop)
    with database.reading(shop.engine) as connection:
        labels = training_labels(connection, BOT)
    one, two = (tagging.fit(shop.context, shop.encoder, BOT, labels, [], seed=3) for _ in range(2))
    assert one and one == two


def test_a_part_of_each_batch_is_about_entities(shop: Shop) -> None:
    """As much of it as structure has of the priority: .3 of 1.3."""
    teach(shop)
    for spans in ([[11, 17, "item"]], []) * 3:
        label(shop, shop.say(DISPUTED), spans)
    for i, item in enumerate(ITEMS):
        shop.say(f"repair the {item}", vector=between(shop, "refund", "track_order", noise=i))
    run(shop)
    shop.rescore()
    with database.reading(shop.engine) as connection:
        bot, found = get_bot(connection, BOT), evidence(connection, BOT)
    shortlist = ranking._shortlist(shop.context, shop.encoder, bot, found)
    assert shortlist and len(shortlist.turn_ids) >= 5
    is_new = np.ones(len(shortlist.turn_ids), np.bool_)
    for room, wanted in ((4, 0), (5, 1), (10, 2)):
        rows = ranking._about_entities(shop.context, BOT, shortlist, is_new, room)
        assert len(set(rows.tolist())) == len(rows) == wanted
    is_new[rows] = False
    assert not set(rows.tolist()) & set(ranking._about_entities(shop.context, BOT, shortlist, is_new, 10).tolist())


def test_what_the_tagger_doubts_covers_most_and_no_text_nothing(shop: Shop) -> None:
    teach(shop)
    for spans in ([[11, 17, "item"]], []) * 3:
        label(shop, shop.say(DISPUTED), spans)
    found = run(shop)
    assert found.tagger
    turns = [("", None), (SAID[0].format("sofa"), 1), (DISPUTED, 1)]
    assert tagging.covering(found.tagger.data, turns, 1).tolist() == [2]
    assert 0 not in tagging.covering(found.tagger.data, turns, 3)
    assert tagging.covering(found.tagger.data, [], 4).tolist() == []


def test_a_card_keeps_what_the_tagger_saw_when_it_was_made(shop: Shop) -> None:
    text, plain = SAID[0].format("sofa"), "where is my parcel"
    waiting = shop.say(plain, vector=between(shop, "refund", "track_order", noise=1))
    shop.say("hello")
    run(shop)
    shop.rescore()
    shop.rank()
    teach(shop, ITEMS * 3)
    tagged = [
        shop.say(words, vector=between(shop, "refund", "cancel_order", noise=seed))
        for seed, words in enumerate((text, plain), 2)
    ]
    run(shop)
    shop.rescore()
    shop.rank()
    kept = dict(shop.rows(tables.card, "turn_id", "tagged", purpose="rank"))
    assert kept[waiting] is None  # there was no tagger
    assert [kept[turn_id] for turn_id in tagged] == [[[29, 33, "item"]], []]
    with database.reading(shop.engine) as connection:
        assert known_types(connection, BOT) == ("item",)
