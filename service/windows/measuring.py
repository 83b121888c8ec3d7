"""Which turns a day's window holds, what they are compared with, and what that says.

Both samples are decided by one classifier from stored vectors: a promotion, an import or a new version of the bot moves
nothing by itself. What the classifier makes of a turn is worked out anew, for its predictions in SQL may be another
classifier's.

People ask for other things at night than by day, and on Sundays than on Mondays. So a window is compared with the same
days of the week before it and of the three before that, the running day up to the hour that it has come to; only a
young bot, for which these hold too little, is compared with all days of the four weeks."""

import zlib
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa
from msgspec import structs

from service.classifiers.schemas import Classifier
from service.intents.store import merges
from service.learning.head import NONE
from service.learning.types import Floats1d
from service.windows import sampling, statistics
from service.windows.sampling import Drawn, Span
from service.windows.schemas import Found, Measured
from service.windows.statistics import Finding, Findings, Sample

DAY = timedelta(days=1)
ENOUGH = 1_000  # turns of a window, which it goes back for
LONGEST = 7  # days of a window
LEAST = 100  # turns of the longest, below which nothing is measured
BEFORE = 28  # days back that a reference begins
WEEK = 7
LEAST_BEFORE = 500
MOST, MOST_BEFORE = 2_000, 5_000  # turns drawn
KEPT = 50  # likeliest turns


class Material(NamedTuple):
    """A window and its reference, read at one moment."""

    measured: Measured  # but for what the two say
    window: Drawn
    reference: Drawn
    into: Mapping[int, int]  # intents → what they were merged into


class Compared(NamedTuple):
    """What they say, and how far each turn is from being one of a known intent, in [0, 1]."""

    measured: Measured
    doubt: Floats1d  # (m,) of the window
    doubt_before: Floats1d  # (n,) of the reference


def look(connection: sa.Connection, champion: Classifier, day: date, now: datetime) -> Material | Measured | None:
    """The window that ends with the day, or now. Measured: there are too few turns to compare. None: there is none at
    all, or one has no vector yet."""
    bot = champion.bot
    since, drawn = _window(connection, bot, day)
    if not drawn:
        return None
    drawn_before = _drawn_before(connection, bot, since, day, now)
    measured = Measured(
        day=day,
        n=champion.n,
        since=since,
        reference_since=since - BEFORE * DAY,
        turns=len(drawn),
        reference_turns=len(drawn_before),
        reason=_reason(len(drawn), len(drawn_before)),
    )
    if measured.reason:
        return measured
    window, reference = (sampling.seen(connection, champion, turns) for turns in (drawn, drawn_before))
    if window is None or reference is None:
        return None
    return Material(measured, window, reference, merges(connection, bot))


def _window(connection: sa.Connection, bot: str, day: date) -> tuple[date, Sequence[sa.Row[Any]]]:
    """Its first day and its turns."""
    for days in range(1, LONGEST + 1):
        since = day - (days - 1) * DAY
        drawn = sampling.draw(connection, bot, [sampling.days(since, day + DAY)], MOST)
        if len(drawn) >= ENOUGH:
            break
    return since, drawn


def _drawn_before(connection: sa.Connection, bot: str, since: date, day: date, now: datetime) -> Sequence[sa.Row[Any]]:
    """Of the reference."""
    drawn = sampling.draw(connection, bot, weeks_before(since, day, now), MOST_BEFORE)
    if len(drawn) >= LEAST_BEFORE:
        return drawn
    return sampling.draw(connection, bot, [sampling.days(since - BEFORE * DAY, since)], MOST_BEFORE)


def weeks_before(since: date, day: date, now: datetime) -> list[Span]:
    """The window's days, up to the end of the hour that it is now, in each of the weeks before."""
    first, end = sampling.days(since, day + DAY)
    until = min(end, now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1))
    return [Span(first - back * DAY, until - back * DAY) for back in range(WEEK, BEFORE + 1, WEEK)]


def _reason(turns: int, before: int) -> str:
    """
    >>> _reason(100, 500), _reason(99, 500)
    ('', 'the 7 days hold turns of 99 conversations, of 100 that are needed')
    """
    if turns < LEAST:
        return f"the {LONGEST} days hold turns of {turns} conversations, of {LEAST} that are needed"
    if before < LEAST_BEFORE:
        return f"the {BEFORE} days before hold turns of {before} conversations, of {LEAST_BEFORE} that are needed"
    return ""


def compare(champion: Classifier, material: Material) -> Compared:
    window, reference = (_decided(champion, material.into, drawn) for drawn in (material.window, material.reference))
    found = statistics.measure(reference, window, _rng(champion.bot, material.measured.day))
    return Compared(_told(material, found), 1 - window.confidence, 1 - reference.confidence)


def _rng(bot: str, day: date) -> np.random.Generator:
    """A repeat permutes alike."""
    return np.random.default_rng([zlib.crc32(bot.encode()), day.toordinal()])


def _decided(champion: Classifier, into: Mapping[int, int], drawn: Drawn) -> Sample:
    """An intent that was merged since counts as the other."""
    sample = statistics.decided(
        champion.head,
        drawn.x,
        is_fallback=drawn.is_fallback,
        is_reported=drawn.is_reported,
        structures=drawn.structures,
        is_learnt=drawn.is_learnt,
        is_later=drawn.is_later,
    )
    final = {NONE: NONE, **into}
    return sample._replace(decided=np.array([final[intent_id] for intent_id in sample.decided.tolist()], np.int64))


def _told(material: Material, found: Findings) -> Measured:
    window, reference = material.window, material.reference
    return structs.replace(
        material.measured,
        is_alarm=any(one.is_alarm for one in found.found),
        findings=tuple(map(_found, found.found)),
        likeliest=tuple(window.turn_ids[row] for row in found.likeliest[:KEPT].tolist()),
        versions=_new_versions(window, reference),
    )


def _found(one: Finding) -> Found:
    value, by_chance, p = map(float, one.statistic)
    return Found(one.name, one.subject, value, by_chance, p, float(one.p), bool(one.is_alarm))


def _new_versions(window: Drawn, reference: Drawn) -> dict[str, date]:
    """`bot_version`s that the reference lacks, with their first day in the window."""
    first: dict[str, date] = {}
    for version, day in zip(window.versions, window.days, strict=True):
        first[version] = min(day, first.get(version, day))
    return {version: day for version, day in first.items() if version and version not in reference.versions}
