"""Whether vectors tell two windows apart, on samples whose law is known."""

import numpy as np
import pytest

from service.encoding import unit
from service.learning import domain
from service.learning.domain import Domain, Turns

D = 16


def turns(n: int, seed: int, middle: float = 0.0) -> Turns:
    """Round a center that lies `middle` along the first axis from the origin."""
    rng = np.random.default_rng((7, seed))
    x = rng.normal(size=(n, D))
    x[:, 0] += middle
    return Turns(x, rng.normal(size=(n, 3)))


def compare(reference: Turns, window: Turns, seed: int = 0) -> Domain:
    return domain.compare(reference, window, np.random.default_rng(seed))


def test_without_drift_chances_are_even(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain, "PERMUTATIONS", 60)
    found = [compare(turns(300, 2 * i), turns(100, 2 * i + 1), i) for i in range(60)]
    for statistic in ("auc", "novel"):
        p = np.array([getattr(one, statistic).p for one in found])
        assert p.mean() == pytest.approx(0.5, abs=0.13)  # 3.5 standard errors of 60 even numbers
        assert (p < 0.01).sum() <= 4
    assert np.mean([one.auc.value for one in found]) == pytest.approx(0.5, abs=0.03)
    assert np.mean([one.novel.by_chance for one in found]) == pytest.approx(0.25, abs=0.05)


def test_a_shift_of_all_turns_moves_the_auc() -> None:
    found = compare(turns(600, 0), turns(200, 1, middle=1.0))
    assert found.auc.p < 1e-6
    assert found.auc.value == pytest.approx(0.76, abs=0.06)  # Φ(1/√2) of a shift by one standard deviation
    assert found.auc.by_chance == pytest.approx(0.5, abs=0.02)


def test_a_few_new_turns_move_novel_and_are_named() -> None:
    window = turns(300, 1)
    window.x[:20, 0] += 6.0
    found = compare(turns(900, 0), window)
    assert found.novel.p < 0.001 < found.auc.p
    assert found.novel.value > found.novel.by_chance + 0.3
    assert set(found.likeliest[:12].tolist()) <= set(range(20))


def test_scores_alone_tell_too() -> None:
    window = turns(300, 1)
    window.scores[:, 1] += 1.0
    assert compare(turns(900, 0), window).auc.p < 1e-6


def test_the_same_arrays_and_seed_say_the_same() -> None:
    one, other = (compare(turns(200, 0), turns(100, 1)) for _ in range(2))
    assert (one.auc, one.novel, one.likeliest.tolist()) == (other.auc, other.novel, other.likeliest.tolist())


def test_turns_that_are_all_alike_are_no_drift() -> None:
    x = np.repeat(unit(np.ones((1, D))), 60, axis=0)
    found = compare(Turns(x, np.zeros((60, 1))), Turns(x[:20], np.zeros((20, 1))))
    assert found.auc.p > 0
    assert np.isfinite([*found.auc, *found.novel]).all()
