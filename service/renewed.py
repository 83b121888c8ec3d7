"""What takes long to work out and may be a minute old: kept in this process, renewed behind the back of whoever asks.

Who asks is given what is kept. Found older than FRESH_S it is given away all the same, and worked out anew meanwhile:
who asks next gets that. So what is often looked at is little more than a minute old, and nothing is older than
OLDEST_S: then, or while there is nothing yet, who asks waits. What is too old to be given away is let go of when
something else is kept: of a bot that is gone, or a page that nobody looks at, nothing stays."""

import time
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Generic, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

import sqlalchemy as sa
import structlog

from service.database import reading

FRESH_S = 60.0
OLDEST_S = 3_600.0
K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

log = structlog.get_logger()

_behind = ThreadPoolExecutor(1, "renewed")  # one at a time: requests need the processor more


class _Value(NamedTuple, Generic[T]):
    version: Hashable
    at: float
    value: T


class Renewed(Generic[K, T]):
    """What `work` makes of each key; its errors are whose who asks and waits."""

    def __init__(
        self,
        work: Callable[[sa.Connection, K], T],
        fresh_s: float = FRESH_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._work, self._fresh_s, self._clock = work, fresh_s, clock
        self._values: WeakKeyDictionary[sa.Engine, dict[K, _Value[T]]] = WeakKeyDictionary()
        self._running: set[tuple[int, K]] = set()  # renewals
        self._lock = Lock()

    def of(self, connection: sa.Connection, key: K, version: Hashable = None) -> T:
        """`version`: of what the value may never be behind; that of another one is not given away."""
        with self._lock:
            known = self._values.get(connection.engine, {}).get(key)
        age = self._clock() - known.at if known else 0.0
        if known is None or known.version != version or age > OLDEST_S:
            return self._keep(connection, key, version)
        if age > self._fresh_s:
            self._renew(connection.engine, key, version)
        return known.value

    def _keep(self, connection: sa.Connection, key: K, version: Hashable) -> T:
        at = self._clock()
        value = self._work(connection, key)
        with self._lock:
            kept = self._values.get(connection.engine, {})
            young = {known: one for known, one in kept.items() if at - one.at <= OLDEST_S}
            self._values[connection.engine] = young | {key: _Value(version, at, value)}
        return value

    def _renew(self, engine: sa.Engine, key: K, version: Hashable) -> None:
        with self._lock:
            is_renewed = (id(engine), key) in self._running
            self._running.add((id(engine), key))
        if not is_renewed:
            _behind.submit(self._anew, engine, key, version)

    def _anew(self, engine: sa.Engine, key: K, version: Hashable) -> None:
        try:
            with reading(engine) as connection:
                self._keep(connection, key, version)
        except Exception as error:  # noqa: BLE001 - nobody waits for it; what is kept is given away on
            log.error("renewal.failed", work=self._work.__qualname__, key=str(key), error=type(error).__name__)
        finally:
            with self._lock:
                self._running.discard((id(engine), key))
