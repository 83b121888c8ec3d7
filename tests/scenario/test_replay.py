"""`fencepost replay` against a server of its own, over real HTTP."""

import gzip
from pathlib import Path
from typing import Any

import msgspec
from click.testing import CliRunner, Result

from service.cli import cli
from service.context import Context
from service.settings import Settings
from service.turns.schemas import Reply, Report, Turn
from tests.support.edge import BOT, Edge
from tests.support.server import free_port, serving


def write_log(path: Path, rows: list[dict[str, Any]]) -> Path:
    lines = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
    path.write_bytes(gzip.compress(lines) if path.suffix == ".gz" else lines)
    return path


def dialogue(n: int) -> dict[str, Any]:
    turns = [
        {
            "speaker": "user",
            "text": f"where is order {n}",
            "intent": "track_order",
            "reports": [{"kind": "thumbs_down"}],
        },
        {"speaker": "agent", "text": "On its way.", "intent": "track_order"},
        {"speaker": "user", "text": "thanks", "intent": None},
    ]
    return {"conversation_id": f"c-{n}", "user": "u-1", "turns": turns}


def replay(settings: Settings, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["replay", "--bot", BOT, *arguments], obj=settings)


def test_a_log_is_played_once_whatever_stops_it(edge: Edge, tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl.gz", [dialogue(n) for n in range(10)])
    small = msgspec.structs.replace(edge.context.settings, stream_bound=20)
    with serving(small) as url:
        stopped = replay(edge.context.settings, str(log), "--url", url, "--patience", "0")
        assert (stopped.exit_code, "20 facts waiting" in stopped.output) == (1, True)
        assert len(edge.facts()) == 20
    with serving(edge.context.settings) as url:
        again = replay(edge.context.settings, str(log), "--url", url)
    assert again.exit_code == 0, again.output
    facts = edge.facts()
    assert [sum(isinstance(fact, kind) for fact in facts) for kind in (Turn, Reply, Report)] == [20, 10, 10]
    assert len({(type(fact), fact.external_id) for fact in facts}) == 40


def test_a_server_that_is_away_is_said_in_one_line(edge: Edge, tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", [dialogue(1)])
    away = replay(edge.context.settings, str(log), "--url", f"http://127.0.0.1:{free_port()}", "--patience", "0")
    assert (away.exit_code, away.output.splitlines()[-1]) == (1, "Hint: is `fencepost up` running?")
    assert "takes no deliveries: ConnectionRefusedError" in away.output


def test_replay_says_what_was_noted_and_rejected_and_leaves_out_every_fifth(edge: Edge, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"text": f"text {n}", "intent": "oos"} for n in range(10)]
    rows[1] = {"text": "my card", "entities": [{"type": "card", "start": 3, "end": 9, "text": "card"}]}
    rows[2] = {"text": ""}
    with serving(edge.context.settings) as url:
        played = replay(
            edge.context.settings,
            str(write_log(tmp_path / "log.jsonl", rows)),
            "--url",
            url,
            "--hold-out",
            "--batch",
            "3",
        )
    assert played.exit_code == 0, played.output
    assert "8 turns played; 7 turns, replies and reports accepted" in played.output
    assert "noted 1 × span-outside-text; the first: data.turns[1].nlu.entities[0]" in played.output
    assert "rejected 1 × empty-text; the first: data.turns[2].text: the text is empty" in played.output
    assert {fact.external_id for fact in edge.facts()} == {f"log-{n:06d}:0" for n in (0, 1, 3, 5, 6, 7, 8)}


def test_a_wrong_secret_or_a_file_that_is_no_log_stops_at_once(edge: Edge, tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", [dialogue(1)])
    with serving(edge.context.settings) as url:
        refused = replay(edge.context.settings, str(log), "--url", url, "--secret", "whsec_QUFBQQ==")
    assert (refused.exit_code, "answered 401" in refused.output) == (1, True)
    for secret in ("whsec_", "whsec_é"):
        nonsense = replay(edge.context.settings, str(log), "--secret", secret)
        assert nonsense.output.splitlines()[0] == "Error: the secret is not whsec_ and base64"
    log.write_text('{"text": "fine"}\n\n{"text": 5}\n')
    broken = replay(edge.context.settings, str(log))
    assert broken.output.strip() == "Error: log.jsonl, conversation 2: Expected `str`, got `int` - at `$.text`"
    log.write_text("hello\n")
    assert "log.jsonl, line 1: not a JSON object" in replay(edge.context.settings, str(log)).output


def test_settings_are_listed_even_when_one_is_wrong(context: Context) -> None:
    wrong = {"FENCEPOST_PORT": "99999", "FENCEPOST_DATA_DIR": context.settings.data_dir}
    listed = CliRunner().invoke(cli, ["settings", "--markdown"], env=wrong)
    assert (listed.exit_code, "| `FENCEPOST_PORT` | `8765` |" in listed.output) == (0, True)
    refused = CliRunner().invoke(cli, ["status"], env=wrong)
    assert (refused.exit_code, refused.output.strip()) == (1, "Error: FENCEPOST_PORT: Expected `int` <= 65535")
