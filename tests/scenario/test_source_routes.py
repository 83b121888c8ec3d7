"""Sources over HTTP: what the command line can do, for owners who have no shell."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from service import tables
from service.access.keys import create_key
from service.clock import now
from service.database import reading, writing
from tests.support.edge import BOT, Edge, encode, sign, turn
from tests.support.platforms import deliveries, options
from tests.support.signing import SIGNERS

PATH = f"/v1/bots/{BOT}/sources"
THEIRS = "client-secret-of-theirs"
Json = dict[str, Any]


@pytest.fixture
def owner(edge: Edge) -> dict[str, str]:
    with writing(edge.context.engine) as connection:
        key = create_key(connection, name="Ana", role="owner", bot=BOT, now=now())
    return {"authorization": f"Bearer {key}"}


def post(edge: Edge, source: str, body: bytes, headers: dict[str, str]) -> int:
    return edge.client.post(f"/webhooks/{BOT}/{source}", content=body, headers=headers).status_code


def add(edge: Edge, owner: dict[str, str], **wanted: Any) -> Json:
    answer = edge.client.post(PATH, json=wanted, headers=owner)
    assert answer.status_code == 201, answer.text
    found: Json = answer.json()
    return found


def audited(edge: Edge) -> list[str]:
    """What Ana did to sources."""
    c = tables.audit_log.c
    query = sa.select(c.action).where(c.action.startswith("source."), c.who == "Ana").order_by(c.id)
    with reading(edge.context.engine) as connection:
        return list(connection.scalars(query))


def test_a_source_is_added_changed_rotated_archived_and_brought_back(edge: Edge, owner: dict[str, str]) -> None:
    body = deliveries("generic")[0]
    made = add(edge, owner, format="generic", name="desk", options=options("generic"), tolerance_s=60)
    assert made["webhook"].endswith(f"/webhooks/{BOT}/desk")
    assert (made["source"]["tolerance_s"], made["source"]["scheme"]) == (60, "standard_webhooks")
    late = sign(made["secret"], body, at=datetime.now(UTC).timestamp() - 70)
    assert post(edge, "desk", body, late) == 401
    changed = edge.client.patch(f"{PATH}/desk", json={"tolerance_s": 600}, headers=owner).json()
    assert (changed["secret"], changed["source"]["tolerance_s"]) == ("", 600)
    assert changed["source"]["options"] == options("generic")
    assert post(edge, "desk", body, late) == 202

    rotated = edge.client.post(f"{PATH}/desk/rotate?grace_s=0", headers=owner).json()
    assert post(edge, "desk", body, sign(made["secret"], body)) == 401
    assert post(edge, "desk", body, sign(rotated["secret"], body)) == 202
    assert edge.client.delete(f"{PATH}/desk", headers=owner).json()["archived_at"] is not None
    assert post(edge, "desk", body, sign(rotated["secret"], body)) == 404
    listed = {one["name"]: one for one in edge.client.get(PATH, headers=owner).json()["items"]}
    assert (listed["desk"]["archived_at"] is None, listed["native"]["archived_at"]) == (False, None)
    assert edge.client.post(f"{PATH}/desk/restore", headers=owner).json()["archived_at"] is None
    assert post(edge, "desk", body, sign(rotated["secret"], body)) == 202
    wanted = ("create", "rotate", "set", "rotate", "archive", "restore")
    assert audited(edge) == [f"source.{action}" for action in wanted]
    assert made["secret"] not in str(edge.client.get(PATH, headers=owner).json())


def test_a_sender_s_secret_is_given_and_not_said_again(edge: Edge, owner: dict[str, str]) -> None:
    made = add(edge, owner, format="intercom")
    body = deliveries("intercom")[0]
    headers = SIGNERS["intercom"](THEIRS, body, datetime.now(UTC), "")
    assert (made["source"]["name"], made["secret"], post(edge, "intercom", body, headers)) == ("intercom", "", 401)
    refused = edge.client.post(f"{PATH}/intercom/rotate", headers=owner)
    assert (refused.status_code, "`secret` over HTTP" in refused.json()["hint"]) == (400, True)
    taken = edge.client.post(f"{PATH}/intercom/rotate", json={"secret": THEIRS}, headers=owner)
    assert (taken.status_code, taken.json()) == (201, {"source": "intercom", "secret": ""})
    assert post(edge, "intercom", body, headers) == 202
    assert add(edge, owner, format="chatwoot", secret=THEIRS)["secret"] == ""


def test_another_scheme_ends_the_secrets_of_the_one_before(edge: Edge, owner: dict[str, str]) -> None:
    made = add(edge, owner, format="native", name="second")
    changed = edge.client.patch(f"{PATH}/second", json={"scheme": "shared_key"}, headers=owner).json()
    body = encode(turn())
    assert post(edge, "second", body, sign(made["secret"], body)) == 401
    assert post(edge, "second", body, {"x-api-key": changed["secret"]}) == 202


@pytest.mark.parametrize(
    ("wanted", "status", "path"),
    [
        ({"format": "telex"}, 400, "format"),
        ({"format": "te\0lex"}, 400, "format"),
        ({"format": "rasa", "scheme": "smoke"}, 400, "scheme"),
        ({"format": "rasa", "name": "a b"}, 400, "name"),
        ({"format": "rasa", "name": "slack"}, 400, "name"),
        ({"format": "rasa", "options": {"a": 1}}, 400, "options"),
        ({"format": "generic"}, 400, "options"),
        ({"format": "rasa", "tolerance_s": 1}, 400, "tolerance_s"),
        ({"format": "rasa", "secret": "short"}, 400, "secret"),
        ({"format": "rasa", "colour": "red"}, 400, "colour"),
        ({}, 400, "format"),
        ({"format": "native"}, 409, "name"),
    ],
)
def test_what_cannot_be_added_is_refused_with_its_field_and_nothing_is_stored(
    edge: Edge, owner: dict[str, str], wanted: Json, status: int, path: str
) -> None:
    answer = edge.client.post(PATH, json=wanted, headers=owner)
    assert (answer.status_code, path in answer.json()["path"] + answer.json()["detail"]) == (status, True), answer.text
    assert [one["name"] for one in edge.client.get(PATH, headers=owner).json()["items"]] == ["native"]


@pytest.mark.parametrize(
    ("method", "source", "body", "status"),
    [
        ("PATCH", "desk", {"tolerance_s": 60}, 404),
        ("PATCH", "a%00b", {"tolerance_s": 60}, 404),
        ("PATCH", "native", {"secret": "a-secret-of-ours"}, 400),
        ("PATCH", "native", {"scheme": "smoke"}, 400),
        ("PATCH", "native", {"options": {"a": 1}}, 400),
        ("PATCH", "native", {"format": "rasa"}, 400),
        ("PATCH", "native", b"{", 400),
        ("DELETE", "desk", b"", 404),
        ("POST", "desk/rotate", {"secret": THEIRS}, 404),
        ("POST", "native/rotate", {"secret": "short"}, 400),
        ("POST", "desk/restore", b"", 404),
        ("POST", "a%00b/restore", b"", 404),
    ],
)
def test_what_cannot_be_changed_is_refused(
    edge: Edge, owner: dict[str, str], method: str, source: str, body: object, status: int
) -> None:
    before = edge.client.get(PATH, headers=owner).json()
    headers = owner | {"content-type": "application/json"}
    answer: httpx.Response = edge.client.request(method, f"{PATH}/{source}", content=encode(body), headers=headers)
    assert (answer.status_code, "type" in answer.json()) == (status, True), answer.text
    assert edge.client.get(PATH, headers=owner).json() == before
