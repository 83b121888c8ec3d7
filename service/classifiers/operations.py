"""Versions as people look at them, the way back to an older one, an owner's word against a gate, and asking for an
adapted encoder.

Where an older version reads another encoder, the encoder goes back with it: in force at once for new turns, while the
job REEMBED makes the vectors of the others anew. That needs the encoder's setting, which is known of those that `adapt`
made and of the one they were made from; and the encode process, which has to show that it still holds those weights."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

import msgspec
import sqlalchemy as sa

from service import tables
from service.access import audit
from service.bots.store import get_bot, live_bot
from service.classifiers import gates, rules, store
from service.classifiers.schemas import Gate, Manifest, Status, Version, decode_manifest
from service.classifiers.store import Move
from service.context import Context
from service.database import reading, writing
from service.encoding import EncodeClient, EncoderUnknown, insist
from service.errors import ClassifierNotFound, Conflict
from service.jobs import Job, enqueue
from service.reviews.labels import training_labels
from service.streams import redis_errors

CLASSIFIER = tables.classifier
STATUS_WORDS: Mapping[Status, str] = {
    "training": "not trained yet",
    "challenger": "on trial",
    "champion": "in force",
    "held": "held",
    "retired": "retired: roll back to it",
}


class NeverInForce(Conflict):
    type = "never-in-force"

    def __init__(self, bot: str, n: int) -> None:
        super().__init__(
            f"classifier {n} of bot {bot!r} never was in force",
            hint="`fencepost classifiers promote` puts one in force that was held",
        )


class NotHeld(Conflict):
    type = "not-held"

    def __init__(self, bot: str, n: int, status: Status) -> None:
        super().__init__(
            f"classifier {n} of bot {bot!r} is {STATUS_WORDS[status]}",
            hint="only a challenger that its gate held can be put in force by hand",
        )


class OtherEncoder(Conflict):
    type = "other-encoder"

    def __init__(self, n: int, encoder: str) -> None:
        super().__init__(
            f"classifier {n} reads vectors of {encoder}, which the bot has no more",
            hint="give the bot that encoder again: `fencepost bot set BOT --encoder …`",
        )


class Unfit(Conflict):
    type = "too-few-labels"

    def __init__(self, reason: str) -> None:
        super().__init__(reason, hint="label more turns, then ask again")


class Adapting(msgspec.Struct, frozen=True, kw_only=True):
    """What `adapt` was asked for."""

    bot: str
    labels: int  # it will be tuned on
    is_new: bool  # False: it was asked for already and has not begun


def versions(connection: sa.Connection, bot: str) -> list[Version]:
    """Newest first."""
    get_bot(connection, bot)
    tried = gates.gates(connection, bot)
    rows = connection.execute(sa.select(CLASSIFIER).where(CLASSIFIER.c.bot == bot).order_by(CLASSIFIER.c.n.desc()))
    return [_version(connection, bot, row, tried.get(row.n)) for row in rows]


def version(connection: sa.Connection, bot: str, n: int) -> Version:
    get_bot(connection, bot)
    row = connection.execute(sa.select(CLASSIFIER).where(CLASSIFIER.c.bot == bot, CLASSIFIER.c.n == n)).one_or_none()
    if row is None:
        raise ClassifierNotFound(bot, n)
    return _version(connection, bot, row, gates.gates(connection, bot).get(n))


def _version(connection: sa.Connection, bot: str, row: sa.Row[tuple[object, ...]], gate: Gate | None) -> Version:
    return Version(
        n=row.n,
        status=row.status,
        created_at=row.created_at,
        sha256=row.sha256,
        manifest=decode_manifest(row.manifest),
        trial=None if gate is None else gates.trial(connection, bot, gate),
    )


def roll_back(context: Context, bot: str, n: int, now: datetime, *, who: str) -> Version:
    """Put a classifier that was in force back in force, at once; an open gate ends, for its champion is gone. A repeat
    changes nothing. EncoderDown where the encoder has to go back, too, and the encode process does not answer."""
    move = _move_back(context, bot, n)
    with writing(context.engine) as connection:
        wanted, current = version(connection, bot, n), store.champion_n(connection, bot)
        if n != current:
            _check(connection, bot, wanted, current, move)
            store.rollback(connection, bot, n, move)
            gates.void(connection, bot, f"rolled back to classifier {n}", now)
            audit.record(connection, bot, "classifier.rollback", now, who, n=n, replaced=current)
        result = version(connection, bot, n)
    if n != current:
        enqueue(context.queue, Job.RESCORE, bot)
    return result


def promote(context: Context, bot: str, n: int, now: datetime, *, who: str) -> Version:
    """Put a challenger that its gate held in force, at once, on an owner's word; an open gate ends, for its champion is
    gone. A repeat changes nothing. NotHeld, OtherEncoder; EncoderDown where it brings an encoder of its own and the
    encode process does not answer."""
    move = _move_on(context, bot, n)
    with writing(context.engine) as connection:
        wanted, current = version(connection, bot, n), store.champion_n(connection, bot)
        if n != current:
            if wanted.status != "held":
                raise NotHeld(bot, n, wanted.status)
            _check_encoder(connection, bot, wanted, current, move)
            store.rollback(connection, bot, n, move)
            gates.void(connection, bot, f"classifier {n} was put in force by hand", now)
            audit.record(connection, bot, "classifier.promote", now, who, n=n, replaced=current)
        result = version(connection, bot, n)
    if n != current:
        enqueue(context.queue, Job.RESCORE, bot)
        enqueue(context.queue, Job.PROPOSE, bot)
    return result


def _move_on(context: Context, bot: str, n: int) -> Move | None:
    """How the bot's encoder changes with a held challenger; asked before anything is locked."""
    with reading(context.engine) as connection:
        current, wanted = store.champion(connection, bot), version(connection, bot, n)
    adapted = wanted.manifest.adapted
    if wanted.status != "held" or current is None or adapted is None or wanted.manifest.encoder == current.encoder:
        return None
    _insist(context, bot, adapted.folder, wanted)
    return Move(adapted.before, adapted.folder)


def _move_back(context: Context, bot: str, n: int) -> Move | None:
    """How the bot's encoder changes with the rollback; asked before anything is locked."""
    with reading(context.engine) as connection:
        setting, current = get_bot(connection, bot).encoder, store.champion(connection, bot)
        wanted = version(connection, bot, n)
    after = None if current is None else _setting_for(wanted.manifest, current.manifest)
    if after is None or wanted.status != "retired":
        return None
    _insist(context, bot, after or context.settings.encoder, wanted)
    return Move(setting, after)


def _insist(context: Context, bot: str, setting: str, wanted: Version) -> None:
    """OtherEncoder unless the encode process has the weights that the version reads."""
    client = EncodeClient(context.settings, context.redis)
    try:
        insist(client, bot, setting, wanted.manifest.encoder)
    except EncoderUnknown as error:
        raise OtherEncoder(wanted.n, wanted.manifest.encoder) from error
    finally:
        client.close()


def _setting_for(wanted: Manifest, current: Manifest) -> str | None:
    """The setting that gives the bot the encoder that `wanted` reads; None when it has it, or when nobody knows."""
    if wanted.encoder == current.encoder:
        return None
    if wanted.adapted is not None:
        return wanted.adapted.folder
    known = current.adapted
    return known.base if known is not None and known.base_identity == wanted.encoder else None


def _check(connection: sa.Connection, bot: str, wanted: Version, current: int | None, move: Move | None) -> None:
    if wanted.status != "retired":
        raise NeverInForce(bot, wanted.n)
    _check_encoder(connection, bot, wanted, current, move)


def _check_encoder(
    connection: sa.Connection, bot: str, wanted: Version, current: int | None, move: Move | None
) -> None:
    if current is None or move is not None:
        return
    if version(connection, bot, current).manifest.encoder != wanted.manifest.encoder:
        raise OtherEncoder(wanted.n, wanted.manifest.encoder)


def ask_to_adapt(context: Context, bot: str, now: datetime, *, who: str) -> Adapting:
    """Have the bot's encoder tuned on its labels and the result tried; Unfit when they are too few."""
    with reading(context.engine) as connection:
        live_bot(connection, bot)
        known = training_labels(connection, bot)
    if reason := rules.unfit(Counter(label.intent_id for label in known if label.origin != "weak")):
        raise Unfit(reason)
    with writing(context.engine) as connection:
        audit.record(connection, bot, "classifier.adapt", now, who, labels=len(known))
    with redis_errors():
        return Adapting(bot=bot, labels=len(known), is_new=enqueue(context.queue, Job.ADAPT, bot))
