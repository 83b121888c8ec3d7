"""A changed encoder: every turn gets a new vector, the old ones go at the end, and what breaks off can be resumed."""

from collections.abc import Sequence

import numpy as np
import pytest
import sqlalchemy as sa

from service import database, tables
from service.context import Context
from service.encoding import EncoderChanged, pack
from service.errors import EncoderDown
from service.learning.types import Floats2d
from service.turns.vectors import iterate_vectors, store_vectors
from tests.support.encoder import FakeEncoder
from tests.support.shop import BOT, add_turn, open_shop
from workers.reembed import CHUNK, reembed

OLD = FakeEncoder("old")
TURNS = CHUNK + 30


class Failing(FakeEncoder):
    """Encodes `after` chunks, then is down, or has become another encoder."""

    def __init__(self, after: int, *, renamed: str = "") -> None:
        super().__init__("new")
        self.after, self.renamed, self.encoded = after, renamed, 0

    def encode(self, bot: str, texts: Sequence[str]) -> Floats2d:
        if self.encoded == self.after:
            raise EncoderDown("away")
        self.encoded += 1
        rows = super().encode(bot, texts)
        if self.encoded == self.after and self.renamed:
            self.name = self.renamed
        return rows


@pytest.fixture
def turn_ids(context: Context) -> list[int]:
    open_shop(context.engine)
    ids = [add_turn(context.engine, f"where is order {i}") for i in range(TURNS)]
    rows = OLD.encode(BOT, [f"where is order {i}" for i in range(TURNS)])
    with database.writing(context.engine) as connection:
        store_vectors(connection, OLD.identity(BOT), [(i, pack(row)) for i, row in zip(ids, rows, strict=True)])
    return ids


def identities(context: Context) -> dict[str, int]:
    query = sa.select(tables.vector.c.encoder, sa.func.count()).group_by(tables.vector.c.encoder)
    with database.reading(context.engine) as connection:
        return {encoder: count for encoder, count in connection.execute(query)}


def test_every_turn_gets_a_new_vector_and_the_old_ones_go(context, turn_ids):
    new = FakeEncoder("new")
    reembed(context, new, BOT)
    assert identities(context) == {new.identity(BOT): TURNS}
    stored = list(iterate_vectors(context.engine, BOT, new.identity(BOT)))
    assert [turn_id for ids, _ in stored for turn_id in ids] == turn_ids
    expected = new.encode(BOT, [f"where is order {i}" for i in range(TURNS)])
    np.testing.assert_allclose(np.concatenate([rows for _, rows in stored]), expected, atol=1e-3)
    assert new.neighbours(BOT, expected[-1:], 1)[0].tolist() == [[turn_ids[-1]]]
    assert [job.func_name for job in context.queue.jobs] == ["workers.jobs.train"]


def test_once_more_changes_nothing(context, turn_ids):
    reembed(context, FakeEncoder("new"), BOT)
    context.redis.flushall()
    reembed(context, Failing(0), BOT)  # would raise if it were asked for a single vector
    assert identities(context) == {FakeEncoder("new").identity(BOT): TURNS}
    assert context.queue.count == 0


def test_what_breaks_off_is_resumed_and_the_old_vectors_wait_for_the_end(context, turn_ids):
    with pytest.raises(EncoderDown):
        reembed(context, Failing(1), BOT)
    new = FakeEncoder("new")
    assert identities(context) == {OLD.identity(BOT): TURNS, new.identity(BOT): CHUNK}
    resumed = Failing(1)
    reembed(context, resumed, BOT)
    assert resumed.encoded == 1
    assert identities(context) == {new.identity(BOT): TURNS}


def test_an_encoder_that_changes_again_ends_the_job_before_anything_is_dropped(context, turn_ids):
    with pytest.raises(EncoderChanged):
        reembed(context, Failing(2, renamed="newest"), BOT)
    assert identities(context)[OLD.identity(BOT)] == TURNS


def test_a_turn_forgotten_meanwhile_stays_forgotten(context, turn_ids):
    class Forgetting(FakeEncoder):
        def encode(self, bot: str, texts: Sequence[str]) -> Floats2d:
            with database.writing(context.engine) as connection:
                for table in (tables.turn_content, tables.vector):
                    connection.execute(table.delete().where(table.c.turn_id == turn_ids[0]))
            return super().encode(bot, texts)

    new = Forgetting("new")
    reembed(context, new, BOT)
    assert identities(context) == {new.identity(BOT): TURNS - 1}
    assert turn_ids[0] not in new.turns[BOT]
