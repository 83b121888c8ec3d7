"""The drift page: whether people ask for other things than they did, since when, and which turns show it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Any, NamedTuple

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
from service.clock import now
from service.console import drift_plots as plots
from service.console.drift_plots import Point, Track
from service.console.figures import Figure, Found
from service.console.frame import bot_page
from service.console.plots import Marker
from service.context import Context
from service.database import reading, writing
from service.intents.schemas import Name
from service.intents.store import get_intent
from service.learning.stopping import wilson
from service.proposals import rules as proposals
from service.proposals.controllers import ProposalId
from service.proposals.schemas import Acceptance, Proposal, ProposalTurn
from service.proposals.store import list_proposals
from service.windows import alerts, ledger, words
from service.windows.controllers import AlertId
from service.windows.rules import SHOWN as SPAN
from service.windows.rules import drift_of
from service.windows.schemas import Alert, Drift, DriftWindow, Finding
from service.windows.schemas import Marker as Happened

SHOWN = 10  # turns
DAY = timedelta(days=1)

# what is drawn: how it is named, and what its values are
TRACKS: Mapping[str, str] = {
    "psi": "Mix of intents: PSI",
    "jensen_shannon": "Mix of intents: Jensen-Shannon divergence, bits",
    "embeddings": "What is said: AUC of telling these turns from those before",
    "novel": "Share of this window among the turns most unlike the others",
    "out_of_scope": "Turns out of scope",
    "fallback": "Fallbacks",
    "reports": "Reported turns",
}
RATES = ("out_of_scope", "fallback", "reports")


class IntentForm(msgspec.Struct, frozen=True, kw_only=True):
    name: Name


class DriftController(Controller):
    path, include_in_schema = "/bots/{bot:str}/drift", False

    @get("/", guards=[requires("reader")], sync_to_thread=True)
    def show(
        self,
        context: Context,
        principal: Principal,
        bot: BotName,
        queued: int | None = None,
        accepted: int | None = None,
    ) -> Response[str]:
        """`queued`: turns that were just sent to review; `accepted`: id of the intent that was just made."""
        with reading(context.engine) as connection:
            get_bot(connection, bot)
            fields = shown(connection, bot, now())
            made = None if accepted is None else get_intent(connection, bot, accepted).name
        is_owner = allows(principal, "owner", bot)
        return bot_page("drift.html", principal, bot, "Drift", is_owner=is_owner, queued=queued, made=made, **fields)

    @post("/alerts/{alert:int}/review", guards=[requires("owner")], status_code=303, sync_to_thread=True)
    def review_alert(self, context: Context, principal: Principal, bot: BotName, alert: AlertId) -> Redirect:
        with writing(context.engine) as connection:
            asked = alerts.review(connection, context.keyring, bot, alert, now(), who=principal.name)
        return Redirect(f"/bots/{bot}/drift?queued={len(asked.queued)}", status_code=303)

    @post("/proposals/{proposal:int}/review", guards=[requires("owner")], status_code=303, sync_to_thread=True)
    def review_proposal(self, context: Context, principal: Principal, bot: BotName, proposal: ProposalId) -> Redirect:
        with writing(context.engine) as connection:
            asked = proposals.review(connection, context.keyring, bot, proposal, now(), who=principal.name)
        return Redirect(f"/bots/{bot}/drift?queued={len(asked.queued)}", status_code=303)

    @post("/proposals/{proposal:int}", guards=[requires("owner")], status_code=303, sync_to_thread=True)
    def propose_intent(
        self,
        context: Context,
        principal: Principal,
        bot: BotName,
        proposal: ProposalId,
        data: Annotated[IntentForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
    ) -> Redirect:
        wanted = Acceptance(name=data.name)
        with writing(context.engine) as connection:
            made = proposals.accept(connection, context.keyring, bot, proposal, wanted, now(), who=principal.name)
        return Redirect(f"/bots/{bot}/drift?accepted={made.intent.id}&queued={len(made.queued)}", status_code=303)


class Told(NamedTuple):
    """An alarm of the newest window, in words, and the first day that had it and all days since."""

    words: str
    since: date


def shown(connection: sa.Connection, bot: str, at: datetime) -> dict[str, Any]:
    """What the template shows."""
    newest = ledger.newest(connection, bot)
    found = _drift(connection, bot, newest)
    open_alerts = alerts.list_alerts(connection, bot, "open", None, 1).items
    growing = [one for one in list_proposals(connection, bot, "open", None, 50).items if one.growth]
    return {
        "head": words.lines(bot, newest),
        "told": list(told(found.windows)),
        "alert": open_alerts[0] if open_alerts else None,
        "moved": words.moved(open_alerts[0]) if open_alerts else "",
        "turns": _turns(connection, newest, open_alerts),
        "growing": sorted(growing, key=_growth),
        "tracks": [(name, track(found, name, at.date())) for name in TRACKS],
        "titles": TRACKS,
    }


def _drift(connection: sa.Connection, bot: str, newest: DriftWindow | None) -> Drift:
    """Of the days up to the newest window."""
    return drift_of(connection, bot, newest.day - SPAN, newest.day, newest.day) if newest else Drift([], [])


def _growth(one: Proposal) -> float:
    return one.growth.before - one.growth.now if one.growth else 0.0


def _turns(connection: sa.Connection, newest: DriftWindow | None, of: Sequence[Alert]) -> list[ProposalTurn]:
    if of:
        return list(of[0].turns)
    return alerts.told(connection, newest.likeliest[:SHOWN]) if newest and newest.alarms else []


def told(windows: Sequence[DriftWindow]) -> Iterator[Told]:
    """The newest window's alarms, the surest first; a day that was not measured is passed over."""
    measured = [window for window in windows if not window.reason]
    alarms = measured[-1].alarms if measured else []
    for one in sorted(alarms, key=lambda one: (one.corrected, one.p)):
        yield Told(words.line(one), _since(measured, one))


def _since(measured: Sequence[DriftWindow], alarm: Finding) -> date:
    since = measured[-1].day
    for window in reversed(measured):
        if not any((one.name, one.subject) == (alarm.name, alarm.subject) for one in window.alarms):
            break
        since = window.day
    return since


def track(found: Drift, name: str, today: date) -> Figure | None:
    """One statistic over whole days; None where it was never measured."""
    points = tuple(_points(found.windows, name, today))
    if not points:
        return None
    markers = tuple(Marker(one.day, _named(one)) for one in found.markers if one.day >= points[0].day)
    is_rate = name in RATES
    label = f"{TRACKS[name]}, by day, beside what {'it was before' if is_rate else 'chance alone makes of it'}."
    columns = ("day", "value", "before" if is_rate else "by chance", "p (Holm)", "alarm")
    rows = [
        (str(one.day), _number(one.value, is_rate), _number(one.by_chance, is_rate), f"{one.p:.2g}", _yes(one.is_alarm))
        for one in reversed(points)
    ]
    return Figure(plots.track, Track(points, markers, is_rate), label, columns, rows)


def _named(marker: Happened) -> str:
    """
    >>> _named(Happened(date(2026, 3, 2), "promotion", "3")), _named(Happened(date(2026, 3, 2), "bot_version", "1.4"))
    ('classifier 3', 'version 1.4')
    """
    return {"promotion": "classifier", "bot_version": "version", "import": "import of"}[marker.kind] + f" {marker.name}"


def _points(windows: Sequence[DriftWindow], name: str, today: date) -> Iterator[Point]:
    for window in windows:
        for one in window.findings:
            if one.name == name and window.day < today:
                low, high = wilson(one.value, window.turns) if name in RATES else (one.value, one.value)
                value, low, high, by_chance = (round(number, 4) for number in (one.value, low, high, one.by_chance))
                yield Point(window.day, value, low, high, by_chance, one.corrected, one.is_alarm)


def _number(value: float, is_rate: bool) -> str:
    return f"{100 * value:.1f} %" if is_rate else f"{value:.3f}"


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "no"


def _chart(name: str) -> Found:
    def of(connection: sa.Connection, bot: str, at: datetime) -> Figure | None:
        return track(_drift(connection, bot, ledger.newest(connection, bot)), name, at.date())

    return of


CHARTS = {f"drift-{name.replace('_', '-')}": _chart(name) for name in TRACKS}
