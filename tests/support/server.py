"""The API as it runs: granian in a process of its own, on a port of its own."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from service.settings import PREFIX, Settings


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """The server's address, once it answers."""
    port = free_port()
    command = ("granian", "--interface", "asgi", "--factory", "--no-ws", "--port", str(port), "service.__main__:app")
    # Its log goes to standard error: standard output may be somebody's result.
    process = subprocess.Popen([sys.executable, "-m", *command], env=environment(settings), stdout=2)
    try:
        yield _answering(f"http://127.0.0.1:{port}", process)
    finally:
        process.terminate()
        process.wait(20)


def environment(settings: Settings) -> dict[str, str]:
    """What a process needs to read the same settings."""
    ours = {
        "FENCEPOST_DATA_DIR": settings.data_dir,
        "FENCEPOST_DATABASE_URL": settings.database_url,
        "FENCEPOST_REDIS_URL": settings.redis_url,
        "FENCEPOST_STREAM_KEY": str(settings.stream_key),
        "FENCEPOST_STREAM_BOUND": str(settings.stream_bound),
    }
    return {**{name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}, **ours}


def _answering(url: str, process: "subprocess.Popen[bytes]") -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended"
        try:
            urllib.request.urlopen(f"{url}/health/live", timeout=2).close()  # noqa: S310 - http
        except OSError:
            time.sleep(0.1)
        else:
            return url
    raise TimeoutError(url)
