"""The job DRIFT on both databases: what is measured, what is an alarm, what of it is kept, and who is told."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from msgspec import structs

from service import clock, database, tables
from service.access import audit
from service.classifiers import store
from service.encoding import pack
from service.errors import AlertNotFound, BadInput
from service.events import endpoints
from service.intents.store import list_intents
from service.keyring import Keyring
from service.proposals import rules as proposal_rules
from service.proposals import store as proposals
from service.proposals.schemas import Proposal, Queued
from service.reports.store import reported_among, reports_on_turns
from service.windows import alerts, ledger, measuring, rules, sampling
from service.windows.sampling import place
from service.windows.schemas import Alert, Drift, DriftWindow, Found, Marker, Measured, Moved
from tests.support.scored import BOT, PHRASES, Shop, between, opened_shop
from workers import drifting, proposing, schedule

TODAY = date(2026, 3, 2)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)
THEME = np.random.default_rng(11).normal(size=64)  # a direction that means no intent of the shop
TEXTS = {**PHRASES, "gift": "can i pay with a gift card"}


@pytest.fixture
def shop(engine: sa.Engine, valkey: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setattr(clock, "now", lambda: NOON)
    monkeypatch.setattr(measuring, "ENOUGH", 300)  # a day's turns, few for the tests' sake
    with opened_shop(engine, valkey, tmp_path) as shop:
        yield shop


def near(x: np.ndarray, seed: Sequence[int], spread: float = 0.8) -> np.ndarray:
    apart = np.random.default_rng(seed).normal(size=len(x))
    x = x / np.linalg.norm(x) + spread * apart / np.linalg.norm(apart)
    return np.asarray(x / np.linalg.norm(x), np.float32)


def say(shop: Shop, day: date, seed: int = 0, hour: int = 1, **turns: int) -> list[int]:
    """So many turns of each intent, or of the theme `gift`, in this order through the day's morning, each of a
    conversation of its own; their ids."""
    whats = [what for what, count in turns.items() for _ in range(count)]
    x = {what: THEME if what == "gift" else shop.encoder.encode(BOT, [TEXTS[what]])[0] for what in turns}
    vectors = [
        near(x[what], (seed, day.toordinal(), i), 0.5 if what == "gift" else 0.8) for i, what in enumerate(whats)
    ]
    start = datetime.combine(day, time(hour), UTC)
    rows = [
        {
            "bot": BOT,
            "source": "native",
            "external_id": f"{day}-{seed}-{i}",
            "conversation_id": f"{day}-{seed}-{i}",
            "at": start + timedelta(seconds=i),
            "received_at": start + timedelta(seconds=i),
            "text_key": f"{day}-{seed}-{i}".encode(),
        }
        for i in range(len(whats))
    ]
    with database.writing(shop.engine) as connection:
        insert = tables.turn.insert().returning(tables.turn.c.id, sort_by_parameter_order=True)
        ids = list(connection.scalars(insert, rows))
        texts = [
            {"turn_id": turn_id, "text": f"{TEXTS[what]} {turn_id}", "person": f"p{turn_id % 9}"}
            for turn_id, what in zip(ids, whats, strict=True)
        ]
        connection.execute(tables.turn_content.insert(), texts)
        encoder = shop.encoder.identity(BOT)
        stored = [
            {"turn_id": turn_id, "encoder": encoder, "data": pack(one)}
            for turn_id, one in zip(ids, vectors, strict=True)
        ]
        connection.execute(tables.vector.insert(), stored)
    return ids


def fill(shop: Shop) -> None:
    """A quiet month's end: six days of 100 turns before the last two."""
    for back in range(7, 1, -1):
        say(shop, TODAY - back * DAY, refund=34, cancel_order=33, track_order=33)


def quiet(shop: Shop, day: date) -> list[int]:
    return say(shop, day, refund=104, cancel_order=103, track_order=103)


def released(shop: Shop, day: date) -> list[int]:
    """The theme's turns of a day with every eighth of it."""
    return say(shop, day, gift=40, refund=90, cancel_order=90, track_order=90)[:40]


def teach(shop: Shop) -> None:
    """Labels on ten turns of each intent of the day after the first."""
    with database.writing(shop.engine) as connection:
        for intent in list_intents(connection, BOT):
            text = tables.turn_content.c.text.startswith(PHRASES[intent.name])
            ids = connection.scalars(sa.select(tables.turn_content.c.turn_id).where(text).limit(10)).all()
            row = {"bot": BOT, "use": "train", "answer": "intent", "intent_id": intent.id, "origin": "vote", "at": NOON}
            connection.execute(tables.label.insert(), [{**row, "turn_id": turn_id} for turn_id in ids])


def drift(shop: Shop) -> list[date]:
    return drifting.drift(shop.context, shop.encoder, BOT)


def shown(shop: Shop, since: date | None = None, until: date | None = None) -> Drift:
    with database.reading(shop.engine) as connection:
        return rules.drift_of(connection, BOT, since, until, TODAY)


def window(shop: Shop, day: date) -> DriftWindow:
    (found,) = shown(shop, day, day).windows
    return found


def told(shop: Shop, status: alerts.Status | None = None) -> list[Alert]:
    with database.reading(shop.engine) as connection:
        return alerts.list_alerts(connection, BOT, status, None, 50).items


def growing(shop: Shop) -> list[Proposal]:
    with database.reading(shop.engine) as connection:
        found = proposals.list_proposals(connection, BOT, "open", None, 50).items
    return [one for one in found if one.growth]


def everything(shop: Shop) -> list[list[tuple[object, ...]]]:
    kept = (tables.drift_window, tables.alert, tables.proposal, tables.proposal_turn, tables.audit_log)
    with database.reading(shop.engine) as connection:
        return [
            [tuple(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key.columns))]
            for table in kept
        ]


# What is measured


def test_a_domain_that_is_released_is_found_and_its_turns_are_named(shop: Shop) -> None:
    fill(shop)
    quiet(shop, TODAY - DAY)
    theme = released(shop, TODAY)
    teach(shop)
    n = shop.train()
    assert drift(shop)[-2:] == [TODAY - DAY, TODAY]
    assert (window(shop, TODAY - DAY).is_alarm, window(shop, TODAY - DAY).reason) == (False, "")
    found = window(shop, TODAY)
    assert (found.n, found.since, found.turns, found.reference_turns) == (n, TODAY, 310, 910)
    assert {"novel"} <= {one.name for one in found.alarms}
    assert len(set(found.likeliest) & set(theme)) > 0.9 * len(found.likeliest)
    (alert,) = told(shop, "open")
    assert (alert.since, alert.opened_at, alert.closed_at) == (TODAY, NOON, None)
    assert Moved("novel", None) in alert.moved
    assert [turn.id for turn in alert.turns] == list(found.likeliest[:10])
    assert all(TEXTS["gift"] in str(turn.text) for turn in alert.turns)
    (proposal,) = growing(shop)
    assert alert.proposals == (proposal.id,)
    assert proposal.growth is not None
    assert proposal.growth.before == 0
    assert proposal.growth.now == pytest.approx(40 / 310, abs=0.02)
    assert "a gift" in proposal.phrases
    assert {turn.id for turn in proposal.typical} <= set(theme)


def test_a_quiet_log_is_no_alarm(shop: Shop) -> None:
    fill(shop)
    for back in (1, 0):
        quiet(shop, TODAY - back * DAY)
    teach(shop)
    shop.train()
    drift(shop)
    assert [window(shop, TODAY - back * DAY).alarms for back in (1, 0)] == [[], []]
    assert (told(shop), growing(shop)) == ([], [])


def test_a_promotion_between_the_windows_is_a_marker_and_no_drift(shop: Shop) -> None:
    fill(shop)
    quiet(shop, TODAY - DAY)
    shop.train()
    drift(shop)
    quiet(shop, TODAY)
    swapped = dict(zip(PHRASES, reversed(PHRASES.values()), strict=True))  # decides nearly all otherwise
    n = shop.train(swapped)
    with database.writing(shop.engine) as connection:
        audit.record(connection, BOT, "classifier.promote", NOON, "Ana", n=n, replaced=n - 1)
    drift(shop)
    assert [(one.n, one.is_alarm) for one in shown(shop, TODAY - DAY, TODAY).windows] == [(n, False), (n, False)]
    assert shown(shop).markers == [Marker(TODAY, "promotion", str(n))]


def test_an_import_and_a_new_version_of_the_bot_are_markers(shop: Shop) -> None:
    fill(shop)
    quiet(shop, TODAY - DAY)
    ids = quiet(shop, TODAY)
    with database.writing(shop.engine) as connection:
        connection.execute(sa.update(tables.turn).values(bot_version="1.0"))
        new = sa.update(tables.turn).where(tables.turn.c.id.in_(ids)).values(bot_version="1.1")
        connection.execute(new)
        audit.record(connection, BOT, "intents.import", NOON, "Ana", examples=3)
    shop.train()
    drift(shop)
    assert shown(shop).markers == [Marker(TODAY, "bot_version", "1.1"), Marker(TODAY, "import", "examples")]
    assert shown(shop, TODAY - 2 * DAY, TODAY - DAY).markers == []


def test_late_turns_open_a_window_again_until_a_day_after_its_end(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(shop)
    quiet(shop, TODAY)
    shop.train()
    drift(shop)
    assert not window(shop, TODAY).is_alarm
    late = say(shop, TODAY, seed=1, gift=40)
    monkeypatch.setattr(clock, "now", lambda: NOON + DAY)
    drift(shop)
    assert window(shop, TODAY).is_alarm
    assert set(window(shop, TODAY).likeliest) <= set(late)
    before = window(shop, TODAY)
    say(shop, TODAY, seed=2, gift=90)
    monkeypatch.setattr(clock, "now", lambda: NOON + 2 * DAY)
    drift(shop)
    assert window(shop, TODAY) == before


def test_sundays_are_compared_with_sundays_and_mornings_with_mornings(shop: Shop) -> None:
    sunday, saturday = TODAY - DAY, TODAY - 2 * DAY
    for back in (28, 21, 14, 7):
        say(shop, saturday - back * DAY, track_order=220)
        say(shop, sunday - back * DAY, refund=110, cancel_order=110)
        say(shop, TODAY - back * DAY, refund=80, cancel_order=60)
        say(shop, TODAY - back * DAY, seed=1, hour=18, track_order=80)
    say(shop, saturday, refund=150, cancel_order=150)
    say(shop, sunday, refund=150, cancel_order=150)
    say(shop, TODAY, refund=180, cancel_order=120)
    shop.train()
    found = [looked(shop, day) for day in (saturday, sunday, TODAY)]
    assert [(one.since, one.turns, one.reference_turns) for one in found] == [
        (saturday, 300, 880),
        (sunday, 300, 880),
        (TODAY, 300, 560),
    ]
    assert [one.is_alarm for one in found] == [True, False, False], "that Saturday was like a Sunday"


def looked(shop: Shop, day: date) -> Measured:
    with database.reading(shop.engine) as connection:
        champion = store.champion(connection, BOT)
        assert champion is not None
        found = measuring.look(connection, champion, day, NOON)
    assert isinstance(found, measuring.Material)
    return measuring.compare(champion, found).measured


def test_a_short_window_goes_back_seven_days_and_a_shorter_one_says_why(shop: Shop) -> None:
    for back in range(19, 0, -1):
        say(shop, TODAY - back * DAY, refund=15, track_order=25)
    say(shop, TODAY, refund=1)
    shop.train()
    drift(shop)
    found = window(shop, TODAY)
    assert (found.since, found.reference_since, found.turns) == (TODAY - 6 * DAY, TODAY - 34 * DAY, 6 * 40 + 1)
    assert (found.reference_turns, found.reason, found.is_alarm) == (520, "", False)
    early = window(shop, TODAY - 9 * DAY)
    assert (early.turns, early.findings) == (280, ())
    assert early.reason == "the 28 days before hold turns of 160 conversations, of 500 that are needed"
    assert window(shop, TODAY - 19 * DAY).reason == "the 7 days hold turns of 40 conversations, of 100 that are needed"


def test_nothing_is_measured_before_a_classifier_or_while_a_vector_lacks(shop: Shop) -> None:
    fill(shop)
    ids = quiet(shop, TODAY)
    assert drift(shop) == []
    shop.train()
    with database.writing(shop.engine) as connection:
        connection.execute(tables.vector.delete().where(tables.vector.c.turn_id == ids[0]))
    assert TODAY not in drift(shop)
    assert shown(shop, TODAY, TODAY).windows == []


def test_fallbacks_reports_and_entity_structures_are_drift_too(shop: Shop) -> None:
    fill(shop)
    ids = quiet(shop, TODAY)
    with database.writing(shop.engine) as connection:
        t = tables.turn
        connection.execute(sa.update(t).where(t.c.id.in_(ids[:40])).values(is_fallback=True))
        connection.execute(sa.update(t).where(t.c.id.in_(ids[40:80])).values(entity_signature="city>date"))
    for turn_id in ids[100:130]:
        shop.report(turn_id)
    shop.train()
    drift(shop)
    alarms = {(one.name, one.subject): (one.by_chance, one.value) for one in window(shop, TODAY).alarms}
    assert alarms == {
        ("fallback", None): (0, pytest.approx(40 / 310)),
        ("structure", "city>date"): (0, pytest.approx(40 / 310)),
        ("reports", None): (0, pytest.approx(30 / 310)),
    }


def test_what_a_classifier_learnt_from_and_what_came_later(shop: Shop) -> None:
    fill(shop)
    first = quiet(shop, TODAY - DAY)
    teach(shop)
    taught = {turn_id for (turn_id,) in shop.rows(tables.label, "turn_id")}
    n = shop.train(last_label_id=max(id for (id,) in shop.rows(tables.label, "id", order="id")))
    with database.writing(shop.engine) as connection:
        trained = datetime.combine(TODAY - DAY, time(1), UTC) + timedelta(seconds=299.5)  # before that day's last ten
        connection.execute(sa.update(tables.classifier).where(tables.classifier.c.n == n).values(created_at=trained))
        connection.execute(tables.label.insert(), {**label(first[0]), "bot": BOT})  # given since

    def known(**learnt_from: int) -> tuple[set[int], set[int]]:
        with database.reading(shop.engine) as connection:
            champion = store.champion(connection, BOT)
            assert champion is not None
            by = structs.replace(champion, manifest=structs.replace(champion.manifest, **learnt_from))
            drawn = sampling.draw(connection, BOT, [sampling.days(TODAY - 9 * DAY, TODAY)], 5000)
            seen = sampling.seen(connection, by, drawn)
        assert seen is not None
        ids = np.array(seen.turn_ids)
        return set(ids[seen.is_learnt].tolist()), set(ids[seen.is_later].tolist())

    assert known() == (taught, set(first[-10:]))
    assert known(log_turns=50) == (taught, set(first[-10:])), "of no use to it"
    drawn = set(first[250:300])
    assert known(log_turns=50, pseudo_labels=50) == (taught | drawn, set(first[-10:]))
    assert known(log_turns=50, weak_examples=9) == (taught | drawn, set(first[-10:]))
    everything = len(known(log_turns=20_000, pseudo_labels=20_000)[0])
    assert everything == 6 * 100 + 300


def label(turn_id: int) -> dict[str, object]:
    return {"turn_id": turn_id, "use": "train", "answer": "none", "origin": "vote", "at": NOON}


# What is kept


def test_a_repeat_changes_nothing(shop: Shop) -> None:
    fill(shop)
    quiet(shop, TODAY - DAY)
    released(shop, TODAY)
    teach(shop)
    shop.train()
    drift(shop)
    before = everything(shop)
    drift(shop)
    assert everything(shop) == before


def test_two_jobs_at_once_open_one_alert(shop: Shop) -> None:
    fill(shop)
    quiet(shop, TODAY - DAY)
    released(shop, TODAY)
    teach(shop)
    shop.train()
    with ThreadPoolExecutor(2) as pool:
        for one in [pool.submit(drift, shop) for _ in range(2)]:
            one.result()
    assert (len(told(shop)), len(growing(shop))) == (1, 1)
    assert [row for row in shop.rows(tables.audit_log, "action", order="id") if row[0] == "alert.open"] == [
        ("alert.open",)
    ]


def test_a_champion_that_changed_meanwhile_makes_the_look_void(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(shop)
    released(shop, TODAY)
    shop.train()
    look = drifting.measuring.look

    def late(*args: object) -> object:
        shop.train()
        return look(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(drifting.measuring, "look", late)
    assert drift(shop) == []
    assert (shown(shop).windows, told(shop)) == ([], [])


def test_of_two_jobs_that_overlap_the_one_that_read_later_stays(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(shop)
    quiet(shop, TODAY - DAY)
    quiet(shop, TODAY)
    teach(shop)
    shop.train()
    _overtaken(shop, monkeypatch, drifting.measuring, "compare", gift=40)
    before = (window(shop, TODAY), told(shop, "open"), growing(shop))
    assert (before[0].turns, before[0].is_alarm, len(before[1]), len(before[2])) == (350, True, 1, 1)
    _overtaken(shop, monkeypatch, drifting.proposals, "last_id", gift=90)
    (proposal,) = growing(shop)
    assert (window(shop, TODAY).turns, proposal.growth and proposal.growth.now) == (440, pytest.approx(0.3, abs=0.02))


def _overtaken(shop: Shop, monkeypatch: pytest.MonkeyPatch, module: object, step: str, **turns: int) -> None:
    """A job that comes to the step with today's window when an hour has passed, turns have come in, and another job
    has measured them from beginning to end."""
    work, hours = getattr(module, step), drifting.clock.now() + timedelta(hours=1)

    def late(*args: object) -> object:
        if not isinstance(args[-1], measuring.Material) or args[-1].measured.day == TODAY:
            monkeypatch.setattr(module, step, work)
            monkeypatch.setattr(clock, "now", lambda: hours)
            say(shop, TODAY, seed=hours.hour, **turns)
            assert TODAY in drift(shop)
        return work(*args)

    monkeypatch.setattr(module, step, late)
    drift(shop)


def test_forgotten_turns_are_named_without_their_text(shop: Shop) -> None:
    fill(shop)
    quiet(shop, TODAY - DAY)
    theme = released(shop, TODAY)
    teach(shop)
    shop.train()
    drift(shop)
    with database.writing(shop.engine) as connection:
        for table in (tables.turn_content, tables.vector):
            connection.execute(table.delete().where(table.c.turn_id.in_(theme)))
    (alert,) = told(shop)
    assert [turn.text for turn in alert.turns] == [None] * 10
    (proposal,) = growing(shop)
    assert (proposal.phrases, {turn.text for turn in proposal.typical}) == ((), {None})
    drift(shop)
    assert not window(shop, TODAY).is_alarm
    assert growing(shop) == []


# Alerts


def measured(back: int, *names: str, reason: str = "") -> Measured:
    found = tuple(Found(name, None, 0.3, 0.1, 0.0, 0.0, is_alarm=True) for name in names)
    day = TODAY - back * DAY
    return Measured(
        day=day, n=1, since=day, reference_since=day, turns=1, reference_turns=1, reason=reason, is_alarm=bool(names),
        findings=found, likeliest=(back,),
    )  # fmt: skip


def follow(shop: Shop, *windows: Measured) -> None:
    """Each measured for the last time, at noon of the day after it."""
    for one in windows:
        now = min(datetime.combine(one.day + DAY, time(12), UTC), NOON)
        with database.writing(shop.engine) as connection:
            ledger.lock(connection, BOT)
            ledger.keep(connection, BOT, one, now)
            alerts.follow(connection, BOT, one, now)


def states(shop: Shop) -> list[tuple[date, bool]]:
    return [(alert.since, alert.closed_at is None) for alert in told(shop)]


def test_two_quiet_days_in_a_row_close_an_alert(shop: Shop) -> None:
    follow(shop, measured(9, "novel"), measured(8), measured(7, "psi", "novel"), measured(6))
    assert states(shop) == [(TODAY - 9 * DAY, True)]
    follow(shop, measured(5))
    (closed,) = told(shop, "closed")
    assert (closed.moved, closed.closed_at, closed.turns[0].id) == (
        (Moved("novel", None), Moved("psi", None)),
        NOON - 4 * DAY,
        7,
    )
    follow(shop, measured(5), measured(4))
    assert states(shop) == [(TODAY - 9 * DAY, False)]
    follow(shop, measured(3, "psi"))
    assert states(shop) == [(TODAY - 3 * DAY, True), (TODAY - 9 * DAY, False)]
    assert [action for (action,) in shop.rows(tables.audit_log, "action", order="id")][-3:] == [
        "alert.open",
        "alert.close",
        "alert.open",
    ]


def test_endpoints_are_told_when_an_alert_opens_and_when_it_closes(shop: Shop) -> None:
    with database.writing(shop.engine) as connection:
        endpoints.add(connection, Keyring(b"k" * 32), BOT, "https://hooks.example", ["drift.alert"], NOON, who="Ana")
    follow(shop, measured(9, "novel"), measured(9, "novel"), measured(8), measured(7))
    told = [data for (data,) in shop.rows(tables.event, "data", order="id")]
    since = str(TODAY - 9 * DAY)
    assert sorted((one["status"], one["since"], one["moved"], one["alert"]) for one in told) == [
        ("closed", since, [["novel", None]], 1),
        ("open", since, [["novel", None]], 1),
    ]


def test_days_from_before_an_alert_do_not_close_it(shop: Shop) -> None:
    follow(shop, measured(3), measured(2), measured(1), measured(0, "psi"), measured(0), measured(1))
    assert states(shop) == [(TODAY, True)]


def test_what_was_over_when_it_was_measured_opens_none_and_what_is_not_began_then(shop: Shop) -> None:
    late = [measured(9, "psi"), measured(8), measured(7), measured(5, "psi"), measured(4), measured(3, "psi")]
    for one in late:
        with database.writing(shop.engine) as connection:
            ledger.keep(connection, BOT, one, NOON)
            alerts.follow(connection, BOT, one, NOON)
    assert states(shop) == []
    follow(shop, measured(1, "novel"))
    assert states(shop) == [(TODAY - 5 * DAY, True)]


def test_a_turn_that_is_asked_about_blind_does_not_show_an_alert(shop: Shop) -> None:
    ids = [shop.say(f"gift card {i}") for i in range(3)]
    card = {"id": "k", "bot": BOT, "turn_id": ids[1], "purpose": "audit", "is_blind": True, "status": "open"}
    with database.writing(shop.engine) as connection:
        connection.execute(tables.card.insert(), {**card, "created_at": NOON})
    follow(shop, structs.replace(measured(0, "novel"), likeliest=tuple(ids)))
    assert [turn.id for turn in told(shop)[0].turns] == [ids[0], ids[2]]
    with database.writing(shop.engine) as connection:
        connection.execute(sa.update(tables.card).values(status="resolved"))
    assert [turn.id for turn in told(shop)[0].turns] == ids


@pytest.mark.parametrize(
    "later",
    [
        (measured(4), measured(2)),  # a day between them was not measured
        (measured(4), measured(3, reason="too few")),
        (measured(1), measured(0)),  # the running day is not over
        (measured(0, "psi"), measured(2), measured(1)),  # and this morning there is an alarm
    ],
)  # fmt: skip
def test_less_closes_none(shop: Shop, later: Sequence[Measured]) -> None:
    follow(shop, measured(5, "novel"), *later)
    assert states(shop) == [(TODAY - 5 * DAY, True)]


def test_a_window_that_is_measured_again_takes_the_place_of_the_first(shop: Shop) -> None:
    follow(shop, measured(0, "psi"), measured(0))
    assert (window(shop, TODAY).is_alarm, len(shown(shop).windows)) == (False, 1)
    assert told(shop, "open")[0].moved == (Moved("psi", None),), "who was told is told when it is over"


def test_an_alerts_turns_go_to_review_once(shop: Shop) -> None:
    shop.train()
    ids = [shop.say(f"gift card {i}", vector=between(shop, "refund", noise=i)) for i in range(12)]
    shop.rescore()
    follow(shop, structs.replace(measured(0, "novel"), likeliest=tuple(ids)))
    (alert,) = told(shop)
    assert review(shop, alert.id) == Queued(tuple(ids[:10]))
    assert shop.cards() == ids[:10]
    assert review(shop, alert.id) == Queued(())
    with pytest.raises(AlertNotFound):
        review(shop, alert.id + 1)


def review(shop: Shop, alert_id: int) -> Queued:
    with database.writing(shop.engine) as connection:
        return alerts.review(connection, shop.context.keyring, BOT, alert_id, NOON, who="Ana")


def test_a_growing_proposal_goes_to_review_before_it_is_decided(shop: Shop) -> None:
    fill(shop)
    quiet(shop, TODAY - DAY)
    theme = released(shop, TODAY)
    teach(shop)
    shop.train()
    shop.rescore()
    drift(shop)
    (proposal,) = growing(shop)
    with database.writing(shop.engine) as connection:
        queued = proposal_rules.review(connection, shop.context.keyring, BOT, proposal.id, NOON, who="Ana").queued
    assert queued[:6] == tuple(turn.id for turn in proposal.typical)
    assert (len(queued), set(queued) <= set(theme), shop.cards()) == (10, True, list(queued))


def test_proposing_leaves_what_grows_and_lapses_what_does_not_any_more(shop: Shop) -> None:
    fill(shop)
    quiet(shop, TODAY - DAY)
    say(shop, TODAY, gift=20, refund=100, cancel_order=100, track_order=100)
    teach(shop)
    shop.train()
    drift(shop)
    (grows,) = growing(shop)
    with database.writing(shop.engine) as connection:
        assert proposals.replace_open(connection, BOT, 1, "fake", [], [], NOON) == []
    assert [one.id for one in growing(shop)] == [grows.id]
    with database.writing(shop.engine) as connection:
        assert proposals.replace_growing(connection, BOT, 1, "fake", [], {}, NOON) == []
        assert [one.id for one in proposals.list_proposals(connection, BOT, "open", None, 9).items] == [grows.id]
        proposals.replace_open(connection, BOT, 1, "fake", [], [], NOON)
        assert proposals.get_proposal(connection, BOT, grows.id).status == "lapsed"


# The draw


def rows(shop: Shop, most: int, since: date = TODAY, until: date = TODAY + DAY) -> list[int]:
    with database.reading(shop.engine) as connection:
        return [row.id for row in sampling.draw(connection, BOT, [sampling.days(since, until)], most)]


def test_the_lowest_places_are_drawn_and_others_change_nothing(shop: Shop) -> None:
    ids = say(shop, TODAY, refund=2000)
    lowest = sorted(ids, key=place)
    assert rows(shop, 50) == lowest[:50]
    assert rows(shop, 5000) == lowest
    say(shop, TODAY - DAY, seed=3, refund=500)
    assert rows(shop, 50) == lowest[:50]
    with database.writing(shop.engine) as connection:
        connection.execute(tables.turn_content.delete().where(tables.turn_content.c.turn_id == lowest[0]))
    assert rows(shop, 50) == lowest[1:51]


def test_of_a_conversation_one_turn_is_drawn_and_what_nobody_said_never(shop: Shop) -> None:
    ids = say(shop, TODAY, refund=400)
    with database.writing(shop.engine) as connection:
        t = tables.turn
        update = sa.update(t)
        connection.execute(update.where(t.c.id.in_(ids[:300])).values(conversation_id="long"))
        connection.execute(update.where(t.c.id.in_(ids[300:350])).values(conversation_id=""))
        connection.execute(update.where(t.c.id.in_(ids[350:370])).values(is_slot_fill=True))
        connection.execute(update.where(t.c.id.in_(ids[370:390])).values(source="gold"))
    first = min(ids[:300], key=place)
    assert sorted(rows(shop, 500)) == sorted([first, *ids[300:350], *ids[390:]])
    assert rows(shop, 20) == sorted([first, *ids[300:350], *ids[390:]], key=place)[:20]


def test_reports_are_found_as_everywhere_else(shop: Shop) -> None:
    plain = [shop.say(f"turn {i}", conversation="c", minute=2 * i) for i in range(4)]
    alone = shop.say("alone")
    shop.report(plain[0])
    shop.report(None, reply=shop.reply("sure", conversation="c", minute=3))  # follows the second turn
    named = shop.rows(tables.turn, "external_id", order="id", id=plain[3])[0][0]
    shop.report(None, reply=shop.reply("sure", conversation="", minute=9, to=named))
    with database.reading(shop.engine) as connection:
        wanted = {report.turn_id for report in reports_on_turns(connection, BOT)}
        assert wanted == {plain[0], plain[1], plain[3]}
        assert reported_among(connection, [*plain, alone]) == wanted
        some = [report.turn_id for report in reports_on_turns(connection, BOT, [*plain[1:], alone])]
        assert sorted(some) == [plain[1], plain[3]]


# Edges


def test_too_long_a_time_is_refused(shop: Shop) -> None:
    for since, until in ((TODAY, TODAY - DAY), (TODAY - 367 * DAY, TODAY)):
        with pytest.raises(BadInput) as error:
            shown(shop, since, until)
        assert error.value.path == "from"


def test_the_schedule_asks_for_it_once_an_hour(shop: Shop) -> None:
    job = schedule.Job.DRIFT
    done: dict[schedule.Job, int] = {}
    every = {job: schedule.INTERVAL_S[job]}
    assert schedule.tick(shop.context, NOON, done, every) == [(job, BOT)]
    assert schedule.tick(shop.context, NOON + timedelta(minutes=59), done, every) == []


def test_what_is_taught_is_what_proposing_knows(shop: Shop) -> None:
    fill(shop)
    teach(shop)
    with database.reading(shop.engine) as connection:
        taught = proposing.taught(connection, BOT, shop.encoder.identity(BOT))
    assert (len(taught.x), sorted(set(taught.y.tolist()))) == (30, [1, 2, 3])
