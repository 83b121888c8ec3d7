"""What a source's deliveries come to, counted as they are answered."""

import doctest
from datetime import UTC, datetime

from service.console import reviewers, source_words
from service.turns import counted, schemas
from tests.support.edge import BOT, WEBHOOK, Edge, numbered, turn, turns


def test_what_is_taken_rejected_and_refused_is_counted_once_by_day_and_in_all(edge: Edge) -> None:
    began = datetime.now(UTC).replace(microsecond=0)
    edge.deliver(turn(), delivery_id="d-1")
    edge.deliver(turn(), delivery_id="d-1")
    edge.deliver(turns(*numbered(2), {"text": " "}), delivery_id="d-2")
    assert edge.client.post(WEBHOOK, content=b"{}").status_code == 401
    assert edge.client.post("/webhooks/shop/guessed", content=b"{}").status_code == 404
    assert edge.send(turn(text=" ")).status_code == 400
    redis = edge.context.redis
    expected = {
        "delivery": 2,
        "accepted": 3,
        "repeat": 1,
        "rejected.empty-text": 1,
        "refused.bad-signature": 1,
        "refused.empty-text": 1,
    }
    assert counted.total(redis, BOT) == {("native", what): n for what, n in expected.items()}
    days = counted.by_day(redis, BOT, datetime.now(UTC).date(), 2)
    assert sum(found.get(("native", "delivery"), 0) for found in days.values()) == 2
    assert counted.heard(redis, BOT)["native"] >= began
    assert 0 < redis.ttl(next(key for key in redis.scan_iter("fp:{shop}:v1:counted:*"))) <= 60 * 24 * 3600


def test_examples() -> None:
    assert [doctest.testmod(module).failed for module in (schemas, source_words, reviewers)] == [0, 0, 0]
