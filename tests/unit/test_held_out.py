"""What weak examples have to show to be used."""

import numpy as np
import pytest

from workers.heads import Data
from workers.held_out import DOUBTED_FROM, Trial, costs
from workers.hints import no_examples


def labels(n: int) -> Data:
    """n labels with an intent, and ten without."""
    column = np.append(np.zeros(n, np.int64), np.full(10, -1))
    x = np.zeros((n + 10, 2), np.float32)
    return Data(np.array([1]), x[:1], x, column, np.ones(n + 10), x[:0], no_examples(2))


def trial(*losses: float, n: int) -> Trial:
    """Losses of the labels by turns; those without an intent have none."""
    found = np.append(np.resize(losses, n), np.zeros(10))
    return Trial([], [], np.zeros((n + 10, 1)), found)


@pytest.mark.parametrize(
    ("n", "losses", "expected"),
    [
        (DOUBTED_FROM, (0.5, 1.49), False),  # .005 better, far within what chance does
        (DOUBTED_FROM, (0.5, 1.5), True),  # no better
        (DOUBTED_FROM, (0.5, 1.51), True),
        (DOUBTED_FROM - 2, (0.5, 1.51), False),  # few labels say little
        (DOUBTED_FROM - 2, (1.2, 1.3), True),  # unless they say it clearly
        (0, (1.0,), False),
    ],
)
def test_weak_examples_stay_where_they_help_and_few_labels_are_not_believed(
    n: int, losses: tuple[float, ...], expected: bool
) -> None:
    assert costs(labels(n), trial(*losses, n=n), trial(1.0, n=n)) is expected
