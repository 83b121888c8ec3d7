"""Versions as people look at them, the way back to an older one, an owner's word against a gate or instead of it, and
asking for an adapted encoder. Whoever decides says why, for those who look at the bot later.

Where an older version reads another encoder, the encoder goes back with it: in force at once for new turns, while the
job REEMBED makes the vectors of the others anew. That needs the encoder's setting, which is known of those that `adapt`
made and of the one they were made from; and the encode process, which has to show that it still holds those weights."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Literal, NamedTuple

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType

from service import tables
from service.access import audit
from service.bots.redacting import redacted_for
from service.bots.store import get_bot, live_bot
from service.classifiers import gates, rules, store
from service.classifiers.history import BY_HAND, HELD_BY_HAND, ROLLED_BACK, How, promoted
from service.classifiers.schemas import (
    REASON_LIMIT,
    Classifier,
    Gate,
    Manifest,
    Status,
    Version,
    decode_manifest,
)
from service.classifiers.store import ChampionMoved, Move
from service.context import Context
from service.database import reading, writing
from service.encoding import EncodeClient, EncoderUnknown, insist
from service.errors import BadInput, ClassifierNotFound, Conflict
from service.events import outbox
from service.jobs import Job, enqueue
from service.reviews.labels import training_labels
from service.streams import redis_errors

CLASSIFIER = tables.classifier
ACTIONS = {"retired": ROLLED_BACK, "held": BY_HAND}  # by what the version was
HOW: Mapping[str, How] = {"retired": "rollback", "held": "owner"}
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


class NotOnTrial(Conflict):
    type = "not-on-trial"

    def __init__(self, bot: str, n: int, status: Status) -> None:
        super().__init__(
            f"classifier {n} of bot {bot!r} is {STATUS_WORDS[status]}", hint="only a trial that goes on can be ended"
        )


class OtherEncoder(Conflict):
    type = "other-encoder"

    def __init__(self, wanted: Version) -> None:
        lost = "a tuned encoder that lost is kept while the same champion is in force: `fencepost adapt` makes another"
        give = "give the bot that encoder again: `fencepost bot set BOT --encoder …`"
        super().__init__(
            f"classifier {wanted.n} reads vectors of {wanted.manifest.encoder}, which the bot has no more",
            hint=lost if wanted.status == "held" and wanted.manifest.adapted else give,
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


def versions(
    connection: sa.Connection, bot: str, *, below: int | None = None, limit: int | None = None
) -> list[Version]:
    """Newest first, of those with a lower number than `below`."""
    get_bot(connection, bot)
    tried = gates.gates(connection, bot)
    query = sa.select(CLASSIFIER).where(CLASSIFIER.c.bot == bot).order_by(CLASSIFIER.c.n.desc()).limit(limit)
    rows = connection.execute(query if below is None else query.where(CLASSIFIER.c.n < below))
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


def checked_reason(reason: str) -> str:
    """BadInput unless it says something."""
    said = reason.strip()
    if not said or len(said) > REASON_LIMIT or "\0" in said:
        hint = f"say why in 1 to {REASON_LIMIT} characters: it stays in the bot's history"
        raise BadInput("a reason is wanted", path="reason", hint=hint)
    return said


class Word(NamedTuple):
    """An owner's, on a classifier; `replacing`: the classifier in force as the owner saw it, None without one."""

    who: str
    reason: str
    replacing: int | UnsetType | None = UNSET  # the owner did not look


def roll_back(context: Context, bot: str, n: int, now: datetime, word: Word) -> Version:
    """Put a classifier that was in force back in force, at once; an open gate ends, for its champion is gone. A repeat
    changes nothing. ChampionMoved where another one is in force than the owner saw; EncoderDown where the encoder has
    to go back, too, and the encode process does not answer."""
    return _put_in_force(context, bot, n, now, "retired", f"rolled back to classifier {n}", word)


def promote(context: Context, bot: str, n: int, now: datetime, word: Word) -> Version:
    """Put a challenger that its gate held in force, at once, on an owner's word; the rest as of `roll_back`."""
    return _put_in_force(context, bot, n, now, "held", f"classifier {n} was put in force by hand", word)


def hold(context: Context, bot: str, n: int, now: datetime, word: Word) -> Version:
    """End a challenger's trial, as one that it lost: `promote` can still put it in force. A repeat changes nothing."""
    reason = redacted_for(context.engine, bot, checked_reason(word.reason), "reason")
    with writing(context.engine) as connection:
        live_bot(connection, bot)
        gate = gates.open_gate(connection, bot, lock=True)
        wanted = version(connection, bot, n)
        if wanted.status == "held":
            return wanted
        if gate is None or gate.challenger != n:
            raise NotOnTrial(bot, n, wanted.status)
        counted = gates.tally(connection, bot, n)
        gates.hold(connection, bot, gate, rules.explain_by_hand(counted), counted, now)
        audit.record(connection, bot, HELD_BY_HAND, now, word.who, n=n, champion=gate.champion, reason=reason)
        return version(connection, bot, n)


def _put_in_force(
    context: Context, bot: str, n: int, now: datetime, status: Literal["retired", "held"], ends: str, word: Word
) -> Version:
    """`ends`: what is said of a trial that ends with it."""
    reason = redacted_for(context.engine, bot, checked_reason(word.reason), "reason")
    move = _move(context, bot, n, status)
    with writing(context.engine) as connection:
        live_bot(connection, bot)
        gates.open_gate(connection, bot, lock=True)  # before the bot, in the order of who ends a gate
        wanted, current = version(connection, bot, n), store.champion_n(connection, bot)
        if n == current:
            return wanted
        if word.replacing not in (UNSET, current):
            raise ChampionMoved(bot, n)
        _check(connection, bot, wanted, current, move, status)
        store.put_in_force(connection, bot, n, move)
        gates.void(connection, bot, ends, now)
        audit.record(connection, bot, ACTIONS[status], now, word.who, n=n, replaced=current, reason=reason)
        outbox.record(connection, bot, "classifier.promoted", promoted(n, current, HOW[status]), now)
        result = version(connection, bot, n)
    for job in (*[Job.REEMBED] * (move is not None), Job.RESCORE, Job.PROPOSE):
        enqueue(context.queue, job, bot)
    return result


def _move(context: Context, bot: str, n: int, status: Status) -> Move | None:
    """How the bot's encoder changes with it; asked before anything is locked."""
    with reading(context.engine) as connection:
        setting, current = get_bot(connection, bot).encoder, store.champion(connection, bot)
        wanted = version(connection, bot, n)
    after = None if current is None else _setting_for(wanted.manifest, current.manifest)
    if after is None or current is None or wanted.status != status:
        return None
    if _is_swept(wanted, current):
        raise OtherEncoder(wanted)
    _insist(context, bot, after or context.settings.encoder, wanted)
    return Move(setting, after)


def _is_swept(wanted: Version, current: Classifier) -> bool:
    """Whether its tuned encoder may be gone: what was held is kept as long as what it was compared with is in force.
    The encode process may hold it still, and would not find it again."""
    is_beside = wanted.trial is not None and wanted.trial.gate.champion == current.n
    return wanted.status == "held" and wanted.manifest.adapted is not None and not is_beside


def _insist(context: Context, bot: str, setting: str, wanted: Version) -> None:
    """OtherEncoder unless the encode process has the weights that the version reads."""
    client = EncodeClient(context.settings, context.redis)
    try:
        insist(client, bot, setting, wanted.manifest.encoder)
    except EncoderUnknown as error:
        raise OtherEncoder(wanted) from error
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


def _check(
    connection: sa.Connection, bot: str, wanted: Version, current: int | None, move: Move | None, status: Status
) -> None:
    if wanted.status != status:
        raise NeverInForce(bot, wanted.n) if status == "retired" else NotHeld(bot, wanted.n, wanted.status)
    if current is None or move is not None:
        return
    if version(connection, bot, current).manifest.encoder != wanted.manifest.encoder:
        raise OtherEncoder(wanted)


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
