"""The job that redoes a bot's vectors after its encoder has changed, and makes them ahead where it may change.

Resumable: what has a vector of the new encoder is not touched again. Repeatable: done twice, or twice at once, it
changes nothing. The vectors of the old encoder stay until every turn has one of the new: a change taken back half-way
costs little. While a challenger with an encoder of its own is on trial its vectors are made, too, beside those in
force: should it win, nothing has to be waited for; should it lose, the next run drops them.
"""

from collections.abc import Callable, Sequence

import structlog

from service import database
from service.classifiers import gates
from service.classifiers.schemas import Manifest
from service.context import Context
from service.encoding import Encoder, EncoderChanged, insist, pack
from service.jobs import Job, enqueue
from service.learning.types import Floats2d
from service.turns.vectors import count_without_vector, drop_other_vectors, store_vectors, texts_without_vector

log = structlog.get_logger()

CHUNK = 256  # turns of one transaction
Add = Callable[[str, Sequence[int], Floats2d], None]


def reembed(context: Context, encoder: Encoder, bot: str) -> None:
    """Give every turn that has a text a vector of the bot's encoder; then drop the others and ask for a training; then
    see to the encoder that is on trial.

    EncoderDown when the encoder is away, or changes again meanwhile: the job is to be run again.
    """
    identity = encoder.identity(bot)
    _complete(context, encoder, bot, identity, add=encoder.add)
    with database.reading(context.engine) as connection:
        trying = gates.on_trial(connection, bot)
    if encoder.identity(bot) != identity:
        raise EncoderChanged(f"the encoder of bot {bot!r} changed during the job")
    dropped = _drop_others(context, bot, identity, spare=trying.encoder if trying else "")
    log.info("reembed.dropped", bot=bot, kept=identity, turns=dropped)
    if dropped:
        enqueue(context.queue, Job.TRAIN, bot)
    if trying and trying.adapted and trying.encoder != identity:
        _make_ahead(context, encoder, bot, trying, trying.adapted.folder)


def _make_ahead(context: Context, encoder: Encoder, bot: str, trying: Manifest, folder: str) -> None:
    insist(encoder, bot, folder, trying.encoder)
    _complete(context, encoder.named(folder), bot, trying.encoder, add=None)


def _complete(context: Context, encoder: Encoder, bot: str, identity: str, *, add: Add | None) -> None:
    """Round after round until no turn lacks a vector: a second round finds what ingest had encoded with the old encoder
    and stored behind our back."""
    with database.reading(context.engine) as connection:
        total = count_without_vector(connection, bot, identity)
    log.info("reembed.started", bot=bot, encoder=identity, turns=total)
    done = 0
    while found := _round(context, encoder, bot, identity, done, total, add=add):
        done += found
    log.info("reembed.finished", bot=bot, encoder=identity, turns=done)


def _round(
    context: Context, encoder: Encoder, bot: str, identity: str, done: int, total: int, *, add: Add | None
) -> int:
    """Once through the turns that lack a vector; how many got one. `add` makes them findable as neighbours."""
    after, stored = 0, 0
    while True:
        with database.reading(context.engine) as connection:
            rows = texts_without_vector(connection, bot, identity, after, CHUNK)
        if not rows:
            return stored
        stored += _encode(context, encoder, bot, identity, rows, add=add)
        after = rows[-1][0]
        log.info("reembed.progress", bot=bot, done=done + stored, total=total)


def _encode(
    context: Context, encoder: Encoder, bot: str, identity: str, rows: Sequence[tuple[int, str]], *, add: Add | None
) -> int:
    vectors = encoder.encode(bot, [text for _, text in rows])
    packed = [(turn_id, pack(row)) for (turn_id, _), row in zip(rows, vectors, strict=True)]
    with database.writing(context.engine) as connection:
        stored = set(store_vectors(connection, identity, packed))
    kept = [i for i, (turn_id, _) in enumerate(rows) if turn_id in stored]
    if add is not None:
        add(bot, [rows[i][0] for i in kept], vectors[kept])
    return len(kept)


def _drop_others(context: Context, bot: str, identity: str, *, spare: str) -> int:
    dropped = 0
    while True:
        with database.writing(context.engine) as connection:
            found = drop_other_vectors(connection, bot, identity, CHUNK, spare=spare)
        if not found:
            return dropped
        dropped += found
