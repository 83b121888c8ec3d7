"""Sources from the command line to the stream: added, tried out, posted to, and what doctor says of them."""

import json
from datetime import UTC, datetime
from pathlib import Path

import httpx
import msgspec
import pytest
from click.testing import CliRunner, Result

from service.bots.source_controllers import OpenedSource
from service.cli import cli
from service.operations.doctor import examine
from service.turns.schemas import Reply, Turn
from tests.support.edge import BOT, Edge, encode, sign, turn
from tests.support.platforms import deliveries, options
from tests.support.signing import SIGNERS

THEIRS = "client-secret-of-theirs"
PLATFORMS = [
    "native",
    "rasa",
    "lex",
    "bot_framework",
    "dialogflow_cx",
    "botpress",
    "chatwoot",
    "intercom",
    "zendesk",
    "generic",
]


def run(edge: Edge, *arguments: str, secret: str = "") -> Result:
    return CliRunner().invoke(cli, arguments, obj=edge.context.settings, input=secret)


def added(edge: Edge, *arguments: str, secret: str = "") -> OpenedSource:
    given = ("--secret-file", "-") if secret else ()
    result = CliRunner(catch_exceptions=False).invoke(
        cli, ["sources", "add", BOT, *arguments, *given, "--json"], obj=edge.context.settings, input=secret
    )
    assert result.exit_code == 0, result.output
    return msgspec.json.decode(result.stdout, type=OpenedSource)


def post(edge: Edge, source: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
    return edge.client.post(f"/webhooks/{BOT}/{source}", content=body, headers=headers)


def test_the_formats_are_listed_with_what_is_not_verified(edge: Edge) -> None:
    listed = json.loads(run(edge, "sources", "list", "--json", "-").stdout)
    assert [one["format"] for one in listed] == PLATFORMS
    found = {one["format"]: one for one in listed}
    assert (found["intercom"]["scheme"], found["intercom"]["margin"]) == ("intercom", "no")
    assert "conversation_rating" in found["intercom"]["unverified"]
    assert found["native"] == {
        "format": "native",
        "scheme": "standard_webhooks",
        "margin": "sometimes",
        "unverified": [],
    }
    assert {one["margin"] for one in listed} == {"yes", "sometimes", "no"}
    assert found["bot_framework"]["margin"] == "sometimes"  # where the bot sets includeAllIntents
    (line,) = [line for line in run(edge, "sources", "list").stdout.splitlines() if line.startswith("bot_framework")]
    assert line.split()[2] == "sometimes"
    assert run(edge, "sources", "list").stdout.split()[:4] == ["format", "scheme", "margin", "not"]


def test_a_source_is_added_listed_and_posted_to(edge: Edge, tmp_path: Path) -> None:
    options_file = tmp_path / "map.json"
    options_file.write_text(json.dumps(options("generic")))
    made = added(edge, "generic", "--name", "desk", "--options", str(options_file), "--tolerance", "60")
    assert made.webhook.endswith("/webhooks/shop/desk")
    (listed,) = [one for one in json.loads(run(edge, "sources", "list", BOT, "--json").stdout) if one["name"] == "desk"]
    assert (listed["format"], listed["tolerance_s"], listed["options"]) == ("generic", 60, options("generic"))
    (body, _) = deliveries("generic")
    answer = post(edge, "desk", body, sign(made.secret, body))
    assert (answer.status_code, answer.json()["accepted"]) == (202, 2)
    assert [type(fact) for fact in edge.facts()] == [Turn, Reply]
    late = sign(made.secret, body, at=datetime.now(UTC).timestamp() - 70)
    assert post(edge, "desk", body, late).status_code == 401


def test_a_sender_s_secret_may_come_later(edge: Edge) -> None:
    made = added(edge, "intercom")
    (body, *_) = deliveries("intercom")
    headers = SIGNERS["intercom"](THEIRS, body, datetime.now(UTC), "")
    assert (made.secret, post(edge, "intercom", body, headers).status_code) == ("", 401)
    refused = run(edge, "sources", "rotate", BOT, "intercom")
    assert (refused.exit_code, "--secret-file" in refused.output) == (1, True)
    taken = run(edge, "sources", "rotate", BOT, "intercom", "--secret-file", "-", secret=THEIRS + "\n")
    assert (taken.exit_code, taken.output) == (0, "The secret you gave is in force.\n")
    assert [post(edge, "intercom", body, headers).status_code for _ in range(2)] == [202, 202]
    ids = [fact.external_id for fact in edge.facts()]
    assert len(ids) == len(set(ids)) > 0


def test_a_platform_that_asks_whether_the_webhook_is_there_is_told(edge: Edge) -> None:
    added(edge, "intercom")  # still without a secret: Intercom asks when its owner types the address
    paths = (f"/webhooks/{BOT}/intercom", f"/webhooks/{BOT}/nowhere", "/webhooks/nobody/intercom", "/webhooks/%00/a")
    assert [edge.client.head(path).status_code for path in paths] == [200, 404, 404, 404]


def test_unsigned_is_a_choice_that_doctor_names(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.operations.doctor.DEADLINE_S", 0.1)  # for the encoder, which is not here
    assert post(edge, "native", encode(turn()), {}).status_code == 401
    made = added(edge, "chatwoot", "--scheme", "unsigned")
    body = deliveries("chatwoot")[0]
    assert (made.secret, post(edge, "chatwoot", body, {}).status_code) == ("", 202)
    added(edge, "zendesk")
    found = {check.name: check for check in examine(edge.context, lambda _connection, _bot: 0.0)}
    assert (found["shop: source chatwoot"].level, found["shop: source zendesk"].level) == ("warning", "warning")
    assert "--scheme" in found["shop: source chatwoot"].mend
    assert "rotate shop zendesk" in found["shop: source zendesk"].mend
    assert "shop: source native" not in found
    mended = run(edge, "sources", "set", BOT, "chatwoot", "--scheme", "chatwoot", "--secret-file", "-", secret=THEIRS)
    assert mended.exit_code == 0, mended.output
    assert post(edge, "chatwoot", body, {}).status_code == 401
    signed = SIGNERS["chatwoot"](THEIRS, body, datetime.now(UTC), "d-2")
    assert post(edge, "chatwoot", body, signed).status_code == 202


def test_an_archived_source_is_not_there_until_it_is_brought_back(edge: Edge) -> None:
    made = added(edge, "rasa")
    body = deliveries("rasa")[0]
    assert run(edge, "sources", "archive", BOT, "rasa").exit_code == 0
    assert post(edge, "rasa", body, sign(made.secret, body)).status_code == 404
    assert run(edge, "sources", "archive", BOT, "rasa", "--undo").exit_code == 0
    assert post(edge, "rasa", body, sign(made.secret, body)).status_code == 202


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", BOT, "generic"), "at least one of turn, reply and report"),
        (("add", BOT, "rasa", "--options", "{file}"), "options: Object contains unknown field"),
        (("add", BOT, "native"), "has a source 'native' already"),
        (("add", BOT, "telex"), "'telex' is not one of 'native'"),
        (("add", "nobody", "rasa"), "there is no bot 'nobody'"),
        (("add", BOT, "rasa", "--tolerance", "0"), "0 is not in the range"),
        (("set", BOT, "native", "--secret-file", "{file}"), "a secret goes with a scheme"),
        (("set", BOT, "slackbot", "--tolerance", "60"), "has no source 'slackbot'"),
        (("test", "telex", "--sample", "{file}"), "one of native, rasa"),
        (("test", "native", "--sample", "{file}"), "skipped  map.json: type: type is missing (missing)"),
        (("list", "nobody"), "there is no bot 'nobody'"),
    ],
)
def test_what_cannot_be_is_said_with_the_mend(
    edge: Edge, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    file = tmp_path / "map.json"
    file.write_text('{"a": 1}')
    result = run(edge, "sources", *(argument.format(file=file) for argument in arguments))
    assert said in result.output
    assert result.exit_code == (0 if said.startswith("skipped") else 2 if "Usage" in result.output else 1)


def test_a_sample_shows_what_it_would_become_and_nothing_is_stored(edge: Edge, tmp_path: Path) -> None:
    sample = tmp_path / "sample.json"
    sample.write_bytes(deliveries("native")[0])
    shown = run(edge, "sources", "test", "native", "--sample", str(sample)).stdout
    assert shown == "turn     c-81:4: 'my card never came' card_arrival 0.41, lost_card 0.39\n"
    options_file = tmp_path / "map.json"
    options_file.write_text(json.dumps(options("generic")))
    sample.write_bytes(deliveries("generic")[0])
    with_map = ("--sample", str(sample), "--options", str(options_file))
    tried = json.loads(run(edge, "sources", "test", "generic", *with_map, "--json", "-").stdout)
    added(edge, "generic", "--options", str(options_file))
    own = run(edge, "sources", "test", "generic", "--bot", BOT, "--sample", str(sample), "--json", "-")
    assert json.loads(own.stdout)["facts"] == tried["facts"]
    assert [fact["type"] for fact in tried["facts"]] == ["turn", "reply"]
    assert [note["type"] for note in tried["notes"]] == ["no-match"]
    assert edge.facts() == []


def test_a_csv_is_tried_out_as_import_reads_it(edge: Edge, tmp_path: Path) -> None:
    sample = tmp_path / "sample.csv"
    sample.write_text("Utterance,intent,score\nwhere is it,track,0.4\n,,\n")
    shown = run(edge, "sources", "test", "rasa", "--sample", str(sample), "--column", "text=Utterance")
    first, second = shown.stdout.splitlines()
    assert first.endswith(": 'where is it' track 0.4")
    assert second == "skipped  sample.csv, row 2: Utterance: text is missing (missing)"
    unnamed = run(edge, "sources", "test", "native", "--bot", BOT, "--sample", str(sample))
    assert (unnamed.exit_code, "no column is called text" in unnamed.output) == (1, True)
