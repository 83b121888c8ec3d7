"""Labelling functions over HTTP and on the command line."""

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from service import tables
from service.access import keys
from service.cli import cli
from service.clock import now
from service.database import reading, writing
from service.intents import store
from service.jobs import Job
from service.streams import PENDING
from tests.support.edge import Edge

URL = "/v1/bots/shop/labelling-functions"
YAML = "- {name: says refund, kind: keywords, intent: refund, words: [refund, money back]}\n"


@pytest.fixture
def owner(edge: Edge) -> dict[str, str]:
    with writing(edge.context.engine) as connection:
        store.create_intents(connection, "shop", {"refund": "money back", "track": ""}, now())
        key = keys.create_key(connection, name="Ana", role="owner", bot="shop", now=now())
    return {"authorization": f"Bearer {key}"}


def run(edge: Edge, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["weak", *arguments], obj=edge.context.settings)


def sets(edge: Edge) -> list[str]:
    with reading(edge.context.engine) as connection:
        return list(connection.scalars(sa.select(tables.function_set.c.text).order_by(tables.function_set.c.id)))


def test_what_was_put_is_shown_and_a_training_asked_for(edge: Edge, owner: dict[str, str]) -> None:
    assert edge.client.get(URL, headers=owner).json() == {
        "set": None,
        "classifier": None,
        "examples": 0,
        "functions": [],
    }
    put = edge.client.put(URL, content=YAML.encode(), headers=owner)
    assert (put.status_code, put.json()["text"], put.json()["who"]) == (200, YAML, "Ana")
    assert edge.client.get(URL, headers=owner).json()["set"] == put.json()
    assert edge.context.redis.exists(PENDING.of("shop", job=Job.TRAIN.name.lower()))


def test_a_repeat_adds_no_set_and_an_empty_list_is_one(edge: Edge, owner: dict[str, str]) -> None:
    first = edge.client.put(URL, content=YAML.encode(), headers=owner).json()
    assert edge.client.put(URL, content=YAML.encode(), headers=owner).json() == first
    edge.client.put(URL, content=b"[]", headers=owner)
    assert sets(edge) == [YAML, "[]"]
    assert edge.client.get(URL, headers=owner).json()["set"]["text"] == "[]"


@pytest.mark.parametrize(
    ("body", "path", "detail"),
    [
        (YAML.replace("intent: refund", "intent: refnd"), "says refund.intent", "bot 'shop' has no intent 'refnd'"),
        (YAML.replace("intent: refund", "intent: none"), "says refund.intent", "bot 'shop' has no intent 'none'"),
        (YAML.replace("intent: refund", "intent: track"), "says refund.intent", "intent 'track' is archived"),
        (YAML.replace("kind: keywords", "kind: word"), "says refund.kind", "Invalid value 'word'"),
        ("{}x", "line 1", "not YAML: expected '<document start>', but found '<scalar>'"),
    ],
)
def test_a_fault_is_answered_and_nothing_changes(
    edge: Edge, owner: dict[str, str], body: str, path: str, detail: str
) -> None:
    edge.client.put(URL, content=YAML.encode(), headers=owner)
    with writing(edge.context.engine) as connection:
        store.archive_intent(connection, "shop", 2, now())
    answer = edge.client.put(URL, content=body.encode(), headers=owner)
    assert (answer.status_code, answer.json()["type"]) == (400, "bad-input")
    assert (answer.json()["path"], answer.json()["detail"]) == (path, detail)
    assert answer.json()["hint"]
    assert sets(edge) == [YAML]


def test_an_intents_earlier_name_is_known(edge: Edge, owner: dict[str, str]) -> None:
    with writing(edge.context.engine) as connection:
        store.rename_intent(connection, "shop", 1, "money_back", now())
    assert edge.client.put(URL, content=YAML.encode(), headers=owner).status_code == 200


def test_bytes_that_are_no_utf8_are_refused(edge: Edge, owner: dict[str, str]) -> None:
    for body in (b"\xff", YAML.encode("utf-16"), YAML.replace("says", "é").encode("latin-1")):
        assert edge.client.put(URL, content=body, headers=owner).status_code == 400
    assert sets(edge) == []


def test_put_and_show_at_the_terminal(edge: Edge, owner: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    assert "has no labelling functions" in run(edge, "show", "shop").output
    file.write_text(YAML, "utf-8")
    assert (
        run(edge, "put", "shop", str(file)).output
        == "shop has new labelling functions (set 1); a training is asked for.\n"
    )
    assert run(edge, "show", "shop").output == f"{YAML}No training has used them yet.\n"
    assert json.loads(run(edge, "show", "shop", "--json").output)["set"]["id"] == 1
    file.write_text(YAML.replace("words:", "word:"), "utf-8")
    failed = run(edge, "put", "shop", str(file))
    assert failed.exit_code == 1
    assert failed.output.startswith("Error: rules.yaml, says refund: Object contains unknown field `word`\nHint: ")
