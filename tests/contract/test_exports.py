"""What exports and releases hold, on both databases."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from service import database, tables
from service.bots.store import archive_bot
from service.classifiers.schemas import Manifest
from service.classifiers.store import promote, save
from service.errors import BadInput, BotArchived, BotNotFound
from service.events import endpoints
from service.exports import minimal, releases
from service.exports.changelog import changelog
from service.exports.held import NothingLabelled
from service.exports.opening import Opened, Wanted, opened_export
from service.exports.releases import NothingNew, ReleasedMeanwhile, ReleaseNotFound
from service.exports.schemas import Change, Exporter, ExportRow, IntentRows, Provenance, Release
from service.intents.store import archive_intent, by_name, create_intents, merge_intents, rename_intent, restore_intent
from service.keyring import Keyring
from service.learning.head import Head
from service.reviews.assessments import Assessment, Mark, store_assessments
from service.reviews.listing import asked_blind
from service.turns.schemas import Entity
from tests.support.shop import AT, BOT, add_turn, open_shop

BOTH = Exporter(".jsonl", "application/jsonl", True, lambda export: iter(()))
TRAIN = BOTH._replace(has_test=False)
Said = list[tuple[str | None, str]]


@pytest.fixture(autouse=True)
def shop(engine: sa.Engine) -> None:
    open_shop(engine)


def label(
    engine: sa.Engine,
    turn_id: int,
    intent: str | None,
    *,
    use: str = "train",
    answer: str = "intent",
    origin: str = "vote",
    **more: Any,
) -> int:
    """The label's id; intent None is `none`."""
    with database.writing(engine) as connection:
        row = {"bot": BOT, "turn_id": turn_id, "use": use, "origin": origin, "at": AT, **more}
        intent_id = by_name(connection, BOT, intent).id if intent else None
        row |= {"answer": answer if intent else "none", "intent_id": intent_id}
        added: int = connection.execute(tables.label.insert().returning(tables.label.c.id), row).scalar_one()
    return added


def say(engine: sa.Engine, text: str, intent: str | None, **more: Any) -> int:
    """A labelled turn's id."""
    turn_id = add_turn(engine, text)
    label(engine, turn_id, intent, **more)
    return turn_id


def forget(engine: sa.Engine, turn_id: int) -> None:
    with database.writing(engine) as connection:
        for table in (tables.turn_content, tables.vector):
            connection.execute(sa.delete(table).where(table.c.turn_id == turn_id))
        connection.execute(sa.update(tables.turn).where(tables.turn.c.id == turn_id).values(forgotten_at=AT))


def export(
    engine: sa.Engine, wanted: Wanted | None = None, exporter: Exporter = BOTH
) -> tuple[Opened, list[ExportRow]]:
    with opened_export(engine, BOT, exporter, wanted or Wanted(), AT) as opened:
        rows = list(opened.export.rows)
    assert len(rows) == opened.train + opened.test
    return opened, rows


def said(engine: sa.Engine, wanted: Wanted | None = None, exporter: Exporter = BOTH) -> Said:
    return [(row.intent, row.text) for row in export(engine, wanted, exporter)[1]]


def release(engine: sa.Engine, note: str = "", days: int = 0) -> Release:
    return releases.create(engine, BOT, note, AT + timedelta(days=days), who="Ana")


def test_rows_come_by_intent_then_turn_and_none_last(engine: sa.Engine) -> None:
    say(engine, "how tall is the moon", None)
    say(engine, "where is it", "track_order")
    say(engine, "money back", "refund")
    say(engine, "stop it", "cancel_order")
    say(engine, "refund me", "refund")
    opened, _ = export(engine)
    assert [intent.name for intent in opened.export.intents] == ["cancel_order", "refund", "track_order"]
    assert said(engine) == [
        ("cancel_order", "stop it"),
        ("refund", "money back"),
        ("refund", "refund me"),
        ("track_order", "where is it"),
        (None, "how tall is the moon"),
    ]


def test_a_row_says_what_was_labelled_and_where_that_comes_from(engine: sa.Engine) -> None:
    turn_id = add_turn(engine, "fly to Lyon on Monday")
    votes = [("Ana", "intent", 3), ("Ben", "unsure", None), ("Cyd", "intent", 1), ("Ben", "intent", 3)]
    with database.writing(engine) as connection:
        given = {"bot": BOT, "card_id": "c", "surface": "api", "at": AT}
        rows = [
            given | {"reviewer": reviewer, "answer": answer, "intent_id": intent_id, "click_id": f"k{place}"}
            for place, (reviewer, answer, intent_id) in enumerate(votes)
        ]
        vote_ids = list(connection.scalars(tables.vote.insert().returning(tables.vote.c.id), rows))
    spans = [[7, 11, "city"], [15, 21, "day"]]
    label_id = label(engine, turn_id, "track_order", spans=spans, card_id="c", vote_id=max(vote_ids))
    ((row,),) = [export(engine)[1]]
    assert (row.text, row.intent, row.lang, row.split) == ("fly to Lyon on Monday", "track_order", "", "train")
    assert row.entities == (Entity("city", "Lyon", 7, 11), Entity("day", "Monday", 15, 21))
    origin = row.provenance
    assert (origin.turn_id, origin.label_id, origin.origin, origin.weight) == (turn_id, label_id, "vote", 1.0)
    assert (origin.votes, origin.agreed, origin.labelled_at) == (3, 2, AT)


def test_a_label_stays_in_the_file_while_somebody_is_asked_blind_and_no_classifier_is_in_it(engine: sa.Engine) -> None:
    """A version is the same file whoever is asked what; gaps would tell which turns are asked about."""
    turn_id = add_turn(engine, "money back")
    label_id = label(engine, turn_id, "refund")
    release(engine)
    seen = Assessment(1, 3, None, 0.4, 0.3, 0.2, 0.7, (Mark("audit", 0.5, 0.1),))
    card = {"id": "k", "bot": BOT, "turn_id": turn_id, "purpose": "audit", "is_blind": True, "created_at": AT}
    with database.writing(engine) as connection:
        store_assessments(connection, BOT, 1, {turn_id: seen}, AT)
        connection.execute(tables.card.insert(), card)
        assert asked_blind(connection, [turn_id]) == {turn_id}
    origin = Provenance(
        turn_id=turn_id, label_id=label_id, origin="vote", weight=1.0, votes=0, agreed=0, labelled_at=AT
    )
    row = ExportRow(text="money back", intent="refund", entities=None, lang="", split="train", provenance=origin)
    assert export(engine)[1] == export(engine, Wanted(release=1))[1] == [row]


def test_unseen_entities_are_none_and_an_import_has_no_votes(engine: sa.Engine) -> None:
    say(engine, "money back", "refund", origin="import", spans=[])
    say(engine, "refund me", "refund", origin="fold")
    _, (imported, folded) = export(engine)
    assert (imported.entities, imported.provenance.origin, imported.provenance.votes) == ((), "import", 0)
    assert (folded.entities, folded.provenance.origin) == (None, "fold")


def test_the_newest_label_counts_and_weak_forgotten_and_taken_back_ones_do_not(engine: sa.Engine) -> None:
    twice = say(engine, "money back", "refund")
    label(engine, twice, "cancel_order")
    undone = say(engine, "stop it", "refund")
    label(engine, undone, "refund", answer="undo")
    say(engine, "give it back", "refund", origin="weak", weight=0.5)
    forget(engine, say(engine, "I am Ana", "refund"))
    assert said(engine) == [("cancel_order", "money back")]


def test_what_tests_is_apart_and_left_out_where_a_format_has_no_place_for_it(engine: sa.Engine) -> None:
    say(engine, "money back", "refund")
    audited = say(engine, "where is it", "track_order", use="audit")
    label(engine, audited, "refund")  # it tests, so it never trains
    say(engine, "who are you", None, use="gold")
    say(engine, "back or stop", "refund", use="gold", answer="two", second_id=2)
    opened, rows = export(engine)
    assert [(row.text, row.intent, row.split) for row in rows] == [
        ("money back", "refund", "train"),
        ("where is it", "track_order", "test"),
        ("who are you", None, "test"),
    ]
    assert (opened.train, opened.test) == (1, 2)
    assert said(engine, exporter=TRAIN) == [("refund", "money back")]


def test_merges_are_followed_renames_shown_and_archived_intents_left_out(engine: sa.Engine) -> None:
    say(engine, "money back", "refund")
    say(engine, "stop it", "cancel_order")
    say(engine, "where is it", "track_order")
    with database.writing(engine) as connection:
        merge_intents(connection, BOT, 1, 2, AT)
        rename_intent(connection, BOT, 2, "end", AT)
        archive_intent(connection, BOT, 3, AT)
    opened, _ = export(engine)
    assert [intent.name for intent in opened.export.intents] == ["end"]
    assert said(engine) == [("end", "money back"), ("end", "stop it")]


def test_more_labels_than_a_chunk_come_in_order(engine: sa.Engine) -> None:
    with database.writing(engine) as connection:
        made = {"bot": BOT, "source": "native", "at": AT, "received_at": AT, "text_key": b"k"}
        turns = [made | {"external_id": f"x-{n}"} for n in range(1_100)]
        ids = list(connection.scalars(tables.turn.insert().returning(tables.turn.c.id), turns))
        connection.execute(tables.turn_content.insert(), [{"turn_id": one, "text": f"text {one}"} for one in ids])
        given = {"bot": BOT, "use": "train", "answer": "intent", "origin": "vote", "at": AT}
        connection.execute(
            tables.label.insert(), [given | {"turn_id": one, "intent_id": 1 + one % 3} for one in reversed(ids)]
        )
    names = ("refund", "cancel_order", "track_order")
    assert [row.provenance.turn_id for row in export(engine)[1]] == sorted(ids, key=lambda one: (names[one % 3], one))


def test_an_open_export_is_one_snapshot_and_holds_up_no_writer(engine: sa.Engine) -> None:
    turn_id = say(engine, "money back", "refund")
    with (
        opened_export(engine, BOT, BOTH, Wanted(), AT) as first,
        opened_export(engine, BOT, BOTH, Wanted(), AT) as second,
    ):
        forget(engine, turn_id)
        say(engine, "where is it", "track_order")
        assert [row.text for row in first.export.rows] == ["money back"]
        assert [row.text for row in second.export.rows] == ["money back"]
    assert said(engine) == [("track_order", "where is it")]


def test_what_cannot_be_exported_is_told(engine: sa.Engine) -> None:
    with pytest.raises(NothingLabelled):
        export(engine)
    say(engine, "money back", "refund", use="gold")
    with pytest.raises(NothingLabelled):
        export(engine, exporter=TRAIN)
    with pytest.raises(ReleaseNotFound, match="no release 7"):
        export(engine, Wanted(release=7))
    with pytest.raises(BadInput) as caught:
        export(engine, Wanted(size=7))
    assert caught.value.path == "size"
    with pytest.raises(BotNotFound), opened_export(engine, "bank", BOTH, Wanted(), AT):
        pass


def see(engine: sa.Engine, turn_id: int, *vector: float) -> None:
    data = np.array(vector, "<f2").tobytes()
    with database.writing(engine) as connection:
        connection.execute(tables.vector.insert(), {"turn_id": turn_id, "encoder": "fake@1", "data": data})


def test_the_minimal_set_takes_one_of_each_kind_first_and_all_that_tests(engine: sa.Engine) -> None:
    for n in range(4):
        see(engine, say(engine, f"money back {n}", "refund"), 1, n / 1_000)
    see(engine, say(engine, "reverse the charge", "refund"), 0, 1)
    see(engine, say(engine, "where is it", "track_order"), 1, 1)
    say(engine, "no vector yet", "track_order")
    say(engine, "the moon", None, use="gold")
    found = said(engine, Wanted("minimal"))
    assert [intent for intent, _ in found] == ["refund", "refund", "track_order", None]
    assert {text for _, text in found} >= {"reverse the charge", "where is it", "the moon"}
    assert [intent for intent, _ in said(engine, Wanted("minimal", size=2))] == ["refund", "track_order", None]
    assert len(said(engine, Wanted("minimal", size=1_000))) == 7


def test_a_classifier_says_which_labels_change_more(engine: sa.Engine) -> None:
    head = Head(
        intent_ids=np.array([1, 3]),
        weights=np.array([[9.0, -9.0], [-9.0, 9.0]], np.float32),
        bias=np.zeros(2, np.float32),
        temperature=1.0,
        center=np.zeros(2, np.float32),
        prototypes=np.eye(2, dtype=np.float32),
        gate_weights=np.array([3.0, 0.0], np.float32),
        gate_familiarity=0.0,
        gate_bias=-3.0,
        threshold=0.5,
    )
    for text, intent, vector in (
        ("money back", "refund", (1, 0)),
        ("money back now", "refund", (1, 0.1)),
        ("where is my money", "refund", (1, 1)),
        ("where is it", "track_order", (0, 1)),
        ("tall", None, (0, 1)),
        ("tall moon", None, (0, 1)),
        ("money on the moon", None, (1, 0)),
    ):
        see(engine, say(engine, text, intent), *vector)
    assert ("refund", "where is my money") not in said(engine, Wanted("minimal", size=3))
    with database.writing(engine) as connection:
        n = save(connection, BOT, head, Manifest(encoder="fake@1", dimensions=2), "challenger", AT)
        promote(connection, BOT, n, None)
    found = said(engine, Wanted("minimal", size=3))
    assert found == [("refund", "where is my money"), ("track_order", "where is it"), (None, "money on the moon")]


def test_without_a_vector_there_is_no_minimal_set(engine: sa.Engine) -> None:
    say(engine, "money back", "refund")
    with pytest.raises(minimal.NoVectors):
        export(engine, Wanted("minimal"))


def test_a_release_keeps_its_rows_whatever_comes_later(engine: sa.Engine) -> None:
    kept = say(engine, "money back", "refund")
    gone = say(engine, "I am Ana", "refund")
    say(engine, "who are you", None, use="gold")
    made = release(engine, "the first one")
    assert (made.n, made.who, made.note, made.champion, made.accuracy) == (1, "Ana", "the first one", None, None)
    before = export(engine, Wanted(release=1))
    assert [row.text for row in before[1]] == ["money back", "I am Ana", "who are you"]
    label(engine, kept, "cancel_order")
    say(engine, "where is it", "track_order")
    with database.writing(engine) as connection:
        rename_intent(connection, BOT, 1, "money_back", AT)
        archive_intent(connection, BOT, 3, AT)
    assert export(engine, Wanted(release=1))[1] == before[1]
    forget(engine, gone)
    opened, rows = export(engine, Wanted(release=1))
    assert (opened.forgotten, [row.text for row in rows]) == (1, ["money back", "who are you"])
    assert [intent.name for intent in opened.export.intents] == ["cancel_order", "refund", "track_order"]
    assert (opened.export.release, opened.export.at) == (1, AT)


def test_votes_of_a_release_are_those_of_its_time(engine: sa.Engine) -> None:
    def vote(reviewer: str, minutes: int) -> int:
        row = {"bot": BOT, "card_id": "c", "reviewer": reviewer, "answer": "intent", "intent_id": 1, "surface": "api"}
        row |= {"click_id": reviewer, "at": AT + timedelta(minutes=minutes)}
        with database.writing(engine) as connection:
            made: int = connection.execute(tables.vote.insert().returning(tables.vote.c.id), row).scalar_one()
        return made

    say(engine, "money back", "refund", card_id="c", vote_id=vote("Ana", -5))
    release(engine)
    vote("Ben", 5)
    assert [row.provenance.votes for row in export(engine, Wanted(release=1))[1]] == [1]
    assert [row.provenance.votes for row in export(engine)[1]] == [2]


def test_a_release_says_what_changed_since_the_one_before(engine: sa.Engine) -> None:
    with database.writing(engine) as connection:
        create_intents(connection, BOT, {"greet": "", "idle": ""}, AT)
    _, moves, again, goes = (say(engine, text, "refund") for text in ("one", "two", "three", "four"))
    say(engine, "stop it", "cancel_order")
    say(engine, "hello", "greet")
    first = release(engine)
    label(engine, moves, "cancel_order")
    label(engine, again, "refund")
    forget(engine, goes)
    say(engine, "where is it", "track_order")
    say(engine, "use my gift card", None)
    with database.writing(engine) as connection:
        create_intents(connection, BOT, {"gift_card": ""}, AT)
        rename_intent(connection, BOT, 1, "money_back", AT)
        merge_intents(connection, BOT, by_name(connection, BOT, "greet").id, 2, AT)
        archive_intent(connection, BOT, by_name(connection, BOT, "idle").id, AT)
    made = release(engine, days=1)
    assert (first.n, first.changes.added, first.changes.relabelled) == (1, 6, 0)
    changes = made.changes
    assert (changes.added, changes.removed, changes.relabelled, changes.confirmed) == (2, 1, 1, 1)
    assert changes.intents == (
        Change("new", "gift_card"),
        Change("merged", "greet", "cancel_order"),
        Change("archived", "idle"),
        Change("renamed", "refund", "money_back"),
    )
    assert changes.rows == (
        IntentRows("cancel_order", 3, 0, 0, 1, 0),
        IntentRows("money_back", 2, 0, 1, 0, 1),
        IntentRows("track_order", 1, 1, 0, 0, 0),
        IntentRows("none", 1, 1, 0, 0, 0),
    )
    with database.reading(engine) as connection:
        assert releases.changes_between(connection, BOT, 1, 2) == changes
        assert [one.n for one in releases.list_releases(connection, BOT)] == [2, 1]
    assert changelog(BOT, made).splitlines() == [
        "# shop, release 2",
        "",
        "2026-03-03 09:15 UTC, by Ana: 7 rows of 3 intents.",
        "",
        "## Since release 1",
        "",
        "- rows: 2 added, 1 removed, 1 relabelled, 1 answered again with the same intent",
        "- intent gift_card is new",
        "- intent greet is merged into cancel_order",
        "- intent idle is archived",
        "- intent refund is called money_back",
        "",
        "## Rows",
        "",
        "| intent | rows | added | removed | relabelled | confirmed |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        "| cancel_order | 3 | 0 | 0 | 1 | 0 |",
        "| money_back | 2 | 0 | 1 | 0 | 1 |",
        "| track_order | 1 | 1 | 0 | 0 | 0 |",
        "| none | 1 | 1 | 0 | 0 | 0 |",
    ]


def test_an_intent_that_comes_back_is_restored(engine: sa.Engine) -> None:
    say(engine, "money back", "refund")
    say(engine, "where is it", "track_order")
    with database.writing(engine) as connection:
        archive_intent(connection, BOT, 3, AT)
    release(engine)
    with database.writing(engine) as connection:
        restore_intent(connection, BOT, 3, AT)
    changes = release(engine).changes
    assert (changes.intents, changes.added) == ((Change("restored", "track_order"),), 1)


def test_nothing_new_makes_no_release(engine: sa.Engine) -> None:
    with pytest.raises(NothingLabelled):
        release(engine)
    say(engine, "money back", "refund")
    release(engine)
    with pytest.raises(NothingNew, match="since release 1"):
        release(engine, "again")
    with database.reading(engine) as connection:
        assert releases.newest_n(connection, BOT) == 1
        told = sa.select(tables.audit_log.c.who, tables.audit_log.c.details)
        made = connection.execute(told.where(tables.audit_log.c.action == "release.create")).all()
    assert [tuple(row) for row in made] == [("Ana", {"n": 1})]


def test_endpoints_are_told_of_a_release_and_nothing_of_its_note(engine: sa.Engine) -> None:
    with database.writing(engine) as connection:
        endpoints.add(connection, Keyring(b"k" * 32), BOT, "https://hooks.example", ["release.created"], AT, who="Ana")
    say(engine, "money back", "refund")
    release(engine, "ask Bob Stone")
    with pytest.raises(NothingNew):
        release(engine)
    with database.reading(engine) as connection:
        told = connection.execute(sa.select(tables.event.c.type, tables.event.c.data)).all()
    rows = {"added": 1, "removed": 0, "relabelled": 0, "confirmed": 0}
    assert [tuple(row) for row in told] == [("release.created", {"bot": BOT, "release": 1, "classifier": None, **rows})]


def test_of_two_who_make_the_same_version_one_does(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    say(engine, "money back", "refund")
    prepared = releases._prepared

    def overtaken(*arguments: Any) -> Any:
        new = prepared(*arguments)
        monkeypatch.setattr(releases, "_prepared", prepared)
        release(engine, "the other's")
        return new

    monkeypatch.setattr(releases, "_prepared", overtaken)
    with pytest.raises(ReleasedMeanwhile, match="release 1"):
        release(engine, "mine")
    with database.reading(engine) as connection:
        assert [one.note for one in releases.list_releases(connection, BOT)] == ["the other's"]


def test_a_note_is_checked_and_an_archived_bot_takes_no_release(engine: sa.Engine) -> None:
    say(engine, "money back", "refund")
    for bad in ("x" * 4_001, "a\0b"):
        with pytest.raises(BadInput) as caught:
            release(engine, bad)
        assert caught.value.path == "note"
    with database.writing(engine) as connection:
        archive_bot(connection, BOT, AT)
    with pytest.raises(BotArchived):
        release(engine)
    assert said(engine) == [("refund", "money back")]
