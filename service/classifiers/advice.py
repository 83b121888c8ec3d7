"""Whether labelling still pays, from what the bot's own reviewers answered.

Three reasons to stop: the owner's target is reached for certain; the classifiers hardly change any more, and no gain is
in sight; or the next hundred labels take longer to pay back, in minutes, than a year. How many minutes were saved
against labelling at random is not said: nobody labelled at random, and another bot's figures are no measurement."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

import msgspec
import numpy as np
import sqlalchemy as sa

from service import tables
from service.bots.schemas import Bot
from service.bots.store import get_bot
from service.classifiers import gates, rules, store
from service.classifiers.schemas import Gate
from service.intents.store import merges
from service.learning import stopping
from service.learning.stopping import Estimate
from service.learning.types import Floats1d, Ints1d
from service.reviews.labels import test_answers
from service.reviews.store import has_text
from service.turns import tally

CARD, MARK, PREDICTION, VOTE = tables.card, tables.mark, tables.prediction, tables.vote
Verdict = Literal["stop", "go_on", "too_early"]

ENOUGH = 30  # answers of the audit slice below which nothing is said
SETTLED = 0.99  # κ from which on classifiers count as alike
NO_GAIN = 0.002  # per hundred labels, at most
COMPARED = 2_000  # newest turns on which classifiers are compared
VOTES = 1_000  # newest votes whose pace is looked at
WEEK = timedelta(days=7)
YEAR_WEEKS = 52.0


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """What the owner is told, and what it rests on; None where too little is known."""

    verdict: Verdict
    reason: str
    answered: int  # turns of the audit slice
    accuracy: Estimate | None  # of the classifier in force, on turns drawn at random
    target: float | None  # the owner's
    kappa: float | None  # of the last two classifiers that were compared, on recent turns
    gain: Estimate | None  # of right answers, by a hundred labels
    minutes_a_label: float | None
    payback_weeks: float | None  # until the next hundred labels have saved the minutes they take
    votes: int  # of the last seven days
    weekly_budget: int


class Audited(NamedTuple):
    """What the audit slice says of the classifier in force; `unseen`: answered turns that it has not decided yet."""

    answered: int
    accuracy: Estimate | None
    unseen: int = 0


def advise(connection: sa.Connection, name: str, now: datetime) -> Advice:
    """BotNotFound."""
    bot = get_bot(connection, name)
    audited, pace = audited_of(connection, bot), _pace(connection, name)
    tried = gates.gates(connection, name)
    gained, kappa = _gain(connection, bot, tried), _kappa(connection, bot, tried)
    weeks = _payback(bot, gained, pace, _turns_a_week(connection, name))
    verdict, reason = decide(bot.target, audited.answered, audited.accuracy, kappa, gained, weeks)
    votes = sa.select(sa.func.count()).where(VOTE.c.bot == name, VOTE.c.at > now - WEEK, VOTE.c.answer != "undo")
    return Advice(
        verdict=verdict,
        reason=reason,
        answered=audited.answered,
        accuracy=audited.accuracy,
        target=bot.target,
        kappa=kappa,
        gain=gained,
        minutes_a_label=pace,
        payback_weeks=weeks,
        votes=connection.scalar(votes) or 0,
        weekly_budget=bot.weekly_budget,
    )


def decide(
    target: float | None,
    answered: int,
    accuracy: Estimate | None,
    kappa: float | None,
    gain: Estimate | None,
    payback_weeks: float | None,
) -> tuple[Verdict, str]:
    """The advice and its reason.

    >>> print(*decide(0.99, 200, Estimate(0.95, 0.91, 0.97), None, None, None))
    go_on the champion has 95.0 % (91.0 to 97.0) of all 200 answered audit turns right; the target is 99.0 %
    """
    if accuracy is None or answered < ENOUGH:
        return "too_early", f"{answered} turns of the audit slice are answered; {ENOUGH} are needed to say anything"
    words = f"{accuracy.estimate:.1%} ({accuracy.low * 100:.1f} to {accuracy.high * 100:.1f})".replace("%", " %")
    right = f"the champion has {words} of all {answered} answered audit turns right"
    if target is not None and accuracy.low >= target:
        return "stop", f"the target is reached: {right}, {100 * target:.1f} % were wanted"
    if kappa is not None and gain is not None and kappa >= SETTLED and gain.high <= NO_GAIN:
        return "stop", f"new labels change nothing any more: the last two classifiers agree (κ {kappa:.3f}); {right}"
    if payback_weeks is not None and payback_weeks > YEAR_WEEKS:
        return "stop", f"the next hundred labels would take {payback_weeks:.0f} weeks to pay back; {right}"
    wanted = "" if target is None else f"; the target is {100 * target:.1f} %"
    return "go_on", f"{right}{wanted}"


def audited_of(connection: sa.Connection, bot: Bot) -> Audited:
    """The champion's answers to the audit slice."""
    answers, into = test_answers(connection, bot.name), merges(connection, bot.name)
    by_champion = (PREDICTION.c.turn_id == MARK.c.turn_id) & (PREDICTION.c.n == bot.champion)
    is_seen = PREDICTION.c.turn_id.is_not(None)
    asked = (
        sa.select(MARK.c.turn_id, MARK.c.rate, CARD.c.status, PREDICTION.c.intent_id, is_seen.label("is_seen"))
        .select_from(CARD)
        .join(MARK, (MARK.c.turn_id == CARD.c.turn_id) & (MARK.c.kind == "audit"))
        .outerjoin(PREDICTION, by_champion)
        .where(CARD.c.bot == bot.name, CARD.c.purpose == "audit", MARK.c.rate > 0, is_seen | has_text())
    )
    is_right, rates, split, unseen = [], [], [], 0
    for turn_id, rate, status, intent_id, was_seen in connection.execute(asked):
        if not was_seen:
            unseen += turn_id in answers
        elif turn_id in answers:
            is_right.append((None if intent_id is None else into.get(intent_id)) in answers[turn_id])
            rates.append(rate)
        elif status == "adjudicate":
            split.append(rate)
    found = stopping.accuracy(np.array(is_right, np.bool_), np.array(rates), np.array(split))
    return Audited(len(rates), found, unseen)


def _gain(connection: sa.Connection, bot: Bot, tried: Mapping[int, Gate]) -> Estimate | None:
    """Of the promotions that blind answers decided, and of the challengers held since the last one."""
    steps = []
    for gate in tried.values():
        is_step = gate.status == "promoted" or (gate.status == "held" and gate.champion == bot.champion)
        difference = _difference(gate) if is_step else None
        if difference:
            before, after = (store.manifest(connection, bot.name, n).labels for n in (gate.champion, gate.challenger))
            steps.append((after - before, difference))
    return stopping.gain(steps)


def _difference(gate: Gate) -> Estimate | None:
    """Of shares of right answers, challenger minus champion. One that was held without asking, for it differs on too
    few turns, may be right or wrong on all of these; None where nothing was compared."""
    if found := rules.difference(gate):
        return Estimate(found.estimate, found.low, found.high)
    share = gate.disagreed / gate.compared if gate.compared else None
    return None if share is None else Estimate(0.0, -share, share)


def _kappa(connection: sa.Connection, bot: Bot, tried: Mapping[int, Gate]) -> float | None:
    """Of the newest challenger and the champion it was compared with, if either is in force; else of the champion and
    the one it replaced."""
    newest = max(tried.values(), key=lambda gate: gate.challenger, default=None)
    if newest and newest.compared and bot.champion in (newest.champion, newest.challenger):
        shares = _shares(connection, bot)
        return stopping.kappa_of(1 - newest.disagreed / newest.compared, shares) if len(shares) else None
    return _kappa_of_replaced(connection, bot)


def _shares(connection: sa.Connection, bot: Bot) -> Floats1d:
    """Of the newest turns, by what the champion decides."""
    c = PREDICTION.c
    newest = sa.select(c.intent_id).where(c.bot == bot.name, c.n == bot.champion)
    decided = Counter(connection.scalars(newest.order_by(c.turn_id.desc()).limit(COMPARED)))
    return np.array(list(decided.values())) / max(decided.total(), 1)


def _kappa_of_replaced(connection: sa.Connection, bot: Bot) -> float | None:
    """On the newest turns both have seen."""
    if bot.champion is None or (replaced := store.manifest(connection, bot.name, bot.champion).replaced) is None:
        return None
    before, after = PREDICTION.alias(), PREDICTION.alias()
    both = (
        sa.select(before.c.intent_id, after.c.intent_id)
        .join(after, before.c.turn_id == after.c.turn_id)
        .where(before.c.bot == bot.name, before.c.n == replaced, after.c.n == bot.champion)
        .order_by(before.c.turn_id.desc())
        .limit(COMPARED)
    )
    rows = connection.execute(both).all()
    decided: Ints1d = np.array([[one or 0, other or 0] for one, other in rows], np.int64)
    return stopping.kappa(*decided.T) if len(decided) else None


def _pace(connection: sa.Connection, bot: str) -> float | None:
    """Minutes a label, of whoever answered last and often enough."""
    query = sa.select(VOTE.c.reviewer, VOTE.c.at).where(VOTE.c.bot == bot).order_by(VOTE.c.at.desc()).limit(VOTES)
    minutes: dict[str, list[float]] = {}
    for reviewer, at in connection.execute(query):
        minutes.setdefault(reviewer, []).append(at.timestamp() / 60)
    paces = [pace for times in minutes.values() if (pace := stopping.minutes_a_label(np.sort(times))) is not None]
    return float(np.median(paces)) if paces else None


def _turns_a_week(connection: sa.Connection, bot: str) -> int:
    """That ask something, of the seven days up to the newest turn's."""
    counts = tally.read(connection, bot)
    newest = tally.newest(counts)
    return sum(n for one, n in counts.items() if newest and one.what == tally.ASKED and one.day > newest - WEEK)


def _payback(bot: Bot, gain: Estimate | None, pace: float | None, turns: int) -> float | None:
    """Weeks until a hundred labels have saved what they take; None where an error's minutes, the pace or a gain is
    not known."""
    if gain is None or pace is None or bot.minutes_per_error is None:
        return None
    saved = gain.estimate * turns * bot.minutes_per_error
    return 100 * pace / saved if saved > 0 else None
