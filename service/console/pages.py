"""The console: plain pages of forms. The script makes them quicker to use; nothing needs it."""

import uuid
from datetime import timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Controller, MediaType, Request, Response, Router, get, post
from litestar.datastructures import CacheControlHeader
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Redirect
from litestar.static_files import create_static_files_router

from service import problems, slack_trouble
from service.access.guard import requires
from service.access.roles import Principal, allows
from service.bots.controllers import BotName
from service.bots.hours import day_start
from service.bots.store import get_bot
from service.clock import now
from service.console import overview
from service.console.entities import Editor, EntitiesForm, begin, known_types, read, spans_of
from service.context import Context
from service.database import reading
from service.errors import CardClosed
from service.intents.store import views
from service.reviews import dealing, store
from service.reviews.controllers import CardId
from service.reviews.reasons import MARKS
from service.reviews.schemas import CardView, Span, Vote
from service.reviews.views import numbered_choices
from service.reviews.voting import cast, reviewer_of

FOLDER = Path(__file__).parent
STATIC = FOLDER / "static"
YEAR_S = 31_536_000
UNDO_WITHIN = timedelta(hours=12)


@cache
def asset(name: str, folder: Path = STATIC, path: str = "/static") -> str:
    """The file's address; it changes with the content, so a browser may keep what it has."""
    return f"{path}/{name}?v={sha256((folder / name).read_bytes()).hexdigest()[:12]}"


def click() -> str:
    """A vote's id, made when the page is: the same form sent twice is one vote."""
    return uuid.uuid4().hex


def templates(*folders: Path) -> Environment:
    """The console's, and those of the folders, which may extend `base.html`."""
    made = Environment(
        loader=FileSystemLoader([*folders, FOLDER / "templates"]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    made.globals |= {"asset": asset, "click": click, "marks": MARKS}
    return made


_templates = templates()


def page(template: str, *, status: int = 200, found_in: Environment = _templates, **fields: object) -> Response[str]:
    return Response(found_in.get_template(template).render(**fields), status_code=status, media_type=MediaType.HTML)


def refused(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Errors of pages are pages; what nobody foresaw is logged where all the others are."""
    known = problems.as_domain(error)
    if known is None:
        return problems.answer(request, error)
    return page("refused.html", status=known.status, error=known)


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


class ConsoleController(Controller):
    path, include_in_schema = "/", False
    exception_handlers = {Exception: refused}  # noqa: RUF012 - Litestar reads it from the class

    @get("/", guards=[requires("reader")], sync_to_thread=True)
    def show_bots(self, context: Context, principal: Principal) -> Response[str]:
        with reading(context.engine) as connection:
            bots = [bot for bot in overview.bots(connection) if allows(principal, "reader", bot.name)]
            refused = slack_trouble.troubles(connection)
        reviewed = {bot.name for bot in bots if allows(principal, "reviewer", bot.name)}
        has_slack = bool(context.settings.slack_bot_token)
        return page(
            "bots.html", principal=principal, bots=bots, reviewed=reviewed, refused=refused, has_slack=has_slack
        )

    @get("/bots/{bot:str}/review", guards=[requires("reviewer")], sync_to_thread=True)
    def review(
        self, context: Context, principal: Principal, bot: BotName, closed: bool = False, entities: bool = False
    ) -> Response[str]:
        """One card at a time, claimed for ten minutes; with `entities` their editor is open."""
        card = _next(context, principal, bot)
        editor = begin(card) if card and entities else None
        return _review_page(context, principal, bot, card, closed=closed, editor=editor)

    @post("/bots/{bot:str}/review/{card:str}/entities", guards=[requires("reviewer")], sync_to_thread=True)
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

    @post("/bots/{bot:str}/review/{card:str}", guards=[requires("reviewer")], status_code=303, sync_to_thread=True)
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
            "last": overview.last_vote(connection, bot, principal.name, at - UNDO_WITHIN),
            "enough": dealing.enough_today(connection, bot, principal.name, at),
            "types": known_types(connection, bot) if editor and editor.is_open else (),
        }
    fields |= {"principal": principal, "bot": bot, "card": card, "numbered": numbered_choices(card) if card else ()}
    return page("review.html", status=status, closed=closed, editor=editor, **fields)


def files(folder: Path, path: str = "/static") -> Router:
    """Serves a folder's files, which a browser may keep: see `asset`."""
    keep = CacheControlHeader(max_age=YEAR_S, immutable=True)
    return create_static_files_router(path, [folder], cache_control=keep, include_in_schema=False)


CONTROLLERS = (ConsoleController, files(STATIC))
