"""Which reports count, and how much: worked out anew each time, for reports, replies and turns arrive in any order."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import sqlalchemy as sa
from scipy import sparse

from service import tables
from service.intents.store import intent_ids
from service.learning import reports
from service.learning.types import Floats1d, Ints1d
from service.reports.store import TurnReport, reports_on_turns, reviewed_answers

TURN = tables.turn
DAY = timedelta(days=1)
# Imported examples are turns too, dated by their import: the log's own time is what reports age by.
ENOUGH = 0.01  # belief from which on a turn counts as reported
Weights = Mapping[str, float]  # q of each kind


class Evidence(NamedTuple):
    """What a bot's reports say now: m reported turns, ids ascending."""

    turn_ids: Ints1d  # (m,)
    by_person: sparse.csr_array  # (m, u) of q
    belief: Floats1d  # (m,) q of each turn, persons combined
    answered: Sequence[str]  # (m,) the platform's name of the intent the bot answered with, "" when it did not say
    base: float  # reports per turn of the whole bot


def evidence(connection: sa.Connection, bot: str) -> Evidence:
    """From the reports that count, aged by the event time of the bot's newest turn."""
    log = (TURN.c.bot == bot, TURN.c.source.not_in(tables.NOT_SAID))
    # Apart: each is answered by an index alone.
    now = connection.scalar(sa.select(TURN.c.at).where(*log).order_by(TURN.c.at.desc()).limit(1))
    turns = connection.scalar(sa.select(sa.func.count()).select_from(TURN).where(*log)) or 0
    found = reports_on_turns(connection, bot)
    weights = learnt_weights(found, reviewed_answers(connection, bot), intent_ids(connection, bot))
    return weigh(in_force(found, current_version(connection, bot)), now, turns, weights)


def learnt_weights(
    found: Sequence[TurnReport], answers: Mapping[int, int | None], names: Mapping[str, int]
) -> dict[str, float]:
    """q of each kind, from the reports on turns that were drawn at random and answered.

    `answers`: turn → intent id, None for `none`; `names`: what the platform calls an intent → its id. A report is right
    when the answer is not what the bot said; where the bot said something we do not know, nobody can tell.
    """
    outcomes: list[tuple[str, bool | None]] = [
        (report.kind, _is_right(report, answers[report.turn_id], names))
        for report in found
        if report.turn_id in answers
    ]
    counts = Counter(outcomes)
    return {
        kind: reports.learnt(prior, counts[kind, True], counts[kind, True] + counts[kind, False])
        for kind, prior in reports.PRIOR.items()
    }


def _is_right(report: TurnReport, answer: int | None, names: Mapping[str, int]) -> bool | None:
    if report.kind == "fallback":  # the bot said that it did not know
        return answer is not None
    return names[report.bot_intent] != answer if report.bot_intent in names else None


def current_version(connection: sa.Connection, bot: str) -> str:
    """`bot_version` of the newest turn that names one; "" when none does."""
    named = (TURN.c.bot == bot, TURN.c.bot_version != "")
    newest = sa.select(TURN.c.bot_version).where(*named).order_by(TURN.c.at.desc(), TURN.c.id.desc()).limit(1)
    return connection.scalar(newest) or ""


def in_force(found: Sequence[TurnReport], version: str) -> list[TurnReport]:
    """Without the reports about another version of the bot than this one: what they complain of may be mended."""
    return [report for report in found if report.bot_version in ("", version)]


def weigh(
    counting: Sequence[TurnReport], now: datetime | None, turns: int, weights: Weights = reports.PRIOR
) -> Evidence:
    """Evidence from reports that count; `now` is event time (None: age nothing), `turns` how many the log has."""
    turn_ids, rows = np.unique(np.array([report.turn_id for report in counting], np.int64), return_inverse=True)
    persons, columns = np.unique([report.person or reports.NOBODY for report in counting], return_inverse=True)
    shape = (len(turn_ids), len(persons))
    is_named = np.array([person != reports.NOBODY for person in persons], dtype=np.bool_)
    by_person = reports.ration(reports.by_person(rows, columns, _beliefs(counting, now, weights), shape), is_named)
    answered = {report.turn_id: report.bot_intent for report in counting}
    return Evidence(
        turn_ids=turn_ids,
        by_person=by_person,
        belief=reports.combine(by_person),
        answered=[answered[turn_id] for turn_id in turn_ids.tolist()],
        base=reports.base_rate(by_person, turns),
    )


def _beliefs(counting: Sequence[TurnReport], now: datetime | None, weights: Weights) -> Floats1d:
    q = np.array([weights[report.kind] for report in counting])
    age_days = np.array([(now - report.at) / DAY if now else 0.0 for report in counting])
    return reports.decay(q, age_days)
