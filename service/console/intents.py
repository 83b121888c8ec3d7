"""Intents: every one in a few numbers; one of them closely, and what an owner may change of it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
import sqlalchemy as sa
from litestar import Controller, Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Redirect

from service.access.guard import requires
from service.access.roles import Principal, allows
from service.bots.controllers import BotName
from service.boundary.intents import IntentRow, detail, rows
from service.classifiers.metrics import WORDS
from service.clock import now
from service.console.boundary import advice, row
from service.console.frame import bot_page
from service.console.words import share
from service.context import Context
from service.database import reading
from service.errors import BadInput, Conflict, FencepostError
from service.intents import rules, store
from service.intents.controllers import IntentId
from service.intents.schemas import DESCRIPTION_LIMIT, NAME_LIMIT, IntentChange, ParsedExample, ParsedIntent

HERE = "Intents"
FORM = "the form"  # where errors are
Deed = Literal["describe", "rename", "merge", "archive", "restore"]
DONE: Mapping[str, str] = {
    "made": "The intent is made.",
    "describe": "Its description is changed.",
    "rename": "It has its new name; the old one still means it.",
    "merge": "Its labels count for the other intent from now on.",
    "archive": "It is archived.",
    "restore": "It is an intent again.",
    "examples": "The examples are on their way through ingest, which redacts them; they show here in a moment.",
}


class IntentForm(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of all the forms; each sends its own."""

    name: str = ""
    description: str = ""
    examples: str = ""  # one a line
    into: str = ""  # the name of the intent to merge it into


Form = Annotated[IntentForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
# The numbers of an intent, and what each says.
NUMBERS: Mapping[str, str] = {
    "labels": "turns that people labelled with it, by vote or import",
    "of the newest turns": "of five thousand at most, those that the champion decides for it",
    "recall": (
        "of audit turns where twenty were answered, each weighing as many as it was drawn from; else of gold turns, "
        "which nobody drew at random; else of its labels, each told by all others"
    ),
    "reviewers’ agreement, α": "1 where reviewers always agree on it, 0 where no more than by chance",
    "its turns reported": "of the newest turns that are decided for it, those that somebody reported",
}
Order = Literal["name", "labels", "share", "recall", "alpha", "reports"]  # as the columns stand
# Which intents come first: those that want looking at. None: last.
ORDERS: Mapping[Order, Callable[[IntentRow], float | None]] = {
    "name": lambda one: 0,
    "labels": lambda one: one.labels,
    "share": lambda one: None if one.share is None else -one.share,
    "recall": lambda one: one.recall and one.recall.estimate,
    "alpha": lambda one: one.alpha,
    "reports": lambda one: one.reports and -one.reports.estimate,
}
CHANGES: Mapping[Deed, Callable[[IntentForm], IntentChange]] = {
    "describe": lambda form: IntentChange(description=_lines(form.description)),
    "rename": lambda form: IntentChange(name=form.name),
    "merge": lambda form: IntentChange(merge_into=form.into),
    "archive": lambda form: IntentChange(archived=True),
    "restore": lambda form: IntentChange(archived=False),
}


class IntentsController(Controller):
    path, include_in_schema = "/bots/{bot:str}/intents", False

    @get("/", guards=[requires("reader")], sync_to_thread=True)
    def show_all(
        self, context: Context, principal: Principal, bot: BotName, archived: bool = False, by: Order = "name"
    ) -> Response[str]:
        return _list_page(context, principal, bot, archived=archived, by=by)

    @post("/", guards=[requires("owner")], status_code=303, sync_to_thread=True)
    def create(self, context: Context, principal: Principal, bot: BotName, data: Form) -> Redirect | Response[str]:
        wanted = ParsedIntent(data.name, FORM, _lines(data.description), _examples(data.examples))
        try:
            made = rules.create_intent(context, bot, wanted, now(), who=principal.name)
        except (Conflict, BadInput) as error:
            return _list_page(context, principal, bot, form=data, error=error)
        return Redirect(f"/bots/{bot}/intents/{made.id}?done=made", status_code=303)

    @get("/{intent:int}", guards=[requires("reader")], sync_to_thread=True)
    def show(
        self, context: Context, principal: Principal, bot: BotName, intent: IntentId, done: str | None = None
    ) -> Response[str]:
        """`done`: what an owner just did."""
        return _page(context, principal, bot, intent, done=DONE.get(done or ""))

    @post("/{intent:int}/examples", guards=[requires("owner")], status_code=303, sync_to_thread=True)
    def add_examples(
        self, context: Context, principal: Principal, bot: BotName, intent: IntentId, data: Form
    ) -> Redirect | Response[str]:
        with reading(context.engine) as connection:
            name = store.get_intent(connection, bot, intent).name
        try:
            wanted = ParsedIntent(name, FORM, examples=_examples(data.examples))
            if not wanted.examples:
                raise BadInput("there is no example", path="examples", hint="write one a line")
            rules.import_intents(context, bot, [wanted], now(), who=principal.name)
        except (Conflict, BadInput) as error:
            return _page(context, principal, bot, intent, failed="examples", form=data, error=error)
        return Redirect(f"/bots/{bot}/intents/{intent}?done=examples", status_code=303)

    @post("/{intent:int}/{deed:str}", guards=[requires("owner")], status_code=303, sync_to_thread=True)
    def change(
        self, context: Context, principal: Principal, bot: BotName, intent: IntentId, deed: Deed, data: Form
    ) -> Redirect | Response[str]:
        """What cannot be done is said on the page as it is by now."""
        try:
            rules.change(context, bot, intent, CHANGES[deed](data), now(), who=principal.name)
        except (Conflict, BadInput) as error:
            return _page(context, principal, bot, intent, failed=deed, form=data, error=error)
        return Redirect(f"/bots/{bot}/intents/{intent}?done={deed}", status_code=303)


def _lines(text: str) -> str:
    """Of a text field, whose lines browsers end with CR LF."""
    return text.replace("\r\n", "\n").strip()


def _examples(field: str) -> tuple[ParsedExample, ...]:
    """
    >>> [(one.text, one.where) for one in _examples("wrap it\\r\\n\\r\\n as a gift")]
    [('wrap it', 'examples, line 1'), ('as a gift', 'examples, line 3')]
    """
    lines = enumerate(field.splitlines(), 1)
    return tuple(ParsedExample(line.strip(), f"examples, line {place}") for place, line in lines if line.strip())


def _list_page(
    context: Context,
    principal: Principal,
    bot: str,
    *,
    archived: bool = False,
    by: Order = "name",
    form: IntentForm | None = None,
    error: FencepostError | None = None,
) -> Response[str]:
    with reading(context.engine) as connection:
        found = rows(connection, bot, archived=archived)
    fields: dict[str, Any] = {
        "rows": [(one, cells(one)) for one in ordered(found, by)],
        "archived": archived,
        "by": by,
        "orders": list(zip(ORDERS, ("intent", *NUMBERS), strict=True)),
        "means": NUMBERS,
        "form": form or IntentForm(),
        "error": error,
        "is_owner": allows(principal, "owner", bot),
        "limits": (NAME_LIMIT, DESCRIPTION_LIMIT),
    }
    return bot_page("intents.html", principal, bot, HERE, status=error.status if error else 200, **fields)


def _page(
    context: Context,
    principal: Principal,
    bot: str,
    intent: int,
    *,
    done: str | None = None,
    failed: str | None = None,
    form: IntentForm | None = None,
    error: FencepostError | None = None,
) -> Response[str]:
    """`failed`: which form, with what was typed, and why nothing came of it."""
    with reading(context.engine) as connection:
        fields = shown(connection, bot, intent)
    fields |= {"done": done, "failed": failed, "form": form, "error": error}
    fields["is_owner"] = allows(principal, "owner", bot)
    return bot_page("intent.html", principal, bot, HERE, status=error.status if error else 200, **fields)


def shown(connection: sa.Connection, bot: str, intent: int) -> dict[str, Any]:
    """What the template shows."""
    found = detail(connection, bot, intent)
    others = [one.name for one in store.list_intents(connection, bot) if one.id != intent]
    return {
        "found": found,
        "one": found.row,
        "state": state(found.row),
        "labels": f"{found.row.labels:,}",
        "numbers": list(zip(NUMBERS.items(), cells(found.row)[1:], strict=True)),
        "advice": advice(found.advice) if found.advice else "",
        "measured": [row(of) for of in found.advice.measured] if found.advice else [],
        "others": sorted(others, key=str.casefold),
        "limits": (NAME_LIMIT, DESCRIPTION_LIMIT),
    }


def ordered(rows: Sequence[IntentRow], by: Order) -> list[IntentRow]:
    """Those that are known to want looking at most come first; among equals it stays as it is, by name."""
    known = [(ORDERS[by](one), one) for one in rows]
    first = sorted(((value, one) for value, one in known if value is not None), key=lambda pair: pair[0])
    return [one for _, one in first] + [one for value, one in known if value is None]


def state(one: IntentRow) -> str:
    if one.merged_into:
        return f"merged into {one.merged_into.name}"
    return "archived" if one.archived_at else "live"


def cells(one: IntentRow) -> tuple[str, ...]:
    """A row of the table, without name and description.

    >>> refund = IntentRow(id=1, name="refund", description="", archived_at=None, merged_into=None)
    >>> cells(msgspec.structs.replace(refund, labels=1200, share=0.03))
    ('live', '1,200', '3.0 %', 'not known', 'not known', 'not known')
    """
    taken = "not known" if one.share is None else f"{100 * one.share:.1f} %"
    recall = f"{share(one.recall)} of {one.recall_of} {WORDS[one.recall_over]}" if one.recall else "not known"
    alpha = "not known" if one.alpha is None else f"{one.alpha:.2f} on {one.cards} cards"
    return state(one), f"{one.labels:,}", taken, recall, alpha, share(one.reports)
