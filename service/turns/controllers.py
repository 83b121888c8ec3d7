"""Where logs come in: signed webhooks, and the same content with a key."""

from collections.abc import Mapping
from typing import Any

from litestar import Controller, Request, head, post
from litestar.di import NamedDependency
from litestar.params import FromPath, RawBody

from service.access.guard import requires
from service.clock import now
from service.turns.intake import Intake
from service.turns.schemas import Receipt


class WebhookController(Controller):
    path, tags = "/webhooks/{bot:str}/{source:str}", ("turns",)

    @post(status_code=202, operation_id="ReceiveDelivery", sync_to_thread=True)
    def receive(
        self,
        bot: FromPath[str],
        source: FromPath[str],
        body: RawBody,
        request: Request[Any, Any, Any],
        intake: NamedDependency[Intake],
    ) -> Receipt:
        """A delivery signed by the source's scheme; 202 means that it is on disk."""
        return intake.signed(bot, source, body, headers(request), now())

    @head(operation_id="FindSource", sync_to_thread=True)
    def find(self, bot: FromPath[str], source: FromPath[str], intake: NamedDependency[Intake]) -> None:
        """Whether there is such a source: Intercom, for one, asks before it takes the address."""
        intake.find(bot, source)


class TurnController(Controller):
    path, tags, guards = "/v1/bots/{bot:str}/turns", ("turns",), (requires("ingest"),)

    @post(status_code=202, operation_id="AddTurns", sync_to_thread=True)
    def add(
        self, bot: FromPath[str], body: RawBody, request: Request[Any, Any, Any], intake: NamedDependency[Intake]
    ) -> Receipt:
        """Turns, replies and reports in the native format; nothing is stored unless all of it is good."""
        return intake.keyed(bot, body, headers(request), now())


def headers(request: Request[Any, Any, Any]) -> Mapping[str, str]:
    """By lower-case name."""
    return dict(request.headers)


CONTROLLERS = (WebhookController, TurnController)
