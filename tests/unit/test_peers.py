"""Other libraries, asked through our shape, answer with their own choices."""

import sys

import numpy as np
import pytest
from scipy.special import softmax

from service.encoding import unit
from service.errors import BadInput
from service.learning.strategies import STRATEGIES, Pool
from service.learning.types import Floats2d, Ints1d
from workers.bench import peers
from workers.bench.peers import PEERS

MODULES = {"scikit-activeml": "skactiveml", "small-text": "small_text", "modal": "modAL"}
EACH = pytest.mark.parametrize("name", PEERS)
K, D = 4, 6
WEIGHTS = np.random.default_rng(0).normal(size=(D, K))


def head(x: Floats2d) -> Floats2d:
    return np.asarray(softmax(4 * x @ WEIGHTS, axis=1))


def some(*, n: int = 40, m: int = 8) -> tuple[Pool, Ints1d]:
    rng = np.random.default_rng(3)
    x, known = unit(rng.normal(size=(n, D))), unit(rng.normal(size=(m, D)))
    return Pool(np.arange(n), x, head(x), known, np.zeros((0, n, K)), np.zeros(n)), head(known).argmax(axis=1)


def ask(name: str, n: int, *, seed: int = 0, of: tuple[Pool, Ints1d] | None = None) -> list[int]:
    pytest.importorskip(MODULES[name.partition(":")[0]])
    pool, y = of or some()
    return PEERS[name](pool, y, n, np.random.default_rng(seed), head=head).tolist()


@EACH
@pytest.mark.parametrize("m", [0, 1, 8])
@pytest.mark.parametrize("n", [1, 7])
def test_a_peer_names_distinct_turns_of_the_pool(name: str, n: int, m: int) -> None:
    asked = ask(name, n, of=some(m=m))
    assert len(set(asked)) == len(asked) == n
    assert set(asked) <= set(range(40))


@EACH
def test_more_than_there_are_means_all_and_none_means_none(name: str) -> None:
    assert sorted(ask(name, 100, of=some(n=5))) == [0, 1, 2, 3, 4]
    assert ask(name, 3, of=some(n=0)) == ask(name, 0) == []


@EACH
def test_the_same_seed_asks_the_same_and_leaves_the_global_generator_alone(name: str) -> None:
    np.random.seed(5)
    expected = np.random.random()
    np.random.seed(5)
    assert ask(name, 6, seed=2) == ask(name, 6, seed=2)
    assert np.random.random() == expected


@pytest.mark.parametrize("name", ["scikit-activeml:margin", "small-text:breaking_ties"])
def test_their_margin_is_ours(name: str) -> None:
    pool, _ = some()
    assert sorted(ask(name, 6)) == sorted(STRATEGIES["margin"](pool, 6, np.random.default_rng(0)).tolist())


def test_their_core_set_is_ours() -> None:
    pool, _ = some()
    assert ask("small-text:coreset", 6) == STRATEGIES["core_set"](pool, 6, np.random.default_rng(0)).tolist()


def test_their_badge_begins_where_ours_does() -> None:
    pool, _ = some()
    assert ask("scikit-activeml:badge", 3)[0] == STRATEGIES["badge"](pool, 1, np.random.default_rng(0))[0]


def test_badge_is_given_no_more_candidates_than_it_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "BADGE_NUMBERS", 12 * K * D)
    asked = {at for seed in range(20) for at in ask("scikit-activeml:badge", 4, seed=seed)}
    assert len(asked) > 12
    assert len(set(ask("scikit-activeml:badge", 20))) == 20


@pytest.mark.parametrize("name", ["small-text:coreset", "modal:ranked_batch"])
def test_a_slow_peer_is_given_some_of_the_turns_drawn_at_random(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "CANDIDATES", 12)
    asks = [ask(name, 6, seed=seed) for seed in range(20)]
    assert all(len(set(asked)) == 6 for asked in asks)
    assert len({at for asked in asks for at in asked}) > 12
    assert len(set(ask(name, 20))) == 20


def test_dropquery_asks_the_head_about_turns_with_coordinates_dropped() -> None:
    pytest.importorskip("skactiveml")
    seen: list[Floats2d] = []

    def watched(x: Floats2d) -> Floats2d:
        seen.append(x)
        return head(x)

    pool, y = some()
    PEERS["scikit-activeml:dropquery"](pool, y, 5, np.random.default_rng(0), head=watched)
    assert np.array_equal(seen[0], pool.x)
    assert np.mean([(x == 0).mean() for x in seen[1:]]) == pytest.approx(0.75, abs=0.05)


def test_ranked_batch_prefers_what_is_far_from_the_labelled() -> None:
    x = unit(np.array([[1.0, 0.05], [0.0, 1.0]]))
    pool = Pool(np.arange(2), x, np.full((2, 2), 0.5), np.array([[1.0, 0.0]]), np.zeros((0, 2, 2)), np.zeros(2))
    assert ask("modal:ranked_batch", 2, of=(pool, np.array([0]))) == [1, 0]


@EACH
def test_a_library_that_is_missing_says_how_to_get_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in list(sys.modules):
        if module.partition(".")[0] in MODULES.values():
            monkeypatch.delitem(sys.modules, module)
    for module in MODULES.values():
        monkeypatch.setitem(sys.modules, module, None)
    pool, y = some()
    with pytest.raises(BadInput, match=MODULES[name.partition(":")[0]]) as refused:
        PEERS[name](pool, y, 3, np.random.default_rng(0), head=head)
    assert refused.value.hint == "pip install 'fencepost[peers]'"
