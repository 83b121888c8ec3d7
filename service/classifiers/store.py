"""Classifiers in SQL: weights as safetensors, a manifest, and one champion per bot, swapped by a fenced update."""

from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

import msgspec
import safetensors.numpy
import sqlalchemy as sa
import structlog
from safetensors import SafetensorError

from service import tables
from service.classifiers.schemas import Classifier, Manifest, Model, Platform, Status, decode_manifest
from service.errors import BotNotFound, ClassifierNotFound, Conflict, FencepostError
from service.learning.confidence import Scale
from service.learning.head import Head, from_arrays, to_arrays

log = structlog.get_logger()

CLASSIFIER, WEIGHTS, TAGGER, BOT = tables.classifier, tables.classifier_weights, tables.tagger, tables.bot
GATE = tables.gate


class Move(NamedTuple):
    """The bot's encoder changes with its champion: the setting it must have, and the one it gets."""

    before: str
    after: str


class ClassifierDamaged(FencepostError):
    type = "classifier-damaged"

    def __init__(self, bot: str, n: int, why: str) -> None:
        super().__init__(
            f"the weights of classifier {n} of bot {bot!r} are damaged: {why}", hint="roll back to another one"
        )


class ChampionMoved(Conflict):
    type = "champion-moved"

    def __init__(self, bot: str, n: int) -> None:
        super().__init__(
            f"bot {bot!r} got another champion before {n} could be put in force", hint="look again and repeat"
        )


def save(
    connection: sa.Connection,
    bot: str,
    head: Head,
    manifest: Manifest,
    status: Status,
    now: datetime,
    *,
    tagger: bytes | None = None,
) -> int:
    """Store a new version; its number within the bot. Of two trainings that end at once one fails, and is run again."""
    n = newest_n(connection, bot) + 1
    data = safetensors.numpy.save(to_arrays(head))
    row = {
        "bot": bot,
        "n": n,
        "status": status,
        "created_at": now,
        "manifest": msgspec.to_builtins(manifest),
        "sha256": digest(data),
    }
    connection.execute(CLASSIFIER.insert(), row)
    connection.execute(WEIGHTS.insert(), {"bot": bot, "n": n, "data": data})
    if tagger is not None:
        connection.execute(TAGGER.insert(), {"bot": bot, "n": n, "sha256": digest(tagger), "data": tagger})
    return n


def load(connection: sa.Connection, bot: str, n: int) -> Classifier:
    """The version with its weights; ClassifierNotFound, or ClassifierDamaged when they are not what was saved."""
    here = (CLASSIFIER.c.bot == WEIGHTS.c.bot) & (CLASSIFIER.c.n == WEIGHTS.c.n)
    query = (
        sa.select(CLASSIFIER, WEIGHTS.c.data).join(WEIGHTS, here).where(CLASSIFIER.c.bot == bot, CLASSIFIER.c.n == n)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        raise ClassifierNotFound(bot, n)
    manifest = decode_manifest(row.manifest)
    return Classifier(
        bot=bot,
        n=n,
        status=row.status,
        created_at=row.created_at,
        manifest=manifest,
        platform=_platform(n, manifest),
        head=_read(bot, n, row.data, row.sha256),
    )


def _platform(n: int, manifest: Manifest) -> Platform:
    names = manifest.names or manifest.intents  # of a manifest from before there were such names
    return Platform(n=n, names=names, scale=Scale(manifest.score_slope, manifest.score_intercept))


def digest(data: bytes) -> str:
    return sha256(data).hexdigest()


def _read(bot: str, n: int, data: bytes, expected: str) -> Head:
    if digest(data) != expected:
        raise ClassifierDamaged(bot, n, "their SHA-256 is not the stored one")
    try:
        return from_arrays(safetensors.numpy.load(data))
    except (SafetensorError, KeyError, ValueError) as error:
        raise ClassifierDamaged(bot, n, str(error)) from error


def manifest(connection: sa.Connection, bot: str, n: int) -> Manifest:
    """What the version was trained on; ClassifierNotFound."""
    query = sa.select(CLASSIFIER.c.manifest).where(CLASSIFIER.c.bot == bot, CLASSIFIER.c.n == n)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise ClassifierNotFound(bot, n)
    return decode_manifest(row.manifest)


def newest_n(connection: sa.Connection, bot: str) -> int:
    """The number of the newest version, 0 before the first."""
    return connection.scalar(sa.select(sa.func.max(CLASSIFIER.c.n)).where(CLASSIFIER.c.bot == bot)) or 0


def newest_of(connection: sa.Connection, bot: str, encoder: str) -> Manifest | None:
    """Of the newest version that reads vectors of this encoder; None when there is none."""
    reads = CLASSIFIER.c.manifest["encoder"].as_string() == encoder
    newest = sa.select(sa.func.max(CLASSIFIER.c.n)).where(CLASSIFIER.c.bot == bot, reads)
    n = connection.scalar(newest)
    return None if n is None else manifest(connection, bot, n)


def newest_with_functions(connection: sa.Connection, bot: str, function_set: int) -> tuple[int, Manifest] | None:
    """Number and manifest of the newest version that was trained with this set of labelling functions."""
    used = CLASSIFIER.c.manifest["function_set"].as_integer() == function_set
    n = connection.scalar(sa.select(sa.func.max(CLASSIFIER.c.n)).where(CLASSIFIER.c.bot == bot, used))
    return None if n is None else (n, manifest(connection, bot, n))


def labels_adapted(connection: sa.Connection, bot: str) -> int:
    """Labels there were when the bot's encoder was last adapted, in force or not; 0 before the first time."""
    labels = CLASSIFIER.c.manifest["adapted"]["labels"].as_integer()
    return connection.scalar(sa.select(sa.func.max(labels)).where(CLASSIFIER.c.bot == bot)) or 0


def is_adapted(connection: sa.Connection, bot: str, folder: str) -> bool:
    """Whether a version was made with the tuned encoder of this folder, whatever became of it."""
    where = (CLASSIFIER.c.bot == bot, _folder() == folder)
    return connection.execute(sa.select(CLASSIFIER.c.n).where(*where).limit(1)).first() is not None


def adapted_folders(connection: sa.Connection, bot: str) -> set[str]:
    """Of the tuned encoders that are in force, were, or may be: on trial, or held beside the champion, which an owner
    may overrule."""
    in_force = sa.select(BOT.c.champion).where(BOT.c.name == bot).scalar_subquery()
    lost = sa.exists().where(GATE.c.bot == bot, GATE.c.challenger == CLASSIFIER.c.n, GATE.c.champion == in_force)
    needed = CLASSIFIER.c.status.in_(("champion", "challenger", "retired")) | ((CLASSIFIER.c.status == "held") & lost)
    query = sa.select(_folder()).where(CLASSIFIER.c.bot == bot, needed, _folder().is_not(None)).distinct()
    return set(connection.scalars(query))


def _folder() -> sa.ColumnElement[str]:
    folder: sa.ColumnElement[str] = CLASSIFIER.c.manifest["adapted"]["folder"].as_string()
    return folder


def champion_n(connection: sa.Connection, bot: str) -> int | None:
    """The number of the classifier in force; BotNotFound."""
    row = connection.execute(sa.select(BOT.c.champion).where(BOT.c.name == bot)).one_or_none()
    if row is None:
        raise BotNotFound(bot)
    n: int | None = row.champion
    return n


def champion(connection: sa.Connection, bot: str) -> Classifier | None:
    """The classifier in force, None before the first one."""
    n = champion_n(connection, bot)
    if n is None:
        return None
    newest = newest_n(connection, bot)
    platform = _platform(newest, manifest(connection, bot, newest))
    return msgspec.structs.replace(load(connection, bot, n), platform=platform, tagger=usable_tagger(connection, bot))


def usable_tagger(connection: sa.Connection, bot: str) -> Model | None:
    """The bot's newest tagger; None when there is none, or it is damaged: it only says what is worth asking, and the
    bot goes on without."""
    try:
        return tagger(connection, bot)
    except ClassifierDamaged as error:
        log.error("tagger.damaged", bot=bot, reason=error.detail)
        return None


def tagger_n(connection: sa.Connection, bot: str) -> int | None:
    """The classifier the bot's newest tagger was trained with."""
    n: int | None = connection.scalar(sa.select(sa.func.max(TAGGER.c.n)).where(TAGGER.c.bot == bot))
    return n


def tagger(connection: sa.Connection, bot: str) -> Model | None:
    """The bot's newest; ClassifierDamaged when it is not what was saved."""
    query = sa.select(TAGGER.c.n, TAGGER.c.sha256, TAGGER.c.data).where(TAGGER.c.bot == bot)
    row = connection.execute(query.order_by(TAGGER.c.n.desc()).limit(1)).one_or_none()
    if row is None:
        return None
    if digest(row.data) != row.sha256:
        raise ClassifierDamaged(bot, row.n, "the SHA-256 of its tagger is not the stored one")
    return Model(row.n, row.data)


def promote(connection: sa.Connection, bot: str, new: int, compared: int | None, move: Move | None = None) -> bool:
    """Put `new` in force, with its encoder where that is another, if champion and encoder still are those it was
    compared with; False when not, and nothing changed."""
    here = (BOT.c.name == bot, BOT.c.champion.is_not_distinct_from(compared))
    swap = sa.update(BOT).where(*here).values(champion=new)
    if move is not None:
        swap = swap.where(BOT.c.encoder == move.before).values(encoder=move.after)
    if connection.execute(swap).rowcount != 1:
        return False
    set_status(connection, bot, new, "champion")
    if compared is not None and compared != new:
        set_status(connection, bot, compared, "retired")
    return True


def set_status(connection: sa.Connection, bot: str, n: int, status: Status) -> None:
    connection.execute(sa.update(CLASSIFIER).where(CLASSIFIER.c.bot == bot, CLASSIFIER.c.n == n).values(status=status))


def put_in_force(connection: sa.Connection, bot: str, n: int, move: Move | None = None) -> int | None:
    """Put a version in force, whatever is now and whatever its gate said; the number it replaced."""
    load(connection, bot, n)  # never put damaged weights in force
    replaced = champion_n(connection, bot)
    if not promote(connection, bot, n, replaced, move):
        raise ChampionMoved(bot, n)
    return replaced
