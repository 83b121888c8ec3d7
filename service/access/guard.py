"""The one guard. A route says `guards=[requires("reviewer")]`, and nothing else decides who comes in.

A request proves itself by `Authorization: Bearer fp_…`, by the header of a proxy that signs people in, or by the
console's cookie, in this order. A browser sends the last two whoever wrote the page, so with them a request that
changes something must also come from a page of our own.
"""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from service.access.keys import principal_of_key
from service.access.people import named_by_proxy, principal_of_person
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
    """Who asks, by key or else as their browser says; Unauthorized when nothing valid is said."""
    header = connection.headers.get("authorization")
    if header is not None:
        return principal_of_key(sql, _bearer(header), now)
    principal = _of_browser(connection, context, sql, now)
    if method(connection) not in SAFE_METHODS and not is_same_origin(connection, context):
        raise Forbidden("this change comes from a page of another site", hint="use the console, or a key")
    return principal


def _of_browser(connection: Connection, context: Context, sql: sa.Connection, now: datetime) -> Principal:
    """The proxy comes before the cookie, which may be of whoever had this browser before."""
    if name := person_named(connection, context):
        bot = connection.path_params.get("bot")
        return principal_of_person(sql, name, bot, context.settings.sso_role)
    cookie = connection.cookies.get(COOKIE)
    if not cookie:
        raise Unauthorized("no key and no session", hint="send `Authorization: Bearer fp_…`, or sign in")
    return principal_of_session(sql, cookie, now)


def person_named(connection: Connection, context: Context) -> str | None:
    """Whom the proxy names, where one is set up and this comes from it."""
    settings, peer = context.settings, connection.scope.get("client")
    headers = connection.headers.getall(settings.sso_header, []) if settings.sso_header else []
    return named_by_proxy(settings, peer[0] if peer else None, headers)


def _bearer(header: str) -> str:
    scheme, _, key = header.partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthorized("the Authorization header is not `Bearer fp_…`")
    return key.strip()


def method(connection: Connection) -> str:
    return str(connection.scope.get("method", "GET"))


def is_same_origin(connection: Connection, context: Context) -> bool:
    """Whether the browser says that a page of ours sent this; False when it says nothing."""
    origin = connection.headers.get("origin", "")
    if person_named(connection, context):
        # A proxy may know people by their machine: a name that an attacker pointed at it must not pass for ours.
        return origin == _origin(context.settings.base_url)
    site = connection.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"  # `same-site` is another host of our domain
    return _is_ours(origin, connection.headers.get("host", ""), _origin(context.settings.base_url))


def _is_ours(origin: str, host: str, public: str) -> bool:
    """By the host the browser asked: a proxy that ends TLS changes the scheme. `null`, of sandboxes, is nobody's.

    >>> ours = "https://fence.example"
    >>> [_is_ours(one, "fence.example", ours) for one in (ours, "http://fence.example", "https://evil.example", "null")]
    [True, False, False, False]
    >>> _is_ours("https://10.0.0.7", "10.0.0.7", ours), _is_ours("null", "", ours)
    (True, False)
    """
    theirs = urlsplit(origin).netloc
    is_public = theirs == urlsplit(public).netloc
    return origin == public if is_public else bool(theirs) and theirs == host


def _origin(url: str) -> str:
    """
    >>> _origin("https://Fence.example:443/console"), _origin("http://127.0.0.1:8765")
    ('https://fence.example', 'http://127.0.0.1:8765')
    """
    parts = urlsplit(url.lower())
    return f"{parts.scheme}://{parts.netloc.removesuffix({'https': ':443', 'http': ':80'}.get(parts.scheme, ':'))}"


def provide_principal(request: Request[Any, Any, Any]) -> Principal:
    """Litestar dependency `principal`: who passed the guard."""
    principal: Principal = request.state.principal
    return principal
