"""Boundaries and advice over HTTP."""

from litestar import Controller, get, post

from service.access.guard import requires
from service.access.roles import Principal
from service.bots.controllers import BotName
from service.boundary import intents, pairs, rules
from service.boundary.intents import IntentDetail, IntentRow
from service.boundary.measuring import intents_advice
from service.boundary.schemas import BoundaryMap, IntentsAdvice, PairView
from service.clock import now
from service.context import Context
from service.database import reading, writing
from service.intents.controllers import IntentId
from service.page import Page
from service.proposals.schemas import Queued


class BoundaryController(Controller):
    path, tags = "/v1/bots/{bot:str}/boundary", ("boundary",)

    @get("/", guards=[requires("reader")], sync_to_thread=True)
    def show_boundary(self, context: Context, bot: BotName) -> BoundaryMap:
        """Pairs of intents by how far they run into each other, and by where people disagree."""
        with reading(context.engine) as connection:
            return rules.boundary(connection, bot)

    @get("/{a:int}/{b:int}", guards=[requires("reader")], sync_to_thread=True)
    def show_pair(self, context: Context, bot: BotName, a: IntentId, b: IntentId) -> PairView:
        """What lies between two intents, and how many labels would settle it."""
        with reading(context.engine) as connection:
            return pairs.pair_view(connection, bot, a, b)

    @post("/{a:int}/{b:int}/review", guards=[requires("owner")], status_code=200, sync_to_thread=True)
    def review_pair(self, context: Context, principal: Principal, bot: BotName, a: IntentId, b: IntentId) -> Queued:
        """Ask reviewers about the ten most undecided candidates between the two, before all others."""
        with writing(context.engine) as connection:
            return pairs.review(connection, context.keyring, bot, a, b, now(), who=principal.name)


@get("/v1/bots/{bot:str}/intents/advice", guards=[requires("reader")], tags=["boundary"], sync_to_thread=True)
def show_intents_advice(context: Context, bot: BotName) -> IntentsAdvice:
    """What would help each weak intent most, and the numbers that rests on."""
    with reading(context.engine) as connection:
        return intents_advice(connection, bot)


@get("/v1/bots/{bot:str}/intents/measured", guards=[requires("reader")], tags=["boundary"], sync_to_thread=True)
def list_measured_intents(context: Context, bot: BotName, archived: bool = False) -> Page[IntentRow]:
    """Every intent in numbers, by name: labels, share of the newest turns, recall, agreement, reports."""
    with reading(context.engine) as connection:
        return Page(intents.rows(connection, bot, archived=archived))


@get("/v1/bots/{bot:str}/intents/{intent:int}", guards=[requires("reader")], tags=["boundary"], sync_to_thread=True)
def show_intent(context: Context, bot: BotName, intent: IntentId) -> IntentDetail:
    """What an intent means, what it was called, what it is taken for, and what is advised of it."""
    with reading(context.engine) as connection:
        return intents.detail(connection, bot, intent)


CONTROLLERS = (BoundaryController, show_intents_advice, list_measured_intents, show_intent)
