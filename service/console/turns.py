"""The turns page: a turn by its number, and search by words, by meaning and by what was made of turns."""

from typing import Any, NamedTuple, get_args

import msgspec
from litestar import Controller, Response, get
from litestar.response import Redirect

from service.access.guard import requires
from service.access.roles import Principal
from service.bots.controllers import BotName
from service.bots.store import get_bot, list_sources
from service.console.frame import at_field, bot_page
from service.context import Context
from service.database import reading
from service.errors import BadInput, EncoderDown, FencepostError
from service.intents.store import list_intents
from service.reviews.controllers import Cursor, TurnId
from service.reviews.label_search import OUT_OF_SCOPE
from service.reviews.reasons import MARKS
from service.turns import search
from service.turns.schemas import ReportKind
from service.turns.search import NEAREST, By, Found, Sought

HERE = "Turns"  # the tab
PAGE = 50  # turns
KINDS = {**MARKS, "audit": "drawn at random", "flip": "champion and challenger differ"}
REPORTS = {kind: kind.replace("_", " ") for kind in get_args(ReportKind)}


class Answer(NamedTuple):
    found: Found = Found([])
    fault: FencepostError | None = None  # of a field
    trouble: str = ""  # why a search by meaning has no answer


class TurnsController(Controller):
    path, include_in_schema = "/bots/{bot:str}/turns", False

    @get("/", guards=[requires("reader")], sync_to_thread=True)
    def find_turns(
        self,
        context: Context,
        principal: Principal,
        bot: BotName,
        turn: TurnId | None = None,
        by: By = "words",
        q: str = "",
        intent: str = "",
        label: str = "",
        mark: str = "",
        report: str = "",
        source: str = "",
        version: str = "",
        since: str = "",
        until: str = "",
        cursor: Cursor = None,
    ) -> Response[str] | Redirect:
        """`turn`: the one to go to. A field that is left empty asks for nothing."""
        if turn is not None:
            return Redirect(f"/bots/{bot}/turns/{turn}", status_code=303)
        fields = {"q": q, "intent": intent, "label": label, "mark": mark, "report": report, "source": source}
        fields |= {"version": version, "since": since, "until": until}
        asked = {name: said.strip() for name, said in fields.items() if said.strip()}
        answer = _answer(context, bot, asked, by, cursor)
        with reading(context.engine) as connection:
            get_bot(connection, bot)
            intent_ids = {one.name: one.id for one in list_intents(connection, bot, archived=True)}
            sources = [(one.name, one.name) for one in list_sources(connection, bot)]
        shown: dict[str, Any] = {"asked": {**fields, **asked, "by": by}, "is_narrowed": bool(asked)}
        shown |= {"nearest": NEAREST, "kinds": KINDS, "reports": REPORTS, "sources": sources, "intent_ids": intent_ids}
        shown["intents"] = [*((name, name) for name in sorted(intent_ids)), (OUT_OF_SCOPE, "none of the intents")]
        status = answer.fault.status if answer.fault else 200
        return bot_page("turns.html", principal, bot, HERE, status=status, **shown, **answer._asdict())


def _answer(context: Context, bot: str, asked: dict[str, str], by: By, cursor: str | None) -> Answer:
    try:
        sought = msgspec.convert(asked, Sought, strict=False)
        return Answer(search.answer(context, bot, sought, by, cursor, PAGE))
    except EncoderDown as error:
        return Answer(trouble=error.detail)
    except (BadInput, msgspec.ValidationError) as error:
        return Answer(fault=at_field(error, asked))
