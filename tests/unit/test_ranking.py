"""Priority: its order, its parts, and that the parts give it back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.learning.ranking import (
    Factors,
    Weights,
    fitting,
    leaders,
    precedence,
    priority,
    ranks,
    recompute,
    take_apart,
    top,
)
from service.learning.types import Floats1d

values = st.lists(st.floats(0, 5), min_size=1, max_size=30).map(np.array)


@st.composite
def factors(draw: st.DrawFn) -> Factors:
    n = draw(st.integers(1, 20))
    column = st.lists(st.floats(0, 5), min_size=n, max_size=n).map(np.array)
    return Factors(draw(column), draw(column), draw(column), draw(column))


def test_equal_values_share_a_rank() -> None:
    assert ranks(np.array([0.2, 0.9, 0.9, 0.5])).tolist() == [0.25, 0.875, 0.875, 0.5]
    assert ranks(np.zeros(0)).tolist() == []


@given(values, st.integers(0, 29), st.floats(0, 5))
def test_a_higher_value_never_has_a_lower_rank(column: Floats1d, at: int, more: float) -> None:
    at %= len(column)
    raised = column.copy()
    raised[at] += more
    assert ranks(raised)[at] >= ranks(column)[at]


@given(values)
def test_ranks_are_shares_in_the_order_of_the_values(column: Floats1d) -> None:
    found, rounded = ranks(column), np.round(column, 3)
    assert (found > 0).all()
    assert (found <= 1).all()
    assert (np.sign(found[:, None] - found) == np.sign(rounded[:, None] - rounded)).all()


def test_of_equals_the_one_more_complained_about_goes_first() -> None:
    assert precedence(np.array([0.0, 0.5, 0.7, 0.0]), np.array([4, 9, 8, 3])).tolist() == [3, 1, 0, 2]


def test_known_priority() -> None:
    found = Factors(np.array([0.2, 0.8]), np.array([3.0, 1.0]), np.array([0.0, 2.0]), np.array([1.0, 0.0]))
    expected = [(0.2 + 0.3 * 1.0) * np.exp(0.5), (0.8 + 0.3 * 0.5) * 3.0]
    assert priority(found, Weights()) == pytest.approx(expected)


@given(factors())
def test_a_priority_is_recomputed_from_its_stored_parts(found: Factors) -> None:
    weights = fitting(Weights(), found)
    positions = np.arange(len(found.uncertainty))
    again = [recompute(parts, weights._asdict()) for parts in take_apart(found, positions)]
    assert again == pytest.approx(priority(found, weights), abs=1e-6)


@given(factors(), st.integers(0, 19), st.sampled_from(Factors._fields), st.floats(0, 5))
def test_raising_a_factor_never_lowers_the_priority(found: Factors, at: int, name: str, more: float) -> None:
    at %= len(found.uncertainty)
    raised = getattr(found, name).copy()
    raised[at] += more
    after = priority(found._replace(**{name: raised}), Weights())
    assert after[at] >= priority(found, Weights())[at] - 1e-12


def test_a_turn_said_four_times_counts_twice() -> None:
    once = Factors(np.array([0.4]), np.zeros(1), np.zeros(1), np.log([1.0]))
    often = once._replace(impact=np.log([4.0]))
    assert priority(often, Weights()) == pytest.approx(2 * priority(once, Weights()))


def test_structure_counts_for_nothing_without_entities() -> None:
    none = Factors(np.ones(2), np.zeros(2), np.zeros(2), np.zeros(2))
    assert fitting(Weights(), none).structure == 0.0
    assert fitting(Weights(), none._replace(structure=np.array([0.0, 0.1]))) == Weights()


def test_ties_go_to_the_smaller_id() -> None:
    assert top(np.array([0.5, 0.9, 0.5]), 3, ids=np.array([8, 3, 7])).tolist() == [1, 2, 0]


@given(values)
def test_ranks_are_the_mean_places_of_equal_thousandths(column: Floats1d) -> None:
    thousandths = np.rint(column * 1000)
    places = [np.mean(np.flatnonzero(np.sort(thousandths) == one) + 1) for one in thousandths]
    assert ranks(column) == pytest.approx(np.array(places) / len(column))


@given(values, st.integers(0, 40))
def test_leaders_are_those_that_a_top_may_hold(column: Floats1d, n: int) -> None:
    found = leaders(column, n)
    assert set(top(column, n, np.arange(len(column))).tolist()) <= set(found.tolist())
    assert n == 0 or len(found) == len(column) or column[found].min() > np.delete(column, found).max()
