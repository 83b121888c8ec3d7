"""Alerts: opened by an alarm of today or yesterday, closed when so many days in a row since had none. Between these
nobody is told anything. Older windows, which are measured late where no job ran, open none: what was over by then is
no news."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from service import tables
from service.access import audit
from service.bots.store import live_bot
from service.database import insert_new
from service.errors import AlertNotFound
from service.events import outbox
from service.keyring import Keyring
from service.page import Page, before
from service.proposals import store as proposals
from service.proposals.rules import ask
from service.proposals.schemas import ProposalTurn, Queued
from service.reviews.listing import asked_blind
from service.turns.store import texts_of
from service.windows import ledger
from service.windows.schemas import Alert, Measured, Moved

ALERT, WINDOW = tables.alert, tables.drift_window

DAY = timedelta(days=1)
QUIET = 2  # days in a row that close an alert
SHOWN = 10  # turns of an alert, shown and sent to review at once
Status = Literal["open", "closed"]


def follow(connection: sa.Connection, bot: str, measured: Measured, now: datetime) -> None:
    """What the window, which is kept already, makes of the bot's alert. A repeat changes nothing."""
    found = _open(connection, bot)
    if measured.is_alarm:
        moved = [[one.name, one.subject] for one in measured.findings if one.is_alarm]
        if found is not None:
            _add(connection, found, moved)
        elif measured.day >= now.date() - DAY:
            _raise(connection, bot, _began(connection, bot, measured.day), moved, now)
    elif found is not None and measured.day < now.date() and _is_quiet(connection, bot, measured.day, found.since):
        closed = sa.update(ALERT).where(ALERT.c.id == found.id, ALERT.c.closed_at.is_(None))
        if connection.execute(closed.values(closed_at=now)).rowcount:
            _tell(connection, bot, "close", {"alert": found.id, "since": found.since, "moved": found.moved}, now)


def _open(connection: sa.Connection, bot: str) -> Any:
    """The row of the one that is open, or None."""
    return connection.execute(sa.select(ALERT).where(ALERT.c.bot == bot, ALERT.c.closed_at.is_(None))).one_or_none()


def _began(connection: sa.Connection, bot: str, day: date) -> date:
    """The first of the days with an alarm up to this one that no QUIET days part."""
    query = sa.select(WINDOW.c.day).where(WINDOW.c.bot == bot, WINDOW.c.is_alarm, WINDOW.c.day < day)
    for earlier in connection.scalars(query.order_by(WINDOW.c.day.desc())):
        if day - earlier > QUIET * DAY:
            break
        day = earlier
    return day


def _raise(connection: sa.Connection, bot: str, since: date, moved: Sequence[Any], now: datetime) -> None:
    row = {"bot": bot, "since": since, "opened_at": now, "moved": moved}
    for (alert_id,) in insert_new(connection, ALERT, [row]):
        _tell(connection, bot, "open", {"alert": alert_id, "since": since, "moved": moved}, now)


def _add(connection: sa.Connection, found: Any, moved: Sequence[Any]) -> None:
    more = [one for one in moved if one not in found.moved]
    if more:
        connection.execute(sa.update(ALERT).where(ALERT.c.id == found.id).values(moved=[*found.moved, *more]))


def _is_quiet(connection: sa.Connection, bot: str, day: date, since: date) -> bool:
    """Whether the QUIET days up to this one, none of them before `since`, were measured without an alarm, and no later
    one was with one."""
    first = day - (QUIET - 1) * DAY
    query = sa.select(WINDOW.c.day, WINDOW.c.is_alarm, WINDOW.c.reason)
    rows = connection.execute(query.where(WINDOW.c.bot == bot, WINDOW.c.day >= first)).all()
    quiet = [row for row in rows if row.day <= day and not row.reason]
    return first >= since and len(quiet) == QUIET and not any(row.is_alarm for row in rows)


def _tell(
    connection: sa.Connection, bot: str, what: Literal["open", "close"], data: Mapping[str, Any], now: datetime
) -> None:
    """The one place that knows that an alert opened or closed."""
    audit.record(connection, bot, f"alert.{what}", now, audit.SYSTEM, alert=data["alert"])
    status: Status = "open" if what == "open" else "closed"
    outbox.record(connection, bot, "drift.alert", {**data, "since": str(data["since"]), "status": status}, now)


def list_alerts(
    connection: sa.Connection, bot: str, status: Status | None, cursor: str | None, limit: int
) -> Page[Alert]:
    """Newest first."""
    query = sa.select(ALERT).where(ALERT.c.bot == bot).order_by(ALERT.c.id.desc()).limit(limit + 1)
    if status is not None:
        is_open = ALERT.c.closed_at.is_(None)
        query = query.where(is_open if status == "open" else ~is_open)
    if cursor is not None:
        query = query.where(ALERT.c.id < before(cursor))
    rows = connection.execute(query).all()
    next_cursor = str(rows[limit - 1].id) if len(rows) > limit else None
    return Page(_alerts(connection, bot, rows[:limit]), next_cursor)


def get_alert(connection: sa.Connection, bot: str, alert_id: int) -> Alert:
    """AlertNotFound also for another bot's."""
    row = connection.execute(sa.select(ALERT).where(ALERT.c.bot == bot, ALERT.c.id == alert_id)).one_or_none()
    if row is None:
        raise AlertNotFound(bot, alert_id)
    return _alerts(connection, bot, [row])[0]


def _alerts(connection: sa.Connection, bot: str, rows: Iterable[sa.Row[Any]]) -> list[Alert]:
    names, growing = ledger.intent_names(connection, bot), proposals.growing(connection, bot)
    return [
        Alert(
            id=row.id,
            since=row.since,
            opened_at=row.opened_at,
            closed_at=row.closed_at,
            moved=tuple(Moved(name, ledger.named(subject, names)) for name, subject in row.moved),
            turns=tuple(told(connection, _likeliest(connection, bot, row)[:SHOWN])),
            proposals=tuple(growing) if row.closed_at is None else (),
        )
        for row in rows
    ]


def told(connection: sa.Connection, turn_ids: Sequence[int]) -> list[ProposalTurn]:
    """Without those that somebody is asked about blind: that they are unlike the others is an answer, too."""
    hidden, texts = asked_blind(connection, turn_ids), texts_of(connection, turn_ids)
    return [ProposalTurn(turn_id, texts.get(turn_id)) for turn_id in turn_ids if turn_id not in hidden]


def _likeliest(connection: sa.Connection, bot: str, row: sa.Row[Any]) -> Sequence[int]:
    """Of its newest window with an alarm, the farthest first."""
    query = sa.select(WINDOW.c.likeliest).where(WINDOW.c.bot == bot, WINDOW.c.is_alarm, WINDOW.c.day >= row.since)
    if row.closed_at is not None:
        query = query.where(WINDOW.c.day <= row.closed_at.date())
    return connection.scalar(query.order_by(WINDOW.c.day.desc()).limit(1)) or ()


def review(connection: sa.Connection, keyring: Keyring, bot: str, alert_id: int, now: datetime, *, who: str) -> Queued:
    """Ask reviewers about its turns, before all others. A repeat asks about no turn again."""
    live_bot(connection, bot)
    ledger.lock(connection, bot)
    turns = get_alert(connection, bot, alert_id).turns
    queued = ask(connection, keyring, bot, [turn.id for turn in turns if turn.text is not None], now)
    if queued:
        audit.record(connection, bot, "alert.review", now, who, alert=alert_id, turns=len(queued))
    return Queued(tuple(queued))
