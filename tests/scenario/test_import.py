"""`fencepost import`: files into the stream, as a webhook would, and once however often."""

import gzip
import json
from pathlib import Path
from typing import Any

import msgspec
from click.testing import CliRunner, Result

from service import tables
from service.bots.store import create_source
from service.cli import cli
from service.clock import now
from service.context import Context
from service.database import writing
from service.turns.schemas import Report, Turn
from tests.support.edge import BOT, Edge, encode, numbered, turn, turns
from tests.support.ingest import open_desk
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
    assert dry.stdout == done.stdout
    said, facts = json.loads(done.stdout), edge.facts()
    assert said["turns"] + said["replies"] + said["reports"] == len(facts) > 0
    assert (said["known"], said["repeated"], "repeated" in said["rejected"]) == (0, 1, False)
    assert json.loads(again.stdout) == said | {"turns": 0, "replies": 0, "reports": 0, "known": len(facts)}
    dry = run(edge, log, "--source", "rasa", "--dry-run", "--json", "-")
    assert (dry.stdout, edge.facts()) == (again.stdout, facts)
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


def test_what_is_stored_is_known_whatever_files_it_comes_in(context: Context, tmp_path: Path) -> None:
    desk = open_desk(context)
    report = {"turn_id": "b", "kind": "thumbs_down"}
    bodies = [encode(turn(turn_id=own_id)) for own_id in ("a", "b")]
    bodies.append(encode({"type": "conversation.report", "data": report}))
    bodies.append(encode({"type": "conversation.reply", "data": {"reply_id": "r", "text": "hi"}}))
    new = encode(turn(turn_id="c"))
    first = lines(tmp_path / "first.jsonl", *bodies)
    second, third = lines(tmp_path / "second.jsonl", new, *bodies), lines(tmp_path / "third.jsonl", new, new)

    def said(*arguments: str) -> dict[str, Any]:
        done = CliRunner().invoke(cli, ["import", "--bot", BOT, *arguments, "--json", "-"], obj=context.settings)
        found: dict[str, Any] = json.loads(done.stdout)
        return {name: found[name] for name in ("turns", "replies", "reports", "known", "repeated")}

    assert said(first) == {"turns": 2, "replies": 1, "reports": 1, "known": 0, "repeated": 0}
    desk.ingest()
    more = {"turns": 1, "replies": 0, "reports": 0, "known": 4, "repeated": 2}
    assert said(second, third, "--dry-run") == said(second, third) == more
    desk.ingest()
    assert said(second, third) == more | {"turns": 0, "known": 5}
    assert [external_id for (external_id,) in desk.rows(tables.turn, "external_id")] == ["a", "b", "c"]


def test_an_import_that_breaks_off_says_what_happened_and_how_to_go_on(edge: Edge, tmp_path: Path) -> None:
    whole = lines(tmp_path / "a.jsonl", encode(turn()), b"nonsense")
    broken = tmp_path / "b.jsonl.gz"
    broken.write_bytes(gzip.compress(encode(turn(turn_id="b")), mtime=0)[:-4])
    done = run(edge, whole, str(broken), "--json", "-")
    assert done.exit_code == 1
    said = json.loads(done.stdout)
    assert (said["turns"], list(said["rejected"]), len(edge.facts())) == (1, ["not-json"], 1)
    assert "the same command again goes on" in done.stderr
    assert "b.jsonl.gz: the file is not one whole gzip" in done.stderr
    broken.write_bytes(gzip.compress(encode(turn(turn_id="b")), mtime=0))
    again = run(edge, whole, str(broken))
    assert again.stdout.splitlines()[:2] == [
        "1 turns, 0 replies and 0 reports are on their way through ingest",
        "known 1 × from before",
    ]


def test_a_dry_run_needs_no_redis(edge: Edge, tmp_path: Path) -> None:
    away = msgspec.structs.replace(edge.context.settings, redis_url=f"unix://{tmp_path / 'nobody.sock'}")
    log = lines(tmp_path / "log.jsonl", encode(turn()))
    done = CliRunner().invoke(cli, ["import", "--bot", BOT, log, "--dry-run"], obj=away)
    assert done.stdout == "1 turns, 0 replies and 0 reports would be imported\n"


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
    assert full.stdout.startswith("0 turns, ")


def test_an_unknown_source_is_named(edge: Edge, tmp_path: Path) -> None:
    log = lines(tmp_path / "log.jsonl", encode(turns(*numbered(1))))
    missing = run(edge, log, "--source", "rasa")
    assert (missing.exit_code, "has no source 'rasa'" in missing.output) == (1, True)
