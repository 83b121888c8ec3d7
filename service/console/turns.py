"""The turns page: a turn by its number, and search by words, by meaning and by what was made of turns."""

from typing import Any, get_args

import msgspec
from litestar import Controller, Response, get
from litestar.response import Redirect

from service.access.guard import requires
from service.access.roles import Principal
from service.bots.controllers import BotName
from service.bots.store import get_bot
from service.console.frame import bot_page
from service.context import Context
from service.database import reading
from service.errors import EncoderDown
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
        sought = msgspec.convert(asked, Sought, strict=False)
        found, trouble = _found(context, bot, sought, by, cursor)
        with reading(context.engine) as connection:
            get_bot(connection, bot)
            intents = sorted(one.name for one in list_intents(connection, bot, archived=True))
        shown: dict[str, Any] = {"asked": {**fields, **asked, "by": by}, "is_narrowed": bool(asked)}
        shown |= {"found": found, "trouble": trouble, "nearest": NEAREST, "kinds": KINDS, "reports": REPORTS}
        shown["intents"] = [*((name, name) for name in intents), (OUT_OF_SCOPE, "none of the intents")]
        return bot_page("turns.html", principal, bot, HERE, **shown)


def _found(context: Context, bot: str, sought: Sought, by: By, cursor: str | None) -> tuple[Found, str]:
    """And why a search by meaning has no answer; "": it has one."""
    try:
        return search.answer(context, bot, sought, by, cursor, PAGE), ""
    except EncoderDown as error:
        return Found([]), error.detail
