"""`fencepost up` as an operator sees it: one holder of a folder, children restarted, an end that leaves nothing
behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service import broker
from service.context import opened, wait_for_redis
from service.errors import ConfigError, Conflict
from service.operations import supervisor
from service.operations.supervisor import Child, Plan, holding
from service.settings import Settings

SLEEPER = Plan("sleeper", (sys.executable, "-c", "import time; time.sleep(60)"))
FAILING = Plan("failing", (sys.executable, "-c", "raise SystemExit(3)"))


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Child]:
    child = Child(SLEEPER, dict(os.environ), tmp_path)
    yield child
    child.stop()


def watch_until_restarted(child: Child, said: list[str]) -> None:
    deadline = time.monotonic() + 30
    while not child.restarts:
        assert time.monotonic() < deadline
        child.watch(said.append)
        time.sleep(0.02)


def test_a_second_holder_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    with holding(tmp_path), pytest.raises(Conflict, match=str(os.getpid())), holding(tmp_path):
        pass
    with holding(tmp_path):  # and it is free again
        pass


def test_a_child_that_dies_is_started_again_and_said_so(sleeper: Child) -> None:
    first, said = sleeper.process.pid, list[str]()
    os.kill(first, signal.SIGKILL)
    sleeper.process.wait()
    watch_until_restarted(sleeper, said)
    assert sleeper.process.pid != first
    assert said == [f"sleeper ended (SIGKILL); starting it again in 0.5 s. Its log: {sleeper._log}"]


def test_back_off_grows_with_each_early_death(tmp_path: Path) -> None:
    child, said = Child(FAILING, dict(os.environ), tmp_path), list[str]()
    for n in range(2):
        child.process.wait()
        child.restarts = 0
        watch_until_restarted(child, said)
        assert len(said) == n + 1
    child.stop()
    assert ["in 0.5 s" in said[0], "in 1 s" in said[1]] == [True, True]


def test_children_die_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import os, sys, time; from pathlib import Path; from service.operations.supervisor import Child, Plan\n"
        f"plan = Plan('s', ({sys.executable!r}, '-c', 'import time; time.sleep(60)'))\n"
        f"child = Child(plan, dict(os.environ), Path({str(tmp_path)!r}))\n"
        "print(child.process.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while is_running(pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def forgetful(short_folder: Path) -> Iterator[Path]:
    """The socket of a Valkey without persistence."""
    folder = short_folder / "forgetful"
    folder.mkdir(exist_ok=True)
    command = ["no" if part == "yes" else part for part in broker.command(folder, folder / "valkey.sock")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        yield folder / "valkey.sock"
        server.terminate()


def test_a_redis_that_forgets_is_refused(forgetful: Path, tmp_path: Path) -> None:
    with opened(Settings(data_dir=str(tmp_path), redis_url=f"unix://{forgetful}")) as context:
        wait_for_redis(context)
        with pytest.raises(Conflict, match="appendonly no"):
            supervisor.refuse_volatile(context)


def test_a_folder_too_deep_for_a_socket_is_refused_by_name(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100)
    with pytest.raises(ConfigError, match="too long for a Unix socket"):
        broker.command(deep, deep / "valkey.sock")
