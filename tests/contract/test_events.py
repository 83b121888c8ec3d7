"""Endpoints, the outbox and events on their way, on both databases; the clock is given."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
import sqlalchemy as sa

from service import tables
from service.bots.store import archive_bot, create_bot
from service.database import reading, writing
from service.errors import BotArchived
from service.events import endpoints, listing, outbox, rules, sendings
from service.events.endpoints import EndpointDisabled, EndpointNotFound, TooManyEndpoints
from service.events.listing import EventNotFound, NobodyToTell
from service.events.rules import Answer
from service.events.schemas import EndpointChange, EventType, EventView, OpenedEndpoint
from service.events.sendings import Claimed
from service.keyring import Keyring

NOW = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
KEYRING = Keyring(b"k" * 32)
URL = "https://hooks.example/shop"
DELIVERED, FAILED = Answer(204, "", 12), Answer(500, "answered 500", 12)
GONE, SILENT = Answer(410, "answered 410", 12), Answer(None, "no answer in time", 20_000)


class Unmoved(random.Random):
    """No jitter."""

    def random(self) -> float:
        return 0.0


@pytest.fixture(autouse=True)
def bots(engine: sa.Engine) -> None:
    with writing(engine) as connection:
        create_bot(connection, "shop", NOW)
        create_bot(connection, "bank", NOW)


def add(engine: sa.Engine, *events: EventType, bot: str = "shop") -> OpenedEndpoint:
    with writing(engine) as connection:
        return endpoints.add(connection, KEYRING, bot, URL, events, NOW, who="Ana")


def change(engine: sa.Engine, endpoint: int, **changes: object) -> None:
    wanted = msgspec.convert(changes, EndpointChange)
    with writing(engine) as connection:
        endpoints.change(connection, "shop", endpoint, wanted, NOW, who="Ana")


def record(
    engine: sa.Engine, type: EventType = "label.resolved", *, at: datetime = NOW, bot: str = "shop", **data: object
) -> str:
    with writing(engine) as connection:
        return outbox.record(connection, bot, type, data, at) or ""


def claim(engine: sa.Engine, at: datetime = NOW, *but: int) -> Claimed | None:
    return sendings.claim(engine, "shop", at, but=but)


def settle(engine: sa.Engine, claimed: Claimed, answer: Answer, at: datetime = NOW) -> bool:
    with writing(engine) as connection:
        return sendings.settle(connection, claimed, answer, at, Unmoved())


def attempt(engine: sa.Engine, answer: Answer, at: datetime = NOW) -> bool:
    """Whether there was one to make."""
    claimed = claim(engine, at)
    return claimed is not None and settle(engine, claimed, answer, at)


def show(engine: sa.Engine, event_id: str) -> EventView:
    with reading(engine) as connection:
        return listing.show(connection, "shop", event_id)


def state(engine: sa.Engine, event_id: str) -> list[tuple[str, int]]:
    return [(one.status, one.attempts) for one in show(engine, event_id).sendings]


def endpoint(engine: sa.Engine, endpoint_id: int) -> tuple[str, datetime | None]:
    with reading(engine) as connection:
        found = endpoints.get(connection, "shop", endpoint_id)
    assert (found.disabled_at is None) == (found.disabled_because == "")
    return found.disabled_because, found.failing_since


def count(engine: sa.Engine, table: sa.Table) -> int:
    with reading(engine) as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


# the outbox


def test_an_event_goes_to_those_who_want_it(engine: sa.Engine) -> None:
    both, every = add(engine, "label.resolved", "drift.alert").endpoint, add(engine).endpoint
    add(engine, "classifier.held")
    add(engine, bot="bank")
    found = show(engine, record(engine, card="c-1"))
    assert (found.type, found.at, found.data) == ("label.resolved", NOW, {"bot": "shop", "card": "c-1"})
    assert [(one.endpoint, one.status, one.next_at) for one in found.sendings] == [
        (both.id, "pending", NOW),
        (every.id, "pending", NOW),
    ]


def test_where_nobody_wants_it_nothing_is_written(engine: sa.Engine) -> None:
    assert record(engine) == ""
    add(engine, "classifier.held")
    assert record(engine) == ""
    assert count(engine, tables.event) == count(engine, tables.sending) == 0


def test_a_transaction_that_is_rolled_back_leaves_no_event(engine: sa.Engine) -> None:
    add(engine)
    with pytest.raises(RuntimeError), writing(engine) as connection:
        assert outbox.record(connection, "shop", "label.resolved", {}, NOW)
        raise RuntimeError
    assert count(engine, tables.event) == count(engine, tables.sending) == 0


def test_what_happens_while_an_endpoint_is_disabled_is_kept_for_it(engine: sa.Engine) -> None:
    made = add(engine).endpoint
    change(engine, made.id, enabled=False)
    kept = record(engine)
    assert show(engine, kept).sendings == ()
    assert claim(engine) is None
    with pytest.raises(EndpointDisabled):
        listing.replay_missed(engine, "shop", made.id, NOW - timedelta(days=1), NOW, who="Ana")
    change(engine, made.id, enabled=True)
    assert claim(engine) is None
    assert listing.replay_missed(engine, "shop", made.id, NOW - timedelta(days=1), NOW, who="Ana") == 1
    assert attempt(engine, DELIVERED)
    assert state(engine, kept) == [("delivered", 1)]


# attempts


def test_a_body_says_what_when_and_the_same_in_every_attempt(engine: sa.Engine) -> None:
    add(engine)
    event_id = record(engine, "classifier.promoted", classifier=2, replaced=1)
    first = claim(engine)
    assert first
    assert msgspec.json.decode(first.body) == {
        "type": "classifier.promoted",
        "timestamp": "2026-03-02T09:15:00Z",
        "data": {"bot": "shop", "classifier": 2, "replaced": 1},
    }
    settle(engine, first, FAILED)
    second = claim(engine, NOW + timedelta(seconds=5))
    assert second
    assert (second.event_id, second.body, second.attempts) == (event_id, first.body, 1)


def test_attempts_follow_the_schedule_until_it_ends(engine: sa.Engine) -> None:
    add(engine)
    event_id, at, waits = record(engine), NOW, []
    while attempt(engine, FAILED, at):
        following = show(engine, event_id).sendings[0].next_at
        if following is None:
            break
        waits.append((following - at).total_seconds())
        assert not attempt(engine, FAILED, following - timedelta(microseconds=1))  # not a moment sooner
        at = following
    assert waits == list(rules.DELAYS_S)
    assert state(engine, event_id) == [("failed", 10)]
    assert len(show(engine, event_id).attempts) == 10
    assert not attempt(engine, FAILED, at + timedelta(days=3))


def test_a_delivered_event_is_not_sent_again(engine: sa.Engine) -> None:
    add(engine)
    event_id = record(engine)
    assert attempt(engine, DELIVERED)
    assert not attempt(engine, DELIVERED, NOW + timedelta(days=1))
    [made] = show(engine, event_id).attempts
    assert (made.status_code, made.error, made.ms, made.at) == (204, "", 12, NOW)


def test_two_at_once_make_one_attempt(engine: sa.Engine) -> None:
    add(engine)
    for _ in range(6):
        record(engine)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: claim(engine), range(12)))
    ids = [one.event_id for one in found if one]
    assert len(ids) == len(set(ids)) == 6


def test_what_a_killed_job_had_claimed_comes_back(engine: sa.Engine) -> None:
    add(engine)
    event_id = record(engine)
    lost = claim(engine)
    assert lost
    assert claim(engine, lost.until - timedelta(microseconds=1)) is None
    again = claim(engine, lost.until)
    assert again
    assert (again.event_id, again.attempts) == (event_id, 0)
    assert not settle(engine, lost, FAILED)  # it was not dead after all: its attempt is not noted
    assert state(engine, event_id) == [("pending", 0)]
    assert settle(engine, again, DELIVERED)
    assert state(engine, event_id) == [("delivered", 1)]


def test_endpoints_can_be_left_out(engine: sa.Engine) -> None:
    one, other = add(engine).endpoint, add(engine).endpoint
    record(engine)
    found = claim(engine, NOW, one.id)
    assert found
    assert found.endpoint_id == other.id
    assert claim(engine, NOW, one.id) is None


# what answers say about an endpoint


def test_gone_disables_at_once(engine: sa.Engine) -> None:
    made = add(engine).endpoint
    first, second = record(engine), record(engine, at=NOW + timedelta(seconds=1))
    assert attempt(engine, GONE, NOW + timedelta(seconds=1))
    assert endpoint(engine, made.id)[0] == "gone"
    assert (state(engine, first), state(engine, second)) == ([("failed", 1)], [("failed", 0)])
    assert claim(engine, NOW + timedelta(days=1)) is None


def test_five_days_of_failure_disable(engine: sa.Engine) -> None:
    made = add(engine).endpoint
    for hours in (0, 60, 119):
        record(engine, at=NOW + timedelta(hours=hours))
        assert attempt(engine, SILENT, NOW + timedelta(hours=hours))
        assert endpoint(engine, made.id) == ("", NOW)
    record(engine, at=NOW + timedelta(hours=120))
    assert attempt(engine, SILENT, NOW + timedelta(hours=120))
    assert endpoint(engine, made.id)[0] == "failing"
    change(engine, made.id, enabled=True)
    assert endpoint(engine, made.id) == ("", None)


def test_one_success_begins_the_five_days_anew(engine: sa.Engine) -> None:
    made = add(engine).endpoint
    for hours, answer in ((0, FAILED), (100, DELIVERED), (121, FAILED)):
        event_id = record(engine, at=NOW + timedelta(hours=hours))
        claimed = None
        while claimed is None or claimed.event_id != event_id:  # that of the hour 0 is due as well
            claimed = claim(engine, NOW + timedelta(hours=hours))
            assert claimed
        assert settle(engine, claimed, answer, NOW + timedelta(hours=hours))
    assert endpoint(engine, made.id) == ("", NOW + timedelta(hours=121))


def test_an_event_written_while_its_endpoint_was_disabled_waits(engine: sa.Engine) -> None:
    """On Postgres the two transactions do not see each other."""
    made = add(engine).endpoint
    change(engine, made.id, enabled=False)
    with writing(engine) as connection:
        outbox.add(connection, "shop", "label.resolved", {}, NOW, [made.id])
    with reading(engine) as connection:
        assert sendings.busy_bots(connection, NOW) == set()
    assert claim(engine) is None


# replay


def test_a_replay_sends_a_delivered_event_under_the_same_id(engine: sa.Engine) -> None:
    made = add(engine).endpoint
    event_id, later = record(engine), NOW + timedelta(days=2)
    attempt(engine, DELIVERED)
    with writing(engine) as connection:
        assert listing.replay(connection, "shop", event_id, None, later, who="Ana") == 1
    found = claim(engine, later)
    assert found
    assert (found.event_id, found.endpoint_id, found.attempts) == (event_id, made.id, 0)
    settle(engine, found, FAILED, later)
    assert state(engine, event_id) == [("pending", 1)]
    assert len(show(engine, event_id).attempts) == 2


def test_a_replay_goes_where_it_is_asked_to(engine: sa.Engine) -> None:
    add(engine, "label.resolved")
    other, foreign = add(engine, "classifier.held").endpoint, add(engine, bot="bank").endpoint
    event_id = record(engine)
    with writing(engine) as connection:
        assert listing.replay(connection, "shop", event_id, other.id, NOW, who="Ana") == 1
    assert state(engine, event_id) == [("pending", 0), ("pending", 0)]
    with pytest.raises(EndpointNotFound), writing(engine) as connection:
        listing.replay(connection, "shop", event_id, foreign.id, NOW, who="Ana")
    with pytest.raises(EventNotFound), writing(engine) as connection:
        listing.replay(connection, "bank", event_id, None, NOW, who="Ana")
    with pytest.raises(EventNotFound), writing(engine) as connection:
        listing.replay(connection, "shop", "evt\0", None, NOW, who="Ana")


def test_a_replay_that_nobody_hears_says_so(engine: sa.Engine) -> None:
    made = add(engine).endpoint
    event_id = record(engine)
    change(engine, made.id, events=["classifier.held"])
    with pytest.raises(NobodyToTell), writing(engine) as connection:
        listing.replay(connection, "shop", event_id, None, NOW, who="Ana")


def test_what_was_missed_is_what_neither_came_nor_is_coming(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "CHUNK", 2)
    made = add(engine, "label.resolved").endpoint
    delivered = record(engine)
    attempt(engine, DELIVERED)
    failed = [record(engine) for _ in range(5)]
    change(engine, made.id, enabled=False)
    record(engine, "classifier.held")
    change(engine, made.id, enabled=True)
    waiting, since = record(engine, at=NOW + timedelta(days=1)), NOW - timedelta(hours=1)
    assert listing.replay_missed(engine, "shop", made.id, NOW + timedelta(hours=1), NOW, who="Ana") == 0
    assert listing.replay_missed(engine, "shop", made.id, since, NOW, who="Ana") == 5
    assert [state(engine, one)[0][0] for one in (delivered, *failed, waiting)] == ["delivered"] + ["pending"] * 6
    assert listing.replay_missed(engine, "shop", made.id, since, NOW, who="Ana") == 0


# listing and keeping


def test_events_are_listed_newest_first_by_pages(engine: sa.Engine) -> None:
    add(engine)
    types: list[EventType] = ["label.resolved", "classifier.held", "label.resolved"]
    ids = [record(engine, type, at=NOW + timedelta(seconds=n)) for n, type in enumerate(types)]
    with reading(engine) as connection:
        page = listing.list_events(connection, "shop", None, None, 2)
        rest = listing.list_events(connection, "shop", None, page.next, 2)
        held = listing.list_events(connection, "shop", "classifier.held", None, 2)
        assert listing.list_events(connection, "bank", None, None, 2).items == []
    assert [one.id for one in (*page.items, *rest.items)] == ids[::-1]
    assert (rest.next, [one.id for one in held.items]) == (None, ids[1:2])
    assert [len(one.sendings) for one in page.items] == [1, 1]


def test_events_are_kept_for_thirty_days(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sendings, "SWEPT", 2)
    add(engine)
    for _ in range(3):
        record(engine)
        attempt(engine, DELIVERED)
    young = record(engine, at=NOW + timedelta(days=1))
    later = NOW + timedelta(days=30, seconds=1)
    with writing(engine) as connection:
        assert sendings.busy_bots(connection, NOW + timedelta(days=1)) == {"shop"}  # the young one is due
        assert [sendings.sweep(connection, "shop", later) for _ in range(3)] == [2, 1, 0]
    assert (count(engine, tables.event), count(engine, tables.sending), count(engine, tables.attempt)) == (1, 1, 0)
    assert attempt(engine, DELIVERED, later)
    assert state(engine, young) == [("delivered", 1)]
    with reading(engine) as connection:
        assert sendings.busy_bots(connection, later) == set()
        assert sendings.busy_bots(connection, later + timedelta(days=1)) == {"shop"}  # too old


# endpoints


def secrets(engine: sa.Engine, endpoint_id: int, at: datetime) -> list[str]:
    with reading(engine) as connection:
        return endpoints.secrets_of(connection, KEYRING, endpoint_id, at)


def test_a_rotation_keeps_the_earlier_secret_for_a_while(engine: sa.Engine) -> None:
    made = add(engine)
    with writing(engine) as connection:
        new = endpoints.rotate(connection, KEYRING, "shop", made.endpoint.id, NOW, grace=timedelta(hours=1), who="Ana")
    assert secrets(engine, made.endpoint.id, NOW) == [new, made.secret]
    assert secrets(engine, made.endpoint.id, NOW + timedelta(hours=1)) == [new]


def test_secrets_are_sealed(engine: sa.Engine) -> None:
    made = add(engine)
    with reading(engine) as connection:
        sealed: bytes = connection.execute(sa.select(tables.endpoint_secret.c.sealed)).scalar_one()
    assert made.secret.encode() not in sealed
    assert made.secret.startswith("whsec_")


def test_a_removed_endpoint_is_told_nothing_and_its_number_is_not_anothers(engine: sa.Engine) -> None:
    made = add(engine).endpoint
    event_id = record(engine)
    attempt(engine, DELIVERED)
    second = record(engine)
    with writing(engine) as connection:
        endpoints.remove(connection, "shop", made.id, NOW, who="Ana")
    assert (state(engine, event_id), state(engine, second)) == ([("delivered", 1)], [("failed", 0)])
    assert claim(engine) is None
    assert count(engine, tables.endpoint_secret) == 0
    assert add(engine).endpoint.id > made.id
    with pytest.raises(EndpointNotFound):
        change(engine, made.id, enabled=True)


def test_another_bots_endpoint_is_not_there(engine: sa.Engine) -> None:
    foreign = add(engine, bot="bank").endpoint
    with pytest.raises(EndpointNotFound):
        change(engine, foreign.id, enabled=False)


def test_a_bot_has_twenty_endpoints_at_most_and_an_archived_one_gets_none(engine: sa.Engine) -> None:
    for _ in range(endpoints.MOST):
        add(engine)
    with pytest.raises(TooManyEndpoints):
        add(engine)
    with writing(engine) as connection:
        archive_bot(connection, "bank", NOW)
    with pytest.raises(BotArchived):
        add(engine, bot="bank")


def test_what_is_done_to_an_endpoint_is_audited_without_its_secret_or_url(engine: sa.Engine) -> None:
    made = add(engine, "drift.alert")
    change(engine, made.endpoint.id, enabled=False, url="https://other.example/token")
    log = tables.audit_log.c
    with reading(engine) as connection:
        rows = connection.execute(sa.select(log.action, log.who, log.details).where(log.action.startswith("endpoint")))
        found = [tuple(row) for row in rows]
    n = made.endpoint.id
    assert found == [
        ("endpoint.create", "Ana", {"endpoint": n, "events": ["drift.alert"]}),
        ("endpoint.rotate", "Ana", {"endpoint": n, "grace_s": 86400}),
        ("endpoint.set", "Ana", {"endpoint": n, "changed": ["enabled", "url"]}),
    ]
