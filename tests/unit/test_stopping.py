"""What the advice to stop labelling rests on."""

import numpy as np
import pytest

from service.classifiers.advice import decide
from service.learning import stopping
from service.learning.stopping import Estimate


def test_equal_rates_give_wilsons_interval() -> None:
    found = stopping.accuracy(np.arange(100) < 90, np.full(100, 0.05), np.zeros(0))
    assert found == pytest.approx((0.9, 0.8256, 0.9448), abs=1e-4)  # Wilson's, of 90 in 100


def test_turns_that_were_drawn_rarely_stand_for_more() -> None:
    """Half of the answers were drawn ten times as rarely, and are wrong."""
    found = stopping.accuracy(np.arange(100) < 50, np.where(np.arange(100) < 50, 0.5, 0.05), np.zeros(0))
    assert found and found.estimate == pytest.approx(1 / 11)
    assert found.low < 1 / 11 < found.high


def test_the_interval_holds_the_truth_nineteen_times_in_twenty() -> None:
    rng, held = np.random.default_rng(0), 0
    for _ in range(1_000):
        rates = rng.choice([0.1, 0.2], 300)
        found = stopping.accuracy(rng.random(300) < 0.85, rates, np.zeros(0))
        assert found
        held += found.low <= 0.85 <= found.high
    assert held / 1_000 == pytest.approx(0.95, abs=0.02)


def test_what_nobody_could_answer_widens_the_interval_both_ways() -> None:
    is_right, rates = np.arange(100) < 90, np.full(100, 0.1)
    sure = stopping.accuracy(is_right, rates, np.zeros(0))
    open_ = stopping.accuracy(is_right, rates, np.full(10, 0.1))
    assert sure and open_ and open_.estimate == sure.estimate
    assert open_.low < sure.low < sure.high < open_.high


def test_nothing_drawn_is_no_estimate() -> None:
    assert stopping.accuracy(np.zeros(0, np.bool_), np.zeros(0), np.full(3, 0.1)) is None


def test_classifiers_that_agree_by_chance_have_no_kappa() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 4, 20_000), rng.integers(0, 4, 20_000)
    assert stopping.kappa(one, other) == pytest.approx(0.0, abs=0.02)
    assert stopping.kappa(one, np.where(rng.random(20_000) < 0.1, other, one)) == pytest.approx(0.9, abs=0.02)


def test_steps_without_labels_are_no_gain() -> None:
    assert stopping.gain([]) is None
    assert stopping.gain([(0, Estimate(0.1, 0.0, 0.2))]) is None


def test_breaks_are_no_work() -> None:
    times = np.concatenate([np.arange(30) * 0.1, 600 + np.arange(30) * 0.1])
    assert stopping.minutes_a_label(times) == pytest.approx(0.1)


GOOD = Estimate(0.95, 0.91, 0.97)


@pytest.mark.parametrize(
    ("target", "answered", "accuracy", "kappa", "gain", "weeks", "verdict", "words"),
    [
        (0.9, 29, GOOD, 1.0, None, None, "too_early", "30 are needed"),
        (0.9, 0, None, None, None, None, "too_early", "0 turns"),
        (0.9, 200, GOOD, None, None, None, "stop", "the target is reached"),
        (0.92, 200, GOOD, None, None, None, "go_on", "the target is 92.0 %"),
        (None, 200, GOOD, 0.995, Estimate(0.0, -0.001, 0.001), None, "stop", "change nothing"),
        (None, 200, GOOD, 0.995, Estimate(0.0, -0.001, 0.01), None, "go_on", "95.0 %"),
        (None, 200, GOOD, 0.9, Estimate(0.0, -0.001, 0.001), None, "go_on", "95.0 %"),
        (None, 200, GOOD, None, None, 53.0, "stop", "53 weeks"),
        (None, 200, GOOD, None, None, 3.0, "go_on", "95.0 %"),
    ],
)
def test_the_advice_and_its_reason(target, answered, accuracy, kappa, gain, weeks, verdict, words) -> None:
    found, reason = decide(target, answered, accuracy, kappa, gain, weeks)
    assert found == verdict
    assert words in reason
