"""Importing and changing intents over HTTP and on the command line."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from service import tables as t
from service.access import keys
from service.cli import cli
from service.clock import now
from service.database import reading, writing
from service.intents import store
from service.jobs import Job
from service.streams import PENDING
from service.turns.schemas import Entity, Example
from tests.support.edge import Edge

IMPORT, GOLD = "/v1/bots/shop/intents/import", "/v1/bots/shop/gold/import"
REFUND = {"name": "refund", "description": "money back", "examples": ["I want my money", "refund me"]}
TRACK = {"name": "track", "examples": [{"text": "where is 7", "entities": [{"type": "order", "start": 9, "end": 10}]}]}
NOTHING = {"name": "none", "examples": ["how tall is the moon"]}


@pytest.fixture
def owner(edge: Edge) -> dict[str, str]:
    with writing(edge.context.engine) as connection:
        key = keys.create_key(connection, name="Ana", role="owner", bot="shop", now=now())
    return {"authorization": f"Bearer {key}"}


def lines(*items: object) -> bytes:
    return b"\n".join(json.dumps(item).encode() for item in items)


def examples(edge: Edge) -> list[Example]:
    return [fact for fact in edge.facts() if isinstance(fact, Example)]


def names(edge: Edge) -> dict[str, str]:
    with reading(edge.context.engine) as connection:
        return {intent.name: intent.description for intent in store.list_intents(connection, "shop")}


def test_intents_are_kept_and_their_examples_sent_to_ingest(edge: Edge, owner: dict[str, str]) -> None:
    response = edge.client.post(IMPORT, content=lines(REFUND, TRACK, NOTHING), headers=owner)
    assert (response.status_code, response.json()) == (200, {"created": 2, "updated": 0, "examples": 4, "notes": []})
    assert names(edge) == {"refund": "money back", "track": ""}
    sent = examples(edge)
    assert [(example.intent, example.text, example.use) for example in sent] == [
        ("refund", "I want my money", "train"),
        ("refund", "refund me", "train"),
        ("track", "where is 7", "train"),
        ("", "how tall is the moon", "train"),
    ]
    assert sent[2].entities == (Entity("order", "7", 9, 10),)
    assert edge.context.redis.exists(PENDING.of("shop", job=Job.TRAIN.name.lower()))


def test_a_repeated_import_sends_the_same_ids_also_after_a_rename(edge: Edge, owner: dict[str, str]) -> None:
    edge.client.post(IMPORT, content=lines(REFUND), headers=owner)
    first = {example.external_id for example in examples(edge)}
    with writing(edge.context.engine) as connection:
        store.rename_intent(connection, "shop", 1, "money_back", now())
    again = edge.client.post(IMPORT, content=lines(REFUND, REFUND), headers=owner).json()
    assert (again["created"], again["examples"]) == (0, 2)
    assert again["notes"] == ["'refund' is 'money_back' now: its examples went there"]
    assert {example.external_id for example in examples(edge)} == first
    assert names(edge) == {"money_back": "money back"}


def test_a_later_description_replaces_and_an_empty_one_keeps(edge: Edge, owner: dict[str, str]) -> None:
    edge.client.post(IMPORT, content=lines(REFUND), headers=owner)
    edge.client.post(IMPORT, content=lines({"name": "refund"}), headers=owner)
    assert names(edge) == {"refund": "money back"}
    changed = edge.client.post(IMPORT, content=lines({"name": "refund", "description": "other"}), headers=owner).json()
    assert (changed["updated"], names(edge)) == (1, {"refund": "other"})


def test_an_archived_intent_stays_archived_and_gets_nothing(edge: Edge, owner: dict[str, str]) -> None:
    edge.client.post(IMPORT, content=lines({"name": "refund"}, TRACK), headers=owner)
    edge.client.patch("/v1/bots/shop/intents/1", json={"archived": True}, headers=owner)
    imported = edge.client.post(IMPORT, content=lines(REFUND), headers=owner).json()
    assert (imported["examples"], imported["notes"]) == (
        0,
        ["intent 'refund' is archived: its examples were left out"],
    )
    assert "refund" not in names(edge)


def test_a_merged_intent_s_examples_go_to_the_target(edge: Edge, owner: dict[str, str]) -> None:
    edge.client.post(IMPORT, content=lines({"name": "refund"}, TRACK), headers=owner)
    merged = edge.client.patch("/v1/bots/shop/intents/1", json={"merge_into": "track"}, headers=owner)
    assert merged.json()["merged_into"] == 2
    edge.client.post(IMPORT, content=lines(REFUND), headers=owner)
    assert [example.intent for example in examples(edge)[-2:]] == ["track", "track"]


def test_a_text_under_two_intents_is_pointed_out_without_quoting_it(edge: Edge, owner: dict[str, str]) -> None:
    both = lines({"name": "a", "examples": ["hello"]}, {"name": "b", "examples": ["hello"]})
    (note,) = edge.client.post(IMPORT, content=both, headers=owner).json()["notes"]
    assert note == "one text is an example of 'a' (line 1, examples[0]) and of 'b' (line 2, examples[0])"


@pytest.mark.parametrize(
    ("bad", "path"),
    [
        (b"not json", "line 2"),
        (b"\xff", "line 2"),
        (b'{"name": "x", "examples": ["\\ud800"]}', "line 2"),
        (b'{"name": "x", "examples": ["a\\u0000"]}', "line 2, examples[0]"),
        (b'{"name": "x", "examples": [" "]}', "line 2, examples[0]"),
        (lines({"name": "x", "examples": ["x" * 4_001]}), "line 2, examples[0]"),
        (b'{"name": " "}', "line 2, name"),
        (b'{"name": "a\\u0000"}', "line 2, name"),
        (b'{"name": 7}', "line 2, name"),
        (lines({"name": "x", "description": "d" * 4_001}), "line 2, description"),
        (b"[" * 50_000, "line 2"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_kept(edge: Edge, owner: dict[str, str], bad: bytes, path: str) -> None:
    response = edge.client.post(IMPORT, content=lines(REFUND) + b"\n" + bad, headers=owner)
    assert (response.status_code, response.json()["type"], response.json()["path"]) == (400, "bad-input", path)
    assert (names(edge), edge.facts()) == ({}, [])


def test_an_empty_import_is_refused(edge: Edge, owner: dict[str, str]) -> None:
    assert edge.client.post(IMPORT, content=b"\n", headers=owner).status_code == 400


def test_a_full_stream_takes_nothing_of_an_import(edge: Edge, owner: dict[str, str]) -> None:
    bound = edge.context.settings.stream_bound
    edge.context.redis.eval(  # one entry stands for many here: only the length counts
        "for i = 1, ARGV[1] do redis.call('XADD', KEYS[1], '*', 'e', '') end", 1, "fp:{shop}:v1:turns", str(bound)
    )
    response = edge.client.post(IMPORT, content=lines(REFUND), headers=owner)
    assert (response.status_code, response.json()["type"]) == (503, "stream-full")
    assert names(edge) == {}


def test_gold_labels_test_and_do_not_train(edge: Edge, owner: dict[str, str]) -> None:
    edge.client.post("/v1/bots/shop/intents", json={"name": "refund"}, headers=owner)
    gold = lines({"text": "money!", "intent": "refund"}, {"text": "hm", "intent": None})
    assert edge.client.post(GOLD, content=gold, headers=owner).json()["examples"] == 2
    assert [(example.intent, example.use) for example in examples(edge)] == [("refund", "gold"), ("", "gold")]
    assert not edge.context.redis.exists(PENDING.of("shop", job=Job.TRAIN.name.lower()))


def test_what_tests_in_a_file_never_trains(edge: Edge, owner: dict[str, str]) -> None:
    """An export holds both: imported as intents and as gold labels, each example goes where it was."""
    both = lines(
        {"name": "refund"},
        {"text": "money!", "intent": "refund", "split": "train"},
        {"text": "cash!", "intent": "refund", "split": "test"},
    )
    trains = edge.client.post(IMPORT, content=both, headers=owner).json()
    tests = edge.client.post(GOLD, content=both, headers=owner).json()
    assert [(example.text, example.use) for example in examples(edge)] == [("money!", "train"), ("cash!", "gold")]
    assert trains["notes"] == ["1 examples test and were left out: `fencepost gold import` takes them"]
    assert tests["notes"] == ["1 examples train: `fencepost intents import` takes them"]


def test_gold_of_an_unknown_intent_is_refused_by_line(edge: Edge, owner: dict[str, str]) -> None:
    gold = lines({"text": "hm", "intent": None}, {"text": "money!", "intent": "refund"})
    response = edge.client.post(GOLD, content=gold, headers=owner)
    assert (response.status_code, response.json()["path"], edge.facts()) == (400, "line 2", [])
    assert "fencepost intents import" in response.json()["hint"]


def test_one_intent_is_made_described_renamed_and_brought_back(edge: Edge, owner: dict[str, str]) -> None:
    path = "/v1/bots/shop/intents"
    made = edge.client.post(path, json={"name": "refund", "description": "money"}, headers=owner)
    assert (made.status_code, made.json()["id"]) == (201, 1)
    changed = edge.client.patch(f"{path}/1", json={"name": "money_back", "description": "m"}, headers=owner).json()
    assert (changed["name"], changed["description"]) == ("money_back", "m")
    assert edge.client.patch(f"{path}/1", json={"archived": True}, headers=owner).json()["archived_at"]
    assert edge.client.get(path, headers=owner).json()["items"] == []
    assert edge.client.patch(f"{path}/1", json={"archived": False}, headers=owner).json()["archived_at"] is None


@pytest.mark.parametrize(
    ("intent", "body", "status", "type_"),
    [
        (1, {"name": "track"}, 409, "intent-name-taken"),
        (1, {"name": "none"}, 400, "bad-input"),
        (1, {"merge_into": "refund"}, 400, "bad-input"),
        (1, {"merge_into": "nope"}, 404, "intent-not-found"),
        (9, {"archived": True}, 404, "intent-not-found"),
        (10**30, {"archived": True}, 400, "bad-input"),
        (1, {"colour": "red"}, 400, "bad-input"),
        (1, {"archived": "yes"}, 400, "bad-input"),
    ],
)
def test_a_change_that_cannot_be_is_refused_whole(
    edge: Edge, owner: dict[str, str], intent: int, body: dict[str, Any], status: int, type_: str
) -> None:
    edge.client.post(IMPORT, content=lines({"name": "refund"}, {"name": "track"}), headers=owner)
    body = {"description": "changed"} | body
    response: httpx.Response = edge.client.patch(f"/v1/bots/shop/intents/{intent}", json=body, headers=owner)
    assert (response.status_code, response.json()["type"]) == (status, type_)
    assert names(edge) == {"refund": "", "track": ""}


# --- the command line ---


def run(edge: Edge, *arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], obj=edge.context.settings)


@pytest.fixture
def rasa(tmp_path: Path) -> Path:
    path = tmp_path / "nlu.yml"
    path.write_text("nlu:\n- intent: book\n  examples: |\n    - to [Lyon](city)\n")
    return path


def test_every_format_is_told_by_its_ending(edge: Edge, rasa: Path, tmp_path: Path) -> None:
    (tmp_path / "i.csv").write_text("name,example\nrefund,my money\n")
    (tmp_path / "i.jsonl").write_bytes(lines(TRACK))
    for path in (rasa, tmp_path / "i.csv", tmp_path / "i.jsonl"):
        result = run(edge, "intents", "import", path, "--bot", "shop")
        assert (result.exit_code, result.output[:17]) == (0, "1 intents created")
    assert sorted(names(edge)) == ["book", "refund", "track"]
    assert {example.text for example in examples(edge)} == {"to Lyon", "my money", "where is 7"}


def test_a_bad_file_is_named_with_line_and_mend(edge: Edge, tmp_path: Path) -> None:
    path = tmp_path / "i.csv"
    path.write_text("name,example\nrefund,my money, now\n")
    result = run(edge, "intents", "import", path, "--bot", "shop")
    assert (result.exit_code, result.output) == (
        1,
        "Error: i.csv, line 2: 3 cells under 2 columns\nHint: put a cell that has a comma in quotes\n",
    )
    assert names(edge) == {}


def test_an_unknown_ending_asks_for_the_format(edge: Edge, rasa: Path) -> None:
    other = rasa.rename(rasa.with_suffix(".txt"))
    assert (
        "say --format clu|csv|dialogflow_cx|jsonl|lex|rasa"
        in run(edge, "intents", "import", other, "--bot", "shop").output
    )
    assert run(edge, "intents", "import", other, "--bot", "shop", "--format", "rasa").exit_code == 0


def test_an_unknown_bot_is_told(edge: Edge, rasa: Path) -> None:
    result = run(edge, "intents", "import", rasa, "--bot", "nope")
    assert (result.exit_code, "there is no bot 'nope'" in result.output) == (1, True)
    assert edge.facts() == []


def test_intents_are_changed_by_name_and_listed(edge: Edge, tmp_path: Path) -> None:
    path = tmp_path / "i.jsonl"
    path.write_bytes(lines({"name": "refund"}, {"name": "money"}, {"name": "track"}))
    run(edge, "intents", "import", path, "--bot", "shop")
    for change in (
        ("rename", "track", "where"),
        ("merge", "money", "refund"),
        ("archive", "where"),
        ("archive", "money", "--undo"),
    ):
        assert run(edge, "intents", *change, "--bot", "shop").exit_code == 0
    listed = json.loads(run(edge, "intents", "list", "--bot", "shop", "--archived", "--json").output)
    assert [(view["name"], bool(view["archived_at"]), view["merged_into"]) for view in listed] == [
        ("refund", False, None),
        ("money", False, None),
        ("where", True, None),
    ]
    table = run(edge, "intents", "list", "--bot", "shop", "--archived").output
    assert "where   archived" in table


def test_gold_is_imported_from_a_file(edge: Edge, rasa: Path) -> None:
    assert "no intent 'book'" in run(edge, "gold", "import", rasa, "--bot", "shop").output
    run(edge, "intents", "import", rasa, "--bot", "shop")
    assert run(edge, "gold", "import", rasa, "--bot", "shop").exit_code == 0
    assert [(example.use, example.intent) for example in examples(edge)] == [("train", "book"), ("gold", "book")]


def test_commands_are_written_down_too(edge: Edge, rasa: Path) -> None:
    run(edge, "intents", "import", rasa, "--bot", "shop")
    c = t.audit_log.c
    with reading(edge.context.engine) as connection:
        rows = connection.execute(sa.select(c.who, c.action).order_by(c.id.desc()).limit(2)).all()
    assert [row.action for row in rows] == ["intents.import", "intent.create"]
    assert all("terminal" in row.who for row in rows)


def test_bots_keys_and_secrets_from_the_command_line(edge: Edge) -> None:
    made = json.loads(
        run(edge, "bot", "create", "bank", "--low-water", "4", "--pattern", "ORDER=#\\d+", "--json").stdout
    )
    assert (made["bot"]["low_water"], made["secret"][:6]) == (4, "whsec_")
    assert json.loads(run(edge, "bot", "list", "--json").output)[0]["patterns"] == [{"name": "ORDER", "regex": "#\\d+"}]
    assert run(edge, "bot", "set", "bank", "--no-patterns").exit_code == 0
    assert json.loads(run(edge, "bot", "show", "bank", "--json").output)["patterns"] == []
    assert run(edge, "sources", "rotate", "bank").stdout.startswith("whsec_")
    assert "/webhooks/bank/native" in run(edge, "sources", "list", "bank").output
    assert run(edge, "bot", "archive", "bank").output == "bank is archived.\n"
    assert "archived" in run(edge, "sources", "rotate", "bank").output
    assert run(edge, "bot", "archive", "bank", "--undo").output == "bank is live.\n"


def test_a_key_from_the_command_line_opens_and_closes(edge: Edge) -> None:
    key = run(edge, "keys", "create", "Ana", "--role", "reader", "--bot", "shop").stdout.strip()
    header = {"authorization": f"Bearer {key}"}
    assert edge.client.get("/v1/me", headers=header).json()["name"] == "Ana"
    rotated = json.loads(run(edge, "keys", "rotate", keys.id_of(key), "--json").stdout)
    assert "valid until" in run(edge, "keys", "list", "--bot", "shop").output
    run(edge, "keys", "revoke", keys.id_of(key))
    assert edge.client.get("/v1/me", headers=header).status_code == 401
    assert edge.client.get("/v1/me", headers={"authorization": f"Bearer {rotated['key']}"}).status_code == 200


def test_a_sign_in_link_from_the_command_line_works(edge: Edge) -> None:
    url = run(edge, "sign-in", "--name", "Ana").output.strip()
    path = url.removeprefix(edge.context.settings.base_url)
    assert edge.client.post(path, data={}, follow_redirects=False).status_code == 303
    assert edge.client.get("/v1/me").json()["role"] == "operator"
