"""Whether the bot gets better: its own answers and the champion's, both graded on the audit slice.

The slice is drawn from the turns at random and answered blind, so its shares are those of all turns. What the bot
answered is what its platform said; a fallback says that the turn is out of scope, and a name that no intent has is
wrong. The champion is the one that was in force when the turn came in."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
import sqlalchemy as sa

from service import tables
from service.bots.store import get_bot
from service.intents.store import intent_ids, merges
from service.learning import drift, stopping
from service.learning.stopping import Estimate
from service.reviews.labels import test_answers
from service.turns import tally
from service.turns.tally import Day

CARD, MARK, PREDICTION, TURN = tables.card, tables.mark, tables.prediction, tables.turn

SPAN = timedelta(days=28)
WEEKS = 26  # looked back upon
VERSIONS = 3  # newest ones whose effect is said
CHUNK = 500  # ids in one IN
UNKNOWN = -1  # an intent that is none of ours
DAY = timedelta(days=1)


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A share of the turns in two spans, of `n_before` and `n_after` turns that tell it, and the difference."""

    before: Estimate | None
    after: Estimate | None
    difference: Estimate | None  # None: one of the two is not known
    n_before: int
    n_after: int


class Week(msgspec.Struct, frozen=True, kw_only=True):
    monday: date
    answered: int
    bot: Estimate | None
    champion: Estimate | None


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """Up to 28 days from the version's first day on against up to 28 before, and no others' first days between."""

    bot_version: str  # several that came on one day: `1.4, 1.5`
    day: date
    accuracy: Change  # of the bot's own answers
    reports: Change  # filed by people, a turn


class Accuracy(msgspec.Struct, frozen=True, kw_only=True):
    """`bot` and `champion`: the 28 days up to the newest turn, against the 28 before."""

    until: date | None  # None: the log holds no turn
    bot: Change
    champion: Change
    weeks: tuple[Week, ...]
    versions: tuple[Effect, ...]  # the newest first


class Asked(NamedTuple):
    """A turn of the slice. Who said nothing of it is None; `is_open`: nobody could say what is right."""

    at: datetime
    rate: float
    is_open: bool
    bot: bool | None
    champion: bool | None


Who = Literal["bot", "champion"]


def accuracy(connection: sa.Connection, bot: str) -> Accuracy:
    """BotNotFound."""
    get_bot(connection, bot)
    return graded(connection, bot, tally.read(connection, bot))


def graded(connection: sa.Connection, bot: str, counts: Mapping[Day, int]) -> Accuracy:
    """The same, given all that is kept of the bot's days."""
    until = tally.newest(counts)
    if until is None:
        nothing = Change(before=None, after=None, difference=None, n_before=0, n_after=0)
        return Accuracy(until=None, bot=nothing, champion=nothing, weeks=(), versions=())
    asked = [one for one in _asked(connection, bot) if one.at.date() > until - WEEKS * timedelta(days=7)]
    middle = until + DAY - SPAN
    recent = {who: _change(asked, who, middle - SPAN, middle, until + DAY) for who in ("bot", "champion")}
    weeks = tuple(_weeks(asked))
    return Accuracy(until=until, weeks=weeks, versions=tuple(_effects(asked, counts, until)), **recent)


def first_days(counts: Mapping[Day, int]) -> dict[str, date]:
    """Of each `bot_version` that came after another one, by its first day."""
    first: dict[str, date] = {}
    for one in sorted(counts):
        if one.what == tally.TURNS and one.bot_version:
            first.setdefault(one.bot_version, one.day)
    return dict(list(first.items())[1:])


def releases(counts: Mapping[Day, int]) -> dict[date, str]:
    """The versions by the day they came on; those of one day are told together, for nothing tells them apart."""
    found: dict[date, list[str]] = {}
    for version, day in first_days(counts).items():
        found.setdefault(day, []).append(version)
    return {day: ", ".join(versions) for day, versions in found.items()}


def _weeks(asked: Sequence[Asked]) -> Iterator[Week]:
    mondays = [one.at.date() - timedelta(days=one.at.weekday()) for one in asked]
    for monday in sorted(set(mondays)):
        of_week = [one for one, its in zip(asked, mondays, strict=True) if its == monday]
        answered = sum(not one.is_open for one in of_week)
        if answered:
            shares = {who: _share(of_week, who) for who in ("bot", "champion")}
            yield Week(monday=monday, answered=answered, **shares)


def _effects(asked: Sequence[Asked], counts: Mapping[Day, int], until: date) -> Iterator[Effect]:
    versions = releases(counts)
    days = [date.min, *versions, until + DAY]
    for place, (day, version) in reversed(list(enumerate(versions.items(), 1))[-VERSIONS:]):
        since, end = max(days[place - 1], day - SPAN), min(days[place + 1], day + SPAN)
        right, reported = _change(asked, "bot", since, day, end), _reported(counts, since, day, end)
        yield Effect(bot_version=version, day=day, accuracy=right, reports=reported)


def _change(asked: Sequence[Asked], who: Who, since: date, middle: date, end: date) -> Change:
    spans = [
        [one for one in asked if first <= one.at.date() < last] for first, last in ((since, middle), (middle, end))
    ]
    told = [sum(getattr(one, who) is not None and not one.is_open for one in span) for span in spans]
    before, after = (_share(span, who) for span in spans)
    difference = stopping.apart(before, after) if before and after else None
    return Change(before=before, after=after, difference=difference, n_before=told[0], n_after=told[1])


def _share(asked: Iterable[Asked], who: Who) -> Estimate | None:
    told = [(getattr(one, who), one.rate, one.is_open) for one in asked if getattr(one, who) is not None]
    is_right = np.array([right for right, _, is_open in told if not is_open], np.bool_)
    rates, open_rates = (np.array([rate for _, rate, one in told if one is is_open]) for is_open in (False, True))
    return stopping.accuracy(is_right, rates, open_rates)


def _reported(counts: Mapping[Day, int], since: date, middle: date, end: date) -> Change:
    """Reports a turn. Two of one turn are two: rare enough for an interval that takes them for turns."""
    spans = ((since, middle), (middle, end))
    turns = [_sum(counts, tally.ASKED, *span) for span in spans]
    reports = [min(_sum(counts, tally.REPORTS, *span), n) for span, n in zip(spans, turns, strict=True)]
    before, after = (
        Estimate(r / n, *stopping.wilson(r / n, n)) if n else None for r, n in zip(reports, turns, strict=True)
    )
    difference = drift.difference(reports[0], turns[0], reports[1], turns[1]) if all(turns) else None
    return Change(before=before, after=after, difference=difference, n_before=turns[0], n_after=turns[1])


def _sum(counts: Mapping[Day, int], what: str, since: date, end: date) -> int:
    return sum(n for one, n in counts.items() if one.what == what and since <= one.day < end)


def _asked(connection: sa.Connection, bot: str) -> list[Asked]:
    """The slice as far as it was answered or given to an adjudicator. Found from the answers, which are few: the slice
    grows with the log."""
    answers = test_answers(connection, bot)
    split = sa.select(CARD.c.turn_id).where(CARD.c.bot == bot, CARD.c.status == "adjudicate", CARD.c.purpose == "audit")
    turn_ids = sorted({*answers, *connection.scalars(split)})
    ids, into = intent_ids(connection, bot), merges(connection, bot)
    rows = [
        row for start in range(0, len(turn_ids), CHUNK) for row in _rows(connection, turn_ids[start : start + CHUNK])
    ]
    return [_graded(row, answers.get(row.id), ids, into) for row in rows]


def _rows(connection: sa.Connection, turn_ids: Sequence[int]) -> Sequence[sa.Row[Any]]:
    is_seen = PREDICTION.c.turn_id.is_not(None)
    columns = (TURN.c.id, TURN.c.at, TURN.c.bot_intent, TURN.c.is_fallback, MARK.c.rate, PREDICTION.c.intent_id)
    query = (
        sa.select(*columns, is_seen.label("is_seen"))
        .join(MARK, (MARK.c.turn_id == TURN.c.id) & (MARK.c.kind == "audit"))
        .outerjoin(PREDICTION, (PREDICTION.c.turn_id == TURN.c.id) & (PREDICTION.c.n == MARK.c.n))
        .where(TURN.c.id.in_(turn_ids), MARK.c.rate > 0)
    )
    return connection.execute(query).all()


def _graded(row: Any, right: Sequence[int | None] | None, ids: Mapping[str, int], into: Mapping[int, int]) -> Asked:
    theirs = None if row.is_fallback else ids.get(row.bot_intent, UNKNOWN)
    ours = None if row.intent_id is None else into.get(row.intent_id, UNKNOWN)
    return Asked(
        at=row.at,
        rate=row.rate,
        is_open=right is None,
        bot=theirs in (right or ()) if row.is_fallback or row.bot_intent else None,
        champion=ours in (right or ()) if row.is_seen else None,
    )
