"""The trace of a turn, and the labels that an intent's recall hangs on."""

from collections.abc import Mapping

from litestar import Controller, Response, get

from service.access.guard import requires
from service.access.roles import Principal
from service.bots.controllers import BotName
from service.classifiers import operations
from service.classifiers.controllers import IntentName, Number
from service.classifiers.influence import influence
from service.console.frame import bot_page
from service.context import Context
from service.database import reading
from service.reviews.controllers import TurnId
from service.reviews.trace import trace
from service.reviews.trace_steps import StepName

HEADINGS: Mapping[StepName, str] = {
    "delivery": "How it came in",
    "redaction": "What was redacted",
    "reports": "What users reported",
    "probabilities": "What each classifier since made of it",
    "marks": "Why it is interesting",
    "ranking": "How it was ranked",
    "card": "How it was asked",
    "votes": "What people answered",
    "label": "What it was labelled",
    "training": "Which classifiers learnt from it",
    "changes": "What changed for it and its neighbours",
}
# Numbers whose names in the API say little to somebody who looks.
NUMBERS: Mapping[str, str] = {
    "p1": "probability of best",
    "p2": "probability of second",
    "p1_before": "probability before",
    "p1_now": "probability now",
    "confidence": "chance that the bot is right",
}
HERE = "Turns"  # the tab


class TraceController(Controller):
    path, include_in_schema = "/bots/{bot:str}", False

    @get("/turns/{turn:int}", guards=[requires("reader")], sync_to_thread=True)
    def show_trace(self, context: Context, principal: Principal, bot: BotName, turn: TurnId) -> Response[str]:
        found = trace(context, bot, turn)
        return bot_page("trace.html", principal, bot, HERE, trace=found, headings=HEADINGS, numbers=NUMBERS)

    @get("/classifiers/{n:int}/influence", guards=[requires("reader")], sync_to_thread=True)
    def show_influence(
        self, context: Context, principal: Principal, bot: BotName, n: Number, intent: IntentName | None = None
    ) -> Response[str]:
        """Without an intent: the intents one may ask about."""
        with reading(context.engine) as connection:
            version = operations.version(connection, bot, n)
        found = None if intent is None else influence(context.engine, bot, n, intent)
        return bot_page("influence.html", principal, bot, "Classifiers", version=version, found=found, intent=intent)
