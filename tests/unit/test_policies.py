"""What a card's votes make of it."""

import pytest

from service.bots.schemas import Policy
from service.reviews.policies import standing
from service.reviews.schemas import Answer, Card, StoredVote

REFUND, CANCEL, TRACK = 1, 2, 3


def card(**fields: object) -> Card:
    plain = {"id": "c", "bot": "shop", "turn_id": 1, "purpose": "audit", "challenger": 0, "ranking_id": None}
    plain |= {"is_blind": True, "overlap": 2, "policy": "majority", "status": "open"}
    return Card(**plain | {"weighed_vote": None, "returned_after": None} | fields)  # type: ignore[arg-type]


def votes(*said: tuple[str, int | Answer] | tuple[str, int | Answer, str]) -> list[StoredVote]:
    """(reviewer, an intent's id or another answer), in order; a third item marks an adjudicator's."""
    return [_vote(index, *one) for index, one in enumerate(said, start=1)]


def _vote(index: int, reviewer: str, said: int | Answer, adjudicator: str = "") -> StoredVote:
    plain = {"id": index, "card_id": "c", "reviewer": reviewer, "is_adjudication": bool(adjudicator)}
    answer = {"answer": "intent", "intent_id": said} if isinstance(said, int) else {"answer": said}
    return StoredVote(**plain | answer)  # type: ignore[arg-type]


def stands(of: Card, cast: list[StoredVote]) -> tuple[str, int | None]:
    found = standing(of, cast)
    return found.status, found.vote and found.vote.id


@pytest.mark.parametrize(
    ("policy", "overlap", "said", "expected"),
    [
        ("majority", 1, [("Ana", REFUND)], ("resolved", 1)),
        ("majority", 2, [("Ana", REFUND)], ("open", None)),
        ("majority", 2, [("Ana", REFUND), ("Ben", REFUND)], ("resolved", 2)),
        ("majority", 2, [("Ana", REFUND), ("Ben", CANCEL)], ("adjudicate", None)),
        ("majority", 3, [("Ana", REFUND), ("Ben", CANCEL), ("Cem", REFUND)], ("resolved", 3)),
        ("dawid_skene", 3, [("Ana", REFUND), ("Ben", CANCEL), ("Cem", REFUND)], ("adjudicate", None)),
        ("dawid_skene", 3, [("Ana", REFUND), ("Ben", REFUND), ("Cem", REFUND)], ("resolved", 3)),
        ("dawid_skene", 2, [("Ana", REFUND), ("Ben", "none")], ("adjudicate", None)),
        ("single", 1, [("Ana", "none")], ("resolved", 1)),
        ("majority", 2, [("Ana", "unsure"), ("Ben", REFUND)], ("adjudicate", None)),
        ("majority", 2, [("Ana", REFUND), ("Ben", CANCEL), ("Ben", REFUND)], ("resolved", 3)),
        ("majority", 2, [("Ana", REFUND), ("Ben", REFUND), ("Ben", "undo")], ("open", None)),
    ],
)
def test_independent_answers_decide_by_the_policy(
    policy: Policy, overlap: int, said: list[tuple[str, int | Answer]], expected: tuple[str, int | None]
) -> None:
    assert stands(card(policy=policy, overlap=overlap), votes(*said)) == expected


def test_two_intents_agree_in_either_order() -> None:
    pair = {"card_id": "c", "answer": "two"}
    said = [
        StoredVote(id=1, reviewer="Ana", intent_id=1, second_id=2, **pair),  # type: ignore[arg-type]
        StoredVote(id=2, reviewer="Ben", intent_id=2, second_id=1, **pair),  # type: ignore[arg-type]
    ]
    assert stands(card(), said) == ("resolved", 2)


@pytest.mark.parametrize("answer", [REFUND, TRACK])
def test_an_adjudicator_decides_a_split_even_by_a_third_answer(answer: int) -> None:
    said = votes(("Ana", REFUND), ("Ben", CANCEL), ("Zoe", answer, "adjudicator"))
    assert stands(card(), said) == ("resolved", 3)


def test_an_adjudicator_decides_against_two_and_their_undo_reopens() -> None:
    split = [("Ana", REFUND), ("Ben", CANCEL)]
    assert stands(card(), votes(*split, ("Zoe", "unsure", "adjudicator"))) == ("adjudicate", None)
    assert stands(card(), votes(*split, ("Zoe", TRACK, "adjudicator"), ("Zoe", "undo"))) == ("adjudicate", None)
    against_two = votes(("Ana", REFUND), ("Ben", REFUND), ("Cem", CANCEL), ("Zoe", CANCEL, "adjudicator"))
    assert stands(card(overlap=3, policy="dawid_skene"), against_two) == ("resolved", 4)


def test_the_weighed_vote_decides_while_it_stands() -> None:
    weighed = card(policy="dawid_skene", weighed_vote=1)
    assert stands(weighed, votes(("Ana", REFUND), ("Ben", CANCEL))) == ("resolved", 1)
    assert stands(weighed, votes(("Ana", REFUND), ("Ben", CANCEL), ("Ana", TRACK))) == ("adjudicate", None)


def test_a_card_that_came_back_waits_for_an_adjudicator_and_keeps_its_label() -> None:
    returned = card(overlap=1, is_blind=False, purpose="rank", returned_after=1)
    assert stands(returned, votes(("Ana", REFUND))) == ("adjudicate", 1)
    decided = votes(("Ana", REFUND), ("Zoe", CANCEL, "adjudicator"))
    assert stands(returned, decided) == ("resolved", 2)
    assert stands(returned, [*decided, _vote(3, "Zoe", "undo")]) == ("adjudicate", 1)
    again = card(overlap=1, is_blind=False, purpose="rank", returned_after=2)
    assert stands(again, decided) == ("adjudicate", 2)
