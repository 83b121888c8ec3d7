"""`fencepost up`: the whole installation as one tree of processes on one machine.

Each child is started, watched and restarted with back-off; all of them end with the supervisor, whatever ends it (the
kernel's parent-death signal). The broker starts first and stops last, so that what the others write on their way out is
kept."""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import IO

import msgspec

from service import broker, database
from service.context import Context, wait_for_redis
from service.errors import Conflict
from service.parent import die_with_parent
from service.settings import Settings

BACK_OFF_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
STEADY_S = 60.0  # a child that ran this long starts over with the shortest back-off
STOP_S = 15.0  # then SIGKILL

Say = Callable[[str], None]


class Plan(msgspec.Struct, frozen=True):
    """A child: its name and its command line."""

    name: str
    command: tuple[str, ...]


class Running(msgspec.Struct, frozen=True):
    """The state file: who runs here. `fencepost status` reads it."""

    pid: int
    url: str
    children: dict[str, int]
    restarts: dict[str, int]


def plans(settings: Settings) -> list[Plan]:
    """The children that need Redis and the database, in the order they start."""
    python = (sys.executable, "-m")
    api = (
        "granian",
        "--interface",
        "asgi",
        "--factory",
        "--no-ws",
        "--host",
        settings.host,
        "--port",
        str(settings.port),
        "service.__main__:app",
    )
    found = [Plan(name, (*python, "workers", name)) for name in ("encode", "ingest", "jobs", "schedule")]
    found.append(Plan("api", (*python, *api)))
    if settings.slack_bot_token and settings.slack_app_token:
        found.append(Plan("slack", (*python, "service", "slack", "run")))
    return found


def broker_plan(settings: Settings) -> Plan:
    return Plan("broker", tuple(broker.command(settings.folder, settings.redis_socket)))


class Child:
    """A process that is kept running."""

    def __init__(self, plan: Plan, environ: dict[str, str], logs: Path) -> None:
        self.plan, self.restarts = plan, 0
        self._environ, self._log = environ, logs / f"{plan.name}.log"
        self._failures, self._due_at = 0, 0.0
        self.start()

    def start(self) -> None:
        self._started_at = time.monotonic()
        with self._log.open("ab") as output:
            self.process = subprocess.Popen(  # noqa: S603 - our own command lines
                self.plan.command,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # a Ctrl-C in the terminal is the supervisor's to pass on
                preexec_fn=die_with_parent,
            )

    def watch(self, say: Say) -> None:
        """Restart when dead and due."""
        if (code := self.process.poll()) is None:
            return
        now = time.monotonic()
        if not self._due_at:
            self._failures = 1 if now - self._started_at > STEADY_S else self._failures + 1
            pause = BACK_OFF_S[min(self._failures, len(BACK_OFF_S)) - 1]
            self._due_at = now + pause
            how = describe_exit(code)
            say(f"{self.plan.name} ended ({how}); starting it again in {pause:g} s. Its log: {self._log}")
        elif now >= self._due_at:
            self._due_at, self.restarts = 0.0, self.restarts + 1
            self.start()

    def stop(self) -> None:
        """Ask, wait, insist."""
        self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def describe_exit(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit {code}"


@contextlib.contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Hold the data folder; Conflict names the pid of the one that does."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "up.lock").open("a+") as file:
        _lock(file, folder)
        yield


def _lock(file: IO[str], folder: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        raise Conflict(
            f"the folder {folder} is held by `fencepost up` with pid {file.read().strip()}",
            hint="stop that one, or set FENCEPOST_DATA_DIR",
        ) from error
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()


def up(context: Context, say: Say, on_ready: Callable[[], None]) -> None:
    """Start everything, call `on_ready` when the API answers, keep it running until SIGTERM or Ctrl-C, stop it in
    order."""
    settings = context.settings
    logs = settings.folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    environ = {**os.environ, "FENCEPOST_DATA_DIR": str(settings.folder.absolute()), "PYTHONUNBUFFERED": "1"}
    with holding(settings.folder), _stoppable() as stopping:
        children: list[Child] = []
        try:
            if not settings.redis_url:
                children.append(Child(broker_plan(settings), environ, logs))
            _prepare(context)
            children.extend(Child(plan, environ, logs) for plan in plans(settings))
            _watch(children, settings, stopping, say, on_ready)
        finally:
            say("stopping")
            for child in reversed(children):
                child.stop()
            _state_path(settings).unlink(missing_ok=True)


def _prepare(context: Context) -> None:
    wait_for_redis(context)
    refuse_volatile(context)
    database.migrate(context.engine)


def refuse_volatile(context: Context) -> None:
    """Conflict unless Redis keeps what it acknowledged."""
    if broker.durability(context.redis)["appendonly"] == "no":
        raise Conflict(
            "this Redis has `appendonly no`: a restart would lose accepted turns", hint="`CONFIG SET appendonly yes`"
        )


def _watch(
    children: list[Child], settings: Settings, stopping: "Stopping", say: Say, on_ready: Callable[[], None]
) -> None:
    is_ready = False
    while not stopping.asked:
        for child in children:
            child.watch(say)
        _save_state(children, settings)
        if not is_ready and answers(settings):
            is_ready = True
            on_ready()
        time.sleep(0.2)


class Stopping:
    """Whether a stop was asked for."""

    asked = False


@contextlib.contextmanager
def _stoppable() -> Iterator[Stopping]:
    stopping = Stopping()

    def ask(_signum: int, _frame: object) -> None:
        stopping.asked = True

    before = {signum: signal.signal(signum, ask) for signum in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopping
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def answers(settings: Settings) -> bool:
    """Whether the API is ready to take turns."""
    try:
        with urllib.request.urlopen(f"http://{settings.host}:{settings.port}/health/ready", timeout=2) as response:
            return bool(response.status == HTTPStatus.OK)
    except OSError:
        return False


def _state_path(settings: Settings) -> Path:
    return settings.folder / "up.json"


def _save_state(children: list[Child], settings: Settings) -> None:
    state = Running(
        os.getpid(),
        settings.base_url,
        {child.plan.name: child.process.pid for child in children},
        {child.plan.name: child.restarts for child in children},
    )
    path = _state_path(settings)
    data = msgspec.json.encode(state)
    if not path.exists() or path.read_bytes() != data:
        path.with_suffix(".new").write_bytes(data)
        path.with_suffix(".new").replace(path)


def load_state(settings: Settings) -> Running | None:
    """The state of the `up` that runs in this data folder, None when none does."""
    try:
        state = msgspec.json.decode(_state_path(settings).read_bytes(), type=Running)
    except FileNotFoundError:
        return None
    return state if _is_alive(state.pid) else None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
