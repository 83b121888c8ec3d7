"""Cards, votes, labels and turns over HTTP."""

from typing import Annotated

from litestar import Controller, get, post
from litestar.params import Parameter

from service.access.guard import requires
from service.access.roles import Principal
from service.bots.controllers import BotName
from service.clock import now
from service.context import Context
from service.database import reading, writing
from service.intents.schemas import Intent, NewIntent
from service.page import Page
from service.reviews import corrections, dealing, listing, people, proposed, reliability, voting
from service.reviews.corrections import Corrected, Correction
from service.reviews.label_search import SoughtLabels, find_labels
from service.reviews.schemas import (
    Agreement,
    CardRow,
    CardStatus,
    CardView,
    CastVote,
    LabelRow,
    Origin,
    ProposedIntent,
    ReviewerRow,
    Reviewing,
    TurnView,
    Use,
    Vote,
    VoteResult,
)
from service.reviews.trace import trace
from service.reviews.trace_steps import Trace
from service.reviews.turn_view import view_turn

Cursor = Annotated[str | None, Parameter(description="`next` of the page before")]
Limit = Annotated[int, Parameter(ge=1, le=200, description="items a page")]
Count = Annotated[int, Parameter(ge=1, le=dealing.CARDS_AT_ONCE, description="cards to claim")]
CardId = Annotated[str, Parameter(description="the card's id")]
TurnId = Annotated[int, Parameter(le=2**63 - 1, description="the turn's id")]


LabelId = Annotated[int, Parameter(le=2**63 - 1, description="the label's id")]
Words = Annotated[str, Parameter(max_length=400, description="words that the turn holds, in quotes those together")]
Said = Annotated[str, Parameter(max_length=200, description="the intent's name, or `none`")]
Reviewer = Annotated[str, Parameter(max_length=200, description="whose vote decided it")]


class CardsController(Controller):
    path, tags = "/v1/bots/{bot:str}/cards", ("reviews",)

    @get("/next", guards=[requires("reviewer")], sync_to_thread=True)
    def next_cards(self, context: Context, principal: Principal, bot: BotName, count: Count = 1) -> Page[CardView]:
        """Cards for the caller, kept from other people for ten minutes. Asking again renews that and shows the same
        ones."""
        return Page(dealing.next_cards(context.engine, bot, voting.reviewer_of(principal, bot), count=count))

    @get("/", guards=[requires("reader")], sync_to_thread=True)
    def list_cards(
        self,
        context: Context,
        bot: BotName,
        status: CardStatus | None = None,
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Page[CardRow]:
        """Newest first."""
        with reading(context.engine) as connection:
            return listing.list_cards(connection, bot, status, cursor, limit)

    @post("/{card:str}/votes", guards=[requires("reviewer")], sync_to_thread=True)
    def vote(self, context: Context, principal: Principal, bot: BotName, card: CardId, data: Vote) -> VoteResult:
        """An answer, a correction of one's own, or an undo. The same `click_id` again answers the same."""
        return voting.cast(context, bot, card, voting.reviewer_of(principal, bot), data, surface="api")


class LabelsController(Controller):
    path, tags = "/v1/bots/{bot:str}/labels", ("reviews",)

    @get("/", guards=[requires("reader")], sync_to_thread=True)
    def list_labels(
        self,
        context: Context,
        bot: BotName,
        use: Use | None = None,
        q: Words = "",
        intent: Said = "",
        origin: Origin | None = None,
        reviewer: Reviewer = "",
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Page[LabelRow]:
        """Newest first, those that were replaced among them."""
        sought = SoughtLabels(q=q, intent=intent, origin=origin, reviewer=reviewer, use=use)
        with reading(context.engine) as connection:
            return find_labels(connection, bot, sought, cursor, limit)

    @post("/{label:int}/corrections", guards=[requires("adjudicator")], sync_to_thread=True)
    def correct_label(
        self, context: Context, principal: Principal, bot: BotName, label: LabelId, data: Correction
    ) -> Corrected:
        """Decide anew what its turn is, with a reason; the old label stays on record."""
        return corrections.correct(context, bot, label, data, principal.name, surface="api")


class TurnController(Controller):
    path, tags = "/v1/bots/{bot:str}/turns", ("turns",)

    @get("/{turn:int}", guards=[requires("reader")], sync_to_thread=True)
    def show_turn(self, context: Context, bot: BotName, turn: TurnId) -> TurnView:
        """A turn and what became of it."""
        with reading(context.engine) as connection:
            return view_turn(connection, bot, turn)

    @get("/{turn:int}/trace", guards=[requires("reader")], sync_to_thread=True)
    def trace_turn(self, context: Context, bot: BotName, turn: TurnId) -> Trace:
        """The same step by step, from its delivery to what it changed, each with when, what, numbers and where from."""
        return trace(context, bot, turn)


class ReliabilityController(Controller):
    path, tags = "/v1/bots/{bot:str}", ("reviews",)

    @get("/reviewers", guards=[requires("reviewer")], sync_to_thread=True)
    def list_reviewers(self, context: Context, principal: Principal, bot: BotName) -> Page[ReviewerRow]:
        """How often each reviewer's blind answers agree with what the others' come to, and how much they answer. A
        reviewer is told of themselves; adjudicators and owners of everybody."""
        with reading(context.engine) as connection:
            judged, only = reliability.reviewers(connection, bot), people.seen_by(principal, bot)
            return Page(people.reviewers(connection, bot, judged, now(), only))

    @get("/votes", guards=[requires("reviewer")], sync_to_thread=True)
    def list_votes(
        self,
        context: Context,
        principal: Principal,
        bot: BotName,
        reviewer: str,
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Page[CastVote]:
        """A reviewer's votes, newest first, without those on turns that somebody is asked about blind. Reviewers
        may ask for their own."""
        people.check_seen(principal, bot, reviewer)
        with reading(context.engine) as connection:
            return listing.votes_by(connection, bot, reviewer, cursor, limit)

    @get("/reviewing", guards=[requires("reviewer")], sync_to_thread=True)
    def show_reviewing(self, context: Context, bot: BotName) -> Reviewing:
        """The week's votes, what waits, and how many people a card asks."""
        with reading(context.engine) as connection:
            return people.reviewing(connection, bot, now())

    @get("/agreement", guards=[requires("reader")], sync_to_thread=True)
    def show_agreement(self, context: Context, bot: BotName) -> Agreement:
        """Krippendorff's α of the blind answers, of all and of each intent."""
        with reading(context.engine) as connection:
            return reliability.agreement(connection, bot)


class ProposedController(Controller):
    path, tags, guards = "/v1/bots/{bot:str}/proposed-intents", ("reviews",), (requires("owner"),)

    @get("/", sync_to_thread=True)
    def list_proposed(self, context: Context, bot: BotName) -> Page[ProposedIntent]:
        """Names that reviewers proposed and nobody decided about."""
        with reading(context.engine) as connection:
            return Page(proposed.waiting(connection, bot))

    @post("/accept", status_code=200, sync_to_thread=True)
    def accept_proposed(self, context: Context, principal: Principal, bot: BotName, data: NewIntent) -> Intent:
        """Create the intent; the votes that propose it become its labels."""
        with writing(context.engine) as connection:
            made = proposed.accept(connection, bot, data.name, data.description, now(), who=principal.name)
        voting.ask_to_resolve(context, bot)
        return made

    @post("/refuse", status_code=204, sync_to_thread=True)
    def refuse_proposed(self, context: Context, principal: Principal, bot: BotName, data: NewIntent) -> None:
        """Take the name off the list; its votes stay, and label nothing."""
        with writing(context.engine) as connection:
            proposed.refuse(connection, bot, data.name, now(), who=principal.name)


CONTROLLERS = (CardsController, LabelsController, TurnController, ReliabilityController, ProposedController)
