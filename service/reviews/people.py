"""A bot's reviewers: how much each answers and how, how far the others agree with them, and who answers at present.

The numbers are there to plan with: how many cards a week get answered, where a guideline is needed. Reviewers see their
own; adjudicators and owners, who decide what others were asked, see everybody's."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import get_args

import sqlalchemy as sa

from service import tables
from service.access.roles import Principal, allows
from service.bots.store import get_bot
from service.errors import Forbidden
from service.reviews import budget, overlap, store
from service.reviews.schemas import Reliability, ReviewerRow, Reviewing, ReviewWeek, Surface

VOTE, CARD, CLAIM = tables.vote, tables.card, tables.claim
WEEK = timedelta(days=7)
WEEKS = 8
LEAST = 20  # compared answers, below which an agreement is not known
SURFACES: tuple[Surface, ...] = get_args(Surface)


def seen_by(principal: Principal, bot: str) -> str | None:
    """The one reviewer whose numbers the principal may see; None: everybody's."""
    return None if allows(principal, "adjudicator", bot) else principal.name


def check_seen(principal: Principal, bot: str, reviewer: str) -> None:
    if seen_by(principal, bot) not in (None, reviewer):
        raise Forbidden("reviewers see their own votes only", hint=f"it takes adjudicator or owner of {bot}")


def reviewers(
    connection: sa.Connection, bot: str, judged: Sequence[Reliability], now: datetime, only: str | None
) -> list[ReviewerRow]:
    """Whoever voted, by name; `judged`: what reliability.py says of them, `only`: that one alone."""
    agreement = {one.reviewer: one for one in judged}
    recent, on_screen = _recent(connection, bot, now), _on_screen(connection, bot, now)
    return [
        _row(name, votes, last_at, agreement.get(name), recent.get(name, {}), on_screen.get(name, 0), now)
        for name, votes, last_at in _in_all(connection, bot, only)
    ]


def _row(
    name: str,
    votes: int,
    last_at: datetime,
    judged: Reliability | None,
    recent: Mapping[str, int],
    on_screen: int,
    now: datetime,
) -> ReviewerRow:
    return ReviewerRow(
        reviewer=name,
        n=judged.n if judged else 0,
        agreed=judged.agreed if judged else 0,
        share=judged.share if judged else None,
        low=judged.low if judged else None,
        high=judged.high if judged else None,
        is_known=judged is not None and judged.n >= LEAST,
        votes=votes,
        votes_this_week=recent.get("this_week", 0),
        last_at=last_at,
        on_screen=on_screen,
        is_away=last_at <= now - overlap.ACTIVE,
        weeks=tuple(ReviewWeek(monday, recent.get(str(monday), 0)) for monday in _mondays(now)),
        recent=recent.get("recent", 0),
        unsure=recent.get("unsure", 0),
        none=recent.get("none", 0),
        adjudications=recent.get("adjudications", 0),
        surfaces={surface: recent[surface] for surface in SURFACES if recent.get(surface)},
    )


def _mondays(now: datetime) -> list[date]:
    """Those of the newest whole weeks, oldest first."""
    this = now.date() - timedelta(days=now.weekday())
    return [this - n * WEEK for n in range(WEEKS, 0, -1)]


def _in_all(connection: sa.Connection, bot: str, only: str | None) -> list[tuple[str, int, datetime]]:
    """Each reviewer's votes, and when they gave the newest."""
    c = VOTE.c
    query = sa.select(c.reviewer, sa.func.count(), sa.func.max(c.at, type_=c.at.type))
    query = query.where(c.bot == bot, c.answer != "undo").group_by(c.reviewer).order_by(c.reviewer)
    if only is not None:
        query = query.where(c.reviewer == only)
    return [(name, votes, last_at) for name, votes, last_at in connection.execute(query)]


def _recent(connection: sa.Connection, bot: str, now: datetime) -> dict[str, Mapping[str, int]]:
    """Counts by reviewer, of the votes since the first of the weeks."""
    c, mondays = VOTE.c, _mondays(now)
    counts: dict[str, sa.ColumnElement[int]] = {
        "recent": sa.func.count(),
        "this_week": _among(c.at > now - WEEK),
        "unsure": _among(c.answer == "unsure"),
        "none": _among(c.answer == "none"),
        "adjudications": _among(c.is_adjudication),
        **{surface: _among(c.surface == surface) for surface in SURFACES},
        **{str(one): _among(c.at >= _begin(one), c.at < _begin(one + WEEK)) for one in mondays},
    }
    query = sa.select(c.reviewer, *(count.label(name) for name, count in counts.items()))
    query = query.where(c.bot == bot, c.at >= _begin(mondays[0]), c.answer != "undo").group_by(c.reviewer)
    return {reviewer: dict(zip(counts, found, strict=True)) for reviewer, *found in connection.execute(query)}


def _among(*where: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.sum(sa.case((sa.and_(*where), 1), else_=0))


def _begin(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _on_screen(connection: sa.Connection, bot: str, now: datetime) -> dict[str, int]:
    """Cards that each reviewer has before them."""
    query = sa.select(CLAIM.c.reviewer, sa.func.count()).join(CARD, CARD.c.id == CLAIM.c.card_id)
    query = query.where(CARD.c.bot == bot, CLAIM.c.until > now).group_by(CLAIM.c.reviewer)
    return dict(connection.execute(query).all())


def reviewing(connection: sa.Connection, bot: str, now: datetime) -> Reviewing:
    """BotNotFound."""
    found = get_bot(connection, bot)
    week, terms = budget.week(connection, found, now), overlap.terms(connection, found, now)
    return Reviewing(
        granted=week.granted,
        given=week.given,
        open=store.count_open(connection, bot),
        undecided=store.count_undecided(connection, bot),
        policy=terms.policy,
        overlap=terms.overlap,
        overlap_wanted=found.overlap,
        active=overlap.count_active(connection, bot, now),
        blind_share=overlap.BLIND_SHARE if terms.overlap > 1 else 0.0,
    )
