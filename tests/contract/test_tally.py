"""What is kept of each day equals what counting the log says, whatever came in which order, on both databases."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from service import database, tables
from service.access.log import Wanted, list_entries
from service.bots.store import create_bot
from service.intents.store import create_intents
from service.reports.store import NewReport, insert_reports
from service.reviews import assessments
from service.reviews.assessments import Assessment, Believed, Mark
from service.turns import brought, recounting, store, tally
from service.turns.recounting import CountedMeanwhile
from service.turns.schemas import Report, Turn
from service.turns.store import Arrival, NewTurn
from service.turns.tally import Day

BOT, AT = "shop", datetime(2026, 3, 2, 23, 50, tzinfo=UTC)
KINDS = ("boundary", "unfamiliar", "disagreement", "audit")


@pytest.fixture
def shop(engine: sa.Engine) -> sa.Engine:
    with database.writing(engine) as connection:
        create_bot(connection, BOT, AT)
        create_intents(connection, BOT, {"refund": ""}, AT)
    return engine


def turn(n: int, rng: np.random.Generator) -> NewTurn:
    """One of a few hundred keys, so that many come twice; it is said on one of four days, by one of two versions."""
    at = AT - timedelta(hours=int(rng.integers(0, 72)))
    said = Turn(
        external_id=f"t-{n}",
        text=f"text {n}",
        at=at,
        bot_version=str(rng.choice(["v1", "v2"])),
        is_fallback=bool(rng.random() < 0.3),
        is_slot_fill=bool(rng.random() < 0.2),
    )
    source = "import" if n % 17 == 0 else "native"
    return NewTurn(Arrival(source, "d-1", AT + timedelta(hours=1)), said, (), "", str(n).encode(), "")


def report(n: int, rng: np.random.Generator) -> NewReport:
    said = Report(
        external_id=f"r-{n}",
        kind="thumbs_down",
        at=AT - timedelta(hours=int(rng.integers(0, 72))),
        turn_external_id=f"t-{n}",
        is_explicit=bool(rng.random() < 0.5),
    )
    return NewReport(Arrival("native", "d-1", AT + timedelta(hours=1)), said, "")


def assessment(rng: np.random.Generator) -> Assessment:
    marks = tuple(Mark(kind, 0.5, 0.1 if kind == "audit" else None) for kind in KINDS if rng.random() < 0.3)
    return Assessment(1, 1, None, 0.6, 0.1, 0.1, 0.5, marks)


def step(connection: sa.Connection, rng: np.random.Generator) -> None:
    """Something that workers do."""
    drawn = rng.integers(0, 200, 20).tolist()
    log = sa.select(tables.turn.c.id).where(tables.turn.c.source == "native").order_by(tables.turn.c.id)
    known = connection.scalars(log).all()
    ids = [known[n % len(known)] for n in drawn] if known else []
    n = int(rng.integers(1, 4))
    match int(rng.integers(0, 6)):
        case 0 | 1:
            store.insert_turns(connection, BOT, [turn(n, rng) for n in drawn])
        case 2:
            insert_reports(connection, BOT, [report(n, rng) for n in drawn])
        case 3:
            assessments.store_assessments(connection, BOT, n, {turn_id: assessment(rng) for turn_id in ids}, AT)
        case 4:
            assessments.store_reported(connection, BOT, n, {turn_id: Believed(0.9, 0.8) for turn_id in ids}, AT)
            assessments.store_unfamiliar(connection, BOT, ids[:5], AT)
        case _:
            assessments.drop_reported(connection, BOT, ids)


def counted(engine: sa.Engine) -> dict[Day, int]:
    """Every row looked at."""
    found: Counter[Day] = Counter()
    with database.reading(engine) as connection:
        turns = {row.id: row for row in connection.execute(sa.select(tables.turn))}
        for row in turns.values():
            if row.source == "native":
                whats = {"turn": True, "asked": not row.is_slot_fill}
                whats["fallback"] = row.is_fallback and not row.is_slot_fill
                found.update(Day(row.at.date(), row.bot_version, what) for what, counts in whats.items() if counts)
        for row in connection.execute(sa.select(tables.mark)):
            found[Day(turns[row.turn_id].at.date(), turns[row.turn_id].bot_version, f"mark.{row.kind}")] += 1
        for row in connection.execute(sa.select(tables.report)):
            found[Day(row.at.date(), "", "report" if row.is_explicit else "inferred")] += 1
    return dict(found)


def kept(engine: sa.Engine) -> dict[Day, int]:
    with database.reading(engine) as connection:
        return tally.read(connection, BOT)


@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_kept_is_what_counting_says(shop: sa.Engine, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(60):
        with database.writing(shop) as connection:
            step(connection, rng)
    found = kept(shop)
    assert found == counted(shop)
    days = {one.day for one in found}
    assert days == {date(2026, 2, 28), date(2026, 3, 1), date(2026, 3, 2)} | (days & {date(2026, 2, 27)})
    marks = {f"mark.{kind}" for kind in (*KINDS, "reported")}
    assert {one.what for one in found} == {"turn", "asked", "fallback", "report", "inferred"} | marks


def test_counts_that_are_wrong_are_mended_once_while_turns_come_in(
    shop: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, brought_by = np.random.default_rng(3), tables.source_day
    monkeypatch.setattr(recounting, "AT_ONCE", 5)

    def steps() -> None:
        for _ in range(12):
            with database.writing(shop) as connection:
                step(connection, rng)

    def spoil() -> None:
        with database.writing(shop) as connection:
            connection.execute(sa.update(tables.tally).where(tables.tally.c.bot_version != "v2").values(n=7))
            connection.execute(sa.delete(tables.tally).where(tables.tally.c.bot_version == "v2"))
            tally.add(connection, BOT, {Day(date(2020, 1, 1), "v0", "turn"): 3})
            connection.execute(sa.update(brought_by).values(turns=1, received_at=AT))
            brought.add(connection, BOT, {("gone", date(2020, 1, 1)): brought.Brought(2, AT)})

    def whole() -> bool:
        with database.reading(shop) as connection:
            by_source, log = brought.read(connection, BOT), brought.counted(connection, BOT)
            log_turns, *kept_turns = recounting.totals(connection, BOT)
        by_source.pop(("gone", date(2020, 1, 1)), None)
        return kept(shop) == counted(shop) and by_source == log and kept_turns == [log_turns] * 2

    def meanwhile(does: Callable[[], object]) -> None:
        count = tally.counted

        def late(connection: sa.Connection, bot: str) -> dict[Day, int]:
            monkeypatch.setattr(tally, "counted", count)
            found = count(connection, bot)
            does()
            return found

        monkeypatch.setattr(tally, "counted", late)

    def recount() -> int:
        return recounting.recount(shop, BOT, AT, who="Olu")

    steps()
    spoil()
    assert not whole()
    meanwhile(steps)
    assert recount() > 5
    assert whole()
    assert recount() == 0

    spoil()
    meanwhile(recount)
    with pytest.raises(CountedMeanwhile):
        recount()
    assert whole()
    with database.reading(shop) as connection:
        left = list_entries(connection, BOT, Wanted(action="counts.mend"), None, 200).items
    assert {entry.who for entry in left} == {"Olu"} and max(entry.details["counts"] for entry in left) == 5


def test_what_was_undone_is_not_kept(shop: sa.Engine) -> None:
    with database.writing(shop) as connection, pytest.raises(RuntimeError), connection.begin_nested():
        store.insert_turns(connection, BOT, [turn(1, np.random.default_rng(0))])
        raise RuntimeError
    assert kept(shop) == {}


def test_an_installation_that_has_a_log_already_is_counted_once(shop: sa.Engine) -> None:
    rng = np.random.default_rng(4)
    for _ in range(40):
        with database.writing(shop) as connection:
            step(connection, rng)
    before = kept(shop)
    config = Config()
    config.set_main_option("script_location", str(database.MIGRATIONS))
    with database.writing(shop) as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0020")
    database.migrate(shop)
    assert {one.what for one in before} >= {"turn", "asked", "fallback", "report", "inferred", "mark.audit"}
    assert kept(shop) == before
