"""Reviewers who do not agree, weighed by how often each is right: the policy `dawid_skene`.

The model is the one-coin form of Dawid and Skene (1979): one skill a reviewer, learnt from the blind cards that
several people answered. On simulated teams (skills .95, .85, .6; 77 intents, some frequent; two people a
card; a split is decided where an answer has a chance of .9 at least):

* `majority` decides no split of two, so every one goes to an adjudicator; of three people it had 95 % right or more,
  and there these others do no better.
* The full form, a confusion matrix a reviewer, learns noise from a few hundred answers: of the splits it decided in 300
  and 1,000 cards 52 to 67 % were right.
* One-coin with a prior on the skills, as here, decided 50 % of the splits after 300 cards and had 95 % of those right
  (90 % in the worst of 20 runs); without the prior 93 % (85 %), for it talks itself into one reviewer who is never
  wrong. With 20 intents it decided 35 % and had 96 % right. After 1,000 cards 48 % and 96 %. Of three equally good
  people (.9) it had 85 % right (69 % in the worst run) after 300 cards, 92 % after 600.
* After 100 cards it had 90 % right, and 78 % in the worst run: so nobody is weighed before they gave `LEAST` answers.

Without the prior it gave the same answers as crowd-kit's `OneCoinDawidSkene` on 300 simulated
cards; that one's dependencies weigh 200 MB.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import structlog

from service import clock, database
from service.context import Context
from service.learning.agreement import one_coin
from service.learning.weak import ABSTAINS
from service.reviews import answers, store
from service.reviews.answers import Answered
from service.reviews.policies import answer_of, standing
from service.reviews.schemas import StoredVote

log = structlog.get_logger()

LEAST = 200  # answers of a reviewer, on cards that others answered too, from which on their skill means something
PRIOR = 20  # answers
SURE = 0.9  # probability of an answer from which on no adjudicator is asked


def weigh(context: Context, bot: str) -> int:
    """Resolve cards on which people disagree and one answer is likely enough; how many. Fitted anew whenever there is
    a new split: then the older ones get another chance too."""
    with database.reading(context.engine) as connection:
        if not store.unsettled_splits(connection, bot):
            return 0
        answered = answers.blind(connection, bot)
    chosen = choose(answered)
    decided = sum(_resolve(context, bot, vote) for vote in chosen)
    log.info("votes.weighed", bot=bot, cards=len(answered), decided=decided)
    return decided


def _resolve(context: Context, bot: str, chosen: StoredVote) -> bool:
    """False where somebody voted in between."""
    with database.writing(context.engine) as connection:
        card = store.lock_card(connection, bot, chosen.card_id)
        still = standing(card, store.votes_of(connection, card.id)).status == card.status == "adjudicate"
        if still:
            store.set_weighed(connection, card.id, chosen.id, clock.now())
    return still


def choose(answered: Sequence[Answered]) -> list[StoredVote]:
    """For each split card whose answer is sure enough, the newest vote that says it."""
    given = Counter(vote.reviewer for one in answered for vote in one.independent)
    splits = [one for one in answered if _is_split(one) and min(given[v.reviewer] for v in one.independent) >= LEAST]
    if not splits:
        return []
    chances = probabilities(answered)
    likely = ((one, vote) for one in splits for vote in reversed(one.independent))
    found: dict[str, StoredVote] = {}
    for one, vote in likely:
        if chances[one.card.id].get(answer_of(vote), 0.0) >= SURE:
            found.setdefault(one.card.id, vote)
    return list(found.values())


def _is_split(one: Answered) -> bool:
    card = one.card
    waits = card.status == "adjudicate" and card.policy == "dawid_skene" and card.returned_after is None
    return waits and len({answer_of(vote) for vote in one.independent}) > 1


def probabilities(answered: Sequence[Answered]) -> dict[str, Mapping[tuple[object, ...], float]]:
    """Card → each answer that was given anywhere → the chance that it is right."""
    said = [(one.card.id, vote.reviewer, answer_of(vote)) for one in answered for vote in one.independent]
    cards, reviewers, answers_ = (list(dict.fromkeys(column)) for column in zip(*said, strict=True))
    votes = np.full((len(cards), len(reviewers)), ABSTAINS, np.int64)
    at_card, at_reviewer, at_answer = (
        {value: place for place, value in enumerate(values)} for values in (cards, reviewers, answers_)
    )
    for card, reviewer, answer in said:
        votes[at_card[card], at_reviewer[reviewer]] = at_answer[answer]
    chances = one_coin(votes, len(answers_), PRIOR).tolist()
    return {card: dict(zip(answers_, row, strict=True)) for card, row in zip(cards, chances, strict=True)}
