"""What the rest of the system knows of the encoder: texts become unit vectors, and turns have neighbours.

A vector is kept as float16: half the bytes, and a cosine off by less than 0.001.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from service.learning.types import Floats1d, Floats2d, Ints2d

IDENTITY_LENGTH = 80  # of the column `vector.encoder`
NO_TURN = -1


class Encoder(Protocol):
    """Raises EncoderDown when it does not answer in time."""

    def identity(self, bot: str) -> str:
        """`<name>@<first 12 of the weights' sha256>`: vectors of different identities are never compared."""

    def encode(self, bot: str, texts: Sequence[str]) -> Floats2d:
        """float32 (n, d), each row of length 1; the same text, the same row."""

    def neighbours(self, bot: str, vectors: Floats2d, k: int) -> tuple[Ints2d, Floats2d]:
        """Turn ids and cosines, both (n, k), nearest first; id -1 and cosine -1 where the bot has fewer than k turns."""

    def add(self, bot: str, turn_ids: Sequence[int], vectors: Floats2d) -> None:
        """Make turns findable as neighbours; repeating it changes nothing. Call it once their vectors are committed."""


def pack(vector: Floats1d) -> bytes:
    """The bytes of `vector.data`."""
    return np.asarray(vector, dtype="<f2").tobytes()


def unpack(rows: Sequence[bytes]) -> Floats2d:
    """float32 (n, d), brought back to length 1; (0, 0) for no rows."""
    if not rows:
        return np.zeros((0, 0), dtype=np.float32)
    return unit(np.frombuffer(b"".join(rows), dtype="<f2").reshape(len(rows), -1).astype(np.float32))


def unit(vectors: Floats2d) -> Floats2d:
    """Each row of length 1; a row of zeros stays zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Floats2d = vectors / np.where(lengths > 0, lengths, 1)
    return scaled
