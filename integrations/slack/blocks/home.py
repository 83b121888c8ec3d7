"""The home tab: what a reviewer has done, what waits for them, and what became of it, bot by bot."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from integrations.slack.blocks.amounts import percent
from integrations.slack.blocks.elements import (
    Block,
    actions,
    button,
    context,
    cut,
    picture,
    plain,
    rich,
    section,
    words,
)
from integrations.slack.blocks.names import START
from integrations.slack.manifest import COMMAND
from service.learning.stopping import Estimate
from service.reviews.budget import Week
from service.reviews.schemas import Reliability

MOST_BOTS = 24  # of four blocks each: a view holds 100
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


class Picture(NamedTuple):
    file_id: str
    alt: str  # the same in words


class Standing(NamedTuple):
    """A bot as one of its reviewers finds it; a `daily_limit` of 0 is none."""

    bot: str
    waiting: int  # cards
    today: int  # cards answered
    daily_limit: int
    agreement: Reliability | None
    week: Week
    champion: Champion | None
    progress: Picture | None = None


class Beside(NamedTuple):
    """Names of bots that are not shown: beyond `MOST_BOTS`; and those that list nobody, which are reviewed in their
    channels."""

    hidden: Sequence[str] = ()
    open: Sequence[str] = ()


def home(user: str, bots: Sequence[Standing], beside: Beside, at: datetime, *, note: str = "") -> Block:
    """At most `MOST_BOTS`."""
    notes = [note] if note else []
    if not bots:
        notes.append(f"No bot lists you as a reviewer: please ask its owner to add you ({user}).")
    after = [*_beside(beside), f"As of {at:%Y-%m-%d %H:%M} UTC."]
    shown = (block for standing in bots for block in _bot(standing))
    return {"type": "home", "blocks": [*map(context, notes), *shown, *map(context, after)]}


def _bot(standing: Standing) -> list[Block]:
    lines = (_queue(standing), _agreement(standing.agreement), _week(standing.week), *_champion(standing.champion))
    return [
        {"type": "header", "text": plain(standing.bot)},
        *([picture(*standing.progress)] if standing.progress else []),
        rich([section(words(f"{line}\n")) for line in lines]),
        actions(f"home:{standing.bot}", [button(START, "Review", standing.bot)]),
    ]


def _beside(beside: Beside) -> list[str]:
    """
    >>> _beside(Beside(hidden=["tea"], open=["bank", "shop"]))  # doctest: +NORMALIZE_WHITESPACE
    ['Not shown for want of room: tea.',
     'Reviewed in their own channels, by everybody there: bank, shop. Type /fencepost review there.']
    """
    hidden, listed = (cut(", ".join(names), NAMES_TEXT) for names in beside)
    found = [f"Not shown for want of room: {hidden}."] if hidden else []
    how = f"Type {COMMAND} review there."
    return [*found, f"Reviewed in their own channels, by everybody there: {listed}. {how}"] if listed else found


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
    share = percent(Estimate(found.share, found.low, found.high))
    return (
        f"You agreed with the others on {found.agreed} of {found.n} blind card{'' if found.n == 1 else 's'}: {share}."
    )


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
    right = f"Right: {percent(found.accuracy)}, {by}." if found.accuracy else "How often it is right is not known yet."
    turns = f"{found.mine} turn{'' if found.mine == 1 else 's'}"
    mine = f"by then your answers had decided the label of {turns}"
    return [f"{trained} {right}", f"It learnt from {found.labels} labels; {mine}."]
