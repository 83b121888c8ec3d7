"""Signing in by key and by proxy, and the pages of settings, keys and people, and the audit log."""

import html
import re
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import msgspec
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from litestar import Litestar
from litestar.testing import TestClient

from service import tables as t
from service.access import keys, people
from service.access.guard import COOKIE
from service.access.roles import Role
from service.bots.store import create_bot, get_bot
from service.cli import cli
from service.clock import now
from service.context import Context
from service.database import reading, writing
from service.errors import ConfigError
from service.settings import Settings
from tests.support.console import Browser, sign_in
from tests.support.edge import build

SETTINGS = "/bots/shop/settings"
ACCESS = f"{SETTINGS}/access"
AUDIT = "/bots/shop/audit"
OURS = {"sec-fetch-site": "same-origin"}
PUBLIC = "https://fence.example"
PROXY = {"sso_header": "X-Forwarded-Email", "sso_proxies": "10.1.0.0/16, ::1/128", "public_url": PUBLIC}


@pytest.fixture
def shop(context: Context) -> Context:
    with writing(context.engine) as connection:
        create_bot(connection, "shop", now())
        create_bot(connection, "bank", now())
    return context


@pytest.fixture
def client(shop: Context) -> Iterator[TestClient[Litestar]]:
    with TestClient(build(shop.settings), raise_server_exceptions=False) as client:
        yield client


def key_of(context: Context, role: Role, name: str = "Ana") -> str:
    with writing(context.engine) as connection:
        return keys.create_key(connection, name=name, role=role, bot="shop", now=now())


def post(
    client: TestClient[Litestar], key: str, to: str = "/", headers: dict[str, str] | None = None
) -> httpx.Response:
    fields = {"key": key, "to": to}
    return client.post("/sign-in", data=fields, headers=OURS if headers is None else headers, follow_redirects=False)


def test_a_key_opens_a_session_that_leads_on_and_ends_with_the_key(client: TestClient[Litestar], shop: Context) -> None:
    asked = f"{SETTINGS}?saved=target"
    sent = client.get(asked, follow_redirects=False)
    assert sent.status_code == 303
    form = client.get(sent.headers["location"]).text
    (to,) = re.findall(r'name="to" value="([^"]*)"', form)
    assert html.unescape(to) == asked
    assert re.search(r'name="key" type="password"[^>]*autocomplete="off"', form)

    key = key_of(shop, "reviewer")
    opened = post(client, f" {key} ", to)
    assert (opened.status_code, opened.headers["location"]) == (303, asked)
    flags = opened.headers["set-cookie"].lower()
    assert "httponly" in flags and "samesite=lax" in flags
    assert client.get("/v1/me").json() == {"name": "Ana", "role": "reviewer", "bot": "shop", "via": "session"}
    assert client.get(asked).status_code == 200

    with writing(shop.engine) as connection:
        keys.revoke_key(connection, keys.id_of(key), now())
    assert client.get("/v1/me").status_code == 401
    out = client.get("/bots/shop", follow_redirects=False)
    assert (out.status_code, out.headers["location"]) == (303, "/sign-in?to=%2Fbots%2Fshop")


def test_a_key_that_opens_nothing_is_refused_in_words_and_not_given_back(
    client: TestClient[Litestar], shop: Context
) -> None:
    ingest = key_of(shop, "ingest")
    for key, status, words in ((ingest, 400, "ask an owner"), (ingest[:-1], 401, "unknown, revoked or expired")):
        refused = post(client, key)
        assert (refused.status_code, "set-cookie" in refused.headers) == (status, False)
        assert words in refused.text.lower() and 'aria-invalid="true"' in refused.text and key not in refused.text


def test_nobody_is_led_to_another_site(client: TestClient[Litestar], shop: Context) -> None:
    key = key_of(shop, "reader")
    for to in (
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "/\t/evil.example",
        "/%0a\n/e",
        "javascript:1",
    ):
        assert post(client, key, to).headers["location"] == "/", to
        assert 'name="to" value="/"' in client.get("/sign-in", params={"to": to}).text, to


def test_another_site_signs_nobody_in_as_its_own_person(client: TestClient[Litestar], shop: Context) -> None:
    key = key_of(shop, "reader")
    host = "testserver.local"
    refused: list[dict[str, str]] = [
        {},
        {"origin": "null"},
        {"origin": "https://evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": f"http://{host}"},
        {"sec-fetch-site": "none"},
    ]
    for headers in refused:
        answer = post(client, key, headers=headers)
        assert (answer.status_code, "set-cookie" in answer.headers) == (403, False), headers
    # A proxy that ends TLS and keeps Host.
    assert post(client, key, headers={"origin": "https://fp.example", "host": "fp.example"}).status_code == 303


def behind(context: Context, peer: str, wire: Sequence[tuple[bytes, bytes]] = (), **settings: str) -> TestClient[Any]:
    """Requests that come from this address. `wire`: headers byte by byte, for the client writes all in UTF-8."""
    app = build(msgspec.structs.replace(context.settings, **(PROXY | settings)))

    async def arriving(scope: Any, receive: Any, send: Any) -> None:
        headers = [*scope.get("headers", ()), *wire]
        await app({**scope, "client": (peer, 50000), "headers": headers}, receive, send)

    return TestClient(arriving, raise_server_exceptions=False)


def test_a_proxy_names_people_whose_roles_were_granted(shop: Context) -> None:
    ana = {"x-forwarded-email": "ana@example.org"}
    with writing(shop.engine) as connection:
        people.grant(connection, "ana@example.org", "shop", "owner", now(), who="Olu")
        people.grant(connection, "ana@example.org", "bank", "reader", now(), who="Olu")
    with behind(shop, "10.1.2.3") as client:
        assert client.get("/v1/me", headers=ana).json()["via"] == "proxy"
        listed = client.get("/v1/bots", headers=ana).json()["items"]
        assert [bot["name"] for bot in listed] == ["bank", "shop"]
        change = {"low_water": 3}
        ours = ana | {"origin": PUBLIC}
        for bot, status in (("shop", 200), ("bank", 403)):
            assert client.patch(f"/v1/bots/{bot}", json=change, headers=ours).status_code == status
        refused: list[dict[str, str]] = [
            {},
            {"origin": "https://evil.example"},
            {"origin": "http://fence.example"},
            {"origin": "null"},
            {"origin": "https://rebound.example", "host": "rebound.example", "sec-fetch-site": "same-origin"},
        ]
        for headers in refused:
            assert client.patch("/v1/bots/shop", json=change, headers=ana | headers).status_code == 403, headers
        stranger = client.get("/bots/shop", headers={"x-forwarded-email": "ben@example.org"})
        assert stranger.status_code == 403
        assert "obody granted ben@example.org a role here" in stranger.text and "ask an owner" in stranger.text.lower()
        twice = [("x-forwarded-email", "eve@example.org"), ("x-forwarded-email", "ana@example.org")]
        assert client.get("/v1/me", headers=twice).status_code == 401
        assert "Sign out" not in client.get("/", headers=ana).text
    for peer in ("10.2.0.1", "127.0.0.1", "/run/granian.sock", ""):
        with behind(shop, peer) as client:
            assert client.get("/v1/me", headers=ana | {"x-forwarded-for": "10.1.2.3"}).status_code == 401, peer
    with behind(shop, "::ffff:10.1.0.9", sso_role="reader") as client:
        ben = client.get("/v1/me", headers={"x-forwarded-email": "ben@example.org"}).json()
        assert ben == {"name": "ben@example.org", "role": "reader", "bot": None, "via": "proxy"}


def test_a_proxy_s_names_are_utf_8_and_others_are_nobody_s(shop: Context) -> None:
    with writing(shop.engine) as connection:
        for name in ("José Ólafsson 李", "JosÃ©"):
            people.grant(connection, name, "shop", "owner", now(), who="Olu")
    wire: list[tuple[bytes, bytes]] = []
    with behind(shop, "10.1.2.3", wire) as client:

        def ask(path: str, value: bytes) -> httpx.Response:
            wire[:] = [(b"x-forwarded-email", value)]
            return client.get(path, follow_redirects=False)

        assert ask("/v1/me", "José Ólafsson 李".encode()).json()["name"] == "José Ólafsson 李"
        assert "José" in ask("/v1/me", "José".encode()).json()["detail"], "not the person whose name it looks like"
        for value in ("JosÃ© Ól".encode("latin-1"), b"\xff\xfe"):
            assert ask("/v1/me", value).status_code == 403
            page = ask("/bots/shop", value)
            assert page.status_code == 403 and "is not UTF-8" in page.text


def test_owners_grant_and_take_back_roles_over_http(client: TestClient[Litestar], shop: Context) -> None:
    owner = {"authorization": f"Bearer {key_of(shop, 'owner')}"}
    path = "/v1/bots/shop/people"
    for role in ("reviewer", "owner", "owner"):
        assert client.put(f"{path}/ben@example.org", json={"role": role}, headers=owner).status_code == 200
    assert client.get(path, headers=owner).json()["items"] == [
        {"name": "ben@example.org", "bot": "shop", "role": "owner"}
    ]
    assert client.put(f"{path}/ben@example.org", json={"role": "operator"}, headers=owner).status_code == 403
    assert client.put("/v1/people/ben@example.org", json={"role": "reader"}, headers=owner).status_code == 403
    assert client.delete(f"{path}/ben@example.org", headers=owner).status_code == 200
    assert client.delete(f"{path}/ben@example.org", headers=owner).status_code == 404
    logged = client.get("/v1/bots/shop/audit", params={"who": "Ana"}, headers=owner).json()["items"]
    assert [(entry["action"], entry["details"]) for entry in logged] == [
        ("person.revoke", {"person": "ben@example.org", "role": "owner"}),
        ("person.grant", {"person": "ben@example.org", "role": "owner"}),
        ("person.grant", {"person": "ben@example.org", "role": "reviewer"}),
    ]


@pytest.fixture
def ana(client: TestClient[Litestar], shop: Context) -> Browser:
    return sign_in(client, shop, "Ana", "owner", "shop")


def fields(page: str) -> dict[str, str]:
    """What a browser would send of the settings form."""
    form = page[page.index('class="settings" method="post"') :]
    found = dict(re.findall(r'<input id="\w+" name="(\w+)" value="([^"]*)"', form))
    found |= dict(re.findall(r'<textarea id="\w+" name="(\w+)"[^>]*>\n([^<]*)<', form))
    for name, options in re.findall(r'<select id="\w+" name="(\w+)"[^>]*>(.*?)</select>', form, re.S):
        found[name] = re.findall(r'<option value="([^"]*)" selected>', options)[0]
    return {name: html.unescape(value) for name, value in found.items()}


def stored(context: Context) -> dict[str, Any]:
    with reading(context.engine) as connection:
        found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(get_bot(connection, "shop")))
        return found


def test_settings_are_changed_by_a_form_or_nothing_is(
    client: TestClient[Litestar], shop: Context, ana: Browser
) -> None:
    before = stored(shop)
    given = fields(ana.open(SETTINGS))
    assert set(given) == set(before) - {"name", "created_at", "archived_at", "champion"}
    ana.post(SETTINGS, **given)
    assert stored(shop) == before

    wrong = {"weekly_budget": "many", "audit_rate": "nan", "quiet_hours": "20-7", "patterns": "A=(", "target": "1"}
    refused = ana.post(SETTINGS, **(given | wrong | {"low_water": "7"}))
    assert refused.status_code == 400 and stored(shop) == before
    for name, typed in wrong.items():
        assert f'id="{name}-error"' in refused.text or name == "patterns", name
        assert fields(refused.text)[name] == typed
    assert "This takes a whole number from 0 to 1,000,000" in refused.text
    refused = ana.post(SETTINGS, **(given | {"patterns": "ORDER=A-[0-9]+\nCARD=(", "low_water": "7"}))
    assert refused.status_code == 400 and 'id="patterns-error"' in refused.text and stored(shop) == before

    right = {"weekly_budget": "12", "target": "0,95", "patterns": "ORDER=A=[0-9]+\r\n", "policy": "single"}
    saved = ana.post(SETTINGS, **(given | right))
    assert "Saved: Votes a week, What decides a card, Target, Patterns of personal data." in saved.text
    after = {"weekly_budget": 12, "target": 0.95, "patterns": [{"name": "ORDER", "regex": "A=[0-9]+"}]}
    assert stored(shop) == before | after | {"policy": "single"}
    assert ana.post(SETTINGS, **(fields(saved.text) | {"target": ""})).status_code == 200
    assert stored(shop)["target"] is None

    rea = sign_in(client, shop, "Rea", "reader", "shop")
    page = rea.open(SETTINGS)
    assert "<input" not in page and "ORDER=A=[0-9]+" in page and "Audit log" not in page
    assert rea.post(SETTINGS, weekly_budget="1").status_code == 403
    assert ana.post(SETTINGS, site="same-site", weekly_budget="1").status_code == 403
    installation = sign_in(client, shop, "Olu", "operator", None).open(SETTINGS)
    assert "FENCEPOST_STREAM_KEY" in installation and shop.settings.stream_key not in installation
    assert "FENCEPOST_STREAM_KEY" not in ana.open(SETTINGS)


def test_keys_and_links_are_made_on_a_page_and_shown_once(
    client: TestClient[Litestar], shop: Context, ana: Browser
) -> None:
    made = ana.post(f"{ACCESS}/keys", name="Ben", role="reader").text
    (key,) = re.findall(r"<code>(fp_\w+_[\w-]{40,})</code>", made)
    bearer = {"authorization": f"Bearer {key}"}
    assert client.get("/v1/me", headers=bearer).json()["name"] == "Ben"
    assert key not in ana.open(ACCESS)
    rotated = ana.post(f"{ACCESS}/keys/{keys.id_of(key)}/rotate", grace_hours="0").text
    (successor,) = re.findall(r"<code>(fp_\w+_[\w-]{40,})</code>", rotated)
    assert client.get("/v1/me", headers=bearer).status_code == 401
    assert "is revoked" in ana.post(f"{ACCESS}/keys/{keys.id_of(successor)}/revoke").text
    assert client.get("/v1/me", headers={"authorization": f"Bearer {successor}"}).status_code == 401

    bad = ana.post(f"{ACCESS}/keys", name="slack:U1", role="owner")
    assert bad.status_code == 400 and 'id="key-error"' in bad.text and 'value="slack:U1"' in bad.text
    assert ana.post(f"{ACCESS}/keys", name="Ben", role="operator").status_code == 403
    with writing(shop.engine) as connection:
        foreign = keys.id_of(keys.create_key(connection, name="B", role="reader", bot="bank", now=now()))
    assert ana.post(f"{ACCESS}/keys/{foreign}/revoke").status_code == 404

    link = ana.post(f"{ACCESS}/links", name="", role="reviewer").text
    (path,) = re.findall(r"<code>http://[^/]*(/sign-in/[\w-]+)</code>", link)
    assert "reviewer of shop" in client.get(path).text


def test_an_owner_sees_who_is_signed_in_and_ends_a_session(
    client: TestClient[Litestar], shop: Context, ana: Browser
) -> None:
    def api(method: str, session_id: str = "") -> httpx.Response:
        path = "/v1/bots/shop/sessions" + (f"/{session_id}" if session_id else "")
        return client.request(method, path, headers={"cookie": ana.cookie, "sec-fetch-site": "same-origin"})

    def command(*arguments: str) -> str:
        result = CliRunner().invoke(cli, ["sessions", *arguments], obj=shop.settings, catch_exceptions=False)
        return result.output

    leavers = [sign_in(client, shop, name, "reviewer", "shop") for name in ("Ben", "Cleo", "Dan")]
    opened = post(client, key_of(shop, "reader", "Eve"))
    stranger = sign_in(client, shop, "Sam", "owner", "bank")
    page = ana.open(ACCESS)
    assert [name for name in ("Ana", "Ben", "Cleo", "Dan", "Eve", "Sam") if f"of {name} since" in page] == [
        "Ana", "Ben", "Cleo", "Dan", "Eve",
    ]  # fmt: skip
    assert "Dan is reviewer" in page and re.search(r"Eve is reader.*by key <code>fp_\w+_", page)
    ids = {one["name"]: one["id"] for one in api("GET").json()["items"]}
    assert len(ids) == 5 and opened.status_code == 303

    assert "The session has ended" in ana.post(f"{ACCESS}/sessions/{ids['Ben']}/end").text
    assert api("DELETE", ids["Cleo"]).json()["name"] == "Cleo"
    assert ids["Dan"] in command("list", "--bot", "shop")
    assert command("end", ids["Dan"]) == f"{ids['Dan']} (Dan) has ended.\n"
    for leaver in leavers:
        assert client.get("/v1/me", headers={"cookie": leaver.cookie}).status_code == 401
    assert set(re.findall(r"of (\w+) since", ana.open(ACCESS))) == {"Ana", "Eve"}
    logged = client.get("/v1/bots/shop/audit?action=session.end", headers={"cookie": ana.cookie}).json()["items"]
    assert [entry["details"]["name"] for entry in logged] == ["Dan", "Cleo", "Ben"]
    assert [entry["who"] for entry in logged][1:] == ["Ana", "Ana"]

    (foreign,) = (one["id"] for one in msgspec.json.decode(command("list", "--bot", "bank", "--json")))
    assert ana.post(f"{ACCESS}/sessions/{foreign}/end").status_code == 404
    assert api("DELETE", foreign).json()["type"] == "session-not-found"
    assert client.get("/v1/me", headers={"cookie": stranger.cookie}).status_code == 200
    assert client.get("/v1/bots/bank/sessions", headers={"cookie": ana.cookie}).status_code == 403
    assert client.get("/v1/sessions", headers={"cookie": stranger.cookie}).status_code == 403


def test_the_audit_log_reads_newest_first_and_by_who_what_and_when(
    client: TestClient[Litestar], shop: Context, ana: Browser
) -> None:
    at = now()
    with writing(shop.engine) as connection:
        rows = [
            {"bot": bot, "at": at, "who": f"w{n % 2}", "action": "bot.set", "details": {"low_water": n}}
            for n in range(60)
            for bot in ("shop", "bank")
        ]
        merged = {"action": "intent.merge", "who": "Ona", "details": {"intent": 3, "into": 4, "low_water": 1}}
        promoted = {"action": "classifier.promote", "who": "Ona", "details": {"n": 2, "replaced": None}}
        rows += [{"bot": "shop", "at": at} | one for one in (merged, promoted)]
        connection.execute(sa.insert(t.audit_log), rows)
    linked = re.findall(r'<dd><a href="/bots/shop/([^"]+)">(\d+)</a>', ana.open(f"{AUDIT}?who=Ona"))
    assert linked == [("classifiers/2", "2"), ("intents/3", "3"), ("intents/4", "4")]
    page = ana.open(f"{AUDIT}?action=bot.set")
    shown = re.findall(r"<dt>low water</dt><dd>(\d+)</dd>", page)
    assert shown == [str(n) for n in range(59, 9, -1)] and "changed settings" in page
    (older,) = re.findall(r'<a href="(\?[^"]*cursor=[^"]*)">Older', page)
    rest = ana.open(AUDIT + html.unescape(older))
    assert re.findall(r"<dt>low water</dt><dd>(\d+)</dd>", rest) == [str(n) for n in range(9, -1, -1)]
    assert "Older" not in rest

    api = "/v1/bots/shop/audit"
    cookie = {"cookie": ana.cookie}
    found = client.get(api, params={"who": "w1", "action": "bot.set", "limit": 2}, headers=cookie).json()
    assert [entry["details"] for entry in found["items"]] == [{"low_water": 59}, {"low_water": 57}]
    today = str(at.date())
    counts = [
        len(client.get(api, params=span | {"who": "w0", "limit": 200}, headers=cookie).json()["items"])
        for span in ({"from": today, "to": today}, {"from": "2999-01-01"}, {"to": "1999-12-31"})
    ]
    assert counts == [30, 0, 0]
    bad = client.get(f"{AUDIT}?from=yesterday", headers=cookie)
    assert bad.status_code == 400 and 'value="yesterday"' in bad.text and "YYYY-MM-DD" in bad.text
    assert 'id="from-fault" role="alert"' in bad.text
    assert client.get(api, params={"cursor": "x"}, headers=cookie).status_code == 400
    rea = sign_in(client, shop, "Rea", "adjudicator", "shop")
    assert client.get(AUDIT, headers={"cookie": rea.cookie}).status_code == 403


def test_a_session_of_a_bot_s_page_needs_a_cookie_of_ours(client: TestClient[Litestar]) -> None:
    sent = client.get("/", headers={"cookie": f"{COOKIE}=nonsense"}, follow_redirects=False)
    assert (sent.status_code, sent.headers["location"]) == (303, "/sign-in")
    assert client.get("/v1/me").json()["type"] == "unauthorized"


def test_settings_of_a_proxy_that_anybody_could_be_stop_the_start() -> None:
    whole = {f"FENCEPOST_{name.upper()}": value for name, value in PROXY.items()}
    assert Settings.from_env(whole).sso_header == "X-Forwarded-Email"
    for change in (
        {"FENCEPOST_SSO_PROXIES": ""},
        {"FENCEPOST_SSO_HEADER": ""},
        {"FENCEPOST_PUBLIC_URL": ""},
        {"FENCEPOST_PUBLIC_URL": "fence.example"},
        {"FENCEPOST_SSO_PROXIES": "proxy.internal"},
        {"FENCEPOST_SSO_HEADER": "Cookie"},
        {"FENCEPOST_SSO_HEADER": "X_Email"},
        {"FENCEPOST_SSO_ROLE": "owner"},
    ):
        with pytest.raises(ConfigError, match=r"FENCEPOST_(SSO|PUBLIC)"):
            Settings.from_env(whole | change)
