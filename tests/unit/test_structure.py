"""Entity structures and how much they surprise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.learning.structure import entity_signature, signature, surprise


def test_the_signature_follows_the_text_not_the_tagger() -> None:
    assert entity_signature([(20, "date"), (0, "city"), (8, "city")]) == "city>city>date"


def test_no_entity_is_a_structure_too() -> None:
    assert signature("book_flight", "") == "book_flight: -"
    assert signature("book_flight", "city>city>date") == "book_flight: city>city>date"


def test_known_surprise() -> None:
    counts, totals, kinds = np.array([0, 1, 98]), np.array([99, 99, 99]), np.array([2, 2, 2])
    assert surprise(counts, totals, kinds) == pytest.approx(-np.log([1 / 102, 2 / 102, 99 / 102]))


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8), st.floats(0.1, 10))
def test_shares_of_all_structures_and_the_unseen_one_sum_to_one(found: list[int], smoothing: float) -> None:
    counts = np.array([*found, 0])
    n = len(counts)
    nats = surprise(counts, np.full(n, counts.sum()), np.full(n, len(found)), smoothing=smoothing)
    assert (nats >= 0).all()
    assert np.exp(-nats).sum() == pytest.approx(1.0)


@given(st.integers(0, 50), st.integers(1, 50), st.integers(1, 9))
def test_the_rarer_structure_surprises_more(count: int, more: int, kinds: int) -> None:
    totals = np.full(2, count + more + 60)
    rare, usual = surprise(np.array([count, count + more]), totals, np.full(2, kinds))
    assert rare > usual
