"""Bots, keys and people over HTTP."""

import re
from datetime import timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from service import tables as t
from service.access import keys, sessions
from service.access.guard import COOKIE
from service.access.roles import Role
from service.bots.store import archive_bot, create_bot
from service.clock import now
from service.database import reading, writing
from service.jobs import Job
from service.streams import PENDING
from tests.support.edge import Edge, turn

SAME_ORIGIN = {"sec-fetch-site": "same-origin"}


def key_of(edge: Edge, role: Role, bot: str | None = "shop") -> dict[str, str]:
    with writing(edge.context.engine) as connection:
        key = keys.create_key(connection, name=role, role=role, bot=bot, now=now())
    return {"authorization": f"Bearer {key}"}


def link(edge: Edge, *, name: str = "", role: Role = "reviewer") -> str:
    with writing(edge.context.engine) as connection:
        return sessions.create_sign_in(connection, name=name, role=role, bot="shop", now=now())


def problem(response: httpx.Response) -> tuple[int, str, str]:
    body: dict[str, Any] = response.json()
    return response.status_code, body["type"], body.get("path", "")


def test_a_person_signs_in_says_their_name_and_signs_out(edge: Edge) -> None:
    page = edge.client.get(path := f"/sign-in/{link(edge)}")
    assert (page.status_code, 'name="name"' in page.text, "reviewer of shop" in page.text) == (200, True, True)
    signed_in = edge.client.post(path, data={"name": "Ana"}, headers=SAME_ORIGIN, follow_redirects=False)
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/")
    assert edge.client.get("/v1/me").json() == {"name": "Ana", "role": "reviewer", "bot": "shop", "via": "session"}
    old = edge.client.cookies[COOKIE]
    signed_out = edge.client.post("/sign-out", headers=SAME_ORIGIN)
    assert (signed_out.status_code, "signed out" in signed_out.text) == (200, True)
    assert edge.client.cookies.get(COOKIE) is None
    assert edge.client.get("/v1/me", headers={"cookie": f"{COOKIE}={old}"}).status_code == 401


def test_the_cookie_is_kept_from_scripts_and_other_sites(edge: Edge) -> None:
    response = edge.client.post(f"/sign-in/{link(edge, name='Ana')}", data={}, follow_redirects=False)
    flags = {flag.strip().lower() for flag in response.headers["set-cookie"].split(";")}
    assert {"httponly", "samesite=lax", "path=/", "max-age=1209600"} <= flags


def test_previewing_a_link_does_not_spend_it_and_using_it_does(edge: Edge) -> None:
    path = f"/sign-in/{link(edge, name='Ana')}"
    assert [edge.client.get(path).status_code for _ in range(2)] == [200, 200]
    assert edge.client.post(path, data={}, follow_redirects=False).status_code == 303
    for response in (edge.client.get(path), edge.client.post(path, data={})):
        assert (response.status_code, "does not work any more" in response.text) == (410, True)


def test_a_bad_name_is_told_on_the_page_and_may_be_tried_again(edge: Edge) -> None:
    path = f"/sign-in/{link(edge)}"
    response = edge.client.post(path, data={"name": "<b>" * 40}, follow_redirects=False)
    assert (response.status_code, 'role="alert"' in response.text, "<b>" in response.text) == (400, True, False)
    assert edge.client.post(path, data={"name": "Ana"}, follow_redirects=False).status_code == 303


def test_a_form_on_another_site_cannot_sign_anybody_in(edge: Edge) -> None:
    path = f"/sign-in/{link(edge, name='Mallory')}"
    response = edge.client.post(path, data={}, headers={"origin": "https://evil.example"}, follow_redirects=False)
    assert (response.status_code, "set-cookie" in response.headers) == (403, False)


def test_the_sign_in_page_needs_no_script_and_lets_no_site_frame_it(edge: Edge) -> None:
    page = edge.client.get(f"/sign-in/{link(edge)}")
    policy = page.headers["content-security-policy"]
    (nonce,) = re.findall(r'<style nonce="([^"]+)">', page.text)
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and f"'nonce-{nonce}'" in policy
    assert page.headers["cache-control"] == "no-store"
    assert "<script" not in page.text


def test_an_owner_makes_rotates_and_revokes_their_bot_s_keys(edge: Edge) -> None:
    owner, path = key_of(edge, "owner"), "/v1/bots/shop/keys"
    made = edge.client.post(path, json={"name": "Ben", "role": "reader"}, headers=owner).json()
    reader = {"authorization": f"Bearer {made['key']}"}
    assert edge.client.get("/v1/me", headers=reader).json()["name"] == "Ben"
    rotated = edge.client.post(f"{path}/{made['id']}/rotate?grace_s=0", headers=owner).json()
    assert edge.client.get("/v1/me", headers=reader).status_code == 401
    reader = {"authorization": f"Bearer {rotated['key']}"}
    assert edge.client.delete(f"{path}/{rotated['id']}", headers=owner).json()["revoked_at"] is not None
    assert edge.client.get("/v1/me", headers=reader).status_code == 401
    listed = edge.client.get(path, headers=owner).json()["items"]
    assert {"sender", "owner", "Ben"} == {key["name"] for key in listed}
    assert not any(made["key"] in str(key) or "digest" in key for key in listed)


def test_another_bot_s_key_is_not_found_through_one_s_own(edge: Edge) -> None:
    with writing(edge.context.engine) as connection:
        create_bot(connection, "bank", now())
        foreign = keys.id_of(keys.create_key(connection, name="B", role="reader", bot="bank", now=now()))
    owner = key_of(edge, "owner")
    assert problem(edge.client.delete(f"/v1/bots/shop/keys/{foreign}", headers=owner)) == (404, "key-not-found", "")
    assert problem(edge.client.post(f"/v1/bots/shop/keys/{foreign}/rotate", headers=owner))[0] == 404


def test_an_owner_cannot_make_an_operator(edge: Edge) -> None:
    owner = key_of(edge, "owner")
    for path in ("/v1/bots/shop/keys", "/v1/bots/shop/sign-ins"):
        response = edge.client.post(path, json={"name": "Ben", "role": "operator"}, headers=owner)
        assert problem(response) == (403, "forbidden", "")


def test_an_owner_invites_a_reviewer(edge: Edge) -> None:
    invited = edge.client.post("/v1/bots/shop/sign-ins", json={"role": "reviewer"}, headers=key_of(edge, "owner"))
    assert invited.status_code == 201
    path = invited.json()["url"].removeprefix(edge.context.settings.base_url)
    assert edge.client.post(path, data={"name": "Ben"}, follow_redirects=False).status_code == 303


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"name": "Ben", "role": "king"}, "role"),
        ({"name": "Ben"}, "role"),
        ({"name": "", "role": "reader"}, "name"),
        ({"name": "Ben", "role": "reader", "bot": "bank"}, "bot"),
    ],
)
def test_a_wrong_key_request_names_the_field(edge: Edge, body: dict[str, str], path: str) -> None:
    response = edge.client.post("/v1/bots/shop/keys", json=body, headers=key_of(edge, "owner"))
    assert response.status_code == 400
    assert path in str(response.json())


def test_an_operator_opens_a_bot_that_takes_logs_at_once(edge: Edge) -> None:
    operator = key_of(edge, "operator", None)
    response = edge.client.post("/v1/bots", json={"name": "bank", "audit_rate": 0.1}, headers=operator)
    opened = response.json()
    assert (response.status_code, opened["bot"]["audit_rate"]) == (201, 0.1)
    assert opened["webhook"].endswith("/webhooks/bank/native")
    delivered = edge._replace(secret=opened["secret"]).deliver(turn(), path="/webhooks/bank/native")
    assert delivered.status_code == 202
    again = edge.client.post("/v1/bots", json={"name": "bank"}, headers=operator)
    assert problem(again) == (409, "bot-exists", "name")


def test_rotation_keeps_the_old_secret_for_the_grace_period(edge: Edge) -> None:
    owner = key_of(edge, "owner")
    rotate = "/v1/bots/shop/sources/native/rotate"
    secret = edge.client.post(rotate, headers=owner).json()["secret"]
    assert edge.deliver(turn(), delivery_id="old").status_code == 202
    assert edge._replace(secret=secret).deliver(turn(), delivery_id="new").status_code == 202
    secret = edge.client.post(f"{rotate}?grace_s=0", headers=owner).json()["secret"]
    assert edge.deliver(turn(), delivery_id="older").status_code == 401
    assert edge._replace(secret=secret).deliver(turn(), delivery_id="newest").status_code == 202


def test_a_list_shows_each_their_own_bots(edge: Edge) -> None:
    with writing(edge.context.engine) as connection:
        create_bot(connection, "bank", now())

    def shown(headers: dict[str, str]) -> list[str]:
        return [bot["name"] for bot in edge.client.get("/v1/bots", headers=headers).json()["items"]]

    assert shown(key_of(edge, "reader", "shop")) == ["shop"]
    assert shown(key_of(edge, "reader", None)) == ["bank", "shop"]


def test_only_who_may_know_learns_that_a_bot_does_not_exist(edge: Edge) -> None:
    assert problem(edge.client.get("/v1/bots/nope", headers=key_of(edge, "operator", None)))[:2] == (
        404,
        "bot-not-found",
    )
    assert edge.client.get("/v1/bots/nope", headers=key_of(edge, "owner")).status_code == 403
    assert edge.client.get("/v1/bots/nope").status_code == 401


def test_an_archived_bot_can_be_read_and_not_changed(edge: Edge) -> None:
    owner = key_of(edge, "owner")
    with writing(edge.context.engine) as connection:
        archive_bot(connection, "shop", now())
    assert edge.client.get("/v1/bots/shop", headers=owner).status_code == 200
    response = edge.client.patch("/v1/bots/shop", json={"low_water": 1}, headers=owner)
    assert problem(response)[:2] == (410, "bot-archived")


def test_settings_change_one_by_one_and_a_new_encoder_asks_for_vectors(edge: Edge) -> None:
    owner, redis = key_of(edge, "owner"), edge.context.redis
    flag = PENDING.of("shop", job=Job.REEMBED.name.lower())
    assert edge.client.patch("/v1/bots/shop", json={"low_water": 1}, headers=owner).json()["low_water"] == 1
    assert not redis.exists(flag)
    changed = edge.client.patch("/v1/bots/shop", json={"encoder": "some/model"}, headers=owner).json()
    assert (changed["encoder"], changed["low_water"], redis.exists(flag)) == ("some/model", 1, 1)


def test_another_uncertainty_asks_for_the_turns_to_be_assessed_by_it(edge: Edge) -> None:
    owner, redis = key_of(edge, "owner"), edge.context.redis
    flag = PENDING.of("shop", job=Job.RESCORE.name.lower())
    assert (
        edge.client.patch("/v1/bots/shop", json={"uncertainty": "ours"}, headers=owner).json()["uncertainty"] == "ours"
    )
    assert not redis.exists(flag)
    changed = edge.client.patch("/v1/bots/shop", json={"uncertainty": "theirs"}, headers=owner).json()
    assert (changed["uncertainty"], redis.exists(flag)) == ("theirs", 1)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"audit_rate": 2}, "audit_rate"),
        ({"champion": 2}, "champion"),
        ({"uncertainty": "mine"}, "ours|theirs|disagreement"),
        ({"patterns": [{"name": "X", "regex": "("}]}, "patterns[0].regex"),
        ({"patterns": [{"name": "X", "regex": "(a+)+b"}]}, "patterns[0].regex"),
    ],
)
def test_a_wrong_setting_names_the_field(edge: Edge, body: dict[str, Any], path: str) -> None:
    response = edge.client.patch("/v1/bots/shop", json=body, headers=key_of(edge, "owner"))
    assert response.status_code == 400
    assert path in str(response.json())


def test_an_expired_key_is_refused(edge: Edge) -> None:
    with writing(edge.context.engine) as connection:
        key = keys.create_key(connection, name="A", role="reader", bot="shop", now=now())
        keys.rotate_key(connection, keys.id_of(key), now(), grace=timedelta(0))
    assert edge.client.get("/v1/me", headers={"authorization": f"Bearer {key}"}).status_code == 401


def test_changes_over_http_are_written_down_in_the_person_s_name(edge: Edge) -> None:
    path = f"/sign-in/{link(edge, name='Ana', role='owner')}"
    edge.client.post(path, data={}, follow_redirects=False)
    edge.client.patch("/v1/bots/shop", json={"low_water": 1}, headers=SAME_ORIGIN)
    c = t.audit_log.c
    with reading(edge.context.engine) as connection:
        newest = connection.execute(sa.select(c.who, c.action, c.details).order_by(c.id.desc())).first()
    assert newest == ("Ana", "bot.set", {"low_water": 1})
