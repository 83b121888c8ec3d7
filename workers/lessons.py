"""What learns representations is taught alike: half of each step labelled texts and the intents' names, half texts of
the log with what a classifier makes of them; the rates rise at first and then fall."""

import numpy as np
from scipy.special import softmax

from service.learning.calibration import prior_temperature
from service.learning.types import Floats1d, Floats2d, Ints1d

SURE = 0.95  # mean confidence of the guesses about the log


def sharpened(scores: Floats2d) -> Floats2d:
    """Probabilities (m, k) from a head's logits, sure of most: doubt that is taught back only grows."""
    return np.asarray(softmax(scores / prior_temperature(scores, SURE), axis=1))


def draws(shares: Floats2d, weights: Floats1d, steps: int, batch: int, rng: np.random.Generator) -> Ints1d:
    """(steps, batch) rows of n texts with shares (n, k) of the intents: every intent about as often as any other, of
    its texts each by its weight (n,).

    Intents that the log speaks of are not all in it: with the square roots of its shares a rare one is drawn more often
    than it is said, and a doubtful one still less often than a common one."""
    totals = weights @ shares
    chances = weights * (shares / np.where(totals > 0, totals, 1)).max(axis=1)
    drawn: Ints1d = rng.choice(len(chances), (steps, batch), p=chances / chances.sum())
    return drawn


def slope(step: int, steps: int, warm_up: float) -> float:
    """Share of the full rate: up in a line for that share of the steps, then down in a line."""
    rising = max(1, round(warm_up * steps))
    return min((step + 1) / rising, (steps - step) / max(1, steps - rising))
