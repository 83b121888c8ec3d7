"""`fencepost doctor`: what is wrong with this installation, and the mend. A check never raises: it says what it saw."""

import shutil
import stat
from collections.abc import Callable, Iterator
from typing import Literal

import msgspec
import sqlalchemy as sa
from alembic.migration import MigrationContext
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from service import broker, database
from service.bots.schemas import Bot
from service.bots.store import list_bots
from service.context import Context
from service.encoding import EncodeClient
from service.errors import FencepostError
from service.operations.supervisor import answers, load_state
from service.streams import Streams
from service.tables import turn

Level = Literal["ok", "warning", "wrong"]
LOW_DISK_BYTES = 1 << 30
FOREIGN_SHARE = 0.2
DEADLINE_S = 5.0

ForeignShare = Callable[[sa.Connection, str], float]


class Finding(msgspec.Struct, frozen=True):
    """One thing looked at; `mend` says what to do unless all is well."""

    check: str
    level: Level
    saw: str
    mend: str = ""


def examine(context: Context, foreign_share: ForeignShare) -> Iterator[Finding]:
    """Every finding, as it is made. `foreign_share` gives the share of a bot's turns outside the encoder's
    languages."""
    yield _folder(context)
    yield _disk(context)
    yield _processes(context)
    yield _broker(context)
    yield _slack(context)
    found = _database(context)
    yield found
    if found.level != "ok":
        return
    with database.reading(context.engine) as connection:
        bots = list_bots(connection)
    if not bots:
        yield Finding("bots", "warning", "none", "`fencepost bot create NAME`")
    for bot in bots:
        yield _encoder(context, bot)
        yield from _bot(context, bot, foreign_share)


def _folder(context: Context) -> Finding:
    folder = context.settings.folder
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o077:
        return Finding("data folder", "warning", f"{folder} is open to other users ({mode:o})", f"chmod 700 {folder}")
    return Finding("data folder", "ok", str(folder))


def _disk(context: Context) -> Finding:
    free = shutil.disk_usage(context.settings.folder).free
    if free < LOW_DISK_BYTES:
        return Finding("disk", "wrong", f"{free >> 20} MiB free", "free some space: writes will soon be refused")
    return Finding("disk", "ok", f"{free >> 30} GiB free")


def _processes(context: Context) -> Finding:
    state = load_state(context.settings)
    if state is None:
        return Finding(
            "processes",
            "warning",
            "`fencepost up` does not run in this data folder",
            "`fencepost up`, unless they run elsewhere",
        )
    if not answers(context.settings):
        return Finding(
            "processes",
            "wrong",
            f"the API at {state.url} is not ready",
            f"see {context.settings.folder / 'logs' / 'api.log'}",
        )
    restarted = ", ".join(f"{name} {n} times" for name, n in state.restarts.items() if n)
    if restarted:
        return Finding(
            "processes", "warning", f"restarted: {restarted}", f"see the logs in {context.settings.folder / 'logs'}"
        )
    return Finding("processes", "ok", f"{len(state.children)} run under pid {state.pid}")


def _broker(context: Context) -> Finding:
    try:
        context.redis.ping()
    except RedisError as error:
        return Finding("redis", "wrong", str(error), "start `fencepost up`, or mend FENCEPOST_REDIS_URL")
    kept = broker.durability(context.redis)
    if kept["appendonly"] != "yes":
        return Finding(
            "redis",
            "wrong",
            f"appendonly {kept['appendonly']}",
            "CONFIG SET appendonly yes: accepted turns must be on disk",
        )
    if kept["appendfsync"] != "always":
        return Finding(
            "redis",
            "warning",
            f"appendfsync {kept['appendfsync']}",
            "CONFIG SET appendfsync always, or accept losing a second",
        )
    return Finding("redis", "ok", "appendonly yes, appendfsync always")


def _database(context: Context) -> Finding:
    url = context.engine.url.render_as_string()
    try:
        with database.reading(context.engine) as connection:
            version = MigrationContext.configure(connection).get_current_revision()
    except SQLAlchemyError as error:
        return Finding(
            "database", "wrong", f"{url}: {str(error.__cause__ or error).strip()}", "mend FENCEPOST_DATABASE_URL"
        )
    if version != database.newest_version():
        return Finding("database", "wrong", f"{url} is at schema version {version}", "`fencepost migrate`")
    return Finding("database", "ok", f"{url}, schema {version}")


def _slack(context: Context) -> Finding:
    settings = context.settings
    if not settings.slack_bot_token:
        return Finding("slack", "ok", "not set up: cards are answered in the console and the terminal")
    if not (settings.slack_app_token or settings.slack_signing_secret):
        mend = "set FENCEPOST_SLACK_APP_TOKEN (Socket Mode) or FENCEPOST_SLACK_SIGNING_SECRET (events URL)"
        return Finding("slack", "wrong", "cards can be posted but clicks cannot arrive", mend)
    return Finding("slack", "ok", "tokens are set")


def _encoder(context: Context, bot: Bot) -> Finding:
    name = f"{bot.name}: encoder"
    try:
        identity = EncodeClient(context.settings, context.redis, deadline_s=DEADLINE_S).identity(bot.name)
    except FencepostError as error:
        return Finding(name, "wrong", error.detail, error.hint or "see the log of `workers encode`")
    return Finding(name, "ok", identity)


def _bot(context: Context, bot: Bot, foreign_share: ForeignShare) -> Iterator[Finding]:
    with database.reading(context.engine) as connection:
        foreign = foreign_share(connection, bot.name)
        turns = connection.scalar(sa.select(sa.func.count()).select_from(turn).where(turn.c.bot == bot.name))
    if foreign > FOREIGN_SHARE:
        mend = f"`fencepost bot set {bot.name} --encoder sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2`"
        yield Finding(
            f"{bot.name}: languages", "warning", f"{foreign:.0%} of turns are not in the encoder's languages", mend
        )
    if bot.champion is None:
        mend = "`fencepost intents import FILE`, then wait a minute"
        yield Finding(f"{bot.name}: classifier", "warning", f"none yet; {turns} turns", mend)
    yield from _dead(context, bot)


def _dead(context: Context, bot: Bot) -> Iterator[Finding]:
    try:
        dead = Streams(context.redis, context.keyring, context.settings.stream_bound).dead_count(bot.name)
    except RedisError:
        return
    if dead:
        yield Finding(f"{bot.name}: dead letters", "warning", f"{dead}", f"`fencepost dead list {bot.name}`")
