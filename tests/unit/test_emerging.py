"""Clusters that grew, on themes whose place is known."""

import numpy as np
import pytest

from service.encoding import unit
from workers.clusters import Known
from workers.emerging import SMALLEST, find

D, THEMES, LACKING = 24, 6, 5
NOWHERE = np.zeros(D)


def theme(place: int, n: int, seed: int = 0) -> np.ndarray:
    """(n, d) texts around one of the axes."""
    return unit(np.eye(D)[place] + np.random.default_rng((place, seed)).normal(scale=0.08, size=(n, D)))


def log(before: int, now: int) -> tuple[np.ndarray, np.ndarray]:
    """200 turns of before and 200 recent ones of the known themes, and so many of the one without a label; who is
    recent."""
    known = [theme(place, 80) for place in range(THEMES - 1)]
    x = np.vstack([*(one[:40] for one in known), theme(LACKING, before, 1), *(one[40:] for one in known)])
    recent = theme(LACKING, now, 2)
    return np.vstack([x, recent]), np.arange(len(x) + now) >= 200 + before


@pytest.fixture
def known() -> Known:
    taught = np.repeat(np.arange(THEMES - 1), 6)
    return Known(np.vstack([theme(place, 6, seed=3) for place in range(THEMES - 1)]), taught + 1)


def even(x: np.ndarray) -> np.ndarray:
    return np.full(len(x), 0.5)


def test_a_theme_that_came_up_is_found_with_its_growth(known: Known) -> None:
    x, is_recent = log(before=0, now=30)
    (found,) = find(x, is_recent, even(x), known, NOWHERE)
    assert set(found.rows.tolist()) <= set(range(400, 430))
    assert len(found.rows) >= 25
    assert (found.growth.by_chance, found.growth.value) == (0.0, len(found.rows) / 230)
    middle = unit(x[found.rows].mean(axis=0)[None, :])[0]
    likeness = x[found.rows] @ middle
    assert likeness[0] >= np.quantile(likeness, 0.7), "the medoid comes first"


@pytest.mark.parametrize(("before", "now"), [(30, 30), (30, 2), (0, SMALLEST - 1)])
def test_what_did_not_grow_or_is_small_is_none(known: Known, before: int, now: int) -> None:
    x, is_recent = log(before, now)
    assert find(x, is_recent, even(x), known, NOWHERE) == []


def test_a_theme_with_labels_may_grow_where_others_are_farther(known: Known) -> None:
    more = Known(np.vstack([known.x, theme(LACKING, 8, 3)]), np.append(known.y, np.full(8, LACKING + 1)))
    x, is_recent = log(before=0, now=30)
    x = np.vstack([theme(THEMES, 130), x, theme(THEMES, 130, 1)])
    is_recent = np.concatenate([np.zeros(130, np.bool_), is_recent, np.ones(130, np.bool_)])
    assert find(x, is_recent, even(x), more, NOWHERE) == []


def test_what_the_bot_knows_and_is_asked_more_is_no_emerging_intent(known: Known) -> None:
    more = Known(np.vstack([known.x, theme(LACKING, 3, 3)]), np.append(known.y, np.full(3, LACKING + 1)))
    x, is_recent = log(before=0, now=30)
    is_theme = np.arange(len(x)) >= 400
    for sure, clusters in ((0.3, 1), (0.9, 0)):
        doubt = np.where(is_theme, 1 - sure, 0.05)
        assert len(find(x, is_recent, doubt, more, NOWHERE)) == clusters
    (lacking,) = find(x, is_recent, np.where(is_theme, 0.1, 0.05), known, NOWHERE)
    assert set(lacking.rows.tolist()) <= set(np.flatnonzero(is_theme).tolist()), "sure, but like nothing it was taught"


def test_a_text_said_often_counts_its_turns(known: Known) -> None:
    x, is_recent = log(before=0, now=30)
    often, recent = np.vstack([x, np.repeat(x[-1:], 20, axis=0)]), np.append(is_recent, np.ones(20, np.bool_))
    (found,) = find(often, recent, even(often), known, NOWHERE)
    assert round(found.growth.value * 250) == len(found.rows) + 20


def test_nothing_known_before_or_recent_gives_none(known: Known) -> None:
    x, is_recent = log(before=0, now=30)
    nothing = Known(np.zeros((0, D)), np.zeros(0, np.int64))
    assert find(x, is_recent, even(x), nothing, NOWHERE) == []
    for all_alike in (np.ones(len(x), np.bool_), np.zeros(len(x), np.bool_)):
        assert find(x, all_alike, even(x), known, NOWHERE) == []


def test_the_same_arrays_make_the_same_clusters(known: Known) -> None:
    x, is_recent = log(before=2, now=30)
    first, second = (find(x, is_recent, even(x), known, NOWHERE) for _ in range(2))
    assert [one.rows.tolist() for one in first] == [one.rows.tolist() for one in second]
