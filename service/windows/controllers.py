"""Drift and alerts over HTTP."""

from datetime import date
from typing import Annotated

from litestar import Controller, get, post
from litestar.params import Parameter, QueryParameter

from service.access.guard import requires
from service.access.roles import Principal
from service.bots.controllers import BotName
from service.bots.store import get_bot
from service.clock import now
from service.context import Context
from service.database import reading, writing
from service.errors import BadInput
from service.page import Page
from service.proposals.schemas import Queued
from service.reviews.controllers import Cursor, Limit
from service.windows import alerts, rules
from service.windows.alerts import Status
from service.windows.rows import to_csv
from service.windows.schemas import Alert, Drift

Since = Annotated[str, QueryParameter(name="from", description="the first day, of UTC; by default 28 before the last")]
Until = Annotated[str, QueryParameter(name="to", description="the last day, of UTC; by default today")]
YEARS = 1970, 2999  # others lie too near to where dates end

AlertId = Annotated[int, Parameter(description="the alert's id")]


class DriftController(Controller):
    path, tags = "/v1/bots/{bot:str}/drift", ("drift",)

    @get("/", guards=[requires("reader")], sync_to_thread=True)
    def show_drift(self, context: Context, bot: BotName, since: Since = "", until: Until = "") -> Drift:
        """How far each day's turns are from those of the 28 days before, by every statistic, and what happened to the
        bot on these days. At most a year at once."""
        return _drift(context, bot, since, until)

    @get("/findings.csv", guards=[requires("reader")], media_type="text/csv", sync_to_thread=True)
    def list_findings(self, context: Context, bot: BotName, since: Since = "", until: Until = "") -> str:
        """The windows' statistics as one flat table, a row each, for tools that read tables."""
        return to_csv(_drift(context, bot, since, until).windows)


def _drift(context: Context, bot: str, since: str, until: str) -> Drift:
    first, last = _day(since, "from"), _day(until, "to")
    with reading(context.engine) as connection:
        get_bot(connection, bot)
        return rules.drift_of(connection, bot, first, last, now().date())


def _day(text: str, path: str) -> date | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise BadInput(f"{text!r} is no day", path=path, hint="YYYY-MM-DD") from error
    if not YEARS[0] <= day.year <= YEARS[1]:
        raise BadInput(f"{text!r} is too far from today", path=path, hint=f"years {YEARS[0]} to {YEARS[1]}")
    return day


class AlertsController(Controller):
    path, tags = "/v1/bots/{bot:str}/alerts", ("drift",)

    @get("/", guards=[requires("reader")], sync_to_thread=True)
    def list_alerts(
        self, context: Context, bot: BotName, status: Status | None = None, cursor: Cursor = None, limit: Limit = 50
    ) -> Page[Alert]:
        """Newest first: what moved, since when, and the turns that show it."""
        with reading(context.engine) as connection:
            get_bot(connection, bot)
            return alerts.list_alerts(connection, bot, status, cursor, limit)

    @post("/{alert:int}/review", guards=[requires("owner")], status_code=200, sync_to_thread=True)
    def review_alert(self, context: Context, principal: Principal, bot: BotName, alert: AlertId) -> Queued:
        """Ask reviewers first about up to ten of the turns that show it."""
        with writing(context.engine) as connection:
            return alerts.review(connection, context.keyring, bot, alert, now(), who=principal.name)


CONTROLLERS = (DriftController, AlertsController)
