"""Classifiers over HTTP and in a terminal."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result
from litestar import Litestar
from litestar.testing import TestClient

from service import database, tables
from service.access.keys import create_key
from service.classifiers import rules, store
from service.classifiers.gates import Flip
from service.cli import cli
from service.clock import now
from service.context import Context
from service.operations import doctor
from tests.support.edge import build
from tests.support.encoder import FakeEncoder
from tests.support.shop import BOT, add_turn, open_shop
from tests.support.trials import challenge
from workers.training import train

URL = f"/v1/bots/{BOT}/classifiers"
WHY, REASON = {"reason": "it is better"}, ("--reason", "it is better")


class Desk:
    def __init__(self, client: TestClient[Litestar], context: Context, keys: dict[str, str]) -> None:
        self.client, self.context, self.keys = client, context, keys

    def ask(self, method: str, path: str = "", role: str = "reader", body: object = None) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.keys[role]}"}
        return self.client.request(method, URL + path, headers=headers, json=body)


@pytest.fixture
def desk(context: Context) -> Iterator[Desk]:
    open_shop(context.engine)
    add_turn(context.engine, "where is my stuff")
    assert train(context, FakeEncoder(), BOT, patience_s=0.0) == 1
    with database.writing(context.engine) as connection:
        roles: tuple[Any, ...] = ("reader", "owner")
        keys = {role: create_key(connection, name=role, role=role, bot=BOT, now=now()) for role in roles}
    with TestClient(build(context.settings), raise_server_exceptions=False) as client:
        yield Desk(client, context, keys)


def second(context: Context) -> None:
    """Put a second classifier in force: a copy of the first."""
    with database.writing(context.engine) as connection:
        first = store.load(connection, BOT, 1)
        n = store.save(connection, BOT, first.head, first.manifest, "challenger", now())
        assert store.promote(connection, BOT, n, 1)


def command(context: Context, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["classifiers", *arguments], obj=context.settings)


def test_a_manifest_says_what_a_classifier_was_trained_on(desk: Desk) -> None:
    shown = desk.ask("GET", "/1").json()
    assert (shown["n"], shown["status"], shown["trial"]) == (1, "champion", None)
    assert shown["manifest"]["phase"] == "cold"
    assert shown["manifest"]["labels"] == 0
    assert shown["manifest"]["encoder"] == FakeEncoder().identity(BOT)
    assert set(shown["manifest"]["intents"]) == {"refund", "cancel_order", "track_order"}


def test_versions_are_listed_newest_first(desk: Desk) -> None:
    second(desk.context)
    found = desk.ask("GET").json()["items"]
    assert [(version["n"], version["status"]) for version in found] == [(2, "champion"), (1, "retired")]


def test_an_owner_rolls_back_in_one_call(desk: Desk) -> None:
    second(desk.context)
    answer = desk.ask("POST", "/1/rollback", "owner", WHY)
    assert (answer.status_code, answer.json()["status"]) == (200, "champion")
    assert [version["status"] for version in desk.ask("GET").json()["items"]] == ["retired", "champion"]
    assert desk.ask("POST", "/2/rollback", body=WHY).status_code == 403


@pytest.mark.usefixtures("redacted_unlocked")
def test_an_owner_promotes_what_its_gate_held(desk: Desk) -> None:
    with database.writing(desk.context.engine) as connection:
        first = store.load(connection, BOT, 1)
        store.save(connection, BOT, first.head, first.manifest, "held", now())
    assert desk.ask("POST", "/2/promote", body=WHY).status_code == 403
    answer = desk.ask("POST", "/2/promote", "owner", WHY)
    assert (answer.status_code, answer.json()["status"]) == (200, "champion")
    refused = desk.ask("POST", "/1/promote", "owner", WHY)
    assert (refused.status_code, refused.json()["type"]) == (409, "not-held")
    assert command(desk.context, "promote", BOT, "2", *REASON).output == f"classifier 2 of {BOT} is in force\n"


@pytest.mark.usefixtures("redacted_unlocked")
def test_an_owner_ends_a_trial_by_hand(desk: Desk) -> None:
    open_flip, other = (Flip(add_turn(desk.context.engine, text), 1, 2) for text in ("give it back", "stop it"))
    n = challenge(desk.context.engine, "open", [open_flip])
    assert desk.ask("POST", f"/{n}/hold", body=WHY).status_code == 403
    unreasoned = desk.ask("POST", f"/{n}/hold", "owner", {})
    assert (unreasoned.status_code, "reason" in unreasoned.json()["detail"]) == (400, True)
    answer = desk.ask("POST", f"/{n}/hold", "owner", {"reason": "it is better, says anna@example.org"}).json()
    assert (answer["status"], answer["trial"]["gate"]["status"]) == ("held", "held")
    told = desk.ask("GET", f"/{n}/history").json()["items"]
    assert ("held_by_hand", "owner", "it is better, says <EMAIL>") in [
        (one["what"], one["who"], one["reason"]) for one in told
    ]
    moved = desk.ask("POST", f"/{n}/promote", "owner", WHY | {"replacing": 7})
    assert (moved.status_code, moved.json()["type"]) == (409, "champion-moved")
    again = challenge(desk.context.engine, "open", [other])
    assert command(desk.context, "hold", BOT, str(again)).exit_code == 2  # no reason
    assert command(desk.context, "hold", BOT, str(again), *REASON).output == f"classifier {again} of {BOT} is held\n"


@pytest.mark.parametrize("path", ["/9", "/0"])
def test_an_unknown_classifier_is_not_found(desk: Desk, path: str) -> None:
    answer = desk.ask("GET", path)
    assert (answer.status_code, answer.json()["type"]) == (404, "classifier-not-found")


def test_in_a_terminal(desk: Desk) -> None:
    second(desk.context)
    assert "2  champion  cold" in command(desk.context, "list", BOT).output
    assert '"phase": "cold"' in command(desk.context, "show", BOT, "1").output
    told = command(desk.context, "metrics", BOT, "1").output.splitlines()
    assert told[0] == "Right on the audit slice: not known, told by 0 turns."
    assert told[1].split() == ["intent", "recall", "of", "precision", "of"] and "refund" in told[3]
    assert command(desk.context, "rollback", BOT, "1", *REASON).output == f"classifier 1 of {BOT} is in force\n"
    failed = command(desk.context, "rollback", BOT, "7", *REASON)
    assert failed.exit_code == 1
    assert "no classifier 7" in failed.output


def label_all(context: Context, n: int) -> None:
    """n turns, in turn of the one intent and of the other."""
    rows = [
        {"bot": BOT, "turn_id": add_turn(context.engine, f"say {i}"), "use": "train", "answer": "intent"}
        | {"intent_id": 1 + i % 2, "origin": "vote", "at": now()}
        for i in range(n)
    ]
    with database.writing(context.engine) as connection:
        connection.execute(tables.label.insert(), rows)


def test_a_reader_sees_whether_labelling_still_pays(desk: Desk) -> None:
    headers = {"authorization": f"Bearer {desk.keys['reader']}"}
    shown = desk.client.get(f"/v1/bots/{BOT}/advice", headers=headers).json()
    assert (shown["verdict"], shown["answered"], shown["target"]) == ("too_early", 0, None)
    assert desk.client.get(f"/v1/bots/{BOT}/advice").status_code == 401


def test_an_owner_asks_for_an_adapted_encoder(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "ADAPT_LABELS", 6)
    label_all(desk.context, 6)
    desk.context.redis.flushall()
    assert desk.ask("POST", "/adapt").status_code == 403
    answer = desk.ask("POST", "/adapt", "owner")
    assert (answer.status_code, answer.json()) == (202, {"bot": BOT, "labels": 6, "is_new": True})
    assert desk.ask("POST", "/adapt", "owner").json()["is_new"] is False
    assert [job.func_name for job in desk.context.queue.jobs] == ["workers.jobs.adapt"]
    said = CliRunner().invoke(cli, ["adapt", "--bot", BOT], obj=desk.context.settings).output
    assert said.startswith(f"Asked already: to tune the encoder of {BOT} on 6 labels.\n")
    assert "nothing changes for the bot unless it wins" in said


def test_too_few_labels_are_said_at_once(desk: Desk) -> None:
    answer = desk.ask("POST", "/adapt", "owner")
    assert (answer.status_code, answer.json()["type"]) == (409, "too-few-labels")
    assert answer.json()["detail"] == "turns of 0 intents are labelled; tuning wants 2 or more to tell apart"
    failed = CliRunner().invoke(cli, ["adapt", "--bot", BOT], obj=desk.context.settings)
    assert (failed.exit_code, "Hint: label more turns" in failed.output) == (1, True)


def test_doctor_says_when_adapting_may_pay(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "DEADLINE_S", 0.1)
    monkeypatch.setattr(rules, "ADAPT_LABELS", 6)
    monkeypatch.setattr(rules, "ADAPT_FROM", 6)
    label_all(desk.context, 6)
    told = {check.name: check for check in doctor.examine(desk.context, lambda _connection, _bot: 0.0)}
    found = told[f"{BOT}: adapting"]
    assert (found.level, found.saw, found.mend) == ("ok", "6 labels", f"`fencepost adapt --bot {BOT}` may pay")
