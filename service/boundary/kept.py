"""What a page says of intents, kept for a minute: with thousands of labels it takes half a second to work out. A new
label or another classifier in force is seen at once."""

import time
from collections.abc import Callable
from threading import Lock
from typing import NamedTuple
from weakref import WeakKeyDictionary

import sqlalchemy as sa

from service import tables
from service.bots.store import get_bot
from service.boundary.measuring import Looked, look
from service.boundary.schemas import IntentsAdvice

KEPT_S = 60.0


class _Kept(NamedTuple):
    version: tuple[int | None, int | None]
    at: float
    looked: Looked


_kept: WeakKeyDictionary[sa.Engine, dict[str, _Kept]] = WeakKeyDictionary()
_lock = Lock()


def kept_advice(connection: sa.Connection, bot: str, clock: Callable[[], float] = time.monotonic) -> IntentsAdvice:
    """BotNotFound."""
    return kept(connection, bot, clock).advice


def kept(
    connection: sa.Connection, bot: str, clock: Callable[[], float] = time.monotonic, *, label_at_once: bool = True
) -> Looked:
    """BotNotFound. `label_at_once` False: what is known from before the newest labels will do."""
    version, at = _version(connection, bot), clock()
    with _lock:
        known = _kept.setdefault(connection.engine, {}).get(bot)
    same = slice(None if label_at_once else 1)  # only the classifier has to be
    if known and known.version[same] == version[same] and at - known.at < KEPT_S:
        return known.looked
    looked = look(connection, bot)
    with _lock:
        _kept[connection.engine][bot] = _Kept(version, at, looked)
    return looked


def _version(connection: sa.Connection, bot: str) -> tuple[int | None, int | None]:
    label = tables.label.c
    newest = connection.scalar(sa.select(sa.func.max(label.id)).where(label.bot == bot))
    return get_bot(connection, bot).champion, newest
