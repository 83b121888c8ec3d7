"""Proposals and coverage over HTTP and in a terminal."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result
from litestar import Litestar
from litestar.testing import TestClient

from service import database
from service.access.keys import create_key
from service.cli import cli
from service.clock import now
from service.context import Context
from service.proposals import store
from service.proposals.schemas import NewProposal
from tests.support.edge import build
from tests.support.shop import BOT, INTENTS, add_turn, open_shop

URL = f"/v1/bots/{BOT}"


class Desk:
    def __init__(self, client: TestClient[Litestar], context: Context, keys: dict[str, str]) -> None:
        self.client, self.context, self.keys = client, context, keys

    def ask(self, method: str, path: str, role: str = "reader", **options: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.keys[role]}"}
        return self.client.request(method, URL + path, headers=headers, **options)

    def command(self, *arguments: str) -> Result:
        return CliRunner().invoke(cli, ["proposals", *arguments], obj=self.context.settings)

    def propose(self, *texts: str) -> int:
        """An open proposal of these turns; its id."""
        ids = tuple(add_turn(self.context.engine, text) for text in texts)
        found = NewProposal(turn_ids=ids, middle=b"", turns=len(ids), tightness=0.8, phrases=("gift card",))
        with database.writing(self.context.engine) as connection:
            return store.replace_open(connection, BOT, 1, "fake", [found], [], now())[0]


@pytest.fixture
def desk(context: Context) -> Iterator[Desk]:
    open_shop(context.engine)
    with database.writing(context.engine) as connection:
        roles: tuple[Any, ...] = ("reader", "reviewer", "owner")
        keys = {role: create_key(connection, name=role, role=role, bot=BOT, now=now()) for role in roles}
    with TestClient(build(context.settings), raise_server_exceptions=False) as client:
        yield Desk(client, context, keys)


def test_a_reader_sees_what_is_proposed(desk: Desk) -> None:
    first = desk.propose("use my gift card", "pay with a gift card")
    page = desk.ask("GET", "/proposals?status=open").json()
    (proposal,) = page["items"]
    assert page["next"] is None
    assert (proposal["id"], proposal["turns"], proposal["phrases"]) == (first, 2, ["gift card"])
    assert [turn["text"] for turn in proposal["typical"]] == ["use my gift card", "pay with a gift card"]
    assert desk.ask("GET", "/proposals?status=dismissed").json()["items"] == []


def test_pages_are_cut_by_the_limit(desk: Desk) -> None:
    ids = (add_turn(desk.context.engine, f"gift card {i}") for i in range(3))
    found = [NewProposal(turn_ids=(turn_id,), middle=b"", turns=1, tightness=0.8, phrases=()) for turn_id in ids]
    with database.writing(desk.context.engine) as connection:
        made = store.replace_open(connection, BOT, 1, "fake", found, [], now())
    page = desk.ask("GET", "/proposals?limit=2").json()
    rest = desk.ask("GET", f"/proposals?limit=2&cursor={page['next']}").json()
    assert [one["id"] for one in (*page["items"], *rest["items"])] == made[::-1]
    refused = desk.ask("GET", "/proposals?cursor=x")
    assert (refused.status_code, refused.json()["type"]) == (400, "bad-input")


def test_an_owner_accepts_by_name(desk: Desk) -> None:
    proposal = desk.propose("use my gift card")
    done = desk.ask("POST", f"/proposals/{proposal}/accept", "owner", json={"name": "gift_card"})
    assert done.status_code == 200, done.text
    assert done.json()["intent"]["name"] == "gift_card"
    assert done.json()["queued"] == [], "no classifier has seen the turn"
    shown = desk.ask("GET", "/proposals").json()["items"]
    assert [(one["status"], one["intent"]) for one in shown] == [("accepted", "gift_card")]
    again = desk.ask("POST", f"/proposals/{proposal}/accept", "owner", json={"name": "other"})
    assert (again.status_code, again.json()["type"]) == (409, "proposal-closed")


def test_bad_decisions_name_the_field(desk: Desk) -> None:
    proposal = desk.propose("use my gift card")
    taken = desk.ask("POST", f"/proposals/{proposal}/accept", "owner", json={"name": next(iter(INTENTS))})
    nameless = desk.ask("POST", f"/proposals/{proposal}/accept", "owner", json={"name": ""})
    unknown = desk.ask("POST", "/proposals/999/dismiss", "owner")
    assert (taken.status_code, taken.json()["type"]) == (409, "intent-name-taken")
    assert (nameless.status_code, nameless.json()["type"]) == (400, "bad-input")
    assert (unknown.status_code, unknown.json()["type"]) == (404, "proposal-not-found")
    assert [one["status"] for one in desk.ask("GET", "/proposals").json()["items"]] == ["open"]


@pytest.mark.parametrize("role", ["reader", "reviewer"])
def test_only_an_owner_decides(desk: Desk, role: str) -> None:
    proposal = desk.propose("use my gift card")
    assert desk.ask("POST", f"/proposals/{proposal}/accept", role, json={"name": "gift_card"}).status_code == 403
    assert desk.ask("POST", f"/proposals/{proposal}/dismiss", role).status_code == 403
    assert desk.ask("POST", f"/proposals/{proposal}/dismiss", "owner").json()["status"] == "dismissed"


def test_coverage_names_every_intent(desk: Desk) -> None:
    found = desk.ask("GET", "/coverage").json()
    assert (found["n"], found["days"], found["turns"], found["uncovered"]) == (None, 28, 0, 0.0)
    assert [one["name"] for one in found["intents"]] == list(INTENTS)
    assert desk.ask("GET", "/coverage?days=0").status_code == 400


def test_the_commands_list_accept_and_dismiss(desk: Desk) -> None:
    first = desk.propose("use my gift card")
    listed = desk.command("list", BOT)
    assert listed.output.splitlines()[1].split(maxsplit=2) == [str(first), "1", "gift card  use my gift card"]
    accepted = desk.command("accept", BOT, str(first), "--name", "gift_card")
    assert "gift_card is an intent of shop now; 0 of its typical turns wait" in accepted.output
    second = desk.propose("is there parking")
    assert desk.command("dismiss", BOT, str(second)).output == f"proposal {second} of shop is dismissed\n"
    assert desk.command("list", BOT).output.splitlines() == ["id  turns  phrases  a typical turn"]


def test_a_command_says_what_is_wrong(desk: Desk) -> None:
    missing = desk.command("dismiss", BOT, "7")
    assert missing.exit_code == 1
    assert "has no proposal 7" in missing.output
    assert "there is no bot 'bank'" in desk.command("list", "bank").output
