"""Classifiers in SQL, on both databases."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import sqlalchemy as sa

from service import database, tables
from service.classifiers import store
from service.classifiers.cache import Champions
from service.classifiers.schemas import Manifest
from service.errors import BotNotFound, ClassifierNotFound
from service.learning.head import NEVER, Head, decide, probabilities

AT = datetime(2026, 3, 2, 9, 15, tzinfo=UTC)
MANIFEST = Manifest(encoder="fake@0123456789ab", dimensions=3, intents={"refund": 1, "cancel": 4}, labels=7)


def head(seed: int = 0, threshold: float = NEVER) -> Head:
    rng = np.random.default_rng(seed)
    return Head(
        intent_ids=np.array([1, 4]),
        weights=rng.normal(size=(2, 3)).astype(np.float32),
        bias=np.array([0.5, -0.5], np.float32),
        temperature=0.7,
        center=np.zeros(3, np.float32),
        prototypes=np.eye(2, 3, dtype=np.float32),
        gate_weights=np.ones(3, np.float32),
        gate_familiarity=-2.0,
        gate_bias=-1.0,
        threshold=threshold,
    )


@pytest.fixture
def bot(engine: sa.Engine) -> str:
    with database.writing(engine) as connection:
        connection.execute(tables.bot.insert(), {"name": "shop", "created_at": AT})
    return "shop"


def save(engine: sa.Engine, bot: str, seed: int = 0) -> int:
    with database.writing(engine) as connection:
        return store.save(connection, bot, head(seed), MANIFEST, "challenger", AT + timedelta(minutes=seed))


def put_in_force(engine: sa.Engine, bot: str, new: int, compared: int | None) -> bool:
    with database.writing(engine) as connection:
        return store.promote(connection, bot, new, compared)


def statuses(engine: sa.Engine) -> dict[int, str]:
    with database.reading(engine) as connection:
        rows = connection.execute(sa.select(tables.classifier.c.n, tables.classifier.c.status))
        return {n: status for n, status in rows}


@pytest.mark.parametrize("threshold", [NEVER, 0.5])
def test_weights_come_back_bit_for_bit(engine: sa.Engine, bot: str, threshold: float) -> None:
    with database.writing(engine) as connection:
        n = store.save(connection, bot, head(threshold=threshold), MANIFEST, "challenger", AT)
        loaded = store.load(connection, bot, n)
    assert (loaded.n, loaded.status, loaded.encoder, loaded.manifest) == (1, "challenger", MANIFEST.encoder, MANIFEST)
    x = np.random.default_rng(1).normal(size=(20, 3)).astype(np.float32)
    assert np.array_equal(probabilities(loaded.head, x), probabilities(head(), x))
    assert decide(loaded.head, x).tolist() == decide(head(threshold=threshold), x).tolist()
    assert loaded.head.threshold == threshold


@pytest.mark.parametrize("data", [b"", b"not weights", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "])
def test_damaged_weights_are_a_clear_error(engine: sa.Engine, bot: str, data: bytes) -> None:
    n = save(engine, bot)
    with database.writing(engine) as connection:
        connection.execute(sa.update(tables.classifier_weights).values(data=data))
    with database.reading(engine) as connection, pytest.raises(store.ClassifierDamaged, match="SHA-256") as caught:
        store.load(connection, bot, n)
    assert "roll back" in caught.value.hint


def test_weights_that_are_no_head_are_a_clear_error(engine: sa.Engine, bot: str) -> None:
    n = save(engine, bot)
    data = b"\x02\x00\x00\x00\x00\x00\x00\x00{}"  # a safetensors file without a tensor
    with database.writing(engine) as connection:
        connection.execute(sa.update(tables.classifier_weights).values(data=data))
        connection.execute(sa.update(tables.classifier).values(sha256=store.digest(data)))
    with database.reading(engine) as connection, pytest.raises(store.ClassifierDamaged, match="scalars"):
        store.load(connection, bot, n)


def test_only_the_one_compared_with_is_replaced(engine: sa.Engine, bot: str) -> None:
    first, second, third = save(engine, bot, 0), save(engine, bot, 1), save(engine, bot, 2)
    assert put_in_force(engine, bot, first, None)
    assert put_in_force(engine, bot, second, first)
    assert not put_in_force(engine, bot, third, first)
    assert not put_in_force(engine, bot, third, None)
    assert statuses(engine) == {1: "retired", 2: "champion", 3: "challenger"}


def test_rollback_is_one_call(engine: sa.Engine, bot: str) -> None:
    first, second = save(engine, bot, 0), save(engine, bot, 1)
    put_in_force(engine, bot, first, None)
    put_in_force(engine, bot, second, first)
    with database.writing(engine) as connection:
        assert store.put_in_force(connection, bot, first) == second
        assert store.champion_n(connection, bot) == first
    assert statuses(engine) == {1: "champion", 2: "retired"}


def test_unknown_ones_are_named(engine: sa.Engine, bot: str) -> None:
    with database.reading(engine) as connection:
        assert store.champion(connection, bot) is None
        with pytest.raises(ClassifierNotFound, match="no classifier 9"):
            store.load(connection, bot, 9)
        with pytest.raises(BotNotFound, match="'bank'"):
            store.champion(connection, "bank")


def test_a_swap_is_seen_within_the_age(engine: sa.Engine, bot: str) -> None:
    now = [0.0]
    champions = Champions(engine, max_age_s=1.0, clock=lambda: now[0])
    assert champions.get(bot) is None
    put_in_force(engine, bot, save(engine, bot), None)
    assert champions.get(bot) is None
    now[0] = 1.0
    seen = champions.get(bot)
    assert seen is not None and seen.n == 1
    now[0] = 2.0
    assert champions.get(bot) is seen  # nothing changed: the weights are not read again
