"""`fencepost doctor`: what is wrong with this installation, and the mend. A check never raises: it says what it saw."""

import shutil
import stat
from collections.abc import Callable, Iterator, Sequence

import msgspec
import sqlalchemy as sa

from service import clock, database
from service.bots import signing
from service.bots.schemas import Bot
from service.bots.store import has_secret, list_bots, list_sources
from service.classifiers import rules, store
from service.context import Context
from service.encoding import EncodeClient
from service.errors import FencepostError, RedisDown
from service.events.endpoints import TROUBLES, list_endpoints
from service.health import Check, check_database, check_redis
from service.operations.supervisor import answers, load_state
from service.reviews.labels import label_counts
from service.slack_trouble import troubles
from service.streams import Streams
from service.tables import turn
from service.turns import recounting

LOW_DISK_BYTES = 1 << 30
FOREIGN_SHARE = 0.2
DEADLINE_S = 5.0
IMPATIENT_S = 0.5  # for who did not answer the last question

ForeignShare = Callable[[sa.Connection, str], float]


def examine(context: Context, foreign_share: ForeignShare) -> Iterator[Check]:
    """Every check, as it is made. `foreign_share` gives the share of a bot's turns outside the encoder's
    languages."""
    yield _folder(context)
    yield _disk(context)
    yield _processes(context)
    yield check_redis(context, _why)
    yield _slack(context)
    found = _database(context)
    yield found
    if found.level != "ok":
        return
    with database.reading(context.engine) as connection:
        bots = list_bots(connection)
    yield from _refused_by_slack(context, bots)
    if not bots:
        yield Check("bots", "warning", "none", "`fencepost bot create NAME`")
    deadline_s = DEADLINE_S
    for bot in bots:
        encoder = _encoder(context, bot, deadline_s)
        yield encoder
        deadline_s = DEADLINE_S if encoder.level == "ok" else IMPATIENT_S
        yield from _bot(context, bot, foreign_share)


def _folder(context: Context) -> Check:
    folder = context.settings.folder
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o077:
        return Check("data folder", "warning", f"{folder} is open to other users ({mode:o})", f"chmod 700 {folder}")
    return Check("data folder", "ok", str(folder))


def _disk(context: Context) -> Check:
    free = shutil.disk_usage(context.settings.folder).free
    if free < LOW_DISK_BYTES:
        return Check("disk", "wrong", f"{free >> 20} MiB free", "free some space: writes will soon be refused")
    return Check("disk", "ok", f"{free >> 30} GiB free")


def _processes(context: Context) -> Check:
    state = load_state(context.settings)
    if state is None:
        return Check(
            "processes",
            "warning",
            "`fencepost up` does not run in this data folder",
            "`fencepost up`, unless they run elsewhere",
        )
    if not answers(context.settings):
        return Check(
            "processes",
            "wrong",
            f"the API at {state.url} is not ready",
            f"see {context.settings.folder / 'logs' / 'api.log'}",
        )
    restarted = ", ".join(f"{name} {n} times" for name, n in state.restarts.items() if n)
    if restarted:
        return Check(
            "processes", "warning", f"restarted: {restarted}", f"see the logs in {context.settings.folder / 'logs'}"
        )
    return Check("processes", "ok", f"{len(state.children)} run under pid {state.pid}")


def _why(error: Exception) -> str:
    """In full: an operator at the terminal may see hosts and paths."""
    return str(error.__cause__ or error).strip()


def _database(context: Context) -> Check:
    found = check_database(context, _why)
    return msgspec.structs.replace(found, saw=f"{found.saw}, {context.engine.url.render_as_string()}")


def _slack(context: Context) -> Check:
    settings = context.settings
    if not settings.slack_bot_token:
        return Check("slack", "ok", "not set up: cards are answered in the console and the terminal")
    if not (settings.slack_app_token or settings.slack_signing_secret):
        mend = "set FENCEPOST_SLACK_APP_TOKEN (Socket Mode) or FENCEPOST_SLACK_SIGNING_SECRET (events URL)"
        return Check("slack", "wrong", "cards can be posted but clicks cannot arrive", mend)
    return Check("slack", "ok", "tokens are set")


def _refused_by_slack(context: Context, bots: Sequence[Bot]) -> Iterator[Check]:
    """What Slack refuses at present, as the processes that ask it have heard."""
    if not context.settings.slack_bot_token:
        return
    with database.reading(context.engine) as connection:
        for trouble in troubles(connection):
            yield Check("slack: answers", "wrong", trouble.saw, trouble.mend)
        for bot in bots:
            for trouble in troubles(connection, bot.slack_channel) if bot.slack_channel else ():
                yield Check(f"{bot.name}: slack", "wrong", trouble.saw, trouble.mend)


def _encoder(context: Context, bot: Bot, deadline_s: float) -> Check:
    name = f"{bot.name}: encoder"
    try:
        identity = EncodeClient(context.settings, context.redis, deadline_s=deadline_s).identity(bot.name)
    except FencepostError as error:
        return Check(name, "wrong", error.detail, error.hint or "see the log of `workers encode`")
    return Check(name, "ok", identity)


def _bot(context: Context, bot: Bot, foreign_share: ForeignShare) -> Iterator[Check]:
    with database.reading(context.engine) as connection:
        foreign = foreign_share(connection, bot.name)
        turns = connection.scalar(sa.select(sa.func.count()).select_from(turn).where(turn.c.bot == bot.name))
    if foreign > FOREIGN_SHARE:
        mend = f"`fencepost bot set {bot.name} --encoder sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2`"
        yield Check(
            f"{bot.name}: languages", "warning", f"{foreign:.0%} of turns are not in the encoder's languages", mend
        )
    if bot.champion is None:
        mend = f"`fencepost intents import --bot {bot.name} FILE`, then wait a minute"
        yield Check(f"{bot.name}: classifier", "warning", f"none yet; {turns} turns", mend)
    yield from _counts(context, bot)
    yield from _sources(context, bot)
    yield from _endpoints(context, bot)
    yield from _adapting(context, bot)
    yield from _dead(context, bot)


def _counts(context: Context, bot: Bot) -> Iterator[Check]:
    """What pages count by, beside the log itself."""
    with database.reading(context.engine) as connection:
        found = recounting.totals(connection, bot.name)
    if found.log != found.by_day or found.log != found.by_source:
        saw = f"{found.by_day} turns by day and {found.by_source} by source, of {found.log} in the log"
        yield Check(f"{bot.name}: counts", "warning", saw, f"`fencepost recount --bot {bot.name}`")


def _sources(context: Context, bot: Bot) -> Iterator[Check]:
    with database.reading(context.engine) as connection:
        live = [source for source in list_sources(connection, bot.name) if source.archived_at is None]
        barred = [source for source in live if not has_secret(connection, bot.name, source.name, clock.now())]
    for source in live:
        name, where = f"{bot.name}: source {source.name}", f"{bot.name} {source.name}"
        if source.scheme == signing.UNSIGNED:
            mend = f"`fencepost sources set {where} --scheme shared_key`, or another"
            yield Check(name, "warning", "unsigned: whoever knows its address can add turns", mend)
        elif source in barred:
            given = "" if signing.has_own_secret(source.scheme) else " --secret-file FILE"
            mend = f"`fencepost sources rotate {where}{given}`"
            yield Check(name, "warning", "no secret in force: it takes nothing", mend)


def _endpoints(context: Context, bot: Bot) -> Iterator[Check]:
    """Those that were disabled for what they answered, and those that are on the way there."""
    with database.reading(context.engine) as connection:
        found = list_endpoints(connection, bot.name)
    for one in found:
        name, mend = f"{bot.name}: endpoint {one.id}", f"`fencepost endpoints enable {bot.name} {one.id}`"
        if one.disabled_because in TROUBLES:
            yield Check(name, "warning", f"disabled: {TROUBLES[one.disabled_because]}", mend)
        elif one.disabled_at is None and one.failing_since is not None:
            look = f"`fencepost endpoints test {bot.name} {one.id}`"
            yield Check(name, "warning", f"nothing reached it since {one.failing_since:%Y-%m-%d %H:%M}", look)


def _adapting(context: Context, bot: Bot) -> Iterator[Check]:
    """Advice, nothing wrong: what tuning the encoder would have to learn from."""
    with database.reading(context.engine) as connection:
        counts, at_last = label_counts(connection, bot.name), store.labels_adapted(connection, bot.name)
    labels = sum(n for intent_id, n in counts.items() if intent_id is not None)
    if rules.wants_adapting(labels, at_last) and not rules.unfit(counts):
        saw = f"{labels} labels{f', {at_last} when its encoder was last tuned' if at_last else ''}"
        yield Check(f"{bot.name}: adapting", "ok", saw, f"`fencepost adapt --bot {bot.name}` may pay")


def _dead(context: Context, bot: Bot) -> Iterator[Check]:
    try:
        dead = Streams(context.redis, context.keyring, context.settings.stream_bound).dead_count(bot.name)
    except RedisDown:
        return  # said already
    if dead:
        yield Check(f"{bot.name}: dead letters", "warning", f"{dead}", f"`fencepost dead list {bot.name}`")
