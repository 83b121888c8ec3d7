"""The whole installation in a folder of its own, started and stopped as an operator does it: `fencepost up`."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.errors import Unavailable
from service.operations.supervisor import answers, load_state
from service.parent import die_with_parent
from service.settings import PREFIX, Secret, Settings

START_S = 90.0
STOP_S = 60.0


def demo_folder() -> Path:
    """One folder per user, so that the last demo can be looked at and the next one replaces it."""
    return Path(tempfile.gettempdir()) / f"fencepost-demo-{os.getuid()}"


def fresh_settings(key: str = "") -> Settings:
    """Settings of a new installation in the demo folder, on a free port; whatever an earlier demo left there is
    removed. With a stream key given, the draw of the audit slice can be repeated."""
    folder = demo_folder()
    if load_state(Settings(data_dir=str(folder))) is not None:
        raise Unavailable(f"a demo still runs in {folder}", hint="stop it with Ctrl-C where it was started")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    return Settings(data_dir=str(folder), port=free_port(), stream_key=Secret(key))


def outside() -> dict[str, str]:
    """The environment without settings: a demo never touches the installation that they belong to."""
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(settings: Settings) -> Iterator["subprocess.Popen[bytes]"]:
    """`fencepost up`, ready; stopped at the end."""
    log = settings.folder / "up.log"
    environ = {**outside(), "FENCEPOST_DATA_DIR": settings.data_dir, "FENCEPOST_PORT": str(settings.port)}
    if settings.stream_key:
        environ["FENCEPOST_STREAM_KEY"] = settings.stream_key
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "service", "up"],
            env=environ,
            stdout=output,
            stderr=output,
            start_new_session=True,  # a Ctrl-C is ours to pass on
            preexec_fn=die_with_parent,
        )
    try:
        _wait(process, settings, log)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_S)


def _wait(process: "subprocess.Popen[bytes]", settings: Settings, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while not answers(settings):
        if process.poll() is not None or time.monotonic() > deadline:
            raise Unavailable(
                f"`fencepost up` did not become ready; its last words: {_tail(log)}",
                hint=f"see {settings.folder / 'logs'}",
            )
        time.sleep(0.2)


def _tail(log: Path) -> str:
    return (log.read_text("utf-8", "replace").strip().splitlines() or ["(none)"])[-1]
