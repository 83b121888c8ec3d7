"""Vectors in SQL, on both databases: chunks by turn, and never one encoder's among another's."""

import numpy as np
import pytest
import sqlalchemy as sa

from service import database, tables
from service.encoding import pack, unpack
from service.turns import vectors
from tests.support.encoder import FakeEncoder
from tests.support.shop import BOT, add_turn, open_shop

OLD, NEW = FakeEncoder("old"), FakeEncoder("new")


@pytest.fixture
def turn_ids(engine: sa.Engine) -> list[int]:
    open_shop(engine)
    open_shop(engine, "other")
    ids = [add_turn(engine, f"where is order {i}") for i in range(5)]
    foreign = add_turn(engine, "another bot's turn", bot="other")
    store(engine, OLD, [*ids, foreign])
    return ids


def store(engine: sa.Engine, encoder: FakeEncoder, ids: list[int]) -> list[int]:
    rows = encoder.encode("", [f"turn {turn_id}" for turn_id in ids])
    with database.writing(engine) as connection:
        return vectors.store_vectors(
            connection, encoder.identity(""), [(i, pack(row)) for i, row in zip(ids, rows, strict=True)]
        )


def forget(engine: sa.Engine, turn_id: int) -> None:
    with database.writing(engine) as connection:
        for table in (tables.turn_content, tables.vector):
            connection.execute(table.delete().where(table.c.turn_id == turn_id))


def test_a_packed_vector_comes_back_at_length_one():
    rows = OLD.encode("", ["where is my order", "refund"])
    back = unpack([pack(row) for row in rows])
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, rows, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(back, axis=1), 1, atol=1e-6)
    assert unpack([]).shape == (0, 0)


def test_chunks_go_through_all_of_a_bots_vectors_in_order(engine, turn_ids):
    chunks = list(vectors.iterate_vectors(engine, BOT, OLD.identity(""), chunk=2))
    assert [ids for ids, _ in chunks] == [turn_ids[:2], turn_ids[2:4], turn_ids[4:]]
    expected = OLD.encode("", [f"turn {turn_id}" for turn_id in turn_ids])
    np.testing.assert_allclose(np.concatenate([rows for _, rows in chunks]), expected, atol=1e-3)
    assert list(vectors.iterate_vectors(engine, BOT, NEW.identity(""))) == []


def test_turns_that_lack_a_vector_are_listed_with_their_texts(engine, turn_ids):
    store(engine, NEW, turn_ids[:3])
    forget(engine, turn_ids[4])
    with database.reading(engine) as connection:
        lacking = vectors.texts_without_vector(connection, BOT, NEW.identity(""))
        assert lacking == [(turn_ids[3], "where is order 3")]
        assert vectors.texts_without_vector(connection, BOT, NEW.identity(""), after=turn_ids[3]) == []
        assert vectors.count_without_vector(connection, BOT, NEW.identity("")) == 1


def test_a_forgotten_turn_gets_no_vector_again(engine, turn_ids):
    forget(engine, turn_ids[0])
    assert store(engine, NEW, turn_ids[:2]) == [turn_ids[1]]
    assert [ids for ids, _ in vectors.iterate_vectors(engine, BOT, NEW.identity(""))] == [[turn_ids[1]]]


def test_storing_again_changes_nothing(engine, turn_ids):
    assert store(engine, OLD, turn_ids) == turn_ids
    with database.reading(engine) as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.vector)) == 6


def test_a_changed_encoder_shows_until_the_old_vectors_are_gone(engine, turn_ids):
    store(engine, NEW, turn_ids)
    with database.writing(engine) as connection:
        assert not vectors.encoder_changed(connection, "nobody", NEW.identity(""))
        assert vectors.encoder_changed(connection, BOT, NEW.identity(""))
        assert vectors.drop_other_vectors(connection, BOT, NEW.identity(""), limit=3) == 3
        assert vectors.encoder_changed(connection, BOT, NEW.identity(""))
        assert vectors.drop_other_vectors(connection, BOT, NEW.identity("")) == 2
        assert not vectors.encoder_changed(connection, BOT, NEW.identity(""))
        assert vectors.encoder_changed(connection, "other", NEW.identity(""))  # another bot's were left alone
