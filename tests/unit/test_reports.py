"""Reports as evidence: what they are worth on their turn, and around it."""

from typing import NamedTuple, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from service.learning.confidence import Whose, doubted, uncertainty
from service.learning.ranking import Factors, Weights, priority
from service.learning.reports import (
    MOST,
    PRIOR,
    base_rate,
    believe,
    by_person,
    combine,
    decay,
    kernel,
    learnt,
    pressure,
    ration,
    reported_uncertainty,
)
from service.learning.types import Floats1d, Floats2d, Ints1d
from service.learning.uncertainty import in_scope, margin
from service.turns.schemas import ReportKind

ROUNDING = 1e-12
WHOSE: list[Whose] = list(get_args(Whose))


class Report(NamedTuple):
    turn: int
    person: int
    q: float


class World(NamedTuple):
    """A small bot: turns with our probabilities, the platform's, vectors and answers, and the reports on them."""

    proba: Floats2d
    column: Ints1d
    confidence: Floats1d
    x: Floats2d
    answered: Ints1d
    outside: Floats1d
    reports: list[Report]

    def reported(self, q: Floats1d, whose: Whose) -> Floats1d:
        doubt = (whose, self.proba, self.column, self.confidence)
        return reported_uncertainty(uncertainty(*doubt), doubted(*doubt), self.answered, q, self.outside)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    n, k = draw(st.integers(1, 7)), draw(st.integers(1, 4))
    cells = st.lists(st.lists(st.integers(0, 9), min_size=k, max_size=k).filter(any), min_size=n, max_size=n)
    weights = np.array(draw(cells), dtype=np.float64)
    angles = np.array(draw(st.lists(st.floats(0, 1.5), min_size=n, max_size=n)))
    column = np.array(draw(st.lists(st.integers(0, k - 1), min_size=n, max_size=n)))
    confidence = np.array(draw(st.lists(st.floats(0, 1), min_size=n, max_size=n)))
    answered = draw(st.lists(st.integers(-1, k - 1), min_size=n, max_size=n))
    outside = np.array(draw(st.lists(st.floats(0, 1), min_size=n, max_size=n)))
    reports = draw(st.lists(st.builds(Report, st.integers(0, n - 1), st.integers(0, 3), st.floats(0, 1)), max_size=14))
    return World(
        weights / weights.sum(axis=1, keepdims=True),
        column,
        confidence,
        np.stack([np.cos(angles), np.sin(angles)], axis=1),
        np.array(answered),
        outside,
        reports,
    )


def priorities(world: World, reports: list[Report], whose: Whose) -> Floats1d:
    """Of all turns, as the ranking computes them from nothing."""
    n = len(world.x)
    turns, persons, q = (
        (np.array(column) for column in zip(*reports, strict=True)) if reports else [np.zeros(0, int)] * 3
    )
    is_named = np.array([False, True, True, True])
    cells = ration(by_person(turns, persons, q.astype(float), (n, 4)), is_named)
    near = kernel(np.clip(world.x @ world.x.T, -1, 1))
    np.fill_diagonal(near, 1.0)
    e = pressure(sparse.csr_array(near), cells, near.sum(axis=1), base_rate(cells, n))
    return priority(Factors(world.reported(combine(cells), whose), np.zeros(n), e, np.zeros(n)), Weights())


@settings(max_examples=300, deadline=None)
@given(worlds(), st.integers(0, 6), st.integers(0, 3), st.floats(0, 1), st.sampled_from(WHOSE))
def test_another_report_never_lowers_its_turns_priority(
    world: World, turn: int, person: int, q: float, whose: Whose
) -> None:
    turn %= len(world.x)
    before = priorities(world, world.reports, whose)[turn]
    after = priorities(world, [*world.reports, Report(turn, person, q)], whose)[turn]
    assert after >= before - ROUNDING


@settings(max_examples=300, deadline=None)
@given(worlds().filter(lambda world: world.reports), st.integers(0, 7), st.floats(0, 1), st.sampled_from(WHOSE))
def test_a_stronger_report_never_lowers_its_turns_priority(world: World, which: int, q: float, whose: Whose) -> None:
    which %= len(world.reports)
    old = world.reports[which]
    stronger = [*world.reports]
    stronger[which] = old._replace(q=max(q, old.q))
    before = priorities(world, world.reports, whose)[old.turn]
    assert priorities(world, stronger, whose)[old.turn] >= before - ROUNDING


def test_every_kind_of_report_has_a_prior() -> None:
    assert set(PRIOR) == set(get_args(ReportKind))
    assert all(0 < q < 1 for q in PRIOR.values())


def test_belief_halves_every_fortnight() -> None:
    assert decay(np.array([0.8, 0.8]), np.array([28.0, -3.0])).tolist() == [0.2, 0.8]


def test_a_person_counts_once_on_a_turn_with_the_strongest_report() -> None:
    cells = by_person(np.array([0, 0, 0]), np.array([0, 0, 1]), np.array([0.5, 0.25, 0.5]), (1, 2))
    assert cells.toarray().tolist() == [[0.5, 0.5]]
    assert combine(cells).tolist() == [0.75]


def test_no_reports_are_no_evidence() -> None:
    nothing = by_person(np.zeros(0, int), np.zeros(0, int), np.zeros(0), (0, 0))
    assert combine(nothing).tolist() == []
    assert base_rate(nothing, 100) == pytest.approx(1 / 200)
    e = pressure(sparse.csr_array((3, 0)), nothing, np.array([1.0, 4.0, 9.0]), 0.01)
    assert e.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("proba", "answered", "q", "expected"),
    [
        ([0.8, 0.1, 0.1], 0, 0.5, [0.4, 0.3, 0.3]),
        ([0.8, 0.1, 0.1], 1, 0.5, [0.8444444444444444, 0.05, 0.10555555555555556]),
        ([1.0, 0.0, 0.0], 0, 1.0, [0.0, 0.5, 0.5]),  # nothing left: uniform over the others
        ([0.8, 0.1, 0.1], -1, 0.9, [0.8, 0.1, 0.1]),  # the bot answered something we do not know
        ([0.8, 0.1, 0.1], 0, 0.0, [0.8, 0.1, 0.1]),
        ([1.0], 0, 0.25, [0.75]),  # the only intent: nobody takes its mass
    ],
)
def test_known_beliefs(proba: list[float], answered: int, q: float, expected: list[float]) -> None:
    assert believe(np.array([proba]), np.array([answered]), np.array([q]))[0] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("whose", "answered", "expected"),
    [
        ("ours", 0, 0.755),  # 1 - .25·.98
        ("ours", 1, 0.04),  # the margin
        ("theirs", 0, 0.25),  # nobody complained of what the platform says
        ("theirs", 1, 1 - 0.25 * 0.75),
        ("disagreement", 0, 0.755),
        ("disagreement", 1, 1 - 0.98 * 0.25 - 0.02 * 0.75),  # they disagree anyway
    ],
)
def test_a_believed_report_makes_the_one_it_speaks_against_uncertain(
    whose: Whose, answered: int, expected: float
) -> None:
    doubt = (whose, np.array([[0.98, 0.02]]), np.array([1]), np.array([0.75]))
    found = reported_uncertainty(
        uncertainty(*doubt), doubted(*doubt), np.array([answered]), np.array([0.75]), np.zeros(1)
    )
    assert found == pytest.approx([expected])


def test_out_of_scope_counts_as_far_as_nobody_complained() -> None:
    torn, answered, outside = np.array([[0.5, 0.5]]), np.array([-1]), np.array([0.9])
    for q, expected in ((0.0, 0.1), (0.5, 0.55), (1.0, 1.0)):
        found = reported_uncertainty(margin(torn), torn, answered, np.array([q]), outside)
        assert found == pytest.approx([expected])


@given(worlds(), st.floats(0, 1), st.floats(0, 1), st.sampled_from(WHOSE))
def test_belief_stays_a_distribution_and_uncertainty_in_range(
    world: World, low: float, high: float, whose: Whose
) -> None:
    n, k = world.proba.shape
    low, high = min(low, high), max(low, high)
    believed = believe(world.proba, world.answered, np.full(n, high))
    assert (believed >= 0).all()
    if k > 1:
        assert believed.sum(axis=1) == pytest.approx(np.ones(n))
    less, more = (world.reported(np.full(n, q), whose) for q in (low, high))
    assert (more >= less - ROUNDING).all()
    plain = uncertainty(whose, world.proba, world.column, world.confidence)
    assert (in_scope(plain, world.outside) <= less + ROUNDING).all()
    assert (more <= 1).all()


def test_one_persons_anger_is_capped_and_a_crowds_is_not() -> None:
    """Twenty reports in one neighbourhood: from one person they count as one, from twenty as twenty times q."""
    near, exposure = sparse.csr_array(np.ones((1, 20))), np.array([20.0])
    one = by_person(np.arange(20), np.zeros(20, int), np.full(20, 0.5), (20, 1))
    crowd = by_person(np.arange(20), np.arange(20), np.full(20, 0.5), (20, 20))
    base = 0.01
    assert pressure(near, one, exposure, base) == pytest.approx([2 / 1.2 - 1])
    assert pressure(near, crowd, exposure, base) == pytest.approx([11 / 1.2 - 1])


def test_who_reports_everything_is_hardly_believed() -> None:
    """Sixty reports of .5 by one person say no more than three certain ones; those of nobody in particular stay."""
    turns = np.arange(60)
    loud = ration(by_person(turns, np.zeros(60, int), np.full(60, 0.5), (60, 1)), np.array([True]))
    assert combine(loud) == pytest.approx(np.full(60, MOST / 60))
    nobody = ration(by_person(turns, np.zeros(60, int), np.full(60, 0.5), (60, 1)), np.array([False]))
    assert combine(nobody) == pytest.approx(np.full(60, 0.5))


def test_who_reports_a_few_turns_is_believed() -> None:
    few = by_person(np.arange(3), np.zeros(3, int), np.full(3, 0.9), (3, 1))
    assert ration(few, np.array([True])).toarray().tolist() == few.toarray().tolist()


@pytest.mark.parametrize(
    ("right", "reviewed", "expected"), [(0, 0, 0.5), (0, 10, 0.25), (10, 10, 0.75), (5, 10, 0.5), (0, 990, 0.005)]
)
def test_reviews_move_a_prior(right: int, reviewed: int, expected: float) -> None:
    assert learnt(0.5, right, reviewed) == pytest.approx(expected)


@given(st.floats(0.01, 0.99), st.integers(0, 50), st.integers(0, 50))
def test_one_more_right_report_raises_q_and_a_wrong_one_lowers_it(prior: float, right: int, wrong: int) -> None:
    q = learnt(prior, right, right + wrong)
    assert 0 < learnt(prior, right, right + wrong + 1) < q < learnt(prior, right + 1, right + wrong + 1) < 1


def test_pressure_is_felt_nearby_and_not_afar() -> None:
    cosines = np.array([[1.0], [0.9], [0.5]])
    e = pressure(sparse.csr_array(kernel(cosines)), sparse.csr_array([[0.8]]), np.ones(3), 0.01)
    assert e == pytest.approx([1.8 / 1.01 - 1, 1.6 / 1.01 - 1, 0.0])


@given(worlds())
def test_pressure_is_never_negative_and_at_most_the_persons(world: World) -> None:
    n = len(world.x)
    rows = [(report.turn, report.person, report.q) for report in world.reports] or [(0, 0, 0.0)]
    turns, persons, q = (np.array(column) for column in zip(*rows, strict=True))
    cells = by_person(turns, persons, q.astype(float), (n, 4))
    near = kernel(np.clip(world.x @ world.x.T, -1, 1))
    e = pressure(sparse.csr_array(near), cells, near.sum(axis=1), base_rate(cells, n))
    assert (e >= 0).all()
    assert (e <= 4).all()
