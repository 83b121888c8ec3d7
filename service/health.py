"""Whether the process lives, and whether it can take turns; what is wrong is named, without a secret or an address."""

from functools import cache
from http import HTTPStatus
from typing import Literal

import msgspec
import sqlalchemy as sa
from litestar import Response, get
from litestar.di import NamedDependency
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from service import broker, database
from service.context import Context

Level = Literal["ok", "warning", "wrong"]


class Check(msgspec.Struct, frozen=True):
    """A warning is named and does not stop us from taking turns."""

    name: str
    level: Level
    saw: str


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
    if any(check.level == "wrong" for check in checks):
        return Response(Health("not-ready", checks), status_code=HTTPStatus.SERVICE_UNAVAILABLE)
    return Response(Health("ready", checks), status_code=HTTPStatus.OK)


newest_version = cache(database.newest_version)  # reads files; probes come every few seconds


def check_redis(context: Context) -> Check:
    try:
        context.redis.ping()
        kept = broker.durability(context.redis)
    except RedisError as error:
        return Check("redis", "wrong", f"no answer ({type(error).__name__})")
    if kept["appendonly"] == "no":
        return Check("redis", "wrong", "appendonly no: a restart would lose accepted turns")
    if kept["appendonly"] != "yes" or kept["appendfsync"] != "always":
        return Check(
            "redis", "warning", f"appendonly {kept['appendonly']}, appendfsync {kept['appendfsync']}: not always"
        )
    return Check("redis", "ok", "appendonly yes, appendfsync always")


def check_database(context: Context) -> Check:
    try:
        with database.reading(context.engine) as connection:
            version = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    except SQLAlchemyError as error:
        return Check("database", "wrong", f"no answer ({type(error).__name__})")
    if version != newest_version():
        return Check("database", "wrong", f"schema version {version or 'none'}: `fencepost migrate`")
    return Check("database", "ok", f"schema version {version}")


CONTROLLERS = (live, ready)
