"""Whether a cluster is a proposal that is known already."""

import numpy as np

from service.encoding import pack, unit
from service.proposals.recurring import Known, known_as
from service.proposals.schemas import NewProposal

NARROW = 3 * np.eye(8)[0]  # an encoder whose vectors all point one way
REFUND, GIFT = (unit((NARROW + np.eye(8)[place])[None, :])[0] for place in (1, 2))
CENTER = (REFUND + GIFT) / 2


def new(middle: np.ndarray) -> NewProposal:
    return NewProposal(turn_ids=(1, 2), middle=pack(middle), turns=2, tightness=0.8, phrases=())


def test_what_says_the_same_in_other_turns_is_known() -> None:
    known = [Known(3, frozenset({7, 8}), pack(REFUND)), Known(4, frozenset({9}), pack(GIFT))]
    assert known_as(new(GIFT + 0.02 * np.eye(8)[3]), known, CENTER) == 4


def test_from_the_center_what_differs_is_told_apart() -> None:
    assert REFUND @ GIFT > 0.85
    assert known_as(new(GIFT), [Known(3, frozenset({7, 8}), pack(REFUND))], CENTER) is None


def test_the_same_turns_count_more_than_what_they_say() -> None:
    known = [Known(3, frozenset({1, 8}), None), Known(4, frozenset({1, 9}), pack(GIFT))]
    assert known_as(new(GIFT), known, CENTER) == 3
    assert known_as(new(GIFT), known[1:], CENTER) == 4
    assert known_as(new(GIFT), [], CENTER) is None
