"""Which encoder a bot has; each is loaded once, and shared by the bots that use it."""

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import sqlalchemy as sa
import structlog

from service import database, tables
from service import encoding_wire as wire
from service.context import Context
from service.errors import ConfigError, EncoderDown
from workers.batching import Batcher
from workers.encoder import Model

log = structlog.get_logger()

Loader = Callable[[str, int], Model]

SETTING_S = 2.0  # a bot's changed encoder is noticed this late at most
FAILED_S = 10.0  # a model that could not be loaded is not tried again sooner


class _Setting(NamedTuple):
    name: str
    read_at: float


class Encoders:
    """One loaded model per name, shared by the bots that use it; loaded when first asked for, and kept."""

    def __init__(self, context: Context, load: Loader, threads: int) -> None:
        self._context, self._load, self._threads = context, load, threads
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._settings: dict[str, _Setting] = {}
        self._batchers: dict[str, Batcher] = {}
        self._failed: dict[str, tuple[float, ConfigError]] = {}

    def of(self, bot: str, deadline: float, *, now: bool = False) -> Batcher:
        """ConfigError when the bot's model cannot be loaded: another one must not stand in for it. `now`: a setting
        changed a moment ago counts already."""
        return self.named(self._name(bot, 0.0 if now else SETTING_S), deadline)

    def named(self, name: str, deadline: float) -> Batcher:
        if name not in self._batchers:
            # A model of the hub takes minutes to arrive: who asks meanwhile does not wait for ever.
            if not self._loading.acquire(timeout=min(wire.remaining(deadline), threading.TIMEOUT_MAX)):
                raise EncoderDown(f"the encoder {name!r} is being loaded")
            try:
                if name not in self._batchers:
                    self._batchers[name] = Batcher(self._loaded(name))
            finally:
                self._loading.release()
        return self._batchers[name]

    def _loaded(self, name: str) -> Model:
        failed_at, failure = self._failed.get(name, (-FAILED_S, None))
        if failure is not None and time.monotonic() - failed_at < FAILED_S:
            raise ConfigError(failure.detail, hint=failure.hint)
        try:
            return self._load(name, self._threads)
        except ConfigError as error:
            log.error("encoder.failed", encoder=name, reason=str(error))
            self._failed[name] = (time.monotonic(), error)
            raise

    def _name(self, bot: str, max_age_s: float) -> str:
        """The bot's own setting, else the installation's; a bot that is not there yet has the latter."""
        with self._lock:
            known = self._settings.get(bot)
        if known is None or time.monotonic() - known.read_at > max_age_s:
            with database.reading(self._context.engine) as connection:
                own = connection.scalar(sa.select(tables.bot.c.encoder).where(tables.bot.c.name == bot))
            known = _Setting(own or self._context.settings.encoder, time.monotonic())
            with self._lock:
                self._settings[bot] = known
        return known.name

    def close(self) -> None:
        for batcher in self._batchers.values():
            batcher.close()
