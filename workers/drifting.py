"""The job DRIFT: how far the newest turns are from what they were, and what people have begun to ask.

Measured are the running day, the day before, for turns come late, and days of the last four weeks that were not yet,
because no job ran or no classifier was in force. What a window says is kept in one transaction, which first looks
whether the classifier that decided is still in force, and whether a twin that read the turns later was quicker. A
repeat, or a twin at the same time, draws the same turns and changes nothing."""

from collections.abc import Collection
from datetime import date, datetime

import numpy as np
import structlog

from service import clock, database
from service.classifiers import store
from service.classifiers.schemas import Classifier
from service.context import Context
from service.encoding import Encoder, unit
from service.learning.types import Floats2d
from service.proposals import store as proposals
from service.proposals.recurring import known_as
from service.proposals.schemas import Growth, NewProposal
from service.windows import alerts, ledger, measuring
from service.windows.measuring import BEFORE, DAY, Compared, Material
from service.windows.schemas import Measured
from workers import emerging, proposing
from workers.emerging import Emerging
from workers.proposing import Grouped

log = structlog.get_logger()


def drift(context: Context, _encoder: Encoder, bot: str) -> list[date]:
    """The days whose windows were kept, in order; none before the first classifier."""
    today = clock.now().date()
    with database.reading(context.engine) as connection:
        champion = store.champion(connection, bot)
        known = ledger.days(connection, bot, today - BEFORE * DAY)
    if champion is None:
        return []
    kept = [day for day in due(known, today) if _measure(context, champion, day)]
    log.info("drift.measured", bot=bot, n=champion.n, days=len(kept))
    return kept


def due(known: Collection[date], today: date) -> list[date]:
    """Days to measure, the oldest first.

    >>> today = date(2026, 3, 29)
    >>> [day.day for day in due([today - back * DAY for back in range(28) if back != 3], today)]
    [1, 26, 28, 29]
    """
    days = [today - back * DAY for back in range(BEFORE, -1, -1)]
    return [day for day in days if day >= today - DAY or day not in known]


def _measure(context: Context, champion: Classifier, day: date) -> bool:
    """Whether there was something to keep. What grew is looked for in the running day's window alone."""
    now = clock.now()
    with database.snapshot(context.engine) as connection:
        found = measuring.look(connection, champion, day, now)
    if not isinstance(found, Material):
        return found is not None and _keep(context, champion, found, now)
    compared = measuring.compare(champion, found)
    is_kept = _keep(context, champion, compared.measured, now)
    if is_kept and day == now.date():
        _keep_growing(context, champion, found, compared, now)
    return is_kept


def _keep(context: Context, champion: Classifier, measured: Measured, now: datetime) -> bool:
    with database.writing(context.engine) as connection:
        ledger.lock(connection, champion.bot)
        if store.champion_n(connection, champion.bot) != champion.n:
            return False  # the next job measures with the new one
        is_kept = ledger.keep(connection, champion.bot, measured, now)
        if is_kept:
            alerts.follow(connection, champion.bot, measured, now)
        return is_kept


def _keep_growing(
    context: Context, champion: Classifier, material: Material, compared: Compared, now: datetime
) -> None:
    """Clusters that grew are proposals; those that are known as one are told apart before anything is written."""
    bot, encoder, center = champion.bot, champion.encoder, champion.head.center
    with database.reading(context.engine) as connection:
        last, known = proposals.last_id(connection, bot), proposals.known(connection, bot, encoder)
    grown = [(known_as(one, known, center), one) for one in _growing(context, champion, material, compared)]
    fresh = [one for proposal_id, one in grown if proposal_id is None]
    again = {proposal_id: one for proposal_id, one in grown if proposal_id is not None}
    with database.writing(context.engine) as connection:
        proposals.lock(connection, bot)
        if store.champion_n(connection, bot) != champion.n or proposals.last_id(connection, bot) != last:
            return  # a promotion, a twin or the job PROPOSE came in between: the next job looks again
        if ledger.read_at(connection, bot, material.measured.day) != now:
            return  # a twin read the turns later: what grew is for it to say
        proposals.replace_growing(connection, bot, champion.n, encoder, fresh, again, now)


def _growing(context: Context, champion: Classifier, material: Material, compared: Compared) -> list[NewProposal]:
    head, (_, window, reference, _) = champion.head, material
    with database.reading(context.engine) as connection:
        taught = proposing.taught(connection, champion.bot, champion.encoder)
    if not len(taught.x):
        return []
    x, turn_ids = np.vstack([reference.x, window.x]), [*reference.turn_ids, *window.turn_ids]
    is_recent = np.arange(len(x)) >= len(reference.x)
    doubt = np.concatenate([compared.doubt_before, compared.doubt])
    found = emerging.find(x, is_recent, doubt, proposing.with_prototypes(taught, head), head.center)
    groups = [
        Grouped(
            turn_ids=[turn_ids[row] for row in one.rows.tolist()],
            x=x[one.rows],
            turns=_turns(one, material),
            tightness=_tightness(x[one.rows] - head.center),
            growth=Growth(one.growth.by_chance, one.growth.value),
        )
        for one in found
    ]
    return proposing.described(context, groups, turn_ids)


def _turns(found: Emerging, material: Material) -> int:
    """Repeats of its texts among them."""
    window, reference = len(material.window.turn_ids), len(material.reference.turn_ids)
    return round(found.growth.value * window + found.growth.by_chance * reference)


def _tightness(x: Floats2d) -> float:
    """Mean cosine with the middle."""
    seen = unit(x)
    return float((seen @ unit(seen.mean(axis=0)[None, :])[0]).mean())
