"""No word that could name or reach a person is at rest anywhere, in the clear, at any time."""

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from service import broker, database, tables
from service.cli import cli
from service.context import Context, opened, wait_for_redis
from service.settings import Settings
from service.turns.schemas import Entity, Fact, Note, Receipt
from tests.support.ingest import AT, BOT, open_desk, reply, report, turn
from workers.ingest import QUOTA

PLANTED = (
    "anna.berg@example.org",
    "+44 20 7946 0958",
    "4111 1111 1111 1111",
    "DE89370400440532013000",
    "536-90-4399",
    "192.168.7.21",
    "https://shop.example.com/orders/anna?token=s3cr3t",
    "ORD-471108",
)
USER = "user-berg-anna-1987"
SHIBBOLETH = "quibblesome"  # said in every text and no secret: shows that the search would find what is there
FIELDS = 3  # a turn, a reply and a report for each planted value
PROCESS = [sys.executable, "-m", "tests.support.ingest_process"]
PATIENCE_S = 90.0


def facts(value: str, n: int) -> list[Fact]:
    """The value in every free-text field there is."""
    text = f"{SHIBBOLETH}: please use {value} for this"
    start = text.index(value)
    entities = (Entity("contact", value, start, start + len(value)), Entity("contact", value[:4], start, start + 4))
    return [
        turn(f"t-{n}", text, user=USER, entities=entities),
        reply(f"r-{n}", text, turn_external_id=f"t-{n}"),
        report(f"x-{n}", comment=text, turn_external_id=f"t-{n}", user=USER),
    ]


@pytest.fixture
def settings(short_folder: Path) -> Settings:
    """A data folder with everything in it: the database, the broker's files, the logs."""
    return Settings(data_dir=str(short_folder / uuid.uuid4().hex[:8]))


@pytest.fixture
def context(settings: Settings) -> Iterator[Context]:
    server = broker.start(settings.folder, settings.redis_socket)
    with opened(settings) as context:
        wait_for_redis(context)
        database.migrate(context.engine)
        yield context
    server.terminate()
    server.wait(10)


@contextmanager
def ingesting(settings: Settings) -> "Iterator[subprocess.Popen[bytes]]":
    environ = {name: value for name, value in os.environ.items() if not name.startswith("FENCEPOST_")}
    environ |= {"FENCEPOST_DATA_DIR": settings.data_dir, "OMP_NUM_THREADS": "1"}
    with (settings.folder / "ingest.log").open("ab") as output:
        process = subprocess.Popen(PROCESS, env=environ, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


def stored(context: Context, table: sa.Table = tables.turn) -> int:
    with database.reading(context.engine) as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def at_rest(folder: Path) -> dict[str, bytes]:
    """Every file's bytes by name, of those that do not vanish meanwhile."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            with suppress(FileNotFoundError):
                found[path.name] = path.read_bytes()
    return found


def leaks(folder: Path) -> list[tuple[str, str]]:
    """(file, value) wherever a planted value, or a telling part of it, stands in a file."""
    wanted = [*PLANTED, USER, "anna", "s3cr3t", "471108"]
    return [(name, value) for name, data in at_rest(folder).items() for value in wanted if value.encode() in data]


def holders(folder: Path, word: str) -> set[str]:
    return {name.split(".")[0] for name, data in at_rest(folder).items() if word.encode() in data}


def test_personal_data_is_nowhere_at_rest(settings: Settings, context: Context) -> None:
    desk = open_desk(context)
    rounds = 8 * QUOTA // (FIELDS * len(PLANTED)) + 1  # more than eight batches: time to kill in the middle
    for n in range(rounds):
        planted = [fact for k, value in enumerate(PLANTED) for fact in facts(value, n * len(PLANTED) + k)]
        noted = Receipt(accepted=len(planted), notes=(Note(0, "$.x", f"dropped {PLANTED[0]}"),))
        desk.streams.append(BOT, "native", f"d-{n}", planted, noted, AT)
    context.redis.xadd("fp:{shop}:v1:turns", {"e": b"garbage"})
    total = rounds * len(PLANTED)
    assert leaks(settings.folder) == [], "in the stream"

    with ingesting(settings) as process:
        wait_until(lambda: stored(context) > 0 or process.poll() is not None)
        process.kill()
        process.wait(10)
    assert 0 < stored(context) < total, "killed mid-way"
    assert leaks(settings.folder) == [], "after the kill"

    with ingesting(settings) as process:
        wait_until(lambda: desk.streams.depth(BOT) == 0)
        assert leaks(settings.folder) == [], "while it runs"
        process.terminate()
        assert process.wait(30) == 0
    counts = [stored(context, table) for table in (tables.turn, tables.reply, tables.report, tables.vector)]
    assert counts == [total] * 4
    assert [letter.error for letter in desk.dead()] == ["Undecipherable"]
    assert leaks(settings.folder) == []
    assert holders(settings.folder, SHIBBOLETH) == {"fencepost"}, "the database and its WAL, and not the stream's file"
    assert holders(settings.folder, "<EMAIL_1>") == {"fencepost"}
    assert any(name.endswith(".aof") and b"XADD" in data.upper() for name, data in at_rest(settings.folder).items())


def test_a_dead_letter_is_shown_without_a_word_of_a_person(settings: Settings, context: Context) -> None:
    desk = open_desk(context)
    planted = [fact for n, value in enumerate(PLANTED) for fact in facts(value, n)]
    desk.streams.append(BOT, "native", "d-1", planted, Receipt(), AT)
    for entry in desk.streams.fresh(BOT, "a", 100):
        desk.streams.bury(BOT, entry, failures=5, error="DataError", now=AT)

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(cli, ["dead", *arguments], obj=settings)
        assert result.exit_code == 0, result.output
        return result.output

    listed = run("list", BOT).splitlines()
    assert len(listed) == FIELDS * len(PLANTED)
    shown = "".join(run("show", BOT, line.split()[0]) for line in listed)
    for value in (*PLANTED, USER, SHIBBOLETH, "anna", "471108"):
        assert value not in shown + "".join(listed)
    assert '"external_id": "t-0"' in shown
    assert '"text": "xxxxxxxxxxx: xxxxxx xxx xxxx.xxxx@xxxxxxx.xxx xxx xxxx"' in shown
    assert leaks(settings.folder) == []

    assert run("replay", BOT, listed[0].split()[0]) == "1 sent to ingest again\n"
    assert run("drop", BOT, "--all") == f"{len(listed) - 1} deleted\n"
    assert (run("list", BOT), desk.streams.depth(BOT)) == ("", 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", BOT, "1-1"], "has no dead letter '1-1'"),
        (["list", "nobody"], "there is no bot 'nobody'"),
        (["drop", BOT], "name dead letters by id, or say --all"),
        (["replay", BOT, "1-1", "--all"], "name dead letters by id, or say --all"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line_and_its_mend(
    settings: Settings, context: Context, arguments: list[str], said: str
) -> None:
    open_desk(context)
    result = CliRunner().invoke(cli, ["dead", *arguments], obj=settings)
    assert (result.exit_code, said in result.output, "Hint: " in result.output) == (1, True, True)
