"""Exports and releases over HTTP and in a terminal."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from litestar import Litestar
from litestar.testing import TestClient

from service import database, tables
from service.access.keys import create_key
from service.cli import cli
from service.clock import now
from service.context import Context
from service.exports import controllers
from service.intents.store import by_name
from tests.support.edge import build
from tests.support.server import serving
from tests.support.shop import AT, BOT, add_turn, open_shop

URL = f"/v1/bots/{BOT}"


class Desk:
    def __init__(self, client: TestClient[Litestar], context: Context, keys: dict[str, str]) -> None:
        self.client, self.context, self.keys = client, context, keys

    def ask(self, method: str, path: str, role: str = "owner", **options: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.keys[role]}"}
        return self.client.request(method, URL + path, headers=headers, **options)

    def command(self, *arguments: str) -> Result:
        return CliRunner().invoke(cli, arguments, obj=self.context.settings)

    def label(self, text: str, intent: str) -> int:
        """The turn's id."""
        turn_id = add_turn(self.context.engine, text)
        with database.writing(self.context.engine) as connection:
            row = {"bot": BOT, "turn_id": turn_id, "use": "train", "answer": "intent", "origin": "vote", "at": AT}
            row["intent_id"] = by_name(connection, BOT, intent).id
            connection.execute(tables.label.insert(), row)
        return turn_id

    def forget(self, turn_id: int) -> None:
        with database.writing(self.context.engine) as connection:
            content = tables.turn_content
            connection.execute(sa.delete(content).where(content.c.turn_id == turn_id))

    def audit(self, action: str) -> list[tuple[str, dict[str, Any]]]:
        log = tables.audit_log.c
        query = sa.select(log.who, log.details).where(log.action == action).order_by(log.id)
        with database.reading(self.context.engine) as connection:
            return [(row.who, row.details) for row in connection.execute(query)]


@pytest.fixture
def desk(context: Context) -> Iterator[Desk]:
    open_shop(context.engine)
    with database.writing(context.engine) as connection:
        roles: tuple[Any, ...] = ("reader", "reviewer", "adjudicator", "owner")
        keys = {role: create_key(connection, name=role, role=role, bot=BOT, now=now()) for role in roles}
    with TestClient(build(context.settings), raise_server_exceptions=False) as client:
        yield Desk(client, context, keys)


def rows(body: bytes) -> list[dict[str, Any]]:
    """Of JSON Lines, without what they say of intents."""
    return [line for line in map(json.loads, body.splitlines()) if "text" in line]


def problem(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, response.json()["type"]


def test_an_owner_downloads_what_is_labelled(desk: Desk) -> None:
    desk.label("money back", "refund")
    desk.label("where is it", "track_order")
    response = desk.ask("GET", "/exports/jsonl")
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/jsonl"
    assert response.headers["content-disposition"] == 'attachment; filename="shop-jsonl.jsonl"'
    assert (response.headers["fencepost-rows"], response.headers["fencepost-forgotten"]) == ("2", "0")
    assert [(row["intent"], row["text"]) for row in rows(response.content)] == [
        ("refund", "money back"),
        ("track_order", "where is it"),
    ]
    told = {"format": "jsonl", "set": "full", "release": None, "rows": 2}
    assert desk.audit("export") == [("owner", told)]


def test_others_see_the_formats_and_get_no_file(desk: Desk) -> None:
    desk.label("money back", "refund")
    page = desk.ask("GET", "/exports", "reader").json()
    assert {"name": "jsonl", "suffix": ".jsonl", "media_type": "application/jsonl", "has_test": True} in page["items"]
    for role in ("reader", "reviewer", "adjudicator"):
        assert problem(desk.ask("GET", "/exports/jsonl", role)) == (403, "forbidden")
    assert desk.audit("export") == []


def test_what_cannot_be_exported_is_a_problem_that_says_the_mend(desk: Desk) -> None:
    assert problem(desk.ask("GET", "/exports/jsonl")) == (409, "nothing-labelled")
    desk.label("money back", "refund")
    unknown = desk.ask("GET", "/exports/lisp")
    assert problem(unknown) == (404, "format-not-found")
    assert "jsonl" in unknown.json()["hint"]
    assert problem(desk.ask("GET", "/exports/jsonl?release=3")) == (404, "release-not-found")
    assert problem(desk.ask("GET", "/exports/jsonl?set=minimal")) == (409, "no-vectors")
    assert problem(desk.ask("GET", "/exports/jsonl?size=3")) == (400, "bad-input")
    for path, bad in (("set", "half"), ("release", "0"), ("release", "x"), ("release", 10**30), ("size", "0")):
        refused = desk.ask("GET", f"/exports/jsonl?{path}={bad}")
        assert (problem(refused), path, refused.json()["path"]) == ((400, "bad-input"), path, path)
    assert desk.audit("export") == []


def test_what_failed_or_ended_leaves_its_seat(desk: Desk) -> None:
    for _ in range(2 * controllers.AT_ONCE):
        assert problem(desk.ask("GET", "/exports/jsonl")) == (409, "nothing-labelled")
    desk.label("money back", "refund")
    for _ in range(2 * controllers.AT_ONCE):
        assert desk.ask("GET", "/exports/jsonl").status_code == 200


def test_more_exports_than_seats_are_asked_to_wait(desk: Desk) -> None:
    desk.label("money back", "refund")
    taken = [controllers.SEATS.acquire(blocking=False) for _ in range(controllers.AT_ONCE)]
    try:
        busy = desk.ask("GET", "/exports/jsonl")
    finally:
        for _ in filter(None, taken):
            controllers.SEATS.release()
    assert problem(busy) == (503, "exports-busy")
    assert busy.headers["retry-after"] == "5"


def test_a_release_is_made_once_and_exported_later(desk: Desk) -> None:
    gone = desk.label("I am Ana", "refund")
    desk.label("money back", "refund")
    made = desk.ask("POST", "/releases", json={"note": "for March"})
    assert made.status_code == 201, made.text
    assert (made.json()["release"]["n"], made.json()["release"]["note"]) == (1, "for March")
    assert made.json()["changelog"].startswith("# shop, release 1\n")
    assert problem(desk.ask("POST", "/releases", json={})) == (409, "nothing-new")
    desk.label("where is it", "track_order")
    desk.forget(gone)
    kept = desk.ask("GET", "/exports/jsonl?release=1")
    assert [row["text"] for row in rows(kept.content)] == ["money back"]
    assert kept.headers["fencepost-forgotten"] == "1"
    assert kept.headers["content-disposition"] == 'attachment; filename="shop-release-1-jsonl.jsonl"'
    assert desk.audit("release.create") == [("owner", {"n": 1})]


def test_readers_see_releases_and_owners_make_them(desk: Desk) -> None:
    desk.label("money back", "refund")
    assert problem(desk.ask("POST", "/releases", "reviewer", json={})) == (403, "forbidden")
    first = desk.ask("POST", "/releases", json={}).json()
    assert desk.ask("GET", "/releases", "reader").json() == {"items": [first["release"]], "next": None}
    assert desk.ask("GET", "/releases/1", "reader").json() == first
    assert problem(desk.ask("GET", "/releases/2", "reader")) == (404, "release-not-found")
    bad = desk.ask("POST", "/releases", json={"note": "x" * 4_001})
    assert (problem(bad), bad.json()["path"]) == ((400, "bad-input"), "note")
    unknown = desk.ask("POST", "/releases", json={"notes": "x"})
    assert problem(unknown) == (400, "bad-input")


def served(ask: dict[str, Any]) -> httpx.Response:
    """The answer, once there is a seat: the server hears a little later that a client has gone."""
    for _ in range(100):
        if (response := httpx.get(**ask)).status_code != 503:
            return response
        time.sleep(0.05)
    raise TimeoutError


def test_the_server_streams_it(context: Context) -> None:
    """More than a block, over a socket, and a client that goes away half-way: the next one is served all the same."""
    open_shop(context.engine)
    with database.writing(context.engine) as connection:
        key = create_key(connection, name="Ana", role="owner", bot=BOT, now=now())
        made = {"bot": BOT, "source": "native", "at": AT, "received_at": AT, "text_key": b"k"}
        ids = [*range(1, 2_001)]
        connection.execute(tables.turn.insert(), [made | {"id": n, "external_id": f"x-{n}"} for n in ids])
        content = [{"turn_id": n, "text": f"{n} {'money back ' * 50}"} for n in ids]
        connection.execute(tables.turn_content.insert(), content)
        given = {"bot": BOT, "use": "train", "answer": "intent", "intent_id": 1, "origin": "vote", "at": AT}
        connection.execute(tables.label.insert(), [given | {"turn_id": n} for n in ids])
    with serving(context.settings) as url:
        ask = {"url": f"{url}{URL}/exports/jsonl", "headers": {"authorization": f"Bearer {key}"}}
        for _ in range(2 * controllers.AT_ONCE):
            with httpx.stream("GET", **ask) as half:
                assert next(half.iter_bytes())
        whole = served(ask)
    assert [row["provenance"]["turn_id"] for row in rows(whole.content)] == ids


def test_the_command_writes_a_file_and_says_what_is_in_it(desk: Desk, tmp_path: Path) -> None:
    desk.label("money back", "refund")
    target = tmp_path / "out.jsonl"
    done = desk.command("export", "jsonl", "--bot", BOT, "--out", str(target))
    assert done.exit_code == 0, done.output
    assert [row["text"] for row in rows(target.read_bytes())] == ["money back"]
    assert f"{target}: rows to learn from: 1; to test on: 0." in done.stderr
    assert "fencepost releases create shop" in done.stderr
    ((who, told),) = desk.audit("export")
    assert (who.endswith("(terminal)"), told["rows"]) == (True, 1)


def test_the_command_writes_to_standard_output(desk: Desk) -> None:
    desk.label("money back", "refund")
    done = desk.command("export", "jsonl", "--bot", BOT, "--out", "-")
    assert (done.exit_code, [row["text"] for row in rows(done.stdout_bytes)]) == (0, ["money back"])


def test_without_a_file_it_is_named_after_the_bot(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    desk.label("money back", "refund")
    desk.command("releases", "create", BOT)
    assert desk.command("export", "jsonl", "--bot", BOT, "--release", "1").exit_code == 0
    assert [path.name for path in tmp_path.glob("shop*")] == ["shop-release-1-jsonl.jsonl"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("lisp",), "Invalid value for 'FORMAT': 'lisp' is not"),
        (("jsonl", "--release", "9"), "has no release 9\nHint: `fencepost releases list` names them"),
        (("jsonl", "--set", "minimal"), "has a vector yet"),
        (("jsonl", "--size", "3"), "size: a size is of the minimal set\nHint: "),
        (("jsonl", "--out", "/nowhere/x"), "--out: /nowhere/x cannot be written: No such file or directory\nHint: "),
    ],
)
def test_the_command_says_what_is_wrong(desk: Desk, arguments: tuple[str, ...], said: str) -> None:
    desk.label("money back", "refund")
    done = desk.command("export", "--bot", BOT, *arguments)
    assert done.exit_code != 0
    assert said in done.stderr
    assert desk.audit("export") == []


def test_releases_in_a_terminal(desk: Desk) -> None:
    moved = desk.label("money back", "refund")
    made = desk.command("releases", "create", BOT, "--note", "for March")
    assert (made.exit_code, made.stdout.splitlines()[0]) == (0, "# shop, release 1")
    assert "fencepost export FORMAT --bot shop --release 1" in made.stderr
    nothing = desk.command("releases", "create", BOT)
    assert (nothing.exit_code, nothing.stderr) == (
        1,
        "Error: no label and no intent of bot 'shop' changed since release 1\n",
    )
    desk.label("where is it", "track_order")
    desk.forget(moved)
    desk.command("releases", "create", BOT)
    listed = desk.command("releases", "list", BOT).stdout.splitlines()
    assert listed[0].split() == ["n", "made", "by", "rows", "added", "removed", "relabelled", "note"]
    assert (listed[1].split()[0], listed[2].endswith("for March")) == ("2", True)
    assert [one["n"] for one in json.loads(desk.command("releases", "list", BOT, "--json").stdout)] == [2, 1]
    shown = desk.command("releases", "show", BOT, "2").stdout
    assert "## Since release 1" in shown
    assert json.loads(desk.command("releases", "show", BOT, "2", "--json").stdout)["changes"]["added"] == 1
    diff = desk.command("releases", "diff", BOT, "1", "2").stdout
    assert diff.splitlines()[0] == "## Since release 1"
    assert "- rows: 1 added, 1 removed, 0 relabelled" in diff
    assert "no release 7" in desk.command("releases", "diff", BOT, "1", "7").stderr
