"""The review page: one card at a time, answered by plain forms. The script makes it quicker; nothing needs it."""

import uuid
from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa
from litestar import Controller, Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Redirect

from service import tables
from service.access.guard import requires
from service.access.roles import Principal
from service.bots.controllers import BotName
from service.bots.hours import day_start
from service.bots.store import get_bot
from service.clock import now
from service.console.entities import Editor, EntitiesForm, begin, known_types, read, spans_of
from service.console.frame import bot_page
from service.context import Context
from service.database import reading
from service.errors import CardClosed
from service.intents.store import views
from service.reviews import dealing, store
from service.reviews.controllers import CardId
from service.reviews.schemas import CardView, Span, Vote
from service.reviews.views import numbered_choices
from service.reviews.voting import cast, reviewer_of

UNDO_WITHIN = timedelta(hours=12)
CARD, VOTE, CONTENT, INTENT = tables.card, tables.vote, tables.turn_content, tables.intent


class VoteForm(msgspec.Struct, frozen=True, kw_only=True):
    """The button that was pressed: an intent's name, or another answer; and the entities if they were looked at."""

    click_id: str
    answer: str = "intent"
    intent: str = ""
    proposed: str = ""
    entities: str = ""  # in bracket notation

    def vote(self, spans: tuple[Span, ...] | None) -> Vote:
        said = {name: value for name, value in msgspec.to_builtins(self).items() if value and name != "entities"}
        return msgspec.convert(said | {"spans": spans}, Vote)


class LastVote(msgspec.Struct, frozen=True):
    """What "undo" would take back."""

    card: str
    text: str
    answer: str  # an intent's name, or another answer


class ReviewController(Controller):
    path, include_in_schema = "/bots/{bot:str}/review", False

    @get("/", guards=[requires("reviewer")], sync_to_thread=True)
    def review(
        self, context: Context, principal: Principal, bot: BotName, closed: bool = False, entities: bool = False
    ) -> Response[str]:
        """One card at a time, claimed for ten minutes; with `entities` their editor is open."""
        card = _next(context, principal, bot)
        editor = begin(card) if card and entities else None
        return _review_page(context, principal, bot, card, closed=closed, editor=editor)

    @post("/{card:str}/entities", guards=[requires("reviewer")], sync_to_thread=True)
    def mark_entities(
        self,
        context: Context,
        principal: Principal,
        bot: BotName,
        card: CardId,
        data: Annotated[EntitiesForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
    ) -> Response[str]:
        """Keep what was typed for the answer, which the page then asks for."""
        shown = _next(context, principal, bot)
        if shown is None or shown.id != card:
            return _review_page(context, principal, bot, shown, closed=True)
        editor = read(shown, data)
        return _review_page(context, principal, bot, shown, editor=editor, status=400 if editor.error else 200)

    @post("/{card:str}", guards=[requires("reviewer")], status_code=303, sync_to_thread=True)
    def vote(
        self,
        context: Context,
        principal: Principal,
        bot: BotName,
        card: CardId,
        data: Annotated[VoteForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
    ) -> Redirect:
        with reading(context.engine) as connection:
            spans = spans_of(connection, bot, card, data.entities)
        try:
            cast(context, bot, card, reviewer_of(principal, bot), data.vote(spans), surface="console")
        except CardClosed:
            return Redirect(f"/bots/{bot}/review?closed=true", status_code=303)
        return Redirect(f"/bots/{bot}/review", status_code=303)


def _next(context: Context, principal: Principal, bot: str) -> CardView | None:
    return next(iter(dealing.next_cards(context.engine, bot, reviewer_of(principal, bot))), None)


def _review_page(
    context: Context,
    principal: Principal,
    bot: str,
    card: CardView | None,
    *,
    closed: bool = False,
    editor: Editor | None = None,
    status: int = 200,
) -> Response[str]:
    at = now()
    with reading(context.engine) as connection:
        fields: dict[str, Any] = {
            "intents": sorted(views(connection, bot), key=lambda intent: intent.name),
            "today": store.count_votes(connection, bot, principal.name, day_start(get_bot(connection, bot), at)),
            "open": store.count_open(connection, bot),
            "last": last_vote(connection, bot, principal.name, at - UNDO_WITHIN),
            "enough": dealing.enough_today(connection, bot, principal.name, at),
            "types": known_types(connection, bot) if editor and editor.is_open else (),
        }
    fields |= {"card": card, "numbered": numbered_choices(card) if card else (), "click": click}
    return bot_page("review.html", principal, bot, "Review", status=status, closed=closed, editor=editor, **fields)


def click() -> str:
    """A vote's id, made when the page is: the same form sent twice is one vote."""
    return uuid.uuid4().hex


def last_vote(connection: sa.Connection, bot: str, reviewer: str, since: datetime) -> LastVote | None:
    """The reviewer's newest vote that is not undone; None when there is none since then, or its turn is forgotten."""
    card_id = store.last_answered(connection, bot, reviewer, since)
    if card_id is None:
        return None
    is_intent = (INTENT.c.bot == VOTE.c.bot) & (INTENT.c.id == VOTE.c.intent_id)
    query = (
        sa.select(VOTE.c.card_id, CONTENT.c.text, VOTE.c.answer, VOTE.c.proposed, INTENT.c.name)
        .join(CARD, CARD.c.id == VOTE.c.card_id)
        .join(CONTENT, CONTENT.c.turn_id == CARD.c.turn_id)
        .join(INTENT, is_intent, isouter=True)
        .where(VOTE.c.card_id == card_id, VOTE.c.reviewer == reviewer)
        .order_by(VOTE.c.id.desc())
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else LastVote(row.card_id, row.text, row.name or row.proposed or row.answer)
