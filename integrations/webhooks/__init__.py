"""The platforms whose logs are understood: a pure module each, and the signature scheme that a new source of it gets.

Where a platform's own deliveries are signed, that is its scheme, and where it can but add a header, a shared key. Logs
of the others are posted by a few lines of their owner's, which sign by Standard Webhooks.
"""

from typing import Protocol

from integrations.webhooks import (
    bot_framework,
    botpress,
    chatwoot,
    dialogflow_cx,
    generic,
    intercom,
    lex,
    native,
    rasa,
    zendesk,
)
from service.turns.parsing import Adapter, Margin, Platform


class _Module(Protocol):
    """What the module of a platform says of it."""

    @property
    def MARGIN(self) -> Margin: ...

    @property
    def UNVERIFIED(self) -> tuple[str, ...]: ...

    @property
    def parse(self) -> Adapter: ...


def _platform(module: _Module, scheme: str) -> Platform:
    return Platform(module.parse, scheme, module.MARGIN, module.UNVERIFIED)


PLATFORMS: dict[str, Platform] = {
    "native": _platform(native, "standard_webhooks"),
    "rasa": _platform(rasa, "standard_webhooks"),
    "lex": _platform(lex, "standard_webhooks"),
    "bot_framework": _platform(bot_framework, "standard_webhooks"),
    "dialogflow_cx": _platform(dialogflow_cx, "shared_key"),
    "botpress": _platform(botpress, "shared_key"),
    "chatwoot": _platform(chatwoot, "chatwoot"),
    "intercom": _platform(intercom, "intercom"),
    "zendesk": _platform(zendesk, "zendesk"),
    "generic": _platform(generic, "standard_webhooks")._replace(options=generic.Options),
}
