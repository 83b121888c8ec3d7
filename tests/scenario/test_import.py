"""`fencepost import`: files into the stream, as a webhook would, and once however often."""

import gzip
import json
from pathlib import Path

import msgspec
from click.testing import CliRunner, Result

from service.bots.store import create_source
from service.cli import cli
from service.clock import now
from service.database import writing
from service.turns.schemas import Report, Turn
from tests.support.edge import BOT, Edge, encode, numbered, turn, turns
from tests.support.platforms import deliveries


def run(edge: Edge, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["import", "--bot", BOT, *arguments], obj=edge.context.settings)


def lines(path: Path, *bodies: bytes) -> str:
    found = b"\n".join(bodies)
    path.write_bytes(gzip.compress(found) if path.suffix == ".gz" else found)
    return str(path)


def add_source(edge: Edge, format: str) -> None:
    with writing(edge.context.engine) as connection:
        create_source(connection, BOT, format, now(), format=format, scheme="shared_key")


def test_a_log_is_imported_once_and_says_what_was_skipped(edge: Edge, tmp_path: Path) -> None:
    add_source(edge, "rasa")
    log = lines(tmp_path / "rasa.jsonl.gz", *deliveries("rasa"), b"nonsense", deliveries("rasa")[0])
    dry = run(edge, log, "--source", "rasa", "--dry-run", "--json", "-")
    assert (dry.exit_code, edge.facts()) == (0, [])
    done, again = (run(edge, log, "--source", "rasa", "--json", "-") for _ in range(2))
    assert dry.stdout == done.stdout == again.stdout
    said = json.loads(done.stdout)
    facts = edge.facts()
    assert said["turns"] + said["replies"] + said["reports"] == len(facts) > 0
    assert len({(type(fact), fact.external_id) for fact in facts}) == len(facts)
    assert said["rejected"]["not-json"]["count"] == 1
    assert said["rejected"]["not-json"]["first"].startswith("rasa.jsonl.gz, line ")
    assert "change_address" in said["intents"]


def test_what_came_by_the_webhook_is_the_same_in_a_file(edge: Edge, tmp_path: Path) -> None:
    body = encode(turn())
    edge.deliver(body)
    told = {"turn_id": "c-81:4", "kind": "handoff", "comment": "call me: 555 0134", "ts": 1772442904}
    report = encode({"type": "conversation.report", "data": told})
    edge.deliver(report, delivery_id="d-2")
    run(edge, lines(tmp_path / "log.jsonl", body, report))
    first, second = edge.facts()[:2], edge.facts()[2:]
    assert first == second  # ingest stores the second of each never
    assert [type(fact) for fact in first] == [Turn, Report]


def test_a_table_is_imported_by_its_columns(edge: Edge, tmp_path: Path) -> None:
    table = tmp_path / "log.csv"
    table.write_text("Utterance,session,intent,score,ts\nwhere is it,s1,track,0.4,2026-03-02T09:15:04Z\n,s1,,,\n")
    done = run(edge, str(table), "--column", "text=Utterance", "--column", "conversation_id=session")
    assert done.exit_code == 0, done.output
    assert "1 turns, 0 replies and 0 reports are on their way" in done.stdout
    assert "skipped 1 × missing; the first: log.csv, row 2: Utterance: text is missing" in done.stdout
    (fact,) = edge.facts()
    assert isinstance(fact, Turn)
    assert (fact.text, fact.conversation_id, fact.at.hour) == ("where is it", "s1", 9)
    assert [(score.name, score.score) for score in fact.intents] == [("track", 0.4)]


def test_a_column_that_is_none_is_said_with_those_there_are(edge: Edge, tmp_path: Path) -> None:
    table = tmp_path / "log.csv"
    table.write_text("Utterance,session\nwhere is it,s1\n")
    unnamed, misnamed = run(edge, str(table)), run(edge, str(table), "--column", "text=utterance")
    assert [result.exit_code for result in (unnamed, misnamed)] == [1, 1]
    assert "no column is called text" in unnamed.output
    assert "Utterance, session" in misnamed.output
    assert edge.facts() == []


def test_a_full_stream_is_waited_for_and_then_said(edge: Edge, tmp_path: Path) -> None:
    small = msgspec.structs.replace(edge.context.settings, stream_bound=3)
    edge.deliver(turns(*numbered(3)))
    log = lines(tmp_path / "log.jsonl", encode(turn()))
    full = CliRunner().invoke(cli, ["import", "--bot", BOT, log, "--patience", "0"], obj=small)
    assert (full.exit_code, "waiting to be ingested" in full.output) == (1, True)


def test_an_unknown_source_is_named(edge: Edge, tmp_path: Path) -> None:
    log = lines(tmp_path / "log.jsonl", encode(turns(*numbered(1))))
    missing = run(edge, log, "--source", "rasa")
    assert (missing.exit_code, "has no source 'rasa'" in missing.output) == (1, True)
