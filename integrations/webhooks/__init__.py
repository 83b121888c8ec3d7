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


def _platform(module: _Module, scheme: str, connect: str) -> Platform:
    return Platform(module.parse, scheme, module.MARGIN, module.UNVERIFIED, connect=connect)


PLATFORMS: dict[str, Platform] = {
    "native": _platform(native, "standard_webhooks", "Post turns, replies and reports, signed by Standard Webhooks."),
    "rasa": _platform(
        rasa,
        "standard_webhooks",
        "`fencepost rasa-broker` prints the event broker, and the lines of endpoints.yml that go with it.",
    ),
    "lex": _platform(
        lex,
        "standard_webhooks",
        "Subscribe a Lambda to the log group of the conversation logs; README.md has its ten lines.",
    ),
    "bot_framework": _platform(
        bot_framework,
        "standard_webhooks",
        "Post a turn's activities together, signed by Standard Webhooks; import transcripts.",
    ),
    "dialogflow_cx": _platform(
        dialogflow_cx,
        "shared_key",
        "Send the requests log by a sink to a Pub/Sub topic, whose function posts what it gets, see README.md.",
    ),
    "botpress": _platform(botpress, "shared_key", "Add a hook that posts the event with the header x-api-key."),
    "chatwoot": _platform(
        chatwoot,
        "chatwoot",
        "Settings, Integrations, Webhooks: message_created and message_updated; give us the secret it shows.",
    ),
    "intercom": _platform(
        intercom,
        "intercom",
        "Developer Hub, Webhooks: the conversation topics that README.md lists; give us the client secret.",
    ),
    "zendesk": _platform(
        zendesk, "zendesk", "A webhook subscribed to Messaging ticket, Message added; give us its signing secret."
    ),
    "generic": _platform(
        generic,
        "standard_webhooks",
        "Post any JSON, signed by Standard Webhooks; the options say where in it each field stands.",
    )._replace(options=generic.Options),
}
