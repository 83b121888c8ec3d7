"""The map of frozen vectors: what it learns, and that it can be taken back into a head's weights."""

import numpy as np
import pytest
from scipy.special import softmax

from service.encoding import unit
from service.learning.types import Floats2d, Ints1d
from workers import projection
from workers.lessons import draws, sharpened, slope

D, K = 16, 4


def speech(seed: int, n: int) -> tuple[Floats2d, Ints1d]:
    """Texts that differ by intent in a few directions, and far more in others that mean nothing."""
    rng = np.random.default_rng(seed)
    columns = rng.integers(0, K, n)
    noise = rng.normal(size=(n, D)) * np.where(np.arange(D) < K, 0.3, 1.0)
    return unit(noise + np.eye(K, D)[columns]).astype(np.float32), columns


def cosine_accuracy(x: Floats2d, columns: Ints1d, labelled: Floats2d, of: Ints1d) -> float:
    middles = np.stack([unit(labelled[of == column]).mean(axis=0) for column in range(K)])
    return float(((unit(x) @ unit(middles).T).argmax(axis=1) == columns).mean())


def test_the_intents_move_apart_on_texts_it_never_saw() -> None:
    (x, columns), (log, said), (unseen, meant) = speech(0, 40), speech(1, 400), speech(2, 1_000)
    found = projection.learn(x, columns, np.ones(40), log, np.eye(K)[said], np.random.default_rng(0))
    before = cosine_accuracy(unseen, meant, x, columns)
    after = cosine_accuracy(unseen @ found, meant, x @ found, columns)
    assert after > before + 0.1


def test_mapped_vectors_are_as_long_as_before_on_average() -> None:
    x, columns = speech(0, 60)
    found = projection.learn(x, columns, np.ones(60), x[:0], np.zeros((0, K)), np.random.default_rng(0))
    assert (found.shape, found.dtype) == ((D, D), np.float32)
    assert np.linalg.norm(x @ found, axis=1).mean() == pytest.approx(1.0, rel=1e-4)


def test_the_same_seed_is_the_same_map() -> None:
    x, columns = speech(0, 30)
    one, other = (
        projection.learn(x, columns, np.ones(30), x, np.eye(K)[columns], np.random.default_rng(7)) for _ in range(2)
    )
    assert np.array_equal(one, other)


def test_gradients_are_those_of_the_loss() -> None:
    rng = np.random.default_rng(0)
    x, targets = rng.normal(size=(5, 3)) * 0.1, softmax(rng.normal(size=(5, 2)), axis=1)
    learnt, intents = np.eye(3) + 0.05 * rng.normal(size=(3, 3)), rng.normal(size=(2, 3))

    def loss(learnt: Floats2d, intents: Floats2d) -> float:
        scores = x @ learnt @ unit(intents).T / projection.TEMPERATURE
        return float(-(targets * np.log(softmax(scores, axis=1))).sum(axis=1).mean())

    of_map, of_intents = projection._gradients(x, targets, learnt, intents)
    assert np.linalg.norm(of_map) < projection.CLIP
    for array, gradient in ((learnt, of_map), (intents, of_intents)):
        for place in np.ndindex(array.shape):
            moved = array.copy()
            moved[place] += 1e-6
            up = loss(moved, intents) if array is learnt else loss(learnt, moved)
            assert (up - loss(learnt, intents)) / 1e-6 == pytest.approx(gradient[place], abs=1e-4)


def test_intents_are_drawn_alike_however_often_they_are_labelled() -> None:
    columns = np.repeat([0, 1], [900, 100])
    drawn = draws(np.eye(2)[columns], np.ones(1_000), 50, 100, np.random.default_rng(0))
    assert (columns[drawn] == 0).mean() == pytest.approx(0.5, abs=0.03)


def test_rates_rise_and_then_fall() -> None:
    assert [round(slope(step, 10, 0.2), 3) for step in range(10)] == [
        0.5, 1.0, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125,
    ]  # fmt: skip


def test_guesses_are_sure_of_most() -> None:
    scores = np.random.default_rng(0).normal(size=(500, 5))
    assert sharpened(scores).max(axis=1).mean() == pytest.approx(0.95, abs=0.005)
    assert (sharpened(scores).argmax(axis=1) == scores.argmax(axis=1)).all()
