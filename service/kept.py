"""What takes long to work out, kept in memory for as long as it is the same."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

import sqlalchemy as sa

T = TypeVar("T")


class Kept(Generic[T]):
    """By database and key, one value each with the version of what it was made from; beyond `most` of them the one
    that was asked for longest ago goes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: WeakKeyDictionary[sa.Engine, OrderedDict[Hashable, tuple[Hashable, T]]] = WeakKeyDictionary()
        self._lock = Lock()

    def get(self, engine: sa.Engine, key: Hashable, version: Hashable, make: Callable[[], T]) -> T:
        """Made without the lock: two that ask at once may both make it."""
        with self._lock:
            known = self._kept.setdefault(engine, OrderedDict()).get(key)
        value = known[1] if known and known[0] == version else make()
        with self._lock:
            kept = self._kept[engine]
            kept[key] = (version, value)
            kept.move_to_end(key)
            while len(kept) > self._most:
                kept.popitem(last=False)
        return value
