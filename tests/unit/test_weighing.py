"""Reviewers who disagree, weighed: what is decided, what is left to an adjudicator."""

import numpy as np

from service.reviews.answers import Answered
from service.reviews.schemas import Card, StoredVote
from workers import weighing

SKILL = {"Ana": 0.97, "Ben": 0.9, "Cem": 0.4}


def answered(card_id: str, said: dict[str, int], first_id: int, *, status: str = "resolved") -> Answered:
    card = Card(
        id=card_id,
        bot="shop",
        turn_id=first_id,
        purpose="audit",
        challenger=0,
        ranking_id=None,
        is_blind=True,
        overlap=2,
        policy="dawid_skene",
        status=status,  # type: ignore[arg-type]
        weighed_vote=None,
        returned_after=None,
    )
    votes = [
        StoredVote(id=first_id + i, card_id=card_id, reviewer=name, answer="intent", intent_id=intent)
        for i, (name, intent) in enumerate(said.items())
    ]
    return Answered(card, votes, None)


def team(cards: int, intents: int = 20) -> tuple[list[Answered], dict[str, int]]:
    """Cards that two of three people answered, each as skilled as they are, and the right answers."""
    rng = np.random.default_rng(3)
    found, right = [], {}
    for n in range(cards):
        truth = right[str(n)] = int(rng.integers(1, intents + 1))
        pair = rng.choice(list(SKILL), 2, replace=False).tolist()
        said = {name: truth if rng.random() < SKILL[name] else int(rng.integers(1, intents + 1)) for name in pair}
        status = "adjudicate" if len(set(said.values())) > 1 else "resolved"
        found.append(answered(str(n), said, 10 * n + 1, status=status))
    return found, right


def test_the_better_reviewer_is_believed_and_equals_are_left_to_an_adjudicator() -> None:
    found, right = team(400)
    splits = [one for one in found if one.card.status == "adjudicate"]
    chosen = weighing.choose(found)
    assert 10 < len(chosen) < len(splits)
    assert sum(vote.intent_id == right[vote.card_id] for vote in chosen) >= 0.9 * len(chosen)
    against_cem = [one for one in splits if {vote.reviewer for vote in one.independent} == {"Ana", "Cem"}]
    decided = {vote.card_id: vote.reviewer for vote in chosen}
    assert {decided.get(one.card.id, "Ana") for one in against_cem} == {"Ana"}


def test_nobody_is_weighed_before_they_answered_enough() -> None:
    found, _ = team(250)
    assert weighing.choose(found) == []
