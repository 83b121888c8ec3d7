"""The labels page: find them, correct them with a reason, and take them away as a file."""

import uuid
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from litestar import Controller, Response, get, post
from litestar.datastructures import State
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Redirect

from service.access.guard import requires
from service.access.roles import Principal, allows
from service.bots.controllers import BotName
from service.bots.store import get_bot
from service.console.frame import bot_page
from service.context import Context
from service.database import reading
from service.exports.schemas import Exporter
from service.intents.store import list_intents
from service.reviews import corrections
from service.reviews.controllers import Cursor, LabelId
from service.reviews.corrections import Correction
from service.reviews.label_search import OUT_OF_SCOPE, SoughtLabels, find_labels
from service.reviews.schemas import WHY_LIMIT, Origin, Use
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


class LabelsController(Controller):
    path, include_in_schema = "/bots/{bot:str}/labels", False

    @get("/", guards=[requires("reader")], sync_to_thread=True)
    def find_labels(
        self,
        context: Context,
        principal: Principal,
        state: State,
        bot: BotName,
        q: str = "",
        intent: str = "",
        origin: str = "",
        reviewer: str = "",
        use: str = "",
        corrected: int | None = None,
        cursor: Cursor = None,
    ) -> Response[str]:
        """`corrected`: the turn whose label was just corrected. A field that is left empty asks for nothing."""
        fields = {"q": q, "intent": intent, "origin": origin, "reviewer": reviewer, "use": use}
        asked = {name: said.strip() for name, said in fields.items() if said.strip()}
        with reading(context.engine) as connection:
            get_bot(connection, bot)
            found = find_labels(connection, bot, msgspec.convert(asked, SoughtLabels), cursor, PAGE)
            texts = texts_of(connection, [label.turn_id for label in found.items])
            intents = sorted(one.name for one in list_intents(connection, bot))
        shown: dict[str, Any] = {"asked": {**fields, **asked}, "is_narrowed": bool(asked), "corrected": corrected}
        shown |= {
            "labels": found.items,
            "next": found.next,
            "texts": texts,
            "intents": intents,
            "formats": _formats(state),
        }
        shown["choices"] = [*((name, name) for name in intents), (OUT_OF_SCOPE, "none of the intents")]
        shown |= {"origins": ORIGINS, "uses": USES, "out_of_scope": OUT_OF_SCOPE, "most": WHY_LIMIT, "click": _click}
        shown |= {"is_owner": allows(principal, "owner", bot), "corrects": allows(principal, "adjudicator", bot)}
        return bot_page("labels.html", principal, bot, "Labels", **shown)

    @post("/{label:int}", guards=[requires("adjudicator")], status_code=303, sync_to_thread=True)
    def correct_label(
        self,
        context: Context,
        principal: Principal,
        bot: BotName,
        label: LabelId,
        data: Annotated[CorrectionForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
    ) -> Redirect:
        done = corrections.correct(context, bot, label, data.correction(), principal.name, surface="console")
        return Redirect(f"/bots/{bot}/labels?{urlencode({'corrected': done.turn})}", status_code=303)


def _formats(state: State) -> list[str]:
    exporters: Mapping[str, Exporter] = state.exporters
    return sorted(exporters)


def _click() -> str:
    """A correction's id, made when the page is: the same form sent twice is one correction."""
    return uuid.uuid4().hex
