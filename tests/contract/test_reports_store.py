"""Reports find their turn whatever came first, on both databases."""

import pytest
import sqlalchemy as sa

from service import database
from service.reports import store as reports
from service.turns.schemas import IntentScore
from tests.contract.test_turns_store import forget, insert, new_reply, new_report, new_turn

TURN = new_turn("t-1", 1, intents=(IntentScore("track", 0.8),), bot_version="14")


def about(engine) -> list[tuple[int, str, str]]:
    with database.reading(engine) as connection:
        return [
            (report.turn_id, report.bot_intent, report.person)
            for report in reports.reports_on_turns(connection, "shop")
        ]


@pytest.mark.parametrize(
    ("others", "bot_intent"),
    [
        ([new_report("x-1", 3, turn_external_id="t-1")], "track"),
        ([new_report("x-1", 3, reply_external_id="r-1"), new_reply("r-1", 2, turn="t-1")], "track"),
        ([new_report("x-1", 3, reply_external_id="r-1"), new_reply("r-1", 2, turn="t-1", intent="cancel")], "cancel"),
        (
            [new_report("x-1", 3, reply_external_id="r-1"), new_reply("r-1", 2, intent="cancel"), new_turn("t-0", 0)],
            "cancel",
        ),
    ],
    ids=["names the turn", "names a reply that names it", "the reply's own intent", "names a reply that follows it"],
)
def test_a_report_finds_its_turn_in_any_order(engine, others, bot_intent):
    insert(engine, *others)
    ids = insert(engine, TURN)
    assert about(engine) == [(ids["t-1"], bot_intent, "p-1")]


def test_a_report_on_nothing_known_is_about_no_turn(engine):
    insert(
        engine,
        TURN,
        new_report("x-1", turn_external_id="t-404"),
        new_report("x-2", reply_external_id="r-404"),
        new_report("x-3", conversation_id="c"),
        new_reply("r-lost", 0, conversation="c-lost"),
        new_report("x-4", reply_external_id="r-lost"),
    )
    assert about(engine) == []


def test_reports_of_some_turns_only(engine):
    ids = insert(
        engine,
        TURN,
        new_turn("t-2"),
        new_report("x-1", turn_external_id="t-1"),
        new_report("x-2", turn_external_id="t-2"),
    )
    with database.reading(engine) as connection:
        found = reports.reports_on_turns(connection, "shop", [ids["t-2"]])
    assert [(report.turn_id, report.bot_version, report.kind) for report in found] == [(ids["t-2"], "", "thumbs_down")]


def test_a_report_outlives_the_words_of_its_turn(engine):
    ids = insert(engine, TURN, new_report("x-1", turn_external_id="t-1"))
    forget(engine, ids["t-1"])
    assert about(engine) == [(ids["t-1"], "track", "p-1")]


def test_what_a_stored_report_names_is_known(engine):
    insert(
        engine,
        new_report("x-1", turn_external_id="t-1"),
        new_report("x-2", reply_external_id="r-2"),
        new_reply("r-2", turn="t-2"),
    )

    def is_reported(*, turns=(), replies=()) -> bool:
        with database.reading(engine) as connection:
            keys = [[("native", external_id) for external_id in ids] for ids in (turns, replies)]
            return reports.is_any_reported(connection, "shop", *keys)

    assert is_reported(turns=["t-1"])
    assert is_reported(replies=["r-2"])
    assert is_reported(turns=["t-0", "t-2"]), "through the reply"
    assert not is_reported(turns=["t-3"], replies=["r-3"])
    assert not is_reported()


def test_turns_with_reports_are_looked_up_and_no_table_is_walked_through(engine):
    """For 5,000 of a million turns SQLite took three minutes when asked in one statement."""
    if engine.dialect.name != "sqlite":
        pytest.skip("SQLite's plans, which need no table as large")
    ids = insert(
        engine,
        TURN,
        new_turn("t-2", conversation="d"),
        new_turn("t-3", conversation="e"),
        new_reply("r-1", 2, turn="t-1"),
        new_reply("r-2", 2, conversation="d"),
        new_report("x-1", 3, turn_external_id="t-1"),
        new_report("x-2", 3, reply_external_id="r-1"),
        new_report("x-3", 3, reply_external_id="r-2"),
    )
    steps = []
    with database.reading(engine) as connection:

        @sa.event.listens_for(connection, "before_cursor_execute")
        def plan(_, cursor, statement, parameters, *rest):
            steps.extend(row[3] for row in cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters))

        assert reports.reported_among(connection, list(ids.values())) == {ids["t-1"], ids["t-2"]}
        assert reports.reports_on_turns(connection, "shop", [ids["t-3"]]) == []
    searches = [step for step in steps if step.startswith(("SEARCH", "SCAN"))]
    assert len(searches) > 5
    assert [step for step in searches if step.startswith("SCAN") or step.endswith("(bot=?)")] == []
