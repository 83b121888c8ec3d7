"""The boundary map: which intents run into each other, a pair looked at closely, and what would help weak intents."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from litestar import Controller, Response, get, post
from litestar.response import Redirect

from service.access.guard import requires
from service.access.roles import Principal, allows
from service.bots.controllers import BotName
from service.bots.store import get_bot
from service.boundary import pairs, rules
from service.boundary.kept import kept_advice, kept_pairs
from service.boundary.schemas import BoundaryMap, IntentAdvice, Measured, Pair, Settlement
from service.clock import now
from service.console import boundary_plots as plots
from service.console.boundary_plots import Cell
from service.console.figures import Figure, Found, svg
from service.console.frame import bot_page
from service.console.words import share
from service.context import Context
from service.database import reading, writing
from service.intents.controllers import IntentId
from service.renewed import Renewed

DRAWN = 25  # intents
COLUMNS = ("pair", "shared, of 100 turns", "turns between", "people split", "flips", "contradictions")

WEAK = {"few_labels": "few labels", "recall": "low recall", "reports": "many reports"}
MEASURES: Mapping[str, tuple[str, str]] = {  # what was measured, and which values are beyond the bound
    "labels": ("labels", "below"),
    "recall": ("recall", "below"),
    "agreement": ("people’s agreement, α", "below"),
    "contradicted": ("labels contradicted", "from"),
    "neighbours": ("nearest labels that agree, beyond chance", "below"),
    "reports": ("its turns reported, lower end", "above"),
    "proposals": ("proposed intents near it", "from"),
}
COUNTS = ("labels", "proposals")


class BoundaryController(Controller):
    path, include_in_schema = "/bots/{bot:str}/boundary", False

    @get("/", guards=[requires("reader")], sync_to_thread=True)
    def show(self, context: Context, principal: Principal, bot: BotName) -> Response[str]:
        with reading(context.engine) as connection:
            found, figure = _kept.of(connection, bot, get_bot(connection, bot).champion)
            advised = kept_advice(connection, bot)
        weak = [(one, advice(one), [row(of) for of in one.measured]) for one in advised.intents]
        fields: dict[str, Any] = {"found": found, "map": figure, "advised": advised, "weak": weak, "why": WEAK}
        return bot_page("boundary.html", principal, bot, "Boundary", cells=cells, columns=COLUMNS, **fields)

    @get("/{a:int}/{b:int}", guards=[requires("reader")], sync_to_thread=True)
    def show_pair(
        self, context: Context, principal: Principal, bot: BotName, a: IntentId, b: IntentId, queued: int | None = None
    ) -> Response[str]:
        """`queued`: turns that were just sent to review."""
        with reading(context.engine) as connection:
            found = pairs.pair_of(connection, bot, kept_pairs(connection, bot), a, b)
        fields: dict[str, Any] = {
            "found": found,
            "queued": queued,
            "settled": settled(found.settlement),
            "share": share,
        }
        is_owner = allows(principal, "owner", bot)
        return bot_page("pair.html", principal, bot, "Boundary", is_owner=is_owner, **fields)

    @post("/{a:int}/{b:int}/review", guards=[requires("owner")], status_code=303, sync_to_thread=True)
    def review(self, context: Context, principal: Principal, bot: BotName, a: IntentId, b: IntentId) -> Redirect:
        with writing(context.engine) as connection:
            asked = pairs.review(connection, context.keyring, bot, a, b, now(), who=principal.name)
        return Redirect(f"/bots/{bot}/boundary/{a}/{b}?queued={len(asked.queued)}", status_code=303)


def _look(connection: sa.Connection, bot: str) -> tuple[BoundaryMap, Figure | None]:
    """With the map drawn: that takes longest."""
    found = rules.boundary(connection, bot)
    figure = map_figure(found.pairs)
    if figure:
        svg(figure)
    return found, figure


_kept = Renewed(_look)


def cells(pair: Pair) -> tuple[str, ...]:
    """A row of the table, without the pair."""
    split = f"{pair.split} of {pair.compared}" if pair.compared else "–"
    return f"{100 * pair.shared:.2f}", str(pair.turns), split, str(pair.flips), str(pair.contradictions)


def map_figure(found: Sequence[Pair]) -> Figure | None:
    """Of the DRAWN intents that share most; None where none shares anything."""
    shared = defaultdict[str, float](float)
    for pair in found:
        shared[pair.a.name] += pair.shared
        shared[pair.b.name] += pair.shared
    most = sorted(filter(shared.__getitem__, shared), key=shared.__getitem__, reverse=True)[:DRAWN]
    names = tuple(sorted(most))
    drawn = [pair for pair in found if pair.shared and {pair.a.name, pair.b.name} <= {*names}]
    if not drawn:
        return None
    marked = tuple(Cell(pair.a.name, pair.b.name, round(100 * pair.shared, 2)) for pair in drawn)
    rows = [(f"{pair.a.name} and {pair.b.name}", *cells(pair)) for pair in drawn]
    label = "How much of a hundred recent turns each two intents share: the probability of the second likeliest intent."
    return Figure(plots.heatmap, (names, marked), label, COLUMNS, rows)


def settled(found: Settlement) -> str:
    """
    >>> settled(Settlement(answer="labels", labels=40, bound=0.05, more=60, low=20, high=None))
    'About 60 more labels would settle it (20 more at least; perhaps no number would)'
    >>> settled(Settlement(answer="unknown", labels=12, bound=0.05))
    'Unknown: there are 12 labels of the two, and 20 are needed, five of each'
    """
    if found.answer == "unknown":
        return f"Unknown: there are {found.labels} labels of the two, and 20 are needed, five of each"
    if found.answer == "settled":
        return f"Settled: {found.labels} labels tell the two apart"
    if found.answer == "never":
        return "No number of labels would settle it: their errors hardly become fewer"
    ends = (
        f"{found.low} more at least; perhaps no number would" if found.high is None else f"{found.low} to {found.high}"
    )
    return f"About {found.more} more labels would settle it ({ends})"


def advice(one: IntentAdvice) -> str:
    """In words."""
    rival = f" with {one.rival.name}" if one.rival else ""
    return {
        "label": f"Label about {one.labels} more",
        "fix_labels": "Fix labels: those that contradict each other first",
        "merge_or_redefine": f"Merge{rival}, or redefine: people do not know it when they see it",
        "other_encoder": "Another encoder: people agree, and texts of one intent do not lie together",
        "new_intent": "A new intent: turns taken for it mean something that no intent stands for",
        "not_data": "Not a data problem: labels and classifier agree, reports stay. Look at retrieval or workflow",
    }[one.verdict]


def row(of: Measured) -> tuple[str, str, str, str]:
    """A measure as the table shows it: what, how much, of how many, and the bound.

    >>> row(Measured(what="recall", value=0.5, n=20, bound=0.8, is_beyond=True))
    ('recall', '50.0 %', '20', 'below 80.0 %: yes')
    """
    what, side = MEASURES[of.what]
    shown = share(of.interval) if of.interval else _number(of, of.value)
    return what, shown, f"{of.n:,}", f"{side} {_number(of, of.bound)}: {'yes' if of.is_beyond else 'no'}"


def _number(of: Measured, value: float | None) -> str:
    if value is None:
        return "not known"
    if of.what in COUNTS:
        return f"{value:.0f}"
    return f"{value:.2f}" if of.what == "agreement" else f"{100 * value:.1f} %"


def _map(connection: sa.Connection, bot: str, _at: datetime) -> Figure | None:
    return map_figure(rules.boundary(connection, bot).pairs)


CHARTS: Mapping[str, Found] = {"boundary-map": _map}
