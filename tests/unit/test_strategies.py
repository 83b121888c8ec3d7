"""What every query strategy promises, and what each of them asks first."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.encoding import unit
from service.learning import diversity, strategies
from service.learning.strategies import NEEDS_COMMITTEE, STRATEGIES, Pool, Strategy
from service.learning.types import Floats2d, Floats3d

EACH = pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
ONE_OF_EQUALS = {"default"}  # of turns that repeat each other it asks about one alone
NAMED = pytest.mark.parametrize("name", STRATEGIES)


def random_pool(seed: int, *, n: int = 40, k: int = 3, m: int = 5, d: int = 16) -> Pool:
    rng = np.random.default_rng(seed)
    x, known = unit(rng.normal(size=(n, d))), unit(rng.normal(size=(m, d)))
    committee = rng.dirichlet(np.ones(k), size=(3, n)) if k else np.zeros((3, n, 0))
    return Pool(rng.permutation(1000)[:n], x, committee.mean(axis=0), known, committee, rng.random(n))


def angles(*degrees: float) -> Floats2d:
    """Rows of unit length in the plane."""
    radians = np.deg2rad(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


def sure(*best: float) -> Floats2d:
    """Probabilities over two intents; .5 is undecided."""
    return np.array([[p, 1 - p] for p in best])


def pool(x: Floats2d, proba: Floats2d, known: Floats2d | None = None, committee: Floats3d | None = None) -> Pool:
    return Pool(
        np.arange(len(x)),
        x,
        proba,
        np.zeros((0, x.shape[1])) if known is None else known,
        np.stack([proba, proba[:, ::-1]]) if committee is None else committee,
        np.zeros(len(x)),
    )


def ask(strategy: Strategy, of: Pool, n: int, seed: int = 0) -> list[int]:
    return strategy(of, n, np.random.default_rng(seed)).tolist()


# What every strategy promises


@EACH
@given(seed=st.integers(0, 99), n=st.integers(0, 45), k=st.integers(0, 4), m=st.integers(0, 8))
def test_answers_are_distinct_positions_and_the_same_again(
    strategy: Strategy, seed: int, n: int, k: int, m: int
) -> None:
    of = random_pool(seed, k=k, m=m)
    picks = strategy(of, n, np.random.default_rng(seed))
    assert picks.dtype == np.int64
    assert len(set(picks.tolist())) == len(picks) == min(n, 40)
    assert set(picks.tolist()) <= set(range(40))
    assert picks.tolist() == strategy(of, n, np.random.default_rng(seed)).tolist()


@EACH
@given(seed=st.integers(0, 99), order=st.permutations(range(40)))
def test_the_order_of_the_pool_does_not_matter(strategy: Strategy, seed: int, order: list[int]) -> None:
    of = random_pool(seed)
    moved = Pool(of.ids[order], of.x[order], of.proba[order], of.known, of.committee[:, order], of.outside[order])
    assert moved.ids[ask(strategy, moved, 10)].tolist() == of.ids[ask(strategy, of, 10)].tolist()


@EACH
@pytest.mark.parametrize("k", [0, 1])
def test_one_intent_or_none_is_no_reason_to_fail(strategy: Strategy, k: int) -> None:
    assert len(ask(strategy, random_pool(1, k=k), 10)) == 10


@EACH
def test_no_labelled_turn_is_no_reason_to_fail(strategy: Strategy) -> None:
    assert len(ask(strategy, random_pool(1, m=0), 10)) == 10


@EACH
@pytest.mark.parametrize("committee", [np.zeros((0, 0, 3)), np.zeros((3, 0, 3))])
def test_an_empty_pool_has_nothing_to_ask(strategy: Strategy, committee: Floats3d) -> None:
    of = random_pool(1, n=0)._replace(committee=committee)
    picks = strategy(of, 10, np.random.default_rng(0))
    assert (picks.dtype, picks.tolist()) == (np.int64, [])


@EACH
def test_one_turn_is_asked_about(strategy: Strategy) -> None:
    assert ask(strategy, random_pool(1, n=1), 10) == [0]


@EACH
@pytest.mark.parametrize("n", [40, 41, 1000])
def test_more_than_there_are_means_all(strategy: Strategy, n: int) -> None:
    assert sorted(ask(strategy, random_pool(1), n)) == list(range(40))


@EACH
@pytest.mark.parametrize("n", [0, -1])
def test_none_asked_none_answered(strategy: Strategy, n: int) -> None:
    assert ask(strategy, random_pool(1), n) == []


@EACH
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["x", "proba", "known", "committee", "outside"])
def test_what_is_no_number_is_refused_by_name(strategy: Strategy, name: str, bad: float) -> None:
    of = random_pool(1)
    array = getattr(of, name).copy()
    array.flat[3] = bad
    with pytest.raises(ValueError, match=f"{name} holds NaN or infinity"):
        ask(strategy, of._replace(**{name: array}), 5)


@EACH
def test_inputs_are_left_as_they_were(strategy: Strategy) -> None:
    of, same = random_pool(1), random_pool(1)
    for array in of:
        array.flags.writeable = False
    ask(strategy, of, 10)
    for array, before in zip(of, same, strict=True):
        assert np.array_equal(array, before)


@NAMED
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@given(ids=st.permutations(range(100)))
def test_of_equal_turns_the_smaller_ids_come_first(name: str, dtype: type, ids: list[int]) -> None:
    same = random_pool(3, n=1, d=384)
    of = Pool(
        np.array(ids),
        np.repeat(same.x, 100, axis=0).astype(dtype),
        np.repeat(same.proba, 100, axis=0),
        same.known.astype(dtype),
        np.repeat(same.committee, 100, axis=1),
        np.repeat(same.outside, 100),
    )
    asked = of.ids[ask(STRATEGIES[name], of, 7)].tolist()
    if name == "random":
        assert len(set(asked)) == 7
    else:
        assert asked == ([0] if name in ONE_OF_EQUALS else list(range(7)))


@EACH
def test_a_hundred_thousand_copies_of_one_turn_are_no_reason_to_fail(strategy: Strategy) -> None:
    """Nor does anything grow with the square of the pool: these would be 80 GB."""
    n = 100_000
    x, proba = np.repeat(np.eye(1, 8), n, axis=0), np.full((n, 2), 0.5)
    of = Pool(np.arange(n), x, proba, np.eye(2, 8), np.repeat(proba[None], 2, axis=0), np.zeros(n))
    assert 0 < len(ask(strategy, of, 5)) <= 5


# What each asks first

UNDECIDED = {"least_confidence", "margin", "entropy", "expected_model_change", "density_weighted", "badge", "default"}


@pytest.mark.parametrize("name", sorted(UNDECIDED))
@pytest.mark.parametrize("at", [0, 3, 6])
def test_the_undecided_turn_comes_first(name: str, at: int) -> None:
    proba = sure(*[0.95] * 7)
    proba[at] = 0.5
    assert ask(STRATEGIES[name], pool(np.eye(7), proba), 1) == [at]


@pytest.mark.parametrize("name", ["core_set", "typicality"])
def test_the_turns_unlike_any_labelled_one_come_first(name: str) -> None:
    x = angles(*range(7), *range(90, 97))
    assert ask(STRATEGIES[name], pool(x, sure(*[0.5] * 14), known=angles(3, 4)), 1)[0] >= 7
    assert ask(STRATEGIES[name], pool(x, sure(*[0.5] * 14), known=angles(92, 93)), 1)[0] < 7


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("least_confidence", [3, 2, 0, 1]),  # .45, .40, .50, .60
        ("margin", [2, 3, 0, 1]),  # .90, .60, 1 and 1: of equals the smaller id
        ("entropy", [3, 1, 2, 0]),  # .63, .86, .63, .96; the first a little less than the third
        ("expected_model_change", [3, 2, 1, 0]),  # .700, .702, .707, .795
    ],
)
def test_four_measures_of_doubt_see_four_orders(name: str, order: list[int]) -> None:
    proba = np.array([[0.55, 0.45, 0.0], [0.6, 0.2, 0.2], [0.5, 0.5, 0.0], [0.4, 0.2, 0.4]])
    assert ask(STRATEGIES[name], pool(angles(0, 45, 90, 135), proba), 4) == order


def test_expected_model_change_prefers_the_longer_of_equally_undecided() -> None:
    assert ask(STRATEGIES["expected_model_change"], pool(np.diag([1.0, 2.0]), sure(0.5, 0.5)), 2) == [1, 0]


def test_density_weighs_the_margin_by_the_mean_cosine() -> None:
    """Margins 1, .8 and .8; mean cosines of the lone one .33, of the pair .67."""
    of = pool(np.eye(2)[[0, 1, 1]], sure(0.5, 0.6, 0.6))
    assert strategies.density(of) == pytest.approx([1 / 3, 8 / 15, 8 / 15])
    assert ask(STRATEGIES["density_weighted"], of, 3) == [1, 2, 0]


def test_a_turn_opposite_to_the_others_has_no_density_rather_than_less_than_none() -> None:
    assert strategies.density(pool(angles(0, 0, 0, 180), sure(*[0.5] * 4))).tolist() == [0.5, 0.5, 0.5, 0.0]


def test_default_asks_what_is_in_scope_before_what_is_not() -> None:
    of = pool(angles(0, 45, 90), sure(0.5, 0.6, 0.7))._replace(outside=np.array([0.9, 0.5, 0.0]))
    assert ask(STRATEGIES["default"], of, 3) == [2, 1, 0]  # .6, .8 · .5 and 1 · .1


def test_core_set_walks_to_the_farthest_of_all_labelled_and_picked() -> None:
    of = pool(angles(10, 40, 90, 180), sure(*[0.5] * 4), known=angles(0))
    assert ask(STRATEGIES["core_set"], of, 4) == [3, 2, 1, 0]
    near = of._replace(known=angles(0, 180))
    assert ask(STRATEGIES["core_set"], near, 4) == [2, 1, 0, 3]


def test_core_set_begins_in_the_middle_when_nothing_is_labelled() -> None:
    assert ask(STRATEGIES["core_set"], pool(angles(0, 50, 110), sure(*[0.5] * 3)), 3) == [1, 2, 0]


def test_core_set_sees_the_labelled_ones_of_every_chunk() -> None:
    x = np.repeat(np.eye(3), [strategies.CHUNK, strategies.CHUNK, 1], axis=0)
    of = pool(x, np.ones((len(x), 1)), known=np.eye(3)[:2], committee=np.ones((1, len(x), 1)))
    assert ask(STRATEGIES["core_set"], of, 2) == [2 * strategies.CHUNK, 0]


def test_typicality_takes_the_middle_of_the_largest_clump_without_a_label() -> None:
    """Clumps of 7, 6 and 5 about 0, 120 and 240 degrees: one label lies in the first."""
    x = angles(*np.arange(-3, 4), *np.arange(117.5, 123), *np.arange(238, 243))
    of = pool(x, sure(*[0.5] * 18), known=angles(0.2))
    second, third = ask(STRATEGIES["typicality"], of, 2)
    assert second in (9, 10)
    assert third == 15


def test_typicality_takes_another_of_each_when_all_are_taken() -> None:
    x = angles(*np.arange(0, 6), *np.arange(120, 125))
    asked = ask(STRATEGIES["typicality"], pool(x, sure(*[0.5] * 11)), 2)
    assert [at >= 6 for at in asked] == [False, True]
    more = ask(STRATEGIES["typicality"], pool(x, sure(*[0.5] * 11)), 11)
    assert sorted(more) == list(range(11))


@given(seed=st.integers(0, 30))
def test_badge_draws_by_the_distances_of_the_gradients(seed: int) -> None:
    """Against the outer products themselves, which only a small pool can afford."""
    of = random_pool(seed, n=12)._replace(ids=np.arange(12))
    residuals = of.proba - np.eye(3)[of.proba.argmax(axis=1)]
    gradients = (residuals[:, :, None] * of.x[:, None, :]).reshape(12, -1)
    rng, expected = np.random.default_rng(seed), [int((gradients**2).sum(axis=1).argmax())]
    for _ in range(4):
        to_picks = ((gradients[:, None] - gradients[expected]) ** 2).sum(axis=2).min(axis=1)
        expected.append(int(rng.choice(12, p=to_picks / to_picks.sum())))
    assert ask(STRATEGIES["badge"], of, 5, seed) == expected


def test_badge_does_not_ask_twice_for_the_same_gradient() -> None:
    """Ten copies of one undecided turn, one of another: each once, then the copies."""
    x = np.repeat(np.eye(2), [10, 1], axis=0)
    assert ask(STRATEGIES["badge"], pool(x, sure(*[0.5] * 11)), 4) == [0, 10, 1, 2]


def test_the_committee_is_asked_where_its_heads_contradict_each_other() -> None:
    """All undecided agree; one against one contradicts; sure but slightly different hardly does."""
    heads = np.array([sure(0.5, 1.0, 0.9), sure(0.5, 0.0, 0.8)])
    of = pool(angles(0, 45, 90), heads.mean(axis=0), committee=heads)
    assert strategies.disagreement(of)[[0, 1]].tolist() == [0.0, 1.0]
    assert ask(STRATEGIES["committee"], of, 3) == [1, 2, 0]


def test_a_committee_that_nobody_fitted_is_refused() -> None:
    assert STRATEGIES.keys() >= NEEDS_COMMITTEE
    of = random_pool(1)._replace(committee=np.zeros((0, 40, 3)))
    for name, strategy in STRATEGIES.items():
        if name in NEEDS_COMMITTEE:
            with pytest.raises(ValueError, match="committee is empty"):
                ask(strategy, of, 3)
        else:
            assert len(ask(strategy, of, 3)) == 3


def test_default_asks_about_one_of_those_that_repeat_each_other_and_then_of_others() -> None:
    x = np.repeat(np.eye(3), [5, 5, 5], axis=0)
    of = pool(x, sure(*[0.5] * 5, *[0.6] * 5, *[0.9] * 5))
    assert ask(STRATEGIES["default"], of, 3) == [0, 5, 10]


def test_default_looks_no_further_than_its_shortlist() -> None:
    x = np.eye(60)
    proba = sure(*np.linspace(0.5, 0.9, 60))
    assert max(ask(STRATEGIES["default"], pool(x, proba), 2)) < 2 * diversity.SHORTLIST


def test_random_draws_every_turn_equally_often() -> None:
    of, rng = random_pool(1, n=5), np.random.default_rng(0)
    drawn = np.bincount([STRATEGIES["random"](of, 1, rng)[0] for _ in range(2_000)], minlength=5)
    assert drawn == pytest.approx(np.full(5, 400), abs=80)
