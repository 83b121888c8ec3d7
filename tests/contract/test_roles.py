"""Every route × every role × another bot's key. The routes are the app's own; one without a declared role fails."""

import base64
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import sqlalchemy as sa
from litestar import Litestar
from litestar.routes import HTTPRoute
from litestar.testing import TestClient

from service.access import keys, sessions
from service.access.guard import COOKIE, SAFE_METHODS, Requires
from service.access.roles import ROLES, Principal, Role, allows
from service.bots.store import create_bot
from service.clock import now
from service.context import Context
from service.database import connect, writing
from service.settings import Secret, Settings
from tests.support.edge import build

OWN, OTHER = "shop", "bank"
STREAM_KEY = Secret(base64.b64encode(b"k" * 32).decode())
REFUSED = {401, 403}

# Routes that ask for no role, and what guards them instead.
PUBLIC = {
    "/health/live": "says that the process runs",
    "/health/ready": "says whether it can work",
    "/v1": "the description of the API",
    "/v1/openapi.json": "the description of the API",
    "/v1/{path}": "the description of the API",
    "/webhooks/{bot}/{source}": "the delivery's signature",
    "/sign-in": "the key that is typed",
    "/sign-in/{token}": "the link's token",
    "/static/{file_path}": "scripts and styles of the console, the same for everybody",
}
# Where a slip would cost most, the role is written down twice.
LEAST: dict[tuple[str, str], Role] = {
    ("POST", "/v1/bots"): "operator",
    ("DELETE", "/v1/bots/{bot}"): "operator",
    ("PATCH", "/v1/bots/{bot}"): "owner",
    ("POST", "/v1/bots/{bot}/keys"): "owner",
    ("POST", "/v1/bots/{bot}/sign-ins"): "owner",
    ("PUT", "/v1/bots/{bot}/people/{person}"): "owner",
    ("GET", "/v1/bots/{bot}/audit"): "owner",
    ("PUT", "/v1/people/{person}"): "operator",
    ("DELETE", "/v1/bots/{bot}/sessions/{session_id}"): "owner",
    ("DELETE", "/v1/sessions/{session_id}"): "operator",
    ("GET", "/v1/bots/{bot}/sources"): "owner",
    ("POST", "/v1/bots/{bot}/sources"): "owner",
    ("PATCH", "/v1/bots/{bot}/sources/{source}"): "owner",
    ("DELETE", "/v1/bots/{bot}/sources/{source}"): "owner",
    ("POST", "/v1/bots/{bot}/sources/{source}/rotate"): "owner",
    ("POST", "/v1/bots/{bot}/sources/{source}/restore"): "owner",
    ("GET", "/v1/bots/{bot}/exports/{name}"): "owner",
    ("POST", "/v1/bots/{bot}/releases"): "owner",
    ("GET", "/v1/bots/{bot}/endpoints"): "owner",
    ("POST", "/v1/bots/{bot}/endpoints"): "owner",
    ("GET", "/v1/bots/{bot}/endpoints/{endpoint}"): "owner",
    ("PATCH", "/v1/bots/{bot}/endpoints/{endpoint}"): "owner",
    ("DELETE", "/v1/bots/{bot}/endpoints/{endpoint}"): "owner",
    ("POST", "/v1/bots/{bot}/endpoints/{endpoint}/rotate"): "owner",
    ("POST", "/v1/bots/{bot}/endpoints/{endpoint}/test"): "owner",
    ("POST", "/v1/bots/{bot}/endpoints/{endpoint}/replay"): "owner",
    ("GET", "/v1/bots/{bot}/events"): "owner",
    ("GET", "/v1/bots/{bot}/events/{event}"): "owner",
    ("POST", "/v1/bots/{bot}/events/{event}/replay"): "owner",
    ("POST", "/v1/bots/{bot}/intents/import"): "owner",
    ("POST", "/v1/bots/{bot}/gold/import"): "owner",
    ("PUT", "/v1/bots/{bot}/labelling-functions"): "owner",
    ("GET", "/v1/bots/{bot}/reviewers"): "reviewer",
    ("POST", "/v1/bots/{bot}/proposed-intents/accept"): "owner",
    ("POST", "/v1/bots/{bot}/turns"): "ingest",
    ("POST", "/v1/keys"): "operator",
    ("GET", "/v1/keys"): "operator",
    ("POST", "/v1/sign-ins"): "operator",
}


# A bot's platform may ask here as well, with the key it posts by.
SHARED: dict[str, tuple[Role, ...]] = {"/v1/bots/{bot}/predict": ("ingest", "reader")}


class Route(NamedTuple):
    method: str
    path: str
    roles: tuple[Role, ...]  # what its guards ask for

    def lets_in(self, principal: Principal, bot: str | None) -> bool:
        return any(allows(principal, role, bot) for role in self.roles)

    @property
    def is_of_a_bot(self) -> bool:
        return "{bot}" in self.path

    def url(self, bot: str = OWN) -> str:
        """Numbers fit text parameters too."""
        return re.sub(r"\{\w+\}", "999", self.path.replace("{bot}", bot))


def routes() -> list[Route]:
    """In one order, whatever Litestar's: processes that share the tests have to know the same."""
    app = build(Settings())
    found = [
        Route(method, route.path_format, tuple(_roles(handler)))
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in handler.http_methods - {"OPTIONS"}
    ]
    return sorted(found, key=lambda route: (route.path, route.method))


def _roles(handler: object) -> Iterator[Role]:
    for guard in handler.resolve_guards():  # type: ignore[attr-defined]  # of any handler
        guard = getattr(guard, "func", guard)  # Litestar wraps what is synchronous
        if isinstance(guard, Requires):
            yield from guard.roles


ROUTES = routes()
GUARDED = [route for route in ROUTES if route.path not in PUBLIC]


class People(NamedTuple):
    client: TestClient[Litestar]
    keys: dict[tuple[Role, str], str]  # by role and bot; an operator's are the same
    sessions: dict[Role, str]

    def ask(self, route: Route, headers: dict[str, str] | None = None) -> httpx.Response:
        body = b"{}" if route.method not in SAFE_METHODS else None
        given = {"content-type": "application/json"} if body else {}
        sent = given | (headers or {})
        return self.client.request(route.method, route.url(), content=body, headers=sent, follow_redirects=False)

    def ask_as(self, route: Route, role: Role, bot: str = OWN) -> httpx.Response:
        return self.ask(route, {"authorization": f"Bearer {self.keys[role, bot]}"})

    def ask_signed_in(self, route: Route, role: Role, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask(route, {"cookie": f"{COOKIE}={self.sessions[role]}"} | named)


@contextmanager
def settled(settings: Settings, engine: sa.Engine) -> Iterator[People]:
    """Two bots, and somebody with each role of each."""
    at = now()
    found: dict[tuple[Role, str], str] = {}
    signed_in: dict[Role, str] = {}
    with writing(engine) as connection:
        for bot in (OWN, OTHER):
            create_bot(connection, bot, at)
            for role in ROLES:
                reach = None if role == "operator" else bot
                found[role, bot] = keys.create_key(connection, name=role, role=role, bot=reach, now=at)
        for role in ROLES[1:]:
            reach = None if role == "operator" else OWN
            token = sessions.create_sign_in(connection, name=role, role=role, bot=reach, now=at)
            signed_in[role] = sessions.redeem(connection, token, "", at)
    with TestClient(build(settings), raise_server_exceptions=False) as client:
        yield People(client, found, signed_in)


@pytest.fixture
def people(context: Context) -> Iterator[People]:
    with settled(context.settings, context.engine) as found:
        yield found


@pytest.fixture(scope="module")
def readers(valkey: Path, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    """For what changes nothing: the same for all tests."""
    folder = tmp_path_factory.mktemp("readers")
    shutil.copy(sqlite_template, folder / "fencepost.db")
    settings = Settings(data_dir=str(folder), redis_url=f"unix://{valkey}", stream_key=STREAM_KEY)
    engine = connect(settings.sql_url)
    with settled(settings, engine) as found:
        yield found
    engine.dispose()


def named(route: Route) -> str:
    return f"{route.method} {route.path}"


@pytest.mark.parametrize("route", ROUTES, ids=named)
def test_every_route_declares_its_role_or_why_it_needs_none(route: Route) -> None:
    if route.path in PUBLIC:
        assert route.roles == (), "it has a guard: take it out of PUBLIC"
    elif route.path in SHARED:
        assert route.roles == SHARED[route.path]
    else:
        assert len(route.roles) == 1, "guards=[requires(…)], or an entry in PUBLIC that says why not"


def test_the_roles_that_matter_most_are_as_written_down() -> None:
    declared = {(route.method, route.path): route.roles for route in ROUTES}
    assert {key: declared.get(key) for key in LEAST} == {key: (role,) for key, role in LEAST.items()}


def is_turned_away(response: httpx.Response) -> bool:
    """Refused; or sent to sign in, from a page."""
    return response.status_code == 401 or response.headers.get("location", "").startswith("/sign-in")


@pytest.mark.parametrize("route", GUARDED, ids=named)
def test_without_a_key_nobody_comes_in(route: Route, readers: People) -> None:
    assert is_turned_away(readers.ask(route))
    assert readers.ask(route, {"authorization": "Bearer fp_0_0"}).status_code == 401
    assert readers.ask(route, {"authorization": "Basic YTpi"}).status_code == 401
    assert is_turned_away(readers.ask(route, {"cookie": f"{COOKIE}=nonsense"}))


@pytest.mark.parametrize("route", GUARDED, ids=named)
def test_a_route_lets_in_the_roles_that_reach_it_and_no_other(route: Route, people: People) -> None:
    for role in ROLES:
        principal = Principal(role, role, None if role == "operator" else OWN, "key")
        status = people.ask_as(route, role).status_code
        assert status < 500, role
        if route.lets_in(principal, OWN if route.is_of_a_bot else None):
            assert status not in REFUSED, role
        else:
            assert status == 403, role


@pytest.mark.parametrize("route", [route for route in GUARDED if route.is_of_a_bot], ids=named)
def test_another_bot_s_key_is_refused_whatever_its_role(route: Route, readers: People) -> None:
    for role in ROLES[:-1]:
        assert readers.ask_as(route, role, OTHER).status_code == 403, role


@pytest.mark.parametrize(
    "route", [route for route in GUARDED if route.method not in SAFE_METHODS and route.roles != ("ingest",)], ids=named
)
def test_a_page_of_another_site_changes_nothing_in_somebody_s_name(route: Route, people: People) -> None:
    for headers in (
        {},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "cross-site", "origin": "http://testserver.local"},
    ):
        assert people.ask_signed_in(route, "operator", **headers).status_code == 403, headers
    for headers in ({"sec_fetch_site": "same-origin"}, {"origin": "http://testserver.local"}):
        assert people.ask_signed_in(route, "operator", **headers).status_code not in REFUSED
        if route.path == "/sign-out":
            break


@pytest.mark.parametrize(
    "route", [route for route in GUARDED if route.method == "GET" and route.roles != ("ingest",)], ids=named
)
def test_a_session_reads_what_its_role_reaches(route: Route, readers: People) -> None:
    for role in ROLES[1:]:
        reaches = route.lets_in(Principal(role, role, None, "session"), None)
        assert (readers.ask_signed_in(route, role).status_code not in REFUSED) == reaches, role
