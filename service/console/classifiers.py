"""Classifiers: every version and what became of it; one of them closely, and what an owner may do with it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
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
from service.bots.store import get_bot
from service.classifiers import gates, operations
from service.classifiers.controllers import Number
from service.classifiers.flips import flips
from service.classifiers.history import Moment, history, since, words
from service.classifiers.metrics import MEANING, Share, accuracies, metrics
from service.classifiers.operations import Word
from service.classifiers.schemas import REASON_LIMIT, Gate, Status, Trial, Version
from service.clock import now
from service.console import classifier_plots as plots
from service.console.classifier_plots import Dot
from service.console.figures import Figure
from service.console.frame import bot_page
from service.console.manifest_words import told
from service.console.words import points, share
from service.context import Context
from service.database import reading
from service.errors import BadInput, Conflict, FencepostError
from service.learning.reliability import Reliability
from service.learning.stopping import Estimate
from service.page import Page, before

HERE = "Classifiers"
LISTED = 20

Deed = Literal["promote", "hold", "rollback"]
DEEDS: Mapping[Deed, Callable[..., Version]] = {
    "promote": operations.promote,
    "hold": operations.hold,
    "rollback": operations.roll_back,
}
MAY: Mapping[Status, Deed] = {"held": "promote", "challenger": "hold", "retired": "rollback"}
STATUS: Mapping[Status, str] = {
    "training": "not trained yet",
    "challenger": "challenger, on trial",
    "champion": "champion, in force",
    "held": "held",
    "retired": "retired, was champion",
}
RESULTS = {
    "win": "a win: only it was right",
    "loss": "a loss: only the champion was right",
    "neither": "neither",
    "gone": "withdrawn, not answered",
}


class DecisionForm(msgspec.Struct, frozen=True, kw_only=True):
    """`replacing`: the classifier in force that the page named; "": it named none."""

    reason: str = ""
    replacing: str = ""


class ClassifiersController(Controller):
    path, include_in_schema = "/bots/{bot:str}/classifiers", False

    @get("/", guards=[requires("reader")], sync_to_thread=True)
    def show_all(
        self, context: Context, principal: Principal, bot: BotName, cursor: str | None = None
    ) -> Response[str]:
        with reading(context.engine) as connection:
            found = _listed(connection, bot, cursor)
            right = accuracies(connection, bot, [version.n for version in found.items])
            decided = words(connection, bot)
        rows = [(one, share(right[one.n]), became(one, decided.get(one.n, ()))) for one in found.items]
        return bot_page("classifiers.html", principal, bot, HERE, rows=rows, next=found.next, status_words=STATUS)

    @get("/{n:int}", guards=[requires("reader")], sync_to_thread=True)
    def show(
        self, context: Context, principal: Principal, bot: BotName, n: Number, done: str | None = None
    ) -> Response[str]:
        """`done`: what an owner just did."""
        return _page(context, principal, bot, n, done=done)

    @post("/{n:int}/{deed:str}", guards=[requires("owner")], status_code=303, sync_to_thread=True)
    def decide(
        self,
        context: Context,
        principal: Principal,
        bot: BotName,
        n: Number,
        deed: Deed,
        data: Annotated[DecisionForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
    ) -> Redirect | Response[str]:
        """What cannot be done any more is said on the page as it is by now."""
        try:
            DEEDS[deed](context, bot, n, now(), Word(principal.name, data.reason, _replacing(data.replacing)))
        except (Conflict, BadInput) as error:
            return _page(context, principal, bot, n, reason=data.reason, error=error)
        return Redirect(f"/bots/{bot}/classifiers/{n}?done={deed}", status_code=303)


def _replacing(field: str) -> int | None:
    """
    >>> _replacing("3"), _replacing("")
    (3, None)
    """
    try:
        return int(field) if field else None
    except ValueError as error:
        raise BadInput("this is no classifier's number", path="replacing", hint="use the page's own form") from error


def _listed(connection: sa.Connection, bot: str, cursor: str | None) -> Page[Version]:
    below = None if cursor is None else before(cursor)
    found = operations.versions(connection, bot, below=below, limit=LISTED + 1)
    return Page(found[:LISTED], str(found[LISTED - 1].n) if len(found) > LISTED else None)


def _page(
    context: Context,
    principal: Principal,
    bot: str,
    n: int,
    *,
    done: str | None = None,
    reason: str = "",
    error: FencepostError | None = None,
) -> Response[str]:
    """`reason`: what was typed, where nothing came of it."""
    with reading(context.engine) as connection:
        fields = shown(connection, bot, n)
    may = MAY.get(fields["version"].status) if allows(principal, "owner", bot) else None
    fields |= {"may": may, "done": done, "reason": reason, "error": error, "limit": REASON_LIMIT}
    status = error.status if error else 200
    return bot_page("classifier.html", principal, bot, HERE, status=status, **fields)


def shown(connection: sa.Connection, bot: str, n: int) -> dict[str, Any]:
    """What the template shows."""
    version, found = operations.version(connection, bot, n), metrics(connection, bot, n)
    moments = history(connection, bot, version)
    current = get_bot(connection, bot).champion
    champion = None if current is None else operations.version(connection, bot, current)
    on_trial = gates.open_gate(connection, bot)
    return {
        "version": version,
        "metrics": found,
        "accuracy": share(found.accuracy),
        "status_words": STATUS,
        "manifest": list(told(version)),
        "moments": [(one, moment(one)) for one in moments],
        "champion": champion,
        "since": since(history(connection, bot, champion)) if champion else None,
        "on_trial": on_trial.challenger if on_trial and on_trial.challenger != n else None,
        "trial": version.trial and list(trial(version.trial)),
        "flips": flips(connection, bot, n),
        "results": RESULTS,
        "diagram": diagram(found.reliability),
        "rows": [(one, _over(one.recall), _over(one.precision)) for one in found.intents],
        "meaning": MEANING,
    }


def became(version: Version, said: Sequence[Moment]) -> str:
    """What became of its trial, and what an owner did last."""
    gate = version.trial.gate if version.trial else None
    by_gate = _by_gate(gate) if gate else "no trial: there was nothing to compare it with"
    return f"{by_gate}. {moment(said[-1])}" if said else by_gate


def _by_gate(gate: Gate) -> str:
    if gate.status == "open":
        return f"on trial against classifier {gate.champion}: {_counts(gate)} so far"
    verb = {"promoted": "promoted", "held": "held", "void": "ended without a result"}[gate.status]
    return f"{verb}: {gate.reason}"


def _counts(gate: Gate) -> str:
    return f"{gate.wins} wins, {gate.losses} losses, {gate.neither} neither"


def moment(one: Moment) -> str:
    """
    >>> from datetime import UTC, datetime
    >>> moment(Moment(at=datetime(2026, 3, 2, tzinfo=UTC), what="by_hand", who="Ona", reason="it is better", other=3))
    'Put in force by Ona in place of classifier 3, against its trial: “it is better”'
    """
    other = f"classifier {one.other}" if one.other is not None else ""
    said = {
        "made": "Made",
        "tried": f"Put on trial against {other}",
        "promoted": f"Came into force{f' in place of {other}' if other else ', the first'}",
        "held": "Held",
        "void": "Held, its trial without a result",
        "by_hand": f"Put in force by {one.who}{f' in place of {other}' if other else ''}, against its trial",
        "rolled_back": f"Put back in force by {one.who}{f' in place of {other}' if other else ''}",
        "held_by_hand": f"Held by {one.who}",
        "replaced": f"Replaced by {other}",
    }[one.what]
    by_people = one.what in ("by_hand", "rolled_back", "held_by_hand")
    if not one.reason:
        return said
    return f"{said}: “{one.reason}”" if by_people or one.what == "replaced" else f"{said}: {one.reason}"


def trial(found: Trial) -> Iterator[tuple[str, str]]:
    """Rows of the table that says how a trial stands."""
    gate = found.gate
    yield "against", f"classifier {gate.champion}"
    yield "recent turns that both decided", f"{gate.compared:,}, of these {gate.disagreed:,} differently"
    yield "blind answers", _counts(gate) + (f", {found.waiting} wait" if gate.status == "open" else "")
    difference = Estimate(*msgspec.structs.astuple(found.difference)) if found.difference else None
    yield "right answers on recent turns, against the champion’s", points(difference)
    yield "how it ended", "it goes on" if gate.status == "open" else _by_gate(gate)


def _over(found: Share | None) -> str:
    """A share, and the number of turns or labels it is of."""
    return "not known" if found is None else f"{share(found.share)} of {found.of}"


def diagram(found: Reliability | None) -> Figure | None:
    if found is None:
        return None
    dots = tuple(
        Dot(*(round(value, 4) for value in (one.said, one.right.estimate, one.right.low, one.right.high)))
        for one in found.bins
    )
    rows = [
        (f"{100 * one.low:.0f} to {100 * one.high:.0f} %", one.n, f"{100 * one.said:.1f} %", share(one.right))
        for one in found.bins
    ]
    label = "How often the likeliest intent is right, by how likely it was said to be; on the line it is as often."
    return Figure(plots.reliability, dots, label, ("probability", "turns", "said, on average", "right"), rows)
