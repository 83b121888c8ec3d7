"""The turns on which a challenger and the champion differed, as the reviewers judged them.

A flip that waits for an answer is a blind card: neither its text nor what the two made of it is told."""

from collections import Counter

import msgspec
import sqlalchemy as sa

from service.classifiers import gates
from service.classifiers.gates import Result
from service.intents.store import merges
from service.reviews.listing import asked_blind, intent_names
from service.turns.store import texts_of


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    turn: int
    text: str | None  # None: forgotten
    champion: str | None  # what it decided; None: out of scope
    challenger: str | None
    result: Result  # gone: withdrawn before anybody answered
    answer: tuple[str, ...]  # what the reviewers said


class Flips(msgspec.Struct, frozen=True, kw_only=True):
    """Of classifier `n`'s trial."""

    bot: str
    n: int
    waiting: int  # for answers, here or on another blind card of the same turn: nothing is told of these
    judged: tuple[Judged, ...]


def flips(connection: sa.Connection, bot: str, n: int) -> Flips:
    """Empty for a classifier that never stood a trial."""
    found = gates.judged(connection, bot, n)
    secret = asked_blind(connection, [one.turn_id for one in found])
    told = [one for one in found if one.turn_id not in secret and one.result != "waiting"]
    texts, names = texts_of(connection, [one.turn_id for one in told]), intent_names(connection, bot)
    into = merges(connection, bot)
    judged = tuple(
        Judged(
            turn=one.turn_id,
            text=texts.get(one.turn_id),
            champion=names.get(into.get(one.champion or 0)),
            challenger=names.get(into.get(one.challenger or 0)),
            result=one.result,
            answer=tuple("out of scope" if right is None else names.get(right, "") for right in one.right),
        )
        for one in told
    )
    return Flips(bot=bot, n=n, waiting=len(found) - len(told), judged=judged)


def results(found: Flips) -> Counter[Result]:
    return Counter(one.result for one in found.judged)
