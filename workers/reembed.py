"""The job that redoes a bot's vectors after its encoder has changed.

Resumable: what has a vector of the new encoder is not touched again. Repeatable: done twice, or twice at once, it
changes nothing. The vectors of the old encoder stay until every turn has one of the new: a change taken back half-way
costs little.
"""

from collections.abc import Sequence

import structlog

from service import database
from service.context import Context
from service.encoding import Encoder, EncoderChanged, pack
from service.jobs import Job, enqueue
from service.turns.vectors import count_without_vector, drop_other_vectors, store_vectors, texts_without_vector

log = structlog.get_logger()

CHUNK = 256  # turns of one transaction


def reembed(context: Context, encoder: Encoder, bot: str) -> None:
    """Give every turn that has a text a vector of the bot's encoder; then drop the others and ask for a training.

    EncoderDown when the encoder is away, or changes again meanwhile: the job is to be run again.
    """
    identity = encoder.identity(bot)
    with database.reading(context.engine) as connection:
        total = count_without_vector(connection, bot, identity)
    log.info("reembed.started", bot=bot, encoder=identity, turns=total)
    done = 0
    # A second round finds what ingest had encoded with the old encoder and stored behind our back.
    while found := _round(context, encoder, bot, identity, done, total):
        done += found
    if encoder.identity(bot) != identity:
        raise EncoderChanged(f"the encoder of bot {bot!r} changed during the job")
    dropped = _drop_others(context, bot, identity)
    log.info("reembed.finished", bot=bot, encoder=identity, turns=done, dropped=dropped)
    if dropped:
        enqueue(context.queue, Job.TRAIN, bot)


def _round(context: Context, encoder: Encoder, bot: str, identity: str, done: int, total: int) -> int:
    """Once through the turns that lack a vector; how many got one."""
    after, stored = 0, 0
    while True:
        with database.reading(context.engine) as connection:
            rows = texts_without_vector(connection, bot, identity, after, CHUNK)
        if not rows:
            return stored
        stored += _encode(context, encoder, bot, identity, rows)
        after = rows[-1][0]
        log.info("reembed.progress", bot=bot, done=done + stored, total=total)


def _encode(context: Context, encoder: Encoder, bot: str, identity: str, rows: Sequence[tuple[int, str]]) -> int:
    vectors = encoder.encode(bot, [text for _, text in rows])
    packed = [(turn_id, pack(row)) for (turn_id, _), row in zip(rows, vectors, strict=True)]
    with database.writing(context.engine) as connection:
        stored = set(store_vectors(connection, identity, packed))
    kept = [i for i, (turn_id, _) in enumerate(rows) if turn_id in stored]
    encoder.add(bot, [rows[i][0] for i in kept], vectors[kept])
    return len(kept)


def _drop_others(context: Context, bot: str, identity: str) -> int:
    dropped = 0
    while True:
        with database.writing(context.engine) as connection:
            found = drop_other_vectors(connection, bot, identity, CHUNK)
        if not found:
            return dropped
        dropped += found
