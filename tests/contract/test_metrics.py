"""What `/metrics` says of a bot, on both databases."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

import pytest
import sqlalchemy as sa

from service import database, tables
from service.bots.store import get_bot
from service.clock import now
from service.context import Context
from service.metrics import of_bots, of_events
from service.metrics.catalogue import VALUES
from service.metrics.samples import Sample
from service.reports.store import NewReport, insert_reports
from service.reviews.assessments import Assessment, Mark, store_assessments
from service.turns.schemas import Report
from service.turns.store import Arrival
from tests.contract.test_accuracy import ask
from tests.support.decided import put_in_force
from tests.support.measured_windows import drifted
from tests.support.shop import AT, BOT, add_turn, deal, open_shop

HOUR = timedelta(hours=1)
Values = dict[tuple[str, ...], float]


@pytest.fixture
def shop(engine: sa.Engine) -> sa.Engine:
    open_shop(engine)
    return engine


def measured(shop: sa.Engine) -> Values:
    """By the metric's name and its labels but for the bot's."""
    with database.reading(shop) as connection:
        bot = get_bot(connection, BOT)
        found = [*of_bots.measure(connection, bot, now()), *of_events.measure(connection, [BOT])]
    for one in found:
        bot_name, *said = one.of
        assert bot_name == BOT and all(
            value in VALUES[label] for label, value in zip(one.metric.labels[1:], said, strict=True)
        )
    assert len({(one.metric.name, one.of) for one in found}) == len(found)
    return {key(one): one.value for one in found}


def key(one: Sample) -> tuple[str, ...]:
    return (one.metric.name.removeprefix("fencepost_"), *one.of[1:])


def test_a_bot_that_never_heard_anything_has_zeros_and_no_guesses(shop: sa.Engine) -> None:
    assert measured(shop) == {
        ("turns_total",): 0,
        ("fallbacks_total",): 0,
        ("reports_total", "filed"): 0,
        ("reports_total", "inferred"): 0,
        ("candidates",): 0,
        ("votes_total",): 0,
        ("budget_granted_votes",): 500,
        ("budget_given_votes",): 0,
        ("budget_asked_votes",): 0,
        ("accuracy_turns", "bot"): 0,
        ("accuracy_turns", "champion"): 0,
        ("drift_alert_open",): 0,
    }


def test_what_came_in_stays_counted_when_it_is_forgotten_and_marks_do_not(shop: sa.Engine) -> None:
    turn_ids = [add_turn(shop, text) for text in ("where is it", "my order", "a refund")]
    add_turn(shop, "an example", source="import")
    reports = [Report(external_id=f"r-{n}", kind="thumbs_down", is_explicit=n > 0, at=AT) for n in range(3)]
    marks = (Mark("boundary", 0.9), Mark("audit", 0.01, 0.5))
    with database.writing(shop) as connection:
        insert_reports(connection, BOT, [NewReport(Arrival("native", "d-1", AT), one, "") for one in reports])
        assess(connection, turn_ids, marks)
        connection.execute(sa.update(tables.turn).values(forgotten_at=now()))
        connection.execute(sa.delete(tables.turn_content))
    found = measured(shop)
    assert (found["turns_total",], found["newest_turn_timestamp_seconds",]) == (3, AT.timestamp())
    assert (found["reports_total", "filed"], found["reports_total", "inferred"]) == (2, 1)
    assert (found["marks", "boundary"], found["marks", "audit"], found["candidates",]) == (3, 3, 3)
    with database.writing(shop) as connection:
        assess(connection, turn_ids[:1], marks[1:])
    assert measured(shop)["marks", "boundary"] == 2


def assess(connection: sa.Connection, turn_ids: Sequence[int], marks: tuple[Mark, ...]) -> None:
    seen = Assessment(1, 1, None, 0.5, 0.4, 0.0, 0.9, marks)
    store_assessments(connection, BOT, 1, dict.fromkeys(turn_ids, seen), AT)


def test_reviews_are_counted_and_timed(shop: sa.Engine) -> None:
    put_in_force(shop, 7)
    deal(shop, "still open", overlap=2)
    waits = [HOUR, 2 * HOUR, 9 * HOUR]
    for n, wait in enumerate(waits):
        made = {"status": "resolved", "created_at": now() - HOUR - wait}
        card = deal(shop, f"answered {n}", **made)
        one = {"bot": BOT, "card_id": card, "answer": "intent", "intent_id": 1, "at": now() - HOUR}
        with database.writing(shop) as connection:
            vote = {"reviewer": "Ana", "surface": "console", "click_id": f"k-{n}"}
            connection.execute(tables.vote.insert(), one | vote)
            label = {"turn_id": int(card.rpartition("-")[2]), "use": "train", "origin": "vote"}
            connection.execute(tables.label.insert(), one | label)
    found = measured(shop)
    assert (found["cards", "rank", "open"], found["cards", "rank", "resolved"]) == (1, 3)
    assert (found["votes_total",], found["labels_total", "train"], found["classifier_number",]) == (3, 3, 7)
    assert (found["budget_given_votes",], found["budget_asked_votes",]) == (3, 2)
    seconds = [found["label_latency_seconds", quantile] for quantile in ("0.5", "0.95")]
    assert seconds == pytest.approx([7200, 0.9 * 9 * 3600 + 0.1 * 7200], abs=1)


def test_accuracy_comes_with_its_interval_and_its_change(shop: sa.Engine) -> None:
    for n in range(10):
        ask(shop, said="refund" if n < 9 else "cancel_order", ours=None if n % 2 else 1)
        ask(shop, said="refund" if n < 2 else "cancel_order", days=30)
    found = measured(shop)
    shares = [found[name, who] for name in ("accuracy_ratio", "accuracy_turns") for who in ("bot", "champion")]
    assert shares == [0.9, 0.5, 10, 10]
    assert found["accuracy_low_ratio", "bot"] == pytest.approx(0.596, abs=0.001)
    assert found["accuracy_high_ratio", "bot"] == pytest.approx(0.982, abs=0.001)
    assert found["accuracy_change_ratio", "bot"] == pytest.approx(0.7)
    assert 0 < found["accuracy_change_low_ratio", "bot"] < 0.7 < found["accuracy_change_high_ratio", "bot"]
    assert found["accuracy_change_high_ratio", "champion"] < 0


def test_drift_and_what_is_on_its_way_out(shop: sa.Engine, context: Context) -> None:
    today = now().date()
    drifted(context._replace(engine=shop), today)
    send(shop)
    found = measured(shop)
    assert (found["drift_alert_open",], found["drift_alarms", "psi"], found["drift_alarms", "embeddings"]) == (1, 1, 0)
    assert found["drift_effect", "psi"] == pytest.approx(0.17)
    assert (found["drift_p", "psi"], found["drift_p", "embeddings"]) == (1e-5, 1.0)
    assert found["drift_window_timestamp_seconds",] == datetime.combine(today, time(), UTC).timestamp()
    assert [found["endpoints", state] for state in ("enabled", "failing", "disabled")] == [1, 1, 1]
    assert [found["sendings", status] for status in ("delivered", "pending")] == [2, 1]
    assert [found["sending_attempts", status] for status in ("delivered", "pending")] == [4, 2]


def send(shop: sa.Engine) -> None:
    states = [{}, {"failing_since": AT}, {"failing_since": AT, "disabled_at": AT}]
    endpoint = {"bot": BOT, "url": "https://example.com", "created_at": AT, "failing_since": None, "disabled_at": None}
    sending = {"bot": BOT, "endpoint_id": 1, "status": "delivered", "attempts": 1}
    more = [{}, {"attempts": 3}, {"status": "pending", "attempts": 2}, {"bot": "archived"}]
    with database.writing(shop) as connection:
        connection.execute(tables.endpoint.insert(), [endpoint | state for state in states])
        rows = [sending | {"event_id": f"e-{n}"} | one for n, one in enumerate(more)]
        connection.execute(tables.sending.insert(), rows)
