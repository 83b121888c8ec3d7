"""The labels page: find them, correct them with a reason, and take them away as a file."""

import uuid
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlencode

import msgspec
import sqlalchemy as sa
from litestar import Controller, Response, get, post
from litestar.datastructures import State
from litestar.di import Provide
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Redirect

from service import problems
from service.access.guard import requires
from service.access.roles import Principal, allows
from service.bots.controllers import BotName
from service.bots.store import get_bot
from service.console.frame import at_field, bot_page
from service.context import Context
from service.database import reading
from service.errors import BadInput, Conflict, FencepostError
from service.exports.schemas import Exporter
from service.intents.store import list_intents
from service.page import Page
from service.reviews import corrections
from service.reviews.controllers import Cursor, LabelId
from service.reviews.corrections import Correction
from service.reviews.label_search import LOOKED_AT, OUT_OF_SCOPE, SoughtLabels, find_labels
from service.reviews.schemas import WHY_LIMIT, LabelRow, Origin, Use
from service.turns.store import texts_of

PAGE = 50  # labels
ORIGINS: Mapping[Origin, str] = {
    "vote": "a reviewer’s vote",
    "import": "import",
    "fold": "the same text as a labelled one",
    "weak": "much like a labelled one",
}
USES: Mapping[Use, str] = {
    "train": "training",
    "audit": "audit slice",
    "flip": "deciding between classifiers",
    "gold": "gold set",
}


class CorrectionForm(msgspec.Struct, frozen=True, kw_only=True):
    intent: str
    reason: str
    click_id: str

    def correction(self) -> Correction:
        is_none = self.intent == OUT_OF_SCOPE
        said = {"answer": "none"} if is_none else {"answer": "intent", "intent": self.intent.strip()}
        return msgspec.convert(said | {"reason": self.reason, "click_id": self.click_id}, Correction)


class Wrong(NamedTuple):
    """A correction that was refused."""

    label: int
    form: CorrectionForm
    error: FencepostError


def sought(q: str = "", intent: str = "", origin: str = "", reviewer: str = "", use: str = "") -> dict[str, str]:
    """The filters as they were typed; one that is left empty asks for nothing."""
    fields = {"q": q, "intent": intent, "origin": origin, "reviewer": reviewer, "use": use}
    return {name: said.strip() for name, said in fields.items()}


FILTERS = {"filters": Provide(sought, sync_to_thread=False)}


class LabelsController(Controller):
    path, include_in_schema = "/bots/{bot:str}/labels", False

    @get("/", guards=[requires("reader")], dependencies=FILTERS, sync_to_thread=True)
    def find_labels(
        self,
        context: Context,
        principal: Principal,
        state: State,
        bot: BotName,
        filters: dict[str, str],
        corrected: int | None = None,
        cursor: Cursor = None,
    ) -> Response[str]:
        """`corrected`: the turn whose label was just corrected."""
        return _page(context, principal, state, bot, filters, cursor, corrected=corrected)

    @post("/{label:int}", guards=[requires("adjudicator")], dependencies=FILTERS, status_code=303, sync_to_thread=True)
    def correct_label(
        self,
        context: Context,
        principal: Principal,
        state: State,
        bot: BotName,
        label: LabelId,
        filters: dict[str, str],
        data: Annotated[CorrectionForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
        cursor: Cursor = None,
    ) -> Redirect | Response[str]:
        """Leads back to where in the list it was."""
        try:
            done = corrections.correct(context, bot, label, data.correction(), principal.name, surface="console")
        except (BadInput, Conflict, msgspec.ValidationError) as error:
            wrong = Wrong(label, data, problems.as_domain(error) or BadInput(str(error)))
            return _page(context, principal, state, bot, filters, cursor, wrong=wrong)
        place = {"corrected": done.turn} | _place(filters, cursor)
        return Redirect(f"/bots/{bot}/labels?{urlencode(place)}", status_code=303)


def _page(
    context: Context,
    principal: Principal,
    state: State,
    bot: str,
    filters: dict[str, str],
    cursor: str | None,
    *,
    corrected: int | None = None,
    wrong: Wrong | None = None,
) -> Response[str]:
    with reading(context.engine) as connection:
        get_bot(connection, bot)
        found, fault = _found(connection, bot, filters, cursor)
        texts = texts_of(connection, [label.turn_id for label in found.items])
        known = list_intents(connection, bot, archived=True)
    intents = sorted(one.name for one in known if one.archived_at is None)
    corrects = allows(principal, "adjudicator", bot)
    correctable = {one.id for one in found.items if one.counts and one.answer != "undo" and one.turn_id in texts}
    fields: dict[str, Any] = {
        "asked": filters,
        "is_narrowed": any(filters.values()),
        "place": _place(filters, cursor),
        "fault": fault,
        "wrong": wrong,
        "corrected": corrected,
        "labels": found.items,
        "next": found.next,
        "texts": texts,
        "correctable": correctable if corrects else set(),
        "intents": intents,
        "intent_ids": {one.name: one.id for one in known},
        "choices": [*((name, name) for name in intents), (OUT_OF_SCOPE, "none of the intents")],
        "origins": ORIGINS,
        "uses": USES,
        "out_of_scope": OUT_OF_SCOPE,
        "looked_at": LOOKED_AT,
        "most": WHY_LIMIT,
        "click": _click,
        "formats": _formats(state),
        "corrects": corrects,
        "is_owner": allows(principal, "owner", bot),
    }
    refused = wrong.error if wrong else fault
    return bot_page("labels.html", principal, bot, "Labels", status=refused.status if refused else 200, **fields)


def _found(
    connection: sa.Connection, bot: str, filters: dict[str, str], cursor: str | None
) -> tuple[Page[LabelRow], FencepostError | None]:
    """And what is wrong with a filter."""
    asked = {name: said for name, said in filters.items() if said}
    try:
        return find_labels(connection, bot, msgspec.convert(asked, SoughtLabels), cursor, PAGE), None
    except (BadInput, msgspec.ValidationError) as error:
        return Page([]), at_field(error, asked)


def _place(filters: dict[str, str], cursor: str | None) -> dict[str, str]:
    """In the list, as its address says it."""
    return {name: said for name, said in (filters | {"cursor": cursor or ""}).items() if said}


def _formats(state: State) -> list[tuple[str, Exporter]]:
    exporters: Mapping[str, Exporter] = state.exporters
    return sorted(exporters.items())


def _click() -> str:
    """A correction's id, made when the page is: the same form sent twice is one correction."""
    return uuid.uuid4().hex
