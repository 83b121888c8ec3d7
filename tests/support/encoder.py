"""An encoder for tests: no model, no process, the same vectors on every machine."""

import zlib
from collections.abc import Iterator, Sequence

import numpy as np

from service.encoding import NO_TURN, unit
from service.learning.types import Floats1d, Floats2d, Ints2d

DIMENSIONS = 64


class FakeEncoder:
    """Signed hashes of words and of character trigrams: texts that share words or spelling lie close.

    Neighbours by brute force.
    Implements service.encoding.Encoder. `name` changes the identity *and* the vectors, as a different model would.
    """

    def __init__(self, name: str = "fake") -> None:
        self.name = name
        self.turns: dict[str, dict[int, Floats1d]] = {}

    def identity(self, bot: str) -> str:
        return f"{self.name}@{zlib.crc32(self.name.encode()):012x}"

    def encode(self, bot: str, texts: Sequence[str]) -> Floats2d:
        return unit(np.stack([self._count(text) for text in texts])) if texts else np.zeros((0, DIMENSIONS), np.float32)

    def _count(self, text: str) -> Floats1d:
        counts = np.zeros(DIMENSIONS, np.float32)
        for feature, weight in features(text):
            code = zlib.crc32(feature.encode(), zlib.crc32(self.name.encode()))
            counts[code % DIMENSIONS] += weight if code & (1 << 16) else -weight
        return counts

    def neighbours(self, bot: str, vectors: Floats2d, k: int) -> tuple[Ints2d, Floats2d]:
        turns = self.turns.get(bot, {})
        ids = np.full((len(vectors), k), NO_TURN, np.int64)
        cosines = np.full((len(vectors), k), -1, np.float32)
        if turns:
            known = np.array(list(turns), np.int64)
            all_cosines = np.asarray(vectors) @ np.stack(list(turns.values())).T
            for i, row in enumerate(all_cosines):
                nearest = np.lexsort((known, -row))[:k]
                ids[i, : len(nearest)], cosines[i, : len(nearest)] = known[nearest], row[nearest]
        return ids, cosines

    def add(self, bot: str, turn_ids: Sequence[int], vectors: Floats2d) -> None:
        self.turns.setdefault(bot, {}).update(zip(map(int, turn_ids), np.asarray(vectors, np.float32), strict=True))

    def named(self, name: str) -> "FakeEncoder":
        return FakeEncoder(name or "fake")

    def remove(self, bot: str, turn_ids: Sequence[int]) -> None:
        for turn_id in turn_ids:
            self.turns.get(bot, {}).pop(int(turn_id), None)


def features(text: str) -> Iterator[tuple[str, float]]:
    """Words count 2, trigrams 0.5; the empty text has a feature of its own, so that its vector has a length."""
    words = text.casefold().split()
    padded = f" {' '.join(words)} "
    yield from ((f"w:{word}", 2.0) for word in words or [""])
    yield from ((f"t:{padded[i : i + 3]}", 0.5) for i in range(len(padded) - 2))
