"""One model, many askers: requests that wait at the same time share forward passes, and equal texts are encoded once.

A person waits for the one text of a prediction, nobody for the thousand of a job: short requests have passes of their
own, in turn with the long ones', and wait for one pass at most. Within a pass every request has an equal share.
"""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from service.encoding_wire import remaining
from service.errors import EncoderDown
from service.learning.types import Floats1d, Floats2d
from workers.encoder import BATCH, Model

SHORT = 8  # texts
CACHED = 16_384  # vectors; 25 MB at 384 dimensions


class Cache:
    """The vectors of the texts used last, by a digest: the texts themselves are not kept."""

    def __init__(self, size: int = CACHED) -> None:
        self._size = size
        self._rows: OrderedDict[bytes, Floats1d] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, text: str) -> Floats1d | None:
        key = _digest(text)
        with self._lock:
            if key in self._rows:
                self._rows.move_to_end(key)
            return self._rows.get(key)

    def put(self, text: str, row: Floats1d) -> None:
        with self._lock:
            self._rows[_digest(text)] = row
            while len(self._rows) > self._size:
                self._rows.popitem(last=False)

    def __len__(self) -> int:
        return len(self._rows)


def _digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=16).digest()


class _Wanted:
    """The texts of one request that are still to be encoded, and those that have been."""

    def __init__(self, texts: Sequence[str], deadline: float) -> None:
        self.texts = deque(sorted(texts, key=len))  # neighbours of like length waste little padding
        self.missing = len(self.texts)
        self.rows: dict[str, Floats1d] = {}
        self.deadline = deadline
        self.done = threading.Event()
        self.error: Exception | None = None

    def fail(self, error: Exception) -> None:
        self.texts.clear()
        self.error = error
        self.done.set()

    def found(self, text: str, row: Floats1d) -> None:
        self.rows[text] = row
        if len(self.rows) == self.missing:
            self.done.set()


class Batcher:
    """Owns the model's one thread; `encode` may be called from any number of threads."""

    def __init__(self, model: Model, *, cached: int = CACHED) -> None:
        self._model = model
        self._cache = Cache(cached)
        self._waiting: list[_Wanted] = []
        self._change = threading.Condition()
        self._last_was_short = False
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"encode {model.identity}", daemon=True)
        self._thread.start()

    @property
    def identity(self) -> str:
        return self._model.identity

    def encode(self, texts: Sequence[str], deadline: float) -> Floats2d:
        """Rows in the order of the texts; EncoderDown when they are not ready by `deadline` (monotonic)."""
        rows = {text: row for text in set(texts) if (row := self._cache.get(text)) is not None}
        if missing := [text for text in dict.fromkeys(texts) if text not in rows]:
            rows |= self._compute(missing, deadline)
        return np.stack([rows[text] for text in texts]) if texts else np.zeros((0, 0), np.float32)

    def _compute(self, texts: Sequence[str], deadline: float) -> dict[str, Floats1d]:
        wanted = _Wanted(texts, deadline)
        with self._change:
            if self._closed:
                raise EncoderDown("the encoder is stopping")
            self._waiting.append(wanted)
            self._change.notify()
        try:
            is_done = wanted.done.wait(remaining(deadline))
        except TimeoutError:
            is_done = False
        if not is_done:
            raise EncoderDown("the texts were not encoded in time", hint="is the machine overloaded?")
        if wanted.error is not None:
            raise wanted.error
        return wanted.rows

    def close(self) -> None:
        """Finish the pass in hand and end the thread; what still waits is refused."""
        with self._change:
            self._closed = True
            self._change.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    break
                batch = self._take()
            self._pass(batch)
        for wanted in self._waiting:
            wanted.fail(EncoderDown("the encoder is stopping"))

    def _take(self) -> list[tuple[_Wanted, str]]:
        """At most BATCH texts of the requests whose turn it is. Whose deadline has passed is dropped: nobody waits."""
        waiting = [wanted for wanted in self._waiting if wanted.deadline > time.monotonic()]
        short = [wanted for wanted in waiting if len(wanted.texts) <= SHORT]
        long = [wanted for wanted in waiting if len(wanted.texts) > SHORT]
        self._last_was_short = bool(short) and not (self._last_was_short and long)
        chosen = (short if self._last_was_short else long)[:BATCH]
        share = BATCH // max(1, len(chosen))
        batch = [(wanted, wanted.texts.popleft()) for wanted in chosen for _ in range(min(share, len(wanted.texts)))]
        # Those chosen queue up again, behind the others.
        self._waiting = [wanted for wanted in waiting if wanted not in chosen] + [
            wanted for wanted in chosen if wanted.texts
        ]
        return batch

    def _pass(self, batch: Sequence[tuple[_Wanted, str]]) -> None:
        texts = list(dict.fromkeys(text for _, text in batch))
        if not texts:
            return
        try:
            # Copies: a cached view would keep its whole batch in memory.
            rows = {text: row.copy() for text, row in zip(texts, self._model.encode(texts), strict=True)}
        except Exception as error:  # noqa: BLE001 - the thread's main loop: whatever it is belongs to those who asked
            for wanted, _ in batch:
                wanted.fail(error)
            return
        for text, row in rows.items():
            self._cache.put(text, row)
        for wanted, text in batch:
            wanted.found(text, rows[text])
