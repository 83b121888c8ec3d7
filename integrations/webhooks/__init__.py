"""The platforms whose logs are understood: a pure module each, and the signature scheme that a new source of it gets.

Where a platform's own deliveries are signed, that is its scheme. The others post through a few lines of their owner's,
which sign by Standard Webhooks, or can only add a header.
"""

from typing import Protocol

from integrations.webhooks import generic, lex, native, rasa
from service.turns.parsing import Adapter, Platform


class _Module(Protocol):
    """What the module of a platform says of it."""

    MARGIN: bool
    UNVERIFIED: tuple[str, ...]

    @property
    def parse(self) -> Adapter: ...


def _platform(module: _Module, scheme: str) -> Platform:
    return Platform(module.parse, scheme, module.MARGIN, module.UNVERIFIED)


PLATFORMS: dict[str, Platform] = {
    "native": _platform(native, "standard_webhooks"),
    "rasa": _platform(rasa, "standard_webhooks"),
    "lex": _platform(lex, "standard_webhooks"),
    "generic": _platform(generic, "standard_webhooks")._replace(options=generic.Options),
}
