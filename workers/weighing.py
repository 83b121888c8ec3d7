"""Reviewers who do not agree, weighed by how often each is right: the policy `dawid_skene`.

The model is the one-coin form of Dawid and Skene (1979), in crowd-kit: one skill a reviewer, learnt from the blind
cards that several people answered. On simulated teams (skills .95, .85, .6; 77 intents, some frequent; two people a
card; a split is decided where an answer has a chance of .9 at least):

* `majority` decides no split of two, so every one goes to an adjudicator; of three people it had 95 % right or more,
  and there these others do no better.
* The full form, a confusion matrix a reviewer, learns noise from a few hundred answers: of the splits it decided in 300
  and 1,000 cards 52 to 67 % were right.
* One-coin had 94 % right after 300 cards, but 20 % in its worst run with 20 intents: it talks itself into one
  reviewer who is never wrong. With a prior on the skills, as here, it had 96 % right after 300 cards (91 % in the
  worst of 20 runs) and decided 45 % of the splits; with 20 intents, where it cannot be sure, it decided none.
  Of three equally good people (.9) it had 88 % right (74 % in the worst run) after 300 cards, 94 % after 600.
* After 100 cards it had 89 % right, and 60 % in the worst run: so nobody is weighed before they gave `LEAST` answers.
"""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import structlog

from service import clock, database
from service.context import Context
from service.reviews import answers, store
from service.reviews.answers import Answered
from service.reviews.policies import answer_of, standing
from service.reviews.schemas import StoredVote

log = structlog.get_logger()

LEAST = 200  # answers of a reviewer, on cards that others answered too, from which on their skill means something
PRIOR = 20  # answers
TINY = 1e-10  # no chance is 0: its logarithm is taken
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
    """Card → each answer that was given anywhere → the chance that it is right; at least two different answers are
    needed."""
    import pandas as pd

    rows = [(vote.card_id, vote.reviewer, answer_of(vote)) for one in answered for vote in one.independent]
    codes = {answer: code for code, answer in enumerate(dict.fromkeys(answer for *_, answer in rows))}
    frame = pd.DataFrame(
        [(card, reviewer, codes[answer]) for card, reviewer, answer in rows], columns=["task", "worker", "label"]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas' notices of what it will change, about crowd-kit's own code
        chances = _model().fit_predict_proba(frame)
    found = chances[list(codes.values())].to_numpy().tolist()
    return {card: dict(zip(codes, row, strict=True)) for card, row in zip(chances.index, found, strict=True)}


def _model() -> Any:
    """crowd-kit's one-coin model with a prior on the skills, and without its slowest step."""
    import pandas as pd
    from crowdkit.aggregation.classification.dawid_skene import DawidSkene, OneCoinDawidSkene

    class OneCoin(OneCoinDawidSkene):  # type: ignore[misc]  # it has no types here
        @staticmethod
        def _m_step(data: Any, probas: Any) -> Any:
            """Skills, as if each reviewer had given `PRIOR` more answers and been right as often as all are."""
            skills, given = OneCoinDawidSkene._m_step(data, probas), data.groupby("worker", sort=False).size()
            average = (skills * given).sum() / given.sum()
            return (skills * given + PRIOR * average) / (given + PRIOR)

        @staticmethod
        def _process_skills_to_errors(data: Any, probas: Any, skills: Any) -> Any:
            """(reviewer and answer) × true answer → the chance of that answer. crowd-kit's goes cell by cell."""
            shape = DawidSkene._m_step(data, probas)
            skill = skills.reindex(shape.index.get_level_values("worker")).to_numpy()[:, None]
            is_right = shape.index.get_level_values("label").to_numpy()[:, None] == shape.columns.to_numpy()
            chances = np.where(is_right, skill, (1 - skill) / (len(shape.columns) - 1))
            return pd.DataFrame(chances.clip(TINY, 1 - TINY), index=shape.index, columns=shape.columns)

    return OneCoin()
