"""The neighbour index: values against brute force, equal vectors, removal, and no mixing."""

import numpy as np
import pytest

from service.encoding import NO_TURN, unit
from service.errors import BadInput
from workers.neighbours import NeighbourIndex, first_equals


def directions(n: int, seed: int = 0, dimensions: int = 32) -> np.ndarray:
    return unit(np.random.default_rng(seed).normal(size=(n, dimensions))).astype(np.float32)


def test_finds_what_brute_force_finds_nearest_first():
    vectors, asked = directions(400), directions(20, seed=1)
    index = NeighbourIndex()
    index.add(range(1000, 1400), vectors)
    turn_ids, cosines = index.search(asked, 10)
    exact = asked @ vectors.T
    best = -np.sort(-exact, axis=1)[:, :10]
    np.testing.assert_allclose(cosines, best, atol=1e-3)
    # Two that are equally near but for float16 may change places.
    np.testing.assert_allclose(np.take_along_axis(exact, turn_ids - 1000, axis=1), best, atol=1e-3)


def test_an_index_without_turns_has_no_neighbours():
    turn_ids, cosines = NeighbourIndex().search(directions(2), 3)
    assert turn_ids.tolist() == [[NO_TURN] * 3] * 2
    assert cosines.tolist() == [[-1.0] * 3] * 2


def test_missing_neighbours_are_said_to_be_missing():
    index = NeighbourIndex()
    vectors = np.eye(3, dtype=np.float32)
    index.add([7, 8], vectors[:2])
    turn_ids, cosines = index.search(vectors[:1], 4)
    assert turn_ids.tolist() == [[7, 8, NO_TURN, NO_TURN]]
    np.testing.assert_allclose(cosines, [[1, 0, -1, -1]], atol=1e-6)


def test_adding_a_turn_again_changes_nothing():
    index = NeighbourIndex()
    vectors = directions(2)
    index.add([1], vectors[:1])
    index.add([1, 1], vectors)
    assert len(index) == 1
    assert index.search(vectors[:1], 2)[0].tolist() == [[1, NO_TURN]]


def test_a_text_said_a_thousand_times_hides_nobody():
    """A plain graph of neighbours loses most of the others here."""
    rng = np.random.default_rng(2)
    often, others = directions(10, seed=3), directions(1500, seed=4)
    vectors = np.concatenate([np.repeat(often, 300, axis=0), others])
    vectors = unit(vectors + rng.normal(scale=1e-4, size=vectors.shape)).astype(np.float32)
    order = rng.permutation(len(vectors))
    index = NeighbourIndex()
    index.add(order, vectors[order])
    turn_ids, _ = index.search(others, 1)
    assert np.mean(turn_ids[:, 0] == np.arange(3000, 4500)) > 0.99
    assert np.all(index.search(often, 250)[1] > 0.999)


def test_of_equal_turns_the_newest_come_first():
    index = NeighbourIndex()
    same = np.repeat(directions(1), 4, axis=0)
    index.add([5, 6], same[:2])
    index.add([7, 8], same[2:])
    assert index.search(same[:1], 3)[0].tolist() == [[8, 7, 6]]


def test_a_removed_turn_is_not_found_and_its_equals_are():
    index = NeighbourIndex()
    vectors = directions(3)
    index.add([1, 2, 3, 4], vectors[[0, 0, 1, 2]])
    index.remove([1, 3, 99])
    assert index.search(vectors[:1], 1)[0].tolist() == [[2]]
    assert sorted(index.search(vectors[:1], 4)[0][0].tolist()) == [NO_TURN, NO_TURN, 2, 4]
    index.remove([2, 4])
    assert index.search(vectors[:1], 1)[0].tolist() == [[NO_TURN]]
    index.add([1], vectors[:1])
    assert index.search(vectors[:1], 1)[0].tolist() == [[1]]


def test_vectors_of_other_dimensions_are_refused():
    index = NeighbourIndex()
    index.add([1], directions(1))
    with pytest.raises(BadInput, match="16 dimensions"):
        index.add([2], directions(1, dimensions=16))
    with pytest.raises(BadInput, match="16 dimensions"):
        index.search(directions(1, dimensions=16), 1)
    assert len(index) == 1


def test_rows_equal_to_an_earlier_row_name_it():
    a, b = np.eye(2, dtype=np.float32)
    assert first_equals(np.stack([a, b, a, np.zeros(2, np.float32), b])).tolist() == [0, 1, 0, 3, 1]
