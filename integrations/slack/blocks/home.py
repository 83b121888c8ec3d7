"""The home tab: what a reviewer has done, what waits for them, and what became of it, bot by bot."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from integrations.slack.blocks.elements import Block, actions, button, context, cut, plain, rich, section, words
from integrations.slack.blocks.names import START
from service.learning.stopping import Estimate
from service.reviews.budget import Week
from service.reviews.schemas import Reliability

MOST_BOTS = 30  # of three blocks each: a view holds 100
NAMES_TEXT = 2000
BAR = 20  # characters


class Champion(NamedTuple):
    """The classifier in force. `mine`: turns whose label was decided by the person's answer when it was trained;
    `accuracy` on the turns of the audit slice that were answered, None while these are too few."""

    n: int
    trained_at: datetime
    labels: int
    mine: int
    answered: int
    accuracy: Estimate | None


class Standing(NamedTuple):
    """A bot as one of its reviewers finds it; a `daily_limit` of 0 is none."""

    bot: str
    waiting: int  # cards
    today: int  # cards answered
    daily_limit: int
    agreement: Reliability | None
    week: Week
    champion: Champion | None


def home(user: str, bots: Sequence[Standing], open_bots: Sequence[str], at: datetime, *, note: str = "") -> Block:
    """`open_bots`: those that list nobody, and are reviewed in their channels."""
    shown = [context(note)] if note else []
    for standing in bots[:MOST_BOTS]:
        shown += _bot(standing)
    shown += [context(text) for text in (*_beside(user, bots, open_bots), f"As of {at:%Y-%m-%d %H:%M} UTC.")]
    return {"type": "home", "blocks": shown}


def _bot(standing: Standing) -> list[Block]:
    lines = (_queue(standing), _agreement(standing.agreement), _week(standing.week), *_champion(standing.champion))
    return [
        {"type": "header", "text": plain(standing.bot)},
        rich([section(words(f"{line}\n")) for line in lines]),
        actions(f"home:{standing.bot}", [button(START, "Review", standing.bot)]),
    ]


def _beside(user: str, bots: Sequence[Standing], open_bots: Sequence[str]) -> list[str]:
    found = [] if bots else [f"No bot lists you as a reviewer: please ask its owner to add you ({user})."]
    if hidden := [one.bot for one in bots[MOST_BOTS:]]:
        found.append(cut(f"Not shown for want of room: {', '.join(hidden)}.", NAMES_TEXT))
    if open_bots:
        listed = cut(", ".join(open_bots), NAMES_TEXT)
        found.append(f"Reviewed in their own channels, by everybody there: {listed}. Type /fencepost review there.")
    return found


def _queue(standing: Standing) -> str:
    """
    >>> _queue(Standing("shop", 1, 12, 12, None, Week(500, 0, 0), None))
    '1 card waits for you. Answered today: 12 of at most 12, so more tomorrow.'
    """
    waiting = "1 card waits" if standing.waiting == 1 else f"{standing.waiting} cards wait"
    limit = f" of at most {standing.daily_limit}" if standing.daily_limit else ""
    is_enough = bool(limit) and standing.today >= standing.daily_limit
    return f"{waiting} for you. Answered today: {standing.today}{limit}{', so more tomorrow' if is_enough else ''}."


def _agreement(found: Reliability | None) -> str:
    """
    >>> _agreement(Reliability("slack:U1", 20, 18, 0.9, 0.699, 0.972))
    'You agreed with the others on 18 of 20 blind cards: 90 % (70 to 97).'
    """
    if found is None:
        return "No blind card says yet how far you agree with the others."
    share = _interval(Estimate(found.share, found.low, found.high))
    return (
        f"You agreed with the others on {found.agreed} of {found.n} blind card{'' if found.n == 1 else 's'}: {share}."
    )


def _interval(found: Estimate) -> str:
    return f"{100 * found.estimate:.0f} % ({100 * found.low:.0f} to {100 * found.high:.0f})"


def _week(week: Week) -> str:
    """
    >>> _week(Week(granted=500, given=120, asked=10))
    '█████░░░░░░░░░░░░░░░ 120 of 500 answers in the last seven days, 10 more asked for.'
    """
    full = min(BAR, round(BAR * week.given / max(week.granted, 1)))
    bar = "█" * full + "░" * (BAR - full)
    return f"{bar} {week.given} of {week.granted} answers in the last seven days, {week.asked} more asked for."


def _champion(found: Champion | None) -> list[str]:
    """
    >>> found = Champion(7, datetime(2026, 3, 2, 9), 412, 37, 120, Estimate(0.82, 0.74, 0.88))
    >>> for line in _champion(found): print(line)
    Classifier 7 is in force, trained 2026-03-02 09:00 UTC. Right: 82 % (74 to 88), by 120 turns drawn at random.
    It learnt from 412 labels; by then your answers had decided the label of 37 turns.
    """
    if found is None:
        return ["No classifier is in force yet."]
    trained = f"Classifier {found.n} is in force, trained {found.trained_at:%Y-%m-%d %H:%M} UTC."
    by = f"by {found.answered} turns drawn at random"
    right = (
        f"Right: {_interval(found.accuracy)}, {by}." if found.accuracy else "How often it is right is not known yet."
    )
    turns = f"{found.mine} turn{'' if found.mine == 1 else 's'}"
    mine = f"by then your answers had decided the label of {turns}"
    return [f"{trained} {right}", f"It learnt from {found.labels} labels; {mine}."]
