"""Where logs come in, signed webhooks and the same content with a key, and search in what came."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

from litestar import Controller, Request, get, head, post
from litestar.di import NamedDependency
from litestar.params import FromPath, Parameter, RawBody

from service.access.guard import requires
from service.bots.controllers import BotName
from service.clock import now
from service.context import Context
from service.turns import search
from service.turns.intake import Intake
from service.turns.schemas import Receipt, ReportKind
from service.turns.search import By, Found, Sought

Cursor = Annotated[str | None, Parameter(description="`next` of the page before")]
Limit = Annotated[int, Parameter(ge=1, le=200, description="items a page")]
Query = Annotated[
    str,
    Parameter(max_length=400, description="words that all occur, in quotes those that stand together; or a sentence"),
]
How = Annotated[By, Parameter(description="what of `q` counts")]
Decided = Annotated[str, Parameter(max_length=200, description="the intent that the champion decided, or `none`")]
Label = Annotated[str, Parameter(max_length=200, description="the intent that it is labelled, or `none`")]
Mark = Annotated[str, Parameter(max_length=20, description="why it is interesting")]
Reported = Annotated[ReportKind | None, Parameter(description="what users reported")]
Source = Annotated[str, Parameter(max_length=40, description="how it came in")]
Version = Annotated[str, Parameter(max_length=100, description="`bot_version`")]
Since = Annotated[date | None, Parameter(description="first day, of UTC")]
Until = Annotated[date | None, Parameter(description="last day, of UTC")]


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
    path, tags = "/v1/bots/{bot:str}/turns", ("turns",)

    @post(status_code=202, guards=[requires("ingest")], operation_id="AddTurns", sync_to_thread=True)
    def add(
        self, bot: FromPath[str], body: RawBody, request: Request[Any, Any, Any], intake: NamedDependency[Intake]
    ) -> Receipt:
        """Turns, replies and reports in the native format; nothing is stored unless all of it is good."""
        return intake.keyed(bot, body, headers(request), now())

    @get("/", guards=[requires("reader")], operation_id="FindTurns", sync_to_thread=True)
    def find_turns(
        self,
        context: Context,
        bot: BotName,
        q: Query = "",
        by: How = "words",
        intent: Decided = "",
        label: Label = "",
        mark: Mark = "",
        report: Reported = None,
        source: Source = "",
        version: Version = "",
        since: Since = None,
        until: Until = None,
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Found:
        """Newest first; by meaning the likest first, on one page. A page that stops before it is full says how far back
        it looked."""
        sought = Sought(
            q=q,
            intent=intent,
            label=label,
            mark=mark,
            report=report,
            source=source,
            version=version,
            since=since,
            until=until,
        )
        return search.answer(context, bot, sought, by, cursor, limit)


def headers(request: Request[Any, Any, Any]) -> Mapping[str, str]:
    """By lower-case name."""
    return dict(request.headers)


CONTROLLERS = (WebhookController, TurnController)
