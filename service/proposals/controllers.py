"""Proposed intents and coverage over HTTP."""

from typing import Annotated

from litestar import Controller, get, post
from litestar.params import Parameter

from service.access.guard import requires
from service.access.roles import Principal
from service.bots.controllers import BotName
from service.clock import now
from service.context import Context
from service.database import reading, writing
from service.page import Page
from service.proposals import rules, store
from service.proposals.coverage import coverage
from service.proposals.schemas import Acceptance, Accepted, Coverage, Proposal, Queued, Status
from service.reviews.controllers import Cursor, Limit

ProposalId = Annotated[int, Parameter(description="the proposal's id")]
Days = Annotated[int, Parameter(ge=1, le=365, description="of event time, up to the newest turn")]


class ProposalsController(Controller):
    path, tags = "/v1/bots/{bot:str}/proposals", ("proposals",)

    @get("/", guards=[requires("reader")], sync_to_thread=True)
    def list_proposals(
        self, context: Context, bot: BotName, status: Status | None = None, cursor: Cursor = None, limit: Limit = 50
    ) -> Page[Proposal]:
        """Newest first: clusters of turns far from every label, which may be intents that the bot lacks."""
        with reading(context.engine) as connection:
            return store.list_proposals(connection, bot, status, cursor, limit)

    @post("/{proposal:int}/accept", guards=[requires("owner")], status_code=200, sync_to_thread=True)
    def accept_proposal(
        self, context: Context, principal: Principal, bot: BotName, proposal: ProposalId, data: Acceptance
    ) -> Accepted:
        """Create the intent, and ask reviewers about the typical turns first; nothing is labelled by this."""
        with writing(context.engine) as connection:
            return rules.accept(connection, context.keyring, bot, proposal, data, now(), who=principal.name)

    @post("/{proposal:int}/dismiss", guards=[requires("owner")], status_code=200, sync_to_thread=True)
    def dismiss_proposal(self, context: Context, principal: Principal, bot: BotName, proposal: ProposalId) -> Proposal:
        """It does not come back while it is mostly the same turns."""
        with writing(context.engine) as connection:
            return rules.dismiss(connection, bot, proposal, now(), who=principal.name)

    @post("/{proposal:int}/review", guards=[requires("owner")], status_code=200, sync_to_thread=True)
    def review_proposal(self, context: Context, principal: Principal, bot: BotName, proposal: ProposalId) -> Queued:
        """Ask reviewers about up to ten of its typical turns first, before it is decided."""
        with writing(context.engine) as connection:
            return rules.review(connection, context.keyring, bot, proposal, now(), who=principal.name)


class CoverageController(Controller):
    path, tags = "/v1/bots/{bot:str}/coverage", ("proposals",)

    @get("/", guards=[requires("reader")], sync_to_thread=True)
    def show_coverage(self, context: Context, bot: BotName, days: Days = 28) -> Coverage:
        """What of the log each intent covers, and what none does."""
        with reading(context.engine) as connection:
            return coverage(connection, bot, days)


CONTROLLERS = (ProposalsController, CoverageController)
