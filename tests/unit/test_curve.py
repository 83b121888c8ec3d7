"""How many labels would settle a pair: curves of made-up pairs whose truth is known."""

import math

import numpy as np
import pytest

from service.learning.curve import Curve, fit, held_out, law, left_out, reached, settled_by, settling
from service.learning.types import Bools1d, Floats2d


def pair(n: int, *, apart: float, seed: int = 0, noise: float = 0.0) -> tuple[Floats2d, Bools1d]:
    """n texts, every other one of the first side; `apart`: of the two sides' middles; `noise`: labels turned round."""
    rng = np.random.default_rng(seed)
    is_first = np.arange(n) % 2 == 0
    x = rng.normal(size=(n, 30)) / math.sqrt(30)
    x[:, 0] += np.where(is_first, apart / 2, -apart / 2)
    return x / np.linalg.norm(x, axis=1, keepdims=True), is_first ^ (rng.random(n) < noise)


def test_below_twenty_labels_nothing_is_known() -> None:
    x, is_first = pair(19, apart=3)
    assert fit(x, is_first) is None
    assert settling(x, is_first, 19)[:4] == ("unknown", 19, None, None)


@pytest.mark.parametrize("firsts", [0, 4])
def test_a_side_with_fewer_than_five_labels_says_nothing(firsts: int) -> None:
    x, _ = pair(40, apart=3)
    assert fit(x, np.arange(40) < firsts) is None
    assert fit(x, np.arange(40) < 5) is not None


def test_sides_far_apart_are_settled() -> None:
    x, is_first = pair(40, apart=3)
    found = settling(x, is_first, 40)
    assert (found.answer, found.labels, found.more) == ("settled", 40, None)
    assert found.error and 0 < found.error.low < found.error.estimate < 0.02


def test_labels_that_nobody_can_tell_apart_are_never_settled() -> None:
    x, is_first = pair(200, apart=0)
    found = settling(x, is_first, 200)
    assert (found.answer, found.more, found.high) == ("never", None, None)
    assert found.error and found.error.estimate == pytest.approx(0.5, abs=0.08)


def test_the_error_foretold_is_the_error_found() -> None:
    some, other = pair(40, apart=0.8, seed=3), pair(240, apart=0.8, seed=4)
    curve = fit(*some)
    sizes, errors = held_out(*other, np.random.default_rng(0))
    assert curve
    assert sizes[-1] == 204
    foretold = curve.error(204)
    assert foretold.low < errors[-1] < foretold.high
    assert foretold.estimate == pytest.approx(errors[-1], abs=0.04)


def test_more_labels_are_asked_for_where_the_bound_is_lower() -> None:
    x, is_first = pair(60, apart=0.6, seed=5)
    loose, tight = (settling(x, is_first, 60, bound) for bound in (0.06, 0.05))
    assert (loose.answer, tight.answer) == ("labels", "labels")
    assert loose.more and tight.more and loose.low is not None and tight.low is not None
    assert loose.more < tight.more
    assert loose.low <= loose.more
    assert tight.low <= tight.more


def test_labels_that_were_not_looked_at_count() -> None:
    x, is_first = pair(60, apart=0.6, seed=5)
    few, many = (settling(x, is_first, labels) for labels in (60, 90))
    assert few.more and many.more and few.error and many.error
    assert few.more - many.more == 30
    assert many.error.estimate < few.error.estimate


def test_the_prior_gives_way_to_mistakes() -> None:
    sizes, flat = np.array([100.0, 200, 400]), np.full(3, 0.3)
    speeds = [law(sizes, flat, n, np.random.default_rng(0)).b for n in (10, 100, 1000)]
    assert speeds[0] == pytest.approx(0.42, abs=0.01)
    assert speeds[0] > speeds[1] > speeds[2] > 0
    assert speeds[2] < 0.05


def test_an_interval_without_an_upper_end() -> None:
    curve = Curve(1.0, 0.5, np.array([[0.0, 0.5]] * 90 + [[0.0, 0.01]] * 10))
    found = settled_by(curve, 100, 0.05)
    assert (found.answer, found.more, found.low, found.high) == ("labels", 300, 300, None)


def test_reached_is_never_before_the_first_label() -> None:
    assert reached(np.array([[math.log(0.2), 0.5]]), 0.1).round(6).tolist() == [4.0]


def test_a_wrong_label_stands_on_the_other_side() -> None:
    x, is_first = pair(40, apart=3)
    wrong = is_first.copy()
    wrong[7] = not wrong[7]
    sides = left_out(x, wrong) * np.where(wrong, 1, -1)
    assert np.flatnonzero(sides < 0).tolist() == [7]


def test_left_out_is_what_the_classifier_of_the_others_says() -> None:
    """The closed form against fitting anew without the label."""
    x, is_first = pair(12, apart=1)
    y = np.where(is_first, 1.0, -1.0)
    others = np.arange(12) != 5
    weights = 12 / 2 / np.where(is_first, is_first.sum(), (~is_first).sum())
    kernel = x @ x.T + 1
    dual = np.linalg.solve(kernel[np.ix_(others, others)] + np.diag(1 / weights[others]), y[others])
    assert left_out(x, is_first)[5] == pytest.approx(float(kernel[5, others] @ dual))
