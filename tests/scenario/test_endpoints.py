"""Outgoing webhooks, from what happened to who is told: the job over real HTTP, the API, the commands."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from litestar import Litestar
from litestar.testing import TestClient
from svix.webhooks import Webhook, WebhookVerificationError

from service import tables
from service.access.keys import create_key
from service.bots.schemas import Bot
from service.cli import cli
from service.clock import now
from service.context import Context
from service.database import reading, writing
from service.events import endpoints, listing, outbox
from service.events.schemas import EventType, EventView
from service.jobs import Job
from service.keyring import Keyring
from service.operations import doctor
from service.operations.status import read_status
from service.proposals import store as proposals
from service.proposals.schemas import NewProposal
from service.reviews import rules, voting
from service.reviews.schemas import Reviewer, Vote
from tests.support.edge import build, sign
from tests.support.hook import LOOPBACK, Hook, Request, listening, with_status
from tests.support.shop import BOT, deal, open_shop
from workers import posting, schedule
from workers.delivering import deliver

URL = f"/v1/bots/{BOT}"


@pytest.fixture
def hook() -> Iterator[Hook]:
    with listening() as hook:
        yield hook


@pytest.fixture
def shop(context: Context) -> Context:
    open_shop(context.engine)
    settings = msgspec.structs.replace(context.settings, endpoint_networks="127.0.0.0/8")
    return context._replace(settings=settings)


def listen(shop: Context, url: str, *events: EventType) -> tuple[int, str]:
    """A new endpoint's id and secret."""
    with writing(shop.engine) as connection:
        made = endpoints.add(connection, shop.keyring, BOT, url, events, now(), who="Ana")
    return made.endpoint.id, made.secret


def happen(shop: Context, type: EventType = "release.created", at: datetime | None = None, **data: object) -> str:
    with writing(shop.engine) as connection:
        return outbox.record(connection, BOT, type, data, at or now()) or ""


def show(shop: Context, event_id: str) -> EventView:
    with reading(shop.engine) as connection:
        return listing.show(connection, BOT, event_id)


def state(shop: Context, event_id: str) -> list[tuple[str, int | None, str]]:
    """Of each sending, and what its last attempt was answered."""
    found = show(shop, event_id)
    last = {made.endpoint: made for made in found.attempts}
    return [(one.status, last[one.endpoint].status_code, last[one.endpoint].error) for one in found.sendings]


def verify(secret: str, request: Request) -> None:
    """By svix, and by our own reading of the specification: svix shares a library with what signs."""
    Webhook(secret).verify(request.body, request.headers)
    own_id, at = request.headers["webhook-id"], float(request.headers["webhook-timestamp"])
    assert sign(secret, request.body, own_id, at)["webhook-signature"] in request.headers["webhook-signature"].split()


# the job


def test_an_event_arrives_signed(shop: Context, hook: Hook) -> None:
    _, secret = listen(shop, f"{hook.url}/fencepost?team=a")
    event_id = happen(shop, release=3, version="3")
    assert deliver(shop, BOT) == 1
    [request] = hook.requests
    verify(secret, request)
    assert (request.path, request.headers["webhook-id"]) == ("/fencepost?team=a", event_id)
    assert request.headers["content-type"] == "application/json"
    body = json.loads(request.body)
    assert (body["type"], body["data"]) == ("release.created", {"bot": BOT, "release": 3, "version": "3"})
    assert datetime.fromisoformat(body["timestamp"]) == show(shop, event_id).at
    assert state(shop, event_id) == [("delivered", 204, "")]
    assert deliver(shop, BOT) == 0  # a repeat changes nothing
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(request.body + b" ", request.headers)


def test_while_a_secret_is_rotated_both_verify(shop: Context, hook: Hook) -> None:
    endpoint, old = listen(shop, hook.url)
    with writing(shop.engine) as connection:
        new = endpoints.rotate(connection, shop.keyring, BOT, endpoint, now(), who="Ana")
    happen(shop)
    deliver(shop, BOT)
    [request] = hook.requests
    assert len(request.headers["webhook-signature"].split()) == 2
    verify(old, request)
    verify(new, request)


@pytest.mark.parametrize(
    ("code", "error", "status"),
    [
        (200, "", "delivered"),
        (299, "", "delivered"),
        (400, "answered 400", "pending"),
        (410, "answered 410", "failed"),
        (500, "answered 500", "pending"),
    ],
)
def test_an_answer_decides_what_follows(shop: Context, hook: Hook, code: int, error: str, status: str) -> None:
    endpoint, _ = listen(shop, hook.url)
    hook.answer = with_status(code)
    event_id = happen(shop)
    deliver(shop, BOT)
    assert state(shop, event_id) == [(status, code, error)]
    with reading(shop.engine) as connection:
        assert endpoints.get(connection, BOT, endpoint).disabled_because == ("gone" if code == 410 else "")


def test_a_redirect_is_not_followed(shop: Context, hook: Hook) -> None:
    listen(shop, hook.url)
    hook.answer = with_status(307, Location=f"{hook.url}/inside")
    event_id = happen(shop)
    deliver(shop, BOT)
    assert state(shop, event_id) == [("pending", 307, "a redirect is not followed")]
    assert [request.path for request in hook.requests] == ["/"]


def test_who_asks_for_time_gets_it(shop: Context, hook: Hook) -> None:
    listen(shop, hook.url)
    hook.answer = with_status(429, Retry_After="3600")
    happened = happen(shop)
    before = now()
    deliver(shop, BOT)
    [sending] = show(shop, happened).sendings
    assert sending.next_at
    assert timedelta(minutes=59) < sending.next_at - before < timedelta(minutes=61)


def drip(handler: BaseHTTPRequestHandler, hook: Hook) -> None:
    """A header that never ends, a byte at a time: each comes in time, the answer does not."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    while not hook.release.wait(0.02):
        handler.wfile.write(b"x")


def test_a_slow_endpoint_holds_up_no_other(shop: Context, hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "TOTAL_S", 0.4)
    with listening() as slow:
        slow.answer = lambda handler: drip(handler, slow)
        listen(shop, slow.url)
        listen(shop, hook.url)
        ids = [happen(shop) for _ in range(6)]
        assert deliver(shop, BOT) == 6 + 2
        assert sorted(hook.ids) == sorted(ids)
        assert len(slow.requests) == 2, "as many as are made at once, and none after they failed"
    outcomes = [outcome for event_id in ids for outcome in state_of_tried(shop, event_id)]
    assert outcomes.count(("delivered", 204, "")) == 6
    assert outcomes.count(("pending", None, "no answer in time")) == 2


def state_of_tried(shop: Context, event_id: str) -> list[tuple[str, int | None, str]]:
    found = show(shop, event_id)
    status = {one.endpoint: one.status for one in found.sendings}
    return [(status[made.endpoint], made.status_code, made.error) for made in found.attempts]


def pour(handler: BaseHTTPRequestHandler, hook: Hook) -> None:
    while not hook.release.is_set():
        handler.wfile.write(b"x" * 65536)


def stall(_handler: BaseHTTPRequestHandler, hook: Hook) -> None:
    hook.release.wait()


@pytest.mark.parametrize("go_on", [pour, stall])
def test_what_follows_an_answers_head_is_not_waited_for(
    shop: Context, hook: Hook, go_on: Callable[[BaseHTTPRequestHandler, Hook], None]
) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        go_on(handler, hook)

    hook.answer = answer
    listen(shop, hook.url)
    event_id = happen(shop)
    deliver(shop, BOT)
    assert state(shop, event_id) == [("delivered", 200, "")]


def test_an_answer_that_is_no_http_and_a_door_that_is_shut_are_failures(shop: Context, hook: Hook) -> None:
    hook.answer = lambda handler: handler.wfile.write(b"220 mail.example ESMTP\r\n")  # type: ignore[assignment,return-value]
    listen(shop, hook.url)
    with listening() as shut:
        listen(shop, shut.url)
    event_id = happen(shop)
    deliver(shop, BOT)
    assert state(shop, event_id) == [
        ("pending", None, "its answer is no HTTP"),
        ("pending", None, "it cannot be connected to"),
    ]


def test_two_jobs_at_once_send_each_event_once(shop: Context, hook: Hook) -> None:
    listen(shop, hook.url)
    ids = [happen(shop) for _ in range(12)]
    jobs = [threading.Thread(target=deliver, args=(shop, BOT)) for _ in range(2)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert sorted(hook.ids) == sorted(ids)


def test_the_schedule_runs_by_the_clock_that_is_given(shop: Context, hook: Hook) -> None:
    listen(shop, hook.url)
    hook.answer = with_status(503)
    at = [now()]
    event_id = happen(shop, at=at[0])
    for _ in range(10):
        assert [deliver(shop, BOT, now=lambda: at[-1]) for _ in range(2)] == [1, 0]
        at.append(show(shop, event_id).sendings[0].next_at or at[-1])
    assert hook.ids == [event_id] * 10
    times = [int(request.headers["webhook-timestamp"]) for request in hook.requests]
    assert 75.5 < (times[-1] - times[0]) / 3600 < 83.2, "75 hours and a half, a tenth longer at most"
    assert [one.status for one in show(shop, event_id).sendings] == ["failed"]


def test_a_secret_of_another_key_is_a_failed_attempt_and_says_the_mend(shop: Context, hook: Hook) -> None:
    listen(shop, hook.url)
    event_id = happen(shop)
    deliver(shop._replace(keyring=Keyring(b"x" * 32)), BOT)
    [(status, code, error)] = state(shop, event_id)
    assert (status, code, hook.requests) == ("pending", None, [])
    assert "endpoints rotate" in error


def test_an_address_inside_is_not_asked(shop: Context, hook: Hook) -> None:
    listen(shop, hook.url)
    event_id = happen(shop)
    deliver(shop._replace(settings=msgspec.structs.replace(shop.settings, endpoint_networks="")), BOT)
    assert state(shop, event_id) == [("pending", None, "its address is not one that may be posted to")]
    assert hook.requests == []


def certificate(folder: Path, name: str) -> Path:
    """A key and a certificate that the key itself signed, in one file."""
    key, named = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    made = (
        x509.CertificateBuilder()
        .subject_name(named)
        .issuer_name(named)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    path = folder / "certificate.pem"
    path.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + made.public_bytes(pem))
    return path


def test_tls_wants_the_certificate_of_the_name(shop: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pem = certificate(tmp_path, "hooks.example")
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    route = LOOPBACK._replace(resolve=lambda *_: [ip_address("127.0.0.1")], tls=ssl.create_default_context())
    with listening(server) as hook:
        port = hook.url.rpartition(":")[2]
        listen(shop, f"https://hooks.example:{port}/")
        listen(shop, f"https://other.example:{port}/")
        event_id = happen(shop)
        deliver(shop, BOT, route)
    assert state(shop, event_id) == [
        ("delivered", 204, ""),
        ("pending", None, "TLS failed: is its certificate valid?"),
    ]


def test_the_schedule_asks_where_an_attempt_is_due(shop: Context, hook: Hook) -> None:
    every = {Job.DELIVER: schedule.INTERVAL_S[Job.DELIVER]}
    assert schedule.tick(shop, now(), {}, every) == []
    listen(shop, hook.url)
    happen(shop)
    at = now()
    assert schedule.tick(shop, at, {}, every) == [(Job.DELIVER, BOT)]
    assert schedule.tick(shop, at, {}, every) == []


# what happens


def test_a_resolved_label_is_told_by_ids_and_names(shop: Context, hook: Hook) -> None:
    listen(shop, hook.url, "label.resolved")
    card = deal(shop.engine, "give me my money, says Zuleika")
    with writing(shop.engine) as connection:
        vote = Vote(answer="intent", intent="refund", click_id="c-1")
        voting.vote(connection, BOT, card, Reviewer("Ana"), vote, now(), surface="api")
    for _ in range(2):  # a repeat adds no label, and tells nothing
        with writing(shop.engine) as connection:
            rules.resolve(connection, BOT, now())
    deliver(shop, BOT)
    [request] = hook.requests
    assert json.loads(request.body)["data"] == {
        "bot": BOT,
        "turn": 1,
        "source": "native",
        "turn_id": "t-0",
        "card": card,
        "use": "train",
        "answer": "intent",
        "intent": "refund",
        "second": None,
        "labels": 1,
    }


def test_who_is_forgotten_is_in_no_event(shop: Context, hook: Hook) -> None:
    """Nothing has to be deleted from events: they hold no word that anybody said."""
    listen(shop, hook.url)
    card = deal(shop.engine, "Zuleika wants a refund")
    with writing(shop.engine) as connection:
        vote = Vote(answer="new", proposed="Zuleikas_wish", why="Zuleika says so", click_id="c-1")
        voting.vote(connection, BOT, card, Reviewer("Ana"), vote, now(), surface="api")
        rules.resolve(connection, BOT, now())
        found = NewProposal(turn_ids=(1,), middle=b"", turns=1, tightness=0.8, phrases=("zuleika wants",))
        [proposal] = proposals.replace_open(connection, BOT, 4, "fake", [found], [], now())
    deliver(shop, BOT)
    kept = [request.body.decode() for request in hook.requests]
    with reading(shop.engine) as connection:
        kept += [str(row) for row in connection.execute(sa.select(tables.event))]
    assert {"bot": BOT, "proposal": proposal, "classifier": 4, "turns": 1, "tightness": 0.8} in [
        json.loads(request.body)["data"] for request in hook.requests
    ]
    assert not [text for text in kept if "zuleika" in text.casefold()]


# the API


class Desk:
    def __init__(self, client: TestClient[Litestar], keys: dict[str, str]) -> None:
        self.client, self.keys = client, keys

    def ask(self, method: str, path: str, role: str = "owner", **options: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.keys[role]}"}
        return self.client.request(method, URL + path, headers=headers, **options)


@pytest.fixture
def desk(shop: Context) -> Iterator[Desk]:
    with writing(shop.engine) as connection:
        roles: tuple[Any, ...] = ("adjudicator", "owner")
        keys = {role: create_key(connection, name=role, role=role, bot=BOT, now=now()) for role in roles}
    with TestClient(build(shop.settings), raise_server_exceptions=False) as client:
        yield Desk(client, keys)


def test_an_owner_lets_a_url_be_told(desk: Desk, shop: Context, hook: Hook) -> None:
    made = desk.ask("POST", "/endpoints", json={"url": hook.url, "events": ["drift.alert"]})
    assert made.status_code == 201, made.text
    endpoint, secret = made.json()["endpoint"], made.json()["secret"]
    n = endpoint["id"]
    assert (endpoint["events"], endpoint["disabled_at"]) == (["drift.alert"], None)
    assert desk.ask("GET", "/endpoints").json() == {"items": [endpoint], "next": None}
    assert secret not in desk.ask("GET", f"/endpoints/{n}").text

    changed = desk.ask("PATCH", f"/endpoints/{n}", json={"events": []}).json()
    assert (changed["events"], changed["url"]) == ([], hook.url)
    pinged = desk.ask("POST", f"/endpoints/{n}/test").json()
    assert (pinged["type"], pinged["data"]) == ("fencepost.ping", {"bot": BOT, "endpoint": n})
    assert [(job.func_name, job.args) for job in shop.queue.get_jobs()] == [("workers.jobs.deliver", [BOT])]
    deliver(shop, BOT)
    verify(secret, hook.requests[0])

    rotated = desk.ask("POST", f"/endpoints/{n}/rotate?grace_s=0").json()
    assert rotated["secret"] != secret
    disabled = desk.ask("PATCH", f"/endpoints/{n}", json={"enabled": False}).json()
    assert disabled["disabled_because"] == "owner"
    refused = desk.ask("POST", f"/endpoints/{n}/test")
    assert (refused.status_code, refused.json()["type"]) == (409, "endpoint-disabled")
    assert desk.ask("DELETE", f"/endpoints/{n}").status_code == 200
    assert desk.ask("GET", f"/endpoints/{n}").json()["type"] == "endpoint-not-found"


def test_events_are_listed_shown_and_replayed(desk: Desk, shop: Context, hook: Hook) -> None:
    n, _ = listen(shop, hook.url)
    hook.answer = with_status(410)
    ids = [happen(shop, at=now() + timedelta(milliseconds=10 * i)) for i in range(3)]
    deliver(shop, BOT, now=lambda: now() + timedelta(seconds=1))
    page = desk.ask("GET", "/events?limit=2").json()
    rest = desk.ask("GET", f"/events?limit=2&cursor={page['next']}").json()
    assert [one["id"] for one in (*page["items"], *rest["items"])] == ids[::-1]
    assert desk.ask("GET", "/events?type=drift.alert").json()["items"] == []
    assert "answered 410" in [
        made["error"] for one in ids for made in desk.ask("GET", f"/events/{one}").json()["attempts"]
    ]

    assert desk.ask("POST", f"/events/{ids[0]}/replay", json={}).json()["type"] == "nobody-to-tell"
    desk.ask("PATCH", f"/endpoints/{n}", json={"enabled": True})
    hook.answer, hook.requests[:] = with_status(200), []
    assert desk.ask("POST", f"/events/{ids[0]}/replay", json={"endpoint": n}).json() == {"sendings": 1}
    deliver(shop, BOT)
    assert hook.ids == [ids[0]]
    since = (now() - timedelta(hours=1)).isoformat()
    assert desk.ask("POST", f"/endpoints/{n}/replay", json={"since": since}).json() == {"sendings": 2}
    deliver(shop, BOT)
    assert sorted(hook.ids) == sorted(ids)
    late = {"since": "9999-12-31T23:59:59-10:00"}  # no UTC has it
    assert desk.ask("POST", f"/endpoints/{n}/replay", json=late).json() == {"sendings": 0}


BAD: list[tuple[str, str, dict[str, Any] | None, int, str]] = [
    ("POST", "/endpoints", {"url": "https://10.0.0.1/"}, 400, "url"),
    ("POST", "/endpoints", {"url": "http://user:x@127.0.0.1"}, 400, "url"),
    ("POST", "/endpoints", {"url": ""}, 400, "url"),
    ("POST", "/endpoints", {"url": "https://x.example/" + "x" * 2000}, 400, "url"),
    ("POST", "/endpoints", {"url": 5}, 400, "url"),
    ("POST", "/endpoints", {}, 400, "url"),
    ("POST", "/endpoints", {"url": "https://x.example", "events": ["label"]}, 400, "events[0]"),
    ("POST", "/endpoints", {"url": "https://x.example", "secret": "x"}, 400, "secret"),
    ("PATCH", "/endpoints/1", {"url": "ftp://x.example"}, 400, "url"),
    ("PATCH", "/endpoints/99", {"enabled": True}, 404, ""),
    ("PATCH", f"/endpoints/{2**70}", {"enabled": True}, 404, ""),
    ("POST", "/endpoints/1/replay", {"since": "2026-03-02T09:15:00"}, 400, "since"),
    ("POST", "/endpoints/1/replay", {"since": "0001-01-01T00:00:00+14:00"}, 404, ""),
    ("POST", "/events/evt_1/replay", {}, 404, ""),
    ("GET", "/events/a%00b", None, 404, ""),
    ("GET", "/events?cursor=x", None, 400, "cursor"),
    ("GET", "/events?type=x", None, 400, "type"),
    ("DELETE", "/endpoints/99", None, 404, ""),
]


def test_bad_input_names_the_field_and_leaves_no_trace(desk: Desk, shop: Context) -> None:
    for method, path, body, status, field in BAD:
        answer = desk.ask(method, path, json=body)
        assert (answer.status_code, field in answer.text) == (status, True), (path, body, answer.text)
    assert desk.ask("GET", "/endpoints").json()["items"] == []
    with reading(shop.engine) as connection:
        actions = connection.scalars(sa.select(tables.audit_log.c.action)).all()
    assert {action for action in actions if action.startswith(("endpoint", "event"))} == set()


def test_only_owners_see_endpoints_and_events(desk: Desk) -> None:
    for path in ("/endpoints", "/events"):
        assert desk.ask("GET", path, "adjudicator").status_code == 403


# commands, and who else says how it is


def command(shop: Context, *arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, obj=shop.settings)


def test_the_commands(shop: Context, hook: Hook) -> None:
    added = command(shop, "endpoints", "add", BOT, hook.url, "--events", "label.resolved, drift.alert")
    assert (added.exit_code, added.stdout.startswith("whsec_")) == (0, True), added.output
    assert "enabled" in command(shop, "endpoints", "list", BOT).output
    tested = command(shop, "endpoints", "test", BOT, "1")
    assert (tested.exit_code, "answered 204" in tested.output) == (0, True), tested.output
    verify(added.stdout.strip(), hook.requests[0])
    assert happen(shop) == ""  # it wants no release
    command(shop, "endpoints", "set", BOT, "1", "--events", "")
    event_id = happen(shop)
    hook.answer = with_status(500)
    failed = command(shop, "endpoints", "test", BOT, "1")
    assert (failed.exit_code, "answered 500" in failed.output) == (1, True), failed.output
    assert event_id in command(shop, "events", "list", BOT, "--type", "release.created").output
    assert json.loads(command(shop, "events", "show", BOT, event_id).output)["id"] == event_id
    assert command(shop, "events", "replay", BOT, event_id, "--endpoint", "1").output == "1 on the way\n"
    assert command(shop, "events", "replay", BOT, "--since", "2026-01-01", "--endpoint", "1").exit_code == 0
    assert command(shop, "events", "replay", BOT, "--since", "2026-01-01").exit_code == 2
    assert "none of" in command(shop, "endpoints", "set", BOT, "1", "--events", "label").output
    assert command(shop, "endpoints", "disable", BOT, "1").exit_code == 0
    assert "disabled: by hand" in command(shop, "endpoints", "list", BOT).output
    assert command(shop, "endpoints", "enable", BOT, "1").exit_code == 0
    assert command(shop, "endpoints", "rotate", BOT, "1", "--grace-hours", "0").stdout.startswith("whsec_")
    assert command(shop, "endpoints", "remove", BOT, "1").exit_code == 0
    assert "no endpoint 1" in command(shop, "endpoints", "enable", BOT, "1").output
    refused = command(shop, "endpoints", "add", BOT, "https://169.254.169.254/")
    assert (refused.exit_code, "not a public address" in refused.output) == (1, True)


def test_doctor_and_status_name_what_is_told_no_more(shop: Context, hook: Hook) -> None:
    gone, _ = listen(shop, hook.url)
    hook.answer = with_status(410)
    happen(shop)
    deliver(shop, BOT)
    hook.answer = with_status(500)
    failing, _ = listen(shop, hook.url)
    happen(shop)
    deliver(shop, BOT)
    checks = {check.name: check for check in doctor._endpoints(shop, Bot(name=BOT, created_at=now()))}
    assert checks[f"{BOT}: endpoint {gone}"].saw == "disabled: it answered 410"
    assert "nothing reached it since" in checks[f"{BOT}: endpoint {failing}"].saw
    [line] = read_status(shop).bots
    assert line.disabled_endpoints == 1
    assert command(shop, "endpoints", "disable", BOT, str(failing)).exit_code == 0
    checks = {check.name: check for check in doctor._endpoints(shop, Bot(name=BOT, created_at=now()))}
    assert list(checks) == [f"{BOT}: endpoint {gone}"]
