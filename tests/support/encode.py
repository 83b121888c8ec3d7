"""The real encode process in a thread, with a small model in place of the real one."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from service.context import Context
from service.errors import ConfigError
from service.learning.types import Floats2d
from tests.support.encoder import FakeEncoder
from workers import encode


class FakeModel:
    """FakeEncoder's vectors. `passes` lists the texts of each forward pass; while `gate` is not set, a pass waits."""

    def __init__(self, name: str = "fake") -> None:
        self._encoder = FakeEncoder(name)
        self.identity = self._encoder.identity("")
        self.passes: list[list[str]] = []
        self.gate = threading.Event()
        self.gate.set()

    def encode(self, texts: Sequence[str]) -> Floats2d:
        self.passes.append(list(texts))
        self.gate.wait(30)
        if "poison" in texts:
            raise RuntimeError("no such token")
        return self._encoder.encode("", texts)


class FakeHub:
    """Loads a FakeModel of any name but `broken`; `models` holds those loaded."""

    def __init__(self) -> None:
        self.models: dict[str, FakeModel] = {}

    def load(self, name: str, threads: int) -> FakeModel:
        if name == "broken":
            raise ConfigError("the encoder 'broken' is not to be had", hint="choose another")
        self.models[name] = FakeModel(name or "fake")
        return self.models[name]


@contextmanager
def serving(context: Context, hub: FakeHub) -> Iterator[None]:
    """An encode process from here to the end of the block."""
    stop = threading.Event()
    thread = threading.Thread(target=encode.run, args=(context, stop, hub.load))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        for model in hub.models.values():
            model.gate.set()
        thread.join(30)
        if thread.is_alive():
            raise RuntimeError("the encode process does not stop")


def leave_stale_socket(path: Path) -> None:
    """What a killed process leaves behind: a socket file that nobody listens at."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
