"""The champion of each bot, kept in memory by processes that classify."""

import time
from collections.abc import Callable
from threading import Lock
from typing import NamedTuple

import sqlalchemy as sa

from service import database
from service.classifiers import store
from service.classifiers.schemas import Classifier


class _Kept(NamedTuple):
    champion: Classifier | None
    looked_at: float


class Champions:
    """Looks at three integers in SQL every `max_age_s`, and reads weights when one changed: a swap needs no restart."""

    def __init__(self, engine: sa.Engine, max_age_s: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine, self._max_age_s, self._clock = engine, max_age_s, clock
        self._kept: dict[str, _Kept] = {}
        self._lock = Lock()

    def get(self, bot: str, *, now: bool = False) -> Classifier | None:
        """The champion, None before the first; BotNotFound. `now`: one put in force a moment ago counts already."""
        with self._lock:
            kept = self._kept.get(bot)
            if now or kept is None or self._clock() - kept.looked_at >= self._max_age_s:
                kept = self._kept[bot] = _Kept(self._look(bot, kept), self._clock())
            return kept.champion

    def _look(self, bot: str, kept: _Kept | None) -> Classifier | None:
        with database.reading(self._engine) as connection:
            known = kept and kept.champion
            if known and _version(known) == _newest(connection, bot):
                return known
            return store.champion(connection, bot)


def _version(champion: Classifier) -> tuple[int, int, int | None]:
    return champion.n, champion.platform.n, champion.tagger.n if champion.tagger else None


def _newest(connection: sa.Connection, bot: str) -> tuple[int | None, int, int | None]:
    return store.champion_n(connection, bot), store.newest_n(connection, bot), store.tagger_n(connection, bot)
