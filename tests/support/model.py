"""The real encoder, loaded once for the run; import it only in a test marked `model`."""

from collections.abc import Sequence
from functools import cache

from service.learning.types import Floats2d
from workers.encoder import SentenceModel, load


def encode(texts: Sequence[str]) -> Floats2d:
    """float32 (n, 384), unit length."""
    return _model().encode(texts)


@cache
def _model() -> SentenceModel:
    return load("", 1)
