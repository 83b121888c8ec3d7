"""The promotion gate keeps its promise, simulated through its own code."""

import numpy as np
import pytest

from tests.bench.gate import FEW_TURNS, TURNS, answers, measure
from workers.trials import draw


@pytest.mark.parametrize(
    ("points", "neither", "errors", "expected"),
    [
        (0, 0.2, 0.0, (0.4, 0.4, 0.2)),
        (-4, 0.0, 0.0, (0.25, 0.75, 0.0)),
        (4, 0.0, 0.2, (0.625, 0.275, 0.1)),  # a tenth of the answers goes to the other one, a tenth to neither
    ],
)
def test_what_an_answer_says(points: float, neither: float, errors: float, expected: tuple[float, ...]) -> None:
    assert answers(points, neither, errors) == pytest.approx(expected)


@pytest.mark.parametrize(("turns", "flips"), [(TURNS, 40), (FEW_TURNS, 12)])
def test_so_many_flips_are_drawn(turns: int, flips: int) -> None:
    assert len(draw(np.arange(turns) < turns * 8 // 100, np.random.default_rng(0))) == flips


def test_worse_ones_are_held_and_better_ones_promoted() -> None:
    found = measure(300)
    assert found["promoted"]["-3"] <= 0.02
    assert found["promoted"]["+3"] >= 0.9
    assert found["promoted_12"]["-3"] <= 0.02
    for shares in (found["promoted"], found["promoted_12"]):
        assert list(shares.values()) == sorted(shares.values())
