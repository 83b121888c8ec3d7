"""Reviewers: how much each answers, how far the others agree with them, and whom a card asks."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import sqlalchemy as sa
from litestar import Controller, Response, get
from litestar.params import Parameter

from service.access.guard import requires
from service.access.roles import Principal
from service.bots.controllers import BotName
from service.clock import now
from service.console import reviewers_plots as plots
from service.console.figures import Figure
from service.console.frame import bot_page
from service.console.reviewers_plots import Pace
from service.console.words import share
from service.context import Context
from service.database import reading
from service.errors import NotFound
from service.learning.stopping import Estimate
from service.renewed import Renewed
from service.reviews import people, reliability
from service.reviews.controllers import Cursor
from service.reviews.listing import votes_by
from service.reviews.schemas import NAME_LIMIT, IntentAgreement, ReviewerRow, Reviewing, VoteRow
from service.turns.store import texts_of

HERE = "Reviewers"  # the tab
DRAWN = 20  # reviewers
LISTED = 50  # votes
WEEK = 7  # days

ReviewerName = Annotated[str, Parameter(min_length=1, max_length=NAME_LIMIT, description="as they vote")]

_kept = Renewed(reliability.both)


class ReviewerNotFound(NotFound):
    type = "reviewer-not-found"

    def __init__(self, bot: str, reviewer: str) -> None:
        super().__init__(f"{reviewer!r} has not voted on a card of {bot}", hint="the page of reviewers names who has")


class ReviewersController(Controller):
    path, include_in_schema = "/bots/{bot:str}/reviewers", False

    @get("/", guards=[requires("reviewer")], sync_to_thread=True)
    def show(self, context: Context, principal: Principal, bot: BotName) -> Response[str]:
        only = people.seen_by(principal, bot)
        with reading(context.engine) as connection:
            fields = shown(connection, bot, only, now())
        return bot_page("reviewers.html", principal, bot, HERE, agrees=agrees, part=part, only=only, **fields)

    @get("/votes", guards=[requires("reviewer")], sync_to_thread=True)
    def show_reviewer(
        self, context: Context, principal: Principal, bot: BotName, of: ReviewerName, cursor: Cursor = None
    ) -> Response[str]:
        people.check_seen(principal, bot, of)
        with reading(context.engine) as connection:
            fields = shown_of(connection, bot, of, now(), cursor)
        return bot_page("reviewer.html", principal, bot, HERE, agrees=agrees, part=part, said=said, **fields)


def shown(connection: sa.Connection, bot: str, only: str | None, at: datetime) -> dict[str, Any]:
    """What the template shows."""
    reviewing = people.reviewing(connection, bot, at)
    judged, agreement = _kept.of(connection, bot)
    rows = people.reviewers(connection, bot, judged, at, only)
    return {
        "reviewing": reviewing,
        "asks": asks(reviewing),
        "rows": rows,
        "least": people.LEAST,
        "pace": pace_figure(rows),
        "agreement": agreement,
        "by_intent": [(one.intent, alpha(one.alpha), f"{one.n:,}") for one in sorted(agreement.intents, key=_alpha)],
        "alpha": alpha,
    }


def shown_of(connection: sa.Connection, bot: str, reviewer: str, at: datetime, cursor: str | None) -> dict[str, Any]:
    """What the template of one reviewer shows."""
    judged, _ = _kept.of(connection, bot)
    rows = people.reviewers(connection, bot, judged, at, reviewer)
    if not rows:
        raise ReviewerNotFound(bot, reviewer)
    votes = votes_by(connection, bot, reviewer, cursor, LISTED)
    texts = texts_of(connection, [one.turn_id for one in votes.items])
    return {"row": rows[0], "pace": pace_figure(rows), "votes": votes.items, "next": votes.next, "texts": texts}


def agrees(row: ReviewerRow) -> str:
    """How often the others come to the same, in words."""
    if row.share is None or row.low is None or row.high is None or not row.is_known:
        return f"not known: {row.n} of the {people.LEAST} answers it takes"
    return f"{share(Estimate(row.share, row.low, row.high))} of {row.n} answers"


def alpha(found: float | None) -> str:
    """
    >>> alpha(-0.104), alpha(None)
    ('−0.10', 'not known')
    """
    return "not known" if found is None else f"{found:.2f}".replace("-", "−")


def _alpha(of: IntentAgreement) -> float:
    return 2.0 if of.alpha is None else of.alpha


def part(n: int, of: int) -> str:
    """
    >>> part(3, 40), part(0, 0)
    ('3 (8 %)', '0')
    """
    return f"{n:,} ({100 * n / of:.0f} %)" if of else f"{n:,}"


def said(vote: VoteRow) -> str:
    """What a vote answers."""
    if vote.answer == "undo":
        return "took it back"
    named = " and ".join(filter(None, (vote.intent, vote.second)))
    return named or (f"a new intent, {vote.proposed}" if vote.proposed else vote.answer)


def asks(found: Reviewing) -> str:
    """How many people a card asks, and why."""
    if found.policy == "single":
        return "Every card asks one person: the bot's policy is that a single answer decides."
    if found.overlap_wanted == 1:
        return "Every card asks one person: the bot wants no overlap."
    voted = f"{_people(found.active)} voted in the last 30 days"
    if found.overlap == 1:
        return f"Every card asks one person: {voted}, and it takes two to compare answers."
    fewer = f", not {found.overlap_wanted}, for {voted}" if found.overlap < found.overlap_wanted else ""
    return (
        f"Blind cards ask {found.overlap} people{fewer}. Blind are the audit slice, flips, and"
        f" {100 * found.blind_share:.0f} % of the other cards; every other card asks one person."
    )


def _people(n: int) -> str:
    return "nobody" if n == 0 else "one person" if n == 1 else f"{n} people"


def pace_figure(rows: Sequence[ReviewerRow]) -> Figure | None:
    """Of whole weeks, which do not change any more; None where nobody voted in them."""
    drawn = [row for row in rows if any(week.votes for week in row.weeks)][:DRAWN]
    if not drawn:
        return None
    paces = tuple(Pace(row.reviewer, week.monday, round(week.votes / WEEK, 1)) for row in drawn for week in row.weeks)
    if len(rows) == 1:
        values = [(f"week of {one.monday}", f"{one.votes:.1f}") for one in reversed(paces)]
        return Figure(plots.bars, paces, "Votes a day, by week.", ("", "votes a day"), values)
    columns = ("votes a day", *(str(week.monday) for week in drawn[0].weeks))
    values_of_all = [(row.reviewer, *(f"{week.votes / WEEK:.1f}" for week in row.weeks)) for row in drawn]
    return Figure(plots.table, paces, "Votes a day of each reviewer, by week.", columns, values_of_all)
