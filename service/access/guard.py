"""The one guard. A route says `guards=[requires("reviewer")]`, and nothing else decides who comes in.

A request proves itself by `Authorization: Bearer fp_…`, or by the console's cookie. A browser sends the cookie whoever
wrote the page, so with the cookie a request that changes something must also come from a page of our own.
"""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from service.access.keys import principal_of_key
from service.access.roles import Principal, Role, allows
from service.access.sessions import principal_of_session
from service.bots.store import get_bot
from service.context import Context
from service.database import reading
from service.errors import BotArchived, Forbidden, Unauthorized

COOKIE = "fencepost_session"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

Connection = ASGIConnection[Any, Any, Any, Any]


class Requires:
    """Lets in whoever reaches one of the roles for the bot in the path; `connection.state.principal` says who that was.

    Synchronous on purpose: Litestar then runs it in the thread pool, where SQL belongs.
    """

    def __init__(self, *roles: Role) -> None:
        self.roles = roles

    def __call__(self, connection: Connection, _handler: BaseRouteHandler) -> None:
        context: Context = connection.app.state.context
        bot = connection.path_params.get("bot")
        with reading(context.engine) as sql:
            connection.state.principal = self._checked(connection, context, sql, bot)

    def _checked(self, connection: Connection, context: Context, sql: sa.Connection, bot: str | None) -> Principal:
        principal = authenticate(connection, context, sql, datetime.now(UTC))
        if not any(allows(principal, role, bot) for role in self.roles):
            raise Forbidden(
                f"{_words(principal)} may not do this",
                hint=f"it takes {' or '.join(self.roles)}{f' of {bot}' if bot else ''}",
            )
        if bot is not None:
            _check_bot(connection, sql, bot)
        return principal


def requires(*roles: Role) -> Requires:
    return Requires(*roles)


def _words(principal: Principal) -> str:
    return f"{principal.role} of {principal.bot or 'every bot'}"


def _check_bot(connection: Connection, sql: sa.Connection, name: str) -> None:
    """Only who may know of the bot learns that it does not exist; an archived bot can be read and not changed."""
    bot = get_bot(sql, name)
    if bot.archived_at is not None and method(connection) not in SAFE_METHODS:
        raise BotArchived(name)


def authenticate(connection: Connection, context: Context, sql: sa.Connection, now: datetime) -> Principal:
    """Who asks, by key or else by cookie; Unauthorized when neither is valid."""
    header = connection.headers.get("authorization")
    cookie = connection.cookies.get(COOKIE)
    if header is not None:
        return principal_of_key(sql, _bearer(header), now)
    if not cookie:
        raise Unauthorized("no key and no session", hint="send `Authorization: Bearer fp_…`, or sign in")
    principal = principal_of_session(sql, cookie, now)
    if method(connection) not in SAFE_METHODS and not is_same_origin(connection, context):
        raise Forbidden("this change comes from a page of another site", hint="use the console, or a key")
    return principal


def _bearer(header: str) -> str:
    scheme, _, key = header.partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthorized("the Authorization header is not `Bearer fp_…`")
    return key.strip()


def method(connection: Connection) -> str:
    return str(connection.scope.get("method", "GET"))


def is_same_origin(connection: Connection, context: Context) -> bool:
    """Whether the browser says that a page of ours sent this; False when it says nothing."""
    site = connection.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = connection.headers.get("origin", "")
    # Behind a proxy that ends TLS the scheme differs, and Host is what the browser saw.
    ours = {connection.headers.get("host"), urlsplit(context.settings.base_url).netloc}
    return bool(origin) and urlsplit(origin).netloc in ours


def provide_principal(request: Request[Any, Any, Any]) -> Principal:
    """Litestar dependency `principal`: who passed the guard."""
    principal: Principal = request.state.principal
    return principal
