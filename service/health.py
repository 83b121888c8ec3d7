"""Whether the process lives, and whether it can take turns; what is wrong is named, without a secret or an address."""

from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from typing import Literal

import msgspec
from alembic.migration import MigrationContext
from litestar import Response, get
from litestar.di import NamedDependency
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from service import broker, database
from service.bots.store import list_bots
from service.context import Context
from service.slack_trouble import troubles

Level = Literal["ok", "warning", "wrong"]
Explain = Callable[[Exception], str]


class Check(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing looked at; `mend` says what to do unless all is well. A warning does not stop us from taking turns."""

    name: str
    level: Level
    saw: str
    mend: str = ""


class Health(msgspec.Struct, frozen=True):
    status: Literal["ready", "not-ready"]
    checks: list[Check]


@get("/health/live", operation_id="Live", tags=["health"], sync_to_thread=False)
def live() -> dict[str, str]:
    return {"status": "live"}


@get("/health/ready", operation_id="Ready", tags=["health"], sync_to_thread=True)
def ready(context: NamedDependency[Context]) -> Response[Health]:
    """200 when a webhook would be answered 202; else 503."""
    checks = [check_redis(context), check_database(context)]
    if context.settings.slack_bot_token and checks[1].level == "ok":
        checks.append(check_slack(context))
    if any(check.level == "wrong" for check in checks):
        return Response(Health("not-ready", checks), status_code=HTTPStatus.SERVICE_UNAVAILABLE)
    return Response(Health("ready", checks), status_code=HTTPStatus.OK)


newest_version = cache(database.newest_version)  # reads files; probes come every few seconds


def _kind(error: Exception) -> str:
    """Its class only: messages name hosts and paths."""
    return type(error).__name__


def check_redis(context: Context, explain: Explain = _kind) -> Check:
    try:
        context.redis.ping()
    except RedisError as error:
        return Check("redis", "wrong", f"no answer ({explain(error)})", "`fencepost up`, or mend FENCEPOST_REDIS_URL")
    kept = broker.durability(context.redis)
    if kept["appendonly"] == "no":
        saw = "appendonly no: a restart would lose accepted turns"
        return Check("redis", "wrong", saw, "`CONFIG SET appendonly yes`")
    if kept["appendonly"] != "yes" or kept["appendfsync"] != "always":
        saw = f"appendonly {kept['appendonly']}, appendfsync {kept['appendfsync']}: not always"
        return Check("redis", "warning", saw, "`CONFIG SET appendfsync always`, or accept losing a second")
    return Check("redis", "ok", "appendonly yes, appendfsync always")


def check_database(context: Context, explain: Explain = _kind) -> Check:
    try:
        with database.reading(context.engine) as connection:
            version = MigrationContext.configure(connection).get_current_revision()
    except SQLAlchemyError as error:
        return Check("database", "wrong", f"no answer ({explain(error)})", "mend FENCEPOST_DATABASE_URL")
    if version != newest_version():
        return Check("database", "wrong", f"schema version {version or 'none'}", "`fencepost migrate`")
    return Check("database", "ok", f"schema version {version}")


def check_slack(context: Context) -> Check:
    """What Slack refuses the installation, or a channel of one of its bots; the widest trouble."""
    with database.reading(context.engine) as connection:
        found = troubles(connection, "", *(bot.slack_channel for bot in list_bots(connection)))
    if found:
        return Check("slack", "warning", found[0].saw, found[0].mend)
    return Check("slack", "ok", "Slack refuses nothing")


CONTROLLERS = (live, ready)
