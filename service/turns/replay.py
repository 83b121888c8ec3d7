"""Playing a log through the webhook: how far it came, and what was said of it."""

import hashlib
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

import msgspec

from service.turns.logs import Conversation, deliveries
from service.turns.schemas import Receipt
from service.turns.sending import Sender

SAVE_EVERY = 20  # deliveries; to send the last few again changes nothing


class Remark(msgspec.Struct):
    """How often a note or a rejection of one type was made, and where it stood the first time."""

    count: int
    first: str


class Played(msgspec.Struct, kw_only=True):
    """The state file: the next conversation, and the answers so far."""

    start: datetime  # where untimed conversations begin, kept so that a resumed log keeps its times
    next: int = 0
    turns: int = 0
    accepted: int = 0
    notes: dict[str, Remark] = {}
    rejected: dict[str, Remark] = {}

    def add(self, receipt: Receipt) -> None:
        self.accepted += receipt.accepted
        for note in receipt.notes:
            _count(self.notes, note.type, f"{note.path}: {note.note}")
        for rejected in receipt.rejected:
            _count(self.rejected, rejected.type, f"{rejected.path}: {rejected.reason}")


def _count(remarks: dict[str, Remark], type: str, text: str) -> None:
    remarks.setdefault(type, Remark(0, text)).count += 1


def state_path(folder: Path, file: Path, *parts: str) -> Path:
    """A name of its own for each log and target; a changed file is another log."""
    found = file.stat()
    key = "\0".join((str(file.resolve()), str(found.st_size), str(found.st_mtime_ns), *parts))
    return folder / "replay" / f"{file.name.partition('.')[0]}-{hashlib.sha256(key.encode()).hexdigest()[:12]}.json"


def load(path: Path, start: datetime) -> Played:
    """Where a replay that was stopped left off; a new one where there is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Played)
    except (FileNotFoundError, msgspec.DecodeError):
        return Played(start=start)


def save(path: Path, played: Played) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".new").write_bytes(msgspec.json.encode(played))
    path.with_suffix(".new").replace(path)


def play(
    conversations: Iterable[Conversation],
    sender: Sender,
    played: Played,
    path: Path,
    *,
    speed: float,
    batch: int,
    on_progress: Callable[[Played], None],
) -> None:
    """Send what is left, at `speed` turns a second (0: as fast as they are taken).

    However it ends, `path` knows how far it came; it is gone when all was sent.
    """
    left = (conversation for conversation in conversations if conversation.position >= played.next)
    began, sent = time.monotonic(), 0
    try:
        for number, delivery in enumerate(deliveries(left, turns=batch), 1):
            if speed:
                time.sleep(max(0.0, began + sent / speed - time.monotonic()))
            played.add(sender.send(delivery))
            played.next, played.turns, sent = delivery.next, played.turns + delivery.turns, sent + delivery.turns
            if number % SAVE_EVERY == 0:
                save(path, played)
            on_progress(played)
    finally:
        save(path, played)
    path.unlink()
