"""Which reports count, and how much: worked out anew each time, for reports, replies and turns arrive in any order."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import sqlalchemy as sa
from scipy import sparse

from service import tables
from service.learning import reports
from service.learning.types import Floats1d, Ints1d
from service.reports.store import TurnReport, reports_on_turns

TURN = tables.turn
DAY = timedelta(days=1)
# Imported examples are turns too, dated by their import: the log's own time is what reports age by.
IMPORTED = ("import", "gold")
ENOUGH = 0.01  # belief from which on a turn counts as reported


class Evidence(NamedTuple):
    """What a bot's reports say now: m reported turns, ids ascending."""

    turn_ids: Ints1d  # (m,)
    by_person: sparse.csr_array  # (m, u) of q
    belief: Floats1d  # (m,) q of each turn, persons combined
    answered: Sequence[str]  # (m,) the platform's name of the intent the bot answered with, "" when it did not say
    base: float  # reports per turn of the whole bot


def evidence(connection: sa.Connection, bot: str) -> Evidence:
    """From the reports that count, aged by the event time of the bot's newest turn."""
    log = (TURN.c.bot == bot, TURN.c.source.not_in(IMPORTED))
    # Apart: each is answered by an index alone.
    now = connection.scalar(sa.select(TURN.c.at).where(*log).order_by(TURN.c.at.desc()).limit(1))
    turns = connection.scalar(sa.select(sa.func.count()).select_from(TURN).where(*log)) or 0
    return weigh(in_force(reports_on_turns(connection, bot), current_version(connection, bot)), now, turns)


def current_version(connection: sa.Connection, bot: str) -> str:
    """`bot_version` of the newest turn that names one; "" when none does."""
    named = (TURN.c.bot == bot, TURN.c.bot_version != "")
    newest = sa.select(TURN.c.bot_version).where(*named).order_by(TURN.c.at.desc(), TURN.c.id.desc()).limit(1)
    return connection.scalar(newest) or ""


def in_force(found: Sequence[TurnReport], version: str) -> list[TurnReport]:
    """Without the reports about another version of the bot than this one: what they complain of may be mended."""
    return [report for report in found if report.bot_version in ("", version)]


def weigh(counting: Sequence[TurnReport], now: datetime | None, turns: int) -> Evidence:
    """Evidence from reports that count; `now` is event time (None: age nothing), `turns` how many the log has."""
    turn_ids, rows = np.unique(np.array([report.turn_id for report in counting], np.int64), return_inverse=True)
    persons, columns = np.unique([report.person or reports.NOBODY for report in counting], return_inverse=True)
    by_person = reports.by_person(rows, columns, _beliefs(counting, now), (len(turn_ids), len(persons)))
    answered = {report.turn_id: report.bot_intent for report in counting}
    return Evidence(
        turn_ids=turn_ids,
        by_person=by_person,
        belief=reports.combine(by_person),
        answered=[answered[turn_id] for turn_id in turn_ids.tolist()],
        base=reports.base_rate(by_person, turns),
    )


def _beliefs(counting: Sequence[TurnReport], now: datetime | None) -> Floats1d:
    prior = np.array([reports.PRIOR[report.kind] for report in counting])
    age_days = np.array([(now - report.at) / DAY if now else 0.0 for report in counting])
    return reports.decay(prior, age_days)
