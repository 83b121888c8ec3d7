"""Intents: names, renames, merges and what labels count for, on both databases."""

import threading
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from service import tables as t
from service.bots.store import create_bot
from service.database import reading, writing
from service.errors import BadInput, Conflict, IntentNameTaken, IntentNotFound
from service.intents import store

NOW = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
REFUND, CANCEL, TRACK = 1, 2, 3


@pytest.fixture
def shop(engine: sa.Engine) -> sa.Engine:
    with writing(engine) as connection:
        create_bot(connection, "shop", NOW)
        store.create_intents(connection, "shop", {"refund": "money back", "cancel": "", "track": ""}, NOW)
    return engine


def ids(engine: sa.Engine) -> dict[str, int]:
    with reading(engine) as connection:
        return store.intent_ids(connection, "shop")


def names(engine: sa.Engine, *, archived: bool = False) -> list[str]:
    with reading(engine) as connection:
        return [intent.name for intent in store.list_intents(connection, "shop", archived=archived)]


def test_intents_are_numbered_within_their_bot(shop: sa.Engine) -> None:
    with writing(shop) as connection:
        create_bot(connection, "bank", NOW)
        (loan,) = store.create_intents(connection, "bank", {"loan": ""}, NOW)
        (late,) = store.create_intents(connection, "shop", {"late": ""}, NOW)
    assert ids(shop) == {"refund": 1, "cancel": 2, "track": 3, "late": 4}
    assert (loan.id, late.id) == (1, 4)


def test_a_name_is_taken_once_and_nothing_of_a_refused_batch_is_kept(shop: sa.Engine) -> None:
    with pytest.raises(IntentNameTaken), writing(shop) as connection:
        store.create_intents(connection, "shop", {"new": "", "refund": ""}, NOW)
    assert names(shop) == ["refund", "cancel", "track"]


@pytest.mark.parametrize("name", ["", " ", " a", "a\n", "x" * 201, "none", "None", "a\0"])
def test_names_nobody_could_read_are_refused(shop: sa.Engine, name: str) -> None:
    with pytest.raises(BadInput), writing(shop) as connection:
        store.create_intents(connection, "shop", {name: ""}, NOW)


def test_an_old_name_still_means_the_renamed_intent(shop: sa.Engine) -> None:
    with writing(shop) as connection:
        store.rename_intent(connection, "shop", REFUND, "money_back", NOW)
        assert store.by_name(connection, "shop", "refund").name == "money_back"
    assert ids(shop) == {"refund": 1, "money_back": 1, "cancel": 2, "track": 3}


def test_a_rename_can_be_taken_back_but_not_take_another_s_name(shop: sa.Engine) -> None:
    with writing(shop) as connection:
        store.rename_intent(connection, "shop", REFUND, "money_back", NOW)
        store.rename_intent(connection, "shop", REFUND, "refund", NOW)
        with pytest.raises(IntentNameTaken) as refused:
            store.rename_intent(connection, "shop", CANCEL, "money_back", NOW)
    assert "'refund'" in refused.value.detail
    assert names(shop) == ["refund", "cancel", "track"]


def test_merged_labels_count_for_the_target_along_the_whole_chain(shop: sa.Engine) -> None:
    with writing(shop) as connection:
        store.merge_intents(connection, "shop", REFUND, CANCEL, NOW)
        store.merge_intents(connection, "shop", CANCEL, TRACK, NOW)
        assert store.merges(connection, "shop") == {REFUND: TRACK, CANCEL: TRACK, TRACK: TRACK}
        assert store.resolve_id(connection, "shop", REFUND) == TRACK
    assert ids(shop) == {"refund": TRACK, "cancel": TRACK, "track": TRACK}
    assert names(shop) == ["track"]


def test_a_merge_touches_no_label_and_can_be_undone(shop: sa.Engine) -> None:
    label = {"bot": "shop", "turn_id": 7, "use": "train", "answer": "intent", "intent_id": REFUND, "origin": "vote"}
    with writing(shop) as connection:
        connection.execute(sa.insert(t.label).values(**label, at=NOW))
        store.merge_intents(connection, "shop", REFUND, CANCEL, NOW)
        assert connection.scalar(sa.select(t.label.c.intent_id)) == REFUND
        store.restore_intent(connection, "shop", REFUND, NOW)
    assert ids(shop) == {"refund": 1, "cancel": 2, "track": 3}
    assert names(shop) == ["refund", "cancel", "track"]


def test_merging_in_circles_is_refused(shop: sa.Engine) -> None:
    with writing(shop) as connection:
        store.merge_intents(connection, "shop", REFUND, CANCEL, NOW)
        store.merge_intents(connection, "shop", REFUND, CANCEL, NOW)
        with pytest.raises(Conflict, match="archived"):
            store.merge_intents(connection, "shop", CANCEL, REFUND, NOW)
        with pytest.raises(Conflict, match="merged already"):
            store.merge_intents(connection, "shop", REFUND, TRACK, NOW)
        with pytest.raises(BadInput, match="itself"):
            store.merge_intents(connection, "shop", CANCEL, CANCEL, NOW)


def test_an_archived_intent_keeps_its_name_and_labels(shop: sa.Engine) -> None:
    with writing(shop) as connection:
        store.archive_intent(connection, "shop", REFUND, NOW)
    assert (names(shop), names(shop, archived=True)) == (["cancel", "track"], ["refund", "cancel", "track"])
    assert ids(shop)["refund"] == REFUND


def test_unknown_intents_are_not_found(shop: sa.Engine) -> None:
    with reading(shop) as connection:
        for ask in (store.get_intent, store.resolve_id):
            with pytest.raises(IntentNotFound):
                ask(connection, "shop", 9)
        with pytest.raises(IntentNotFound):
            store.by_name(connection, "shop", "nope")


def test_two_who_create_at_once_get_different_numbers(shop: sa.Engine) -> None:
    def create(name: str) -> None:
        with writing(shop) as connection:
            store.create_intents(connection, "shop", {name: ""}, NOW)

    threads = [threading.Thread(target=create, args=(f"i{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ids(shop).values()) == list(range(1, 12))


def test_views_show_three_examples_and_where_a_merged_intent_went(shop: sa.Engine) -> None:
    with writing(shop) as connection:
        for turn_id, (intent_id, origin) in enumerate([(1, "import")] * 4 + [(2, "import"), (3, "vote")], 1):
            connection.execute(sa.insert(t.turn_content).values(turn_id=turn_id, text=f"text {turn_id}"))
            row = {"bot": "shop", "turn_id": turn_id, "use": "train", "answer": "intent", "origin": origin}
            connection.execute(sa.insert(t.label).values(**row, intent_id=intent_id, at=NOW))
        store.merge_intents(connection, "shop", CANCEL, TRACK, NOW)
        views = store.views(connection, "shop", archived=True)
    assert [(view.name, view.merged_into, view.examples) for view in views] == [
        ("refund", None, ("text 1", "text 2", "text 3")),
        ("cancel", "track", ()),
        ("track", None, ("text 5",)),
    ]
