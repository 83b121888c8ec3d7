"""What every list answers."""

from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True):
    """Items, and the cursor that fetches the next ones; None: there are no more."""

    items: list[T]
    next: str | None = None
