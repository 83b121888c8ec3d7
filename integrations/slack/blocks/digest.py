"""The weekly digest: what came in, what the team did, how the bot is doing, with pictures."""

from datetime import date
from typing import NamedTuple

import msgspec

from integrations.slack.blocks.amounts import count, percent
from integrations.slack.blocks.elements import Block, picture
from integrations.slack.blocks.home import Picture
from service.learning.stopping import Estimate


class Share(NamedTuple):
    """An intent whose share of the turns changed for certain; shares from 0 to 1."""

    intent: str
    before: float
    after: float


class Digest(msgspec.Struct, frozen=True, kw_only=True, tag="digest"):
    """A bot's week, both days included; `_before`: of the week before it. `accuracy` of the classifier in force, None
    while too few turns of the audit slice are answered."""

    first_day: date
    last_day: date
    turns: int
    turns_before: int
    marked: int  # of the turns
    reports: int
    reports_before: int
    answers: int
    people: int  # who gave them
    labelled: int  # turns
    open_cards: int
    champion: int | None
    promoted: int  # challengers
    held: int
    answered: int
    accuracy: Estimate | None
    moved: tuple[Share, ...] = ()
    pictures: tuple[Picture, ...] = ()


def digest(news: Digest) -> tuple[str, list[str], list[Block]]:
    """Title, lines, and the blocks below them."""
    first, last = news.first_day, news.last_day
    title = f"the week from {first.day} {first:%B} to {last.day} {last:%B %Y}"
    lines = [_heard(news), _done(news), _bot(news), *_moved(news)]
    return title, lines, [picture(*one) for one in news.pictures]


def _heard(news: Digest) -> str:
    turns = f"{count(news.turns, 'turn')} came in ({news.turns_before:,} the week before), {news.marked:,} were marked"
    return f"{turns}; {count(news.reports, 'report')} said that the bot was wrong ({news.reports_before:,})."


def _done(news: Digest) -> str:
    given = f"{count(news.answers, 'answer')} by {news.people} {'person' if news.people == 1 else 'people'}"
    made = f"{count(news.labelled, 'turn')} labelled"
    return f"Your team gave {given}: {made}. {count(news.open_cards, 'card')} open."


def _bot(news: Digest) -> str:
    if news.champion is None:
        return "No classifier is in force yet."
    tried = f"{count(news.promoted, 'challenger')} won, {news.held} held"
    right = (
        f"right on {percent(news.accuracy)} of the turns," if news.accuracy else "how often it is right is not known"
    )
    by = f"by {news.answered:,} drawn at random" if news.accuracy else "yet"
    return f"Classifier {news.champion} is in force, {right} {by}; {tried} that week."


def _moved(news: Digest) -> list[str]:
    """
    >>> from types import SimpleNamespace
    >>> _moved(SimpleNamespace(moved=[Share("refund", 0.031, 0.052)]))
    ['What people want moved: refund 3.1 % → 5.2 %.']
    """
    if not news.moved:
        return []
    words = "; ".join(f"{one.intent} {100 * one.before:.1f} % → {100 * one.after:.1f} %" for one in news.moved)
    return [f"What people want moved: {words}."]
