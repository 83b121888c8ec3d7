"""Reports nobody filed: what a conversation itself says about the bot's answers.

Each rule looks at one conversation whose turns are in order of time, and names the turn that it holds to be answered
wrongly. How much it is believed is settled where every report's is: by its kind's prior, and by reviews.

Likeness alone does not make a rephrase. Measured on 500 dialogues of SGD, in which nobody is misunderstood, and on
CLINC150's validation part: of two turns of three words or more, the second one of the next two, 1.6 % have a cosine
of .7 (.5: 10.7 %, .6: 4.5 %, .8: .7 %); and of the three phrasings of an intent nearest to a turn, the third reaches .7
for 52 % of the turns (.6: 70 %, .8: 33 %). Other numbers ("on the 3rd", "on the 5th") are another answer to the same
question.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from service.learning.folding import SHORT, numbers, words
from service.turns.schemas import ReportKind

REPHRASED = 0.7  # cosine from which on two turns say nearly the same
WITHIN = 2  # turns
QUIET = timedelta(minutes=30)  # of event time, after which nobody comes back
# Words of an intent's name with which a platform hands the user to a person.
HUMAN_LISTED = "human agent person representative operator handoff handover escalate escalation"
HUMAN = frozenset(HUMAN_LISTED.split())

NAME_WORD = re.compile(r"[a-z]+|[A-Z][a-z]*")


class Line(NamedTuple):
    """A user's turn in its conversation."""

    turn_id: int
    at: datetime
    text: str
    bot_intent: str
    is_fallback: bool
    is_slot_fill: bool


class Inferred(NamedTuple):
    kind: ReportKind
    turn_id: int
    at: datetime  # of what gave it away


Cosine = Callable[[int, int], float]
"""Likeness of two turns by id; -1 where one has no vector."""


def inferred(lines: Sequence[Line], cosine: Cosine, *, now: datetime) -> list[Inferred]:
    """`now`: event time of the log's newest turn."""
    return [*_fallbacks(lines), *_rephrased(lines, cosine), *_handed_over(lines), *_abandoned(lines, now)]


def _fallbacks(lines: Sequence[Line]) -> Iterator[Inferred]:
    return (Inferred("fallback", line.turn_id, line.at) for line in lines if line.is_fallback and not line.is_slot_fill)


def _rephrased(lines: Sequence[Line], cosine: Cosine) -> Iterator[Inferred]:
    """A turn that is said again, by the first of the next two that does."""
    for place, line in enumerate(lines):
        again = (one for one in lines[place + 1 : place + 1 + WITHIN] if _says_again(line, one, cosine))
        if (first := next(again, None)) is not None:
            yield Inferred("rephrase", line.turn_id, first.at)


def _says_again(line: Line, later: Line, cosine: Cosine) -> bool:
    if line.is_slot_fill or later.is_slot_fill or min(len(words(one.text)) for one in (line, later)) <= SHORT:
        return False
    return numbers(line.text) == numbers(later.text) and cosine(line.turn_id, later.turn_id) >= REPHRASED


def _handed_over(lines: Sequence[Line]) -> Iterator[Inferred]:
    """The turn before the user was handed to a person: not the request for one, which the bot understood."""
    for line, later in pairwise(lines):
        is_asked = _asks_for_a_person(later.bot_intent) and not _asks_for_a_person(line.bot_intent)
        if is_asked and not line.is_slot_fill:
            yield Inferred("handoff", line.turn_id, later.at)


def _asks_for_a_person(intent: str) -> bool:
    """
    >>> [_asks_for_a_person(name) for name in ("talkToHuman", "request_agent", "agenda", "")]
    [True, True, False, False]
    """
    return any(word.lower() in HUMAN for word in NAME_WORD.findall(intent))


def _abandoned(lines: Sequence[Line], now: datetime) -> Iterator[Inferred]:
    """The last turn of a conversation that has been quiet for long, when the bot had not understood it. (Nor does a
    question of the bot that stays open say as much: "anything else?" ended half of the shipped log's conversations.)"""
    last = lines[-1]
    if now - last.at >= QUIET and last.is_fallback and not last.is_slot_fill:
        yield Inferred("abandoned", last.turn_id, last.at)
