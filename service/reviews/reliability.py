"""How reliable a bot's reviewers are, and how far they agree: from blind cards that several of them answered and that
want no answer any more."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import sqlalchemy as sa

from service.bots.store import get_bot
from service.intents.store import list_intents
from service.learning.agreement import alpha, alpha_of
from service.learning.stopping import wilson
from service.learning.types import Ints2d
from service.reviews import answers
from service.reviews.answers import Answered
from service.reviews.policies import answer_of, most_frequent
from service.reviews.schemas import Agreement, IntentAgreement, Reliability, StoredVote


def reviewers(connection: sa.Connection, bot: str) -> list[Reliability]:
    """By name; those whose answers the others' can be held against."""
    get_bot(connection, bot)
    return _reviewers(answers.closed(connection, bot))


def _reviewers(answered: Sequence[Answered]) -> list[Reliability]:
    compared, agreed = Counter[str](), Counter[str]()
    for vote, is_agreed in _judged(answered):
        compared[vote.reviewer] += 1
        agreed[vote.reviewer] += is_agreed
    return [_reliability(name, agreed[name], n) for name, n in sorted(compared.items())]


def _reliability(name: str, agreed: int, n: int) -> Reliability:
    return Reliability(name, n, agreed, agreed / n, *wilson(agreed / n, n))


def _judged(answered: Sequence[Answered]) -> Iterator[tuple[StoredVote, bool]]:
    """Each vote, and whether it says what the others' made of the card; not where they made nothing of it."""
    for one in answered:
        for vote in one.independent:
            if (right := _by_others(one, vote.reviewer)) is not None:
                yield vote, answer_of(vote) == answer_of(right)


def _by_others(one: Answered, reviewer: str) -> StoredVote | None:
    """The adjudicator's answer, else their most frequent one: nobody's own answer speaks for them."""
    if one.adjudicated is not None and one.adjudicated.reviewer != reviewer:
        return one.adjudicated
    return most_frequent([vote for vote in one.independent if vote.reviewer != reviewer])


def agreement(connection: sa.Connection, bot: str) -> Agreement:
    """α over all answers, and of each intent against all others."""
    get_bot(connection, bot)
    return _agreement(connection, bot, answers.closed(connection, bot))


def both(connection: sa.Connection, bot: str) -> tuple[list[Reliability], Agreement]:
    """`reviewers` and `agreement`, from the same cards: it takes a while."""
    answered = answers.closed(connection, bot)
    return _reviewers(answered), _agreement(connection, bot, answered)


def _agreement(connection: sa.Connection, bot: str, answered: Sequence[Answered]) -> Agreement:
    columns, counts = _counts(answered)
    names = {("intent", (intent.id,), ""): intent.name for intent in list_intents(connection, bot)}
    by_intent = [
        IntentAgreement(name, int((counts[:, columns[said]] > 0).sum()), _rounded(alpha_of(counts, columns[said])))
        for said, name in sorted(names.items(), key=lambda item: item[1])
        if said in columns
    ]
    return Agreement(len(answered), _rounded(alpha(counts)), tuple(by_intent))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _counts(answered: Sequence[Answered]) -> tuple[dict[tuple[object, ...], int], Ints2d]:
    """Answer → its column, and how many gave each answer to each card, (cards, answers)."""
    said = [Counter(answer_of(vote) for vote in one.independent) for one in answered]
    columns = {answer: column for column, answer in enumerate(dict.fromkeys(answer for one in said for answer in one))}
    counts = np.zeros((len(said), len(columns)), np.int64)
    for row, one in enumerate(said):
        for answer, times in one.items():
            counts[row, columns[answer]] = times
    return columns, counts
