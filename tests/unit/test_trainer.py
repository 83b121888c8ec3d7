"""Fitting on a small made-up world: intents are directions, turns scatter around them."""

from typing import NamedTuple

import numpy as np
import pytest

from service.encoding import unit
from service.learning.head import NEVER, NONE, decide, probabilities
from service.learning.types import Bools1d, Floats2d, Ints1d
from service.learning.weak import ABSTAINS
from workers import heads, held_out, projection, prototypes, trainer
from workers import hints as hints_module
from workers.held_out import Tuning
from workers.hints import NOWHERE, Hints
from workers.trainer import Fitted, Labels, fit

D = 32
K = 8
IDS = np.arange(1, K + 1) * 3  # ids have gaps: intents are archived and merged


class World(NamedTuple):
    """Names lie off their intents' turns, as words lie off what people say."""

    names: Floats2d
    x: Floats2d
    y: Ints1d

    def labels(self, n: int, only: Bools1d | None = None) -> Labels:
        rows = np.flatnonzero(np.ones(len(self.y), np.bool_) if only is None else only)[:n]
        return Labels(self.x[rows], self.y[rows], np.ones(len(rows)), rows)

    def accuracy(self, fitted: Fitted) -> float:
        return float((decide(fitted.head, self.x) == self.y).mean())


def world(seed: int, *, k: int = K, none: float = 0.0, n: int = 1200, apart: float = 1.5) -> World:
    """`none`: share of turns that are out of scope, around four directions of their own; `apart`: how far names lie
    off."""
    rng = np.random.default_rng(seed)
    centers = unit(rng.normal(size=(k + 4, D)))
    at = np.where(rng.random(n) < none, k + rng.integers(4, size=n), rng.integers(k, size=n))
    x = unit(centers[at] + 0.22 * rng.normal(size=(n, D))).astype(np.float32)
    names = unit(centers[:k] + apart * unit(rng.normal(size=(k, D)))).astype(np.float32)
    return World(names, x, np.where(at < k, IDS[np.minimum(at, k - 1)], NONE))


def train(world: World, labels: Labels | None = None, *, log: Floats2d | None = None, **more: object) -> Fitted:
    ids = IDS[: len(world.names)]
    labels = trainer.no_labels(D) if labels is None else labels
    return fit(ids, world.names, labels, world.x if log is None else log, seed=0, **more)  # type: ignore[arg-type]


def of(x: Floats2d, y: Ints1d) -> Labels:
    return Labels(x, y, np.ones(len(y)), np.arange(len(y)))


NO_LOG = np.zeros((0, D), np.float32)


def test_before_the_first_label_the_log_draws_names_to_what_people_say() -> None:
    town = world(0)
    named, drawn = town.accuracy(train(town, log=NO_LOG)), town.accuracy(train(town))
    assert named > 0.5
    assert drawn > named + 0.05


@pytest.mark.parametrize("log", [0, 1, 3, 1200])
@pytest.mark.parametrize("k", [1, 2, K])
@pytest.mark.parametrize("labels", [0, 1, 2, 19, 20, 21])
def test_little_to_learn_from_never_raises(log: int, k: int, labels: int) -> None:
    town = world(0, k=k)
    fitted = train(town, town.labels(labels), log=town.x[:log])
    p = probabilities(fitted.head, town.x)
    assert p.shape == (1200, k)
    assert np.isfinite(p).all() and np.isfinite(fitted.head.temperature)
    assert set(decide(fitted.head, town.x).tolist()) <= {*IDS[:k].tolist(), NONE}


@pytest.mark.parametrize("name", ["one class", "only none", "one group", "weightless", "unknown intent"])
def test_lopsided_labels_never_raise(name: str) -> None:
    town = world(1, none=0.3)
    labels = {
        "one class": town.labels(40, town.y == IDS[0]),
        "only none": town.labels(40, town.y == NONE),
        "one group": town.labels(60)._replace(group=np.zeros(60, np.int64)),
        "weightless": town.labels(60)._replace(weight=np.zeros(60)),
        "unknown intent": town.labels(60)._replace(y=np.full(60, 1000)),
    }[name]
    fitted = train(town, labels)
    assert np.isfinite(probabilities(fitted.head, town.x)).all()


def test_only_none_labels_switch_nothing_off() -> None:
    town = world(1, none=0.3)
    assert train(town, town.labels(40, town.y == NONE)).head.threshold == NEVER


def test_an_intent_without_labels_stays_alive() -> None:
    town = world(2)
    fitted = train(town, town.labels(300, town.y != IDS[0]))
    mine = town.y == IDS[0]
    assert (decide(fitted.head, town.x[mine]) == IDS[0]).mean() > 0.5


def test_more_labels_never_make_it_worse_by_more_than_noise() -> None:
    for seed in range(3):
        town = world(seed)
        scores = [town.accuracy(train(town, town.labels(n))) for n in (0, 5, 20, 40, 80, 160, 320, 640)]
        assert min(np.diff(scores)) > -0.02
        assert scores[-1] > 0.95


def test_a_log_that_misleads_is_not_used() -> None:
    town = world(3, apart=0.0)
    noise = unit(np.random.default_rng(0).normal(size=(4000, D))).astype(np.float32)
    # A log that crowds between two intents draws both to one place.
    crowd = unit(town.names[:1] + town.names[1:2] + 0.02 * noise).astype(np.float32)
    fitted = train(town, town.labels(80), log=crowd)
    assert fitted.pseudo == 0
    assert fitted.accuracy is not None and fitted.accuracy_named is not None
    assert town.accuracy(fitted) > 0.9


def test_a_log_that_helps_is_used() -> None:
    town = world(4, apart=1.5)
    fitted = train(town, town.labels(40), log=town.x[40:])
    assert fitted.pseudo == 1160
    assert fitted.accuracy is not None and fitted.accuracy_named is not None
    assert fitted.accuracy > fitted.accuracy_named


def test_the_gate_opens_once_there_are_enough_labels_none() -> None:
    town = world(5, none=0.3)
    some = np.flatnonzero(town.y == NONE)[:9]
    few = np.isin(np.arange(1200), some) | (town.y != NONE)
    assert train(town, town.labels(200, few)).head.threshold == NEVER
    fitted = train(town, town.labels(200))
    assert 0 < fitted.head.threshold < 1
    assert town.accuracy(fitted) > town.accuracy(train(town, town.labels(200, few))) + 0.15


def test_the_same_arrays_give_the_same_head() -> None:
    town = world(6, none=0.2)
    one, two = train(town, town.labels(150)).head, train(town, town.labels(150)).head
    assert np.array_equal(one.weights, two.weights)
    assert (one.temperature, one.threshold) == (two.temperature, two.threshold)


def test_c_is_kept_until_the_labels_have_doubled() -> None:
    town = world(7)
    assert train(town, town.labels(100), tuning=Tuning(7.5, 60)).tuning == Tuning(7.5, 60)
    searched = train(town, town.labels(120), tuning=Tuning(7.5, 60)).tuning
    assert searched.searched_at == 120
    assert searched.c in held_out.CS


def test_confidence_is_about_how_often_it_is_right() -> None:
    town = world(8)
    fitted = train(town, town.labels(300))
    confidence = probabilities(fitted.head, town.x).max(axis=1).mean()
    assert confidence == pytest.approx(town.accuracy(fitted), abs=0.05)


def test_weights_of_balanced_labels_make_intents_equal() -> None:
    weights = heads._balanced(np.array([0, 0, 0, 2]), np.ones(4))
    assert weights.tolist() == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2.0])


@pytest.mark.parametrize(
    ("name", "said"),
    [("track_order", "track order"), ("cancelOrder", "cancel order"), ("PTO-request", "PTO request"), ("___", "___")],
)
def test_names_become_words(name: str, said: str) -> None:
    assert prototypes.words(name) == said


def test_more_intents_than_labels_raise_no_warning() -> None:
    rng = np.random.default_rng(0)
    names = unit(rng.normal(size=(60, D))).astype(np.float32)
    ids = np.arange(1, 61)
    labels = Labels(names[:30], ids[:30], np.ones(30), ids[:30])
    fitted = fit(ids, names, labels, NO_LOG, seed=0)
    assert (decide(fitted.head, names) == ids).mean() > 0.9


def log_loss(town: World, fitted: Fitted) -> float:
    inside = town.y != NONE
    p = probabilities(fitted.head, town.x[inside])
    return float(-np.log(p[np.arange(len(p)), np.searchsorted(IDS, town.y[inside])]).mean())


@pytest.mark.parametrize("checked", [60, 200])
def test_of_many_labels_some_are_enough_to_check_on(monkeypatch: pytest.MonkeyPatch, checked: int) -> None:
    town = world(2, none=0.2)
    every = train(town, town.labels(800))
    monkeypatch.setattr(held_out, "CHECKED", checked)
    some = train(town, town.labels(800), tuning=every.tuning)
    assert town.accuracy(some) == pytest.approx(town.accuracy(every), abs=0.01)
    assert some.accuracy == pytest.approx(every.accuracy, abs=0.05)
    assert log_loss(town, some) == pytest.approx(log_loss(town, every), abs=0.02)
    assert (some.head.threshold < NEVER) == (every.head.threshold < NEVER)


@pytest.mark.parametrize("only_none", [False, True])
def test_one_card_for_most_labels_never_raises(monkeypatch: pytest.MonkeyPatch, *, only_none: bool) -> None:
    """What is held out may be everything but a few, or nothing with an intent."""
    monkeypatch.setattr(held_out, "CHECKED", 10)
    town = world(3, none=0.5)
    labels = town.labels(100)
    group = np.where(labels.y == NONE, 0, np.arange(100) + 1) if only_none else np.zeros(100, np.int64)
    assert np.isfinite(train(town, labels._replace(group=group)).head.temperature)


def test_what_is_said_a_hundred_times_teaches_no_more_than_once() -> None:
    town = world(0)
    often = np.concatenate([town.x, *[town.x[:5]] * 100])
    once, repeated = train(town), train(town, log=often)
    assert np.array_equal(once.head.prototypes, repeated.head.prototypes)
    assert np.array_equal(once.head.weights, repeated.head.weights)


def test_contradictory_labels_for_one_text_leave_it_undecided() -> None:
    x = np.repeat(unit(np.eye(3, 8, dtype=np.float32) + 0.1), 40, axis=0)
    y = np.tile([1, 2], 60)  # every text half the one and half the other
    fitted = fit(np.array([1, 2, 3]), unit(np.eye(8, dtype=np.float32)[5:8]), of(x, y), x[:0], seed=0)
    proba = probabilities(fitted.head, x)
    assert np.isfinite(proba).all()
    assert proba[:, 0] == pytest.approx(proba[:, 1], abs=0.1)


def test_a_hundred_thousand_copies_of_one_text_are_one_text() -> None:
    hi = unit(np.ones((1, 8), np.float32))
    log = np.repeat(hi, 100_000, axis=0)
    fitted = fit(np.array([1, 2]), unit(np.eye(2, 8, dtype=np.float32)), trainer.no_labels(8), log, seed=0)
    once = fit(np.array([1, 2]), unit(np.eye(2, 8, dtype=np.float32)), trainer.no_labels(8), hi, seed=0)
    assert probabilities(fitted.head, hi) == pytest.approx(probabilities(once.head, hi))


def test_a_map_that_helps_is_used_and_one_that_harms_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intents differ in four of forty directions; what is said varies more in all the others."""
    rng = np.random.default_rng(0)

    def speech(n: int) -> tuple[Floats2d, Ints1d]:
        y = rng.integers(1, 5, n)
        noise = rng.normal(size=(n, 40)) * np.where(np.arange(40) < 4, 0.4, 1.0)
        return unit(noise + 1.2 * np.eye(4, 40)[y - 1]).astype(np.float32), y

    (x, y), (log, _), (unseen, meant) = speech(120), speech(2_000), speech(2_000)
    names = unit(np.eye(4, 40, dtype=np.float32))

    def accuracy(telling: float, others: float) -> float:
        found = np.diag(np.where(np.arange(40) < 4, telling, others)).astype(np.float32)
        monkeypatch.setattr(projection, "learn", lambda *_: found)
        return float((decide(fit(np.arange(1, 5), names, of(x, y), log, seed=0).head, unseen) == meant).mean())

    monkeypatch.setattr(trainer, "MAPPED_TO", 0)
    plain = accuracy(1.0, 1.0)
    monkeypatch.setattr(trainer, "MAPPED_TO", 600)
    assert accuracy(2.0, 0.2) > plain + 0.03
    assert accuracy(0.01, 1.0) == plain


def said(town: World, rights: list[float], known: int = 0) -> Hints:
    """Functions that each vote for an intent of its own on half of the turns that it could vote on and be right; as
    many of their votes are wrong as it says. The first `known` turns are labelled."""
    rng = np.random.default_rng(0)
    votes = np.full((len(town.y), len(rights)), ABSTAINS)
    for place, right in enumerate(rights):
        mine = np.flatnonzero(town.y == IDS[place])
        mine = rng.choice(mine, len(mine) // 2, replace=False)
        others = rng.choice(np.flatnonzero(town.y == IDS[-1 - place]), len(mine), replace=False)
        heard = np.where(rng.random(len(mine)) < right, mine, others)
        votes[heard, place] = IDS[place]
    return Hints(town.x[known:], votes[known:], votes[:known], np.full(len(rights), NOWHERE))


def test_before_the_first_label_functions_draw_names_to_what_people_say() -> None:
    town = world(0)
    alone, taught = train(town, log=NO_LOG), train(town, log=NO_LOG, hints=said(town, [0.9] * 4))
    assert town.accuracy(taught) > town.accuracy(alone) + 0.05
    assert (alone.weak, alone.judged) == (0, None)
    assert taught.weak == (said(town, [0.9] * 4).votes != ABSTAINS).any(axis=1).sum()


def test_functions_that_labels_contradict_fall_silent() -> None:
    town = world(0)
    hints = said(town, [0.9, 0.1], 200)
    taught = train(town, town.labels(200), log=town.x[200:], hints=hints)
    assert taught.judged is not None
    good, bad = taught.judged.accuracy
    assert good > 0.7 and bad < 0.4
    assert 0 < taught.weak <= (hints.votes[:, 0] != ABSTAINS).sum()


def test_functions_that_cost_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """They speak up however seldom they are right, and teach as much as a label: the labels held out must tell."""
    monkeypatch.setattr(hints_module, "LEAST", 0.0)
    monkeypatch.setattr(hints_module, "SHARE", 5.0)
    town = world(1)
    hints = said(town, [0.0] * K, 80)
    labels, log = town.labels(80), town.x[80:]
    taught, alone = train(town, labels, log=log, hints=hints), train(town, labels, log=log)
    assert taught.weak == 0
    assert np.array_equal(taught.head.weights, alone.head.weights)
    monkeypatch.setattr(held_out, "costs", lambda *_: False)
    forced = train(town, labels, log=log, hints=hints)
    assert forced.weak > 0
    assert town.accuracy(forced) < town.accuracy(alone)


@pytest.mark.parametrize("labels", [0, 1, 19, 60])
@pytest.mark.parametrize("functions", [0, 1])
@pytest.mark.parametrize("k", [1, K])
def test_few_functions_never_raise(labels: int, functions: int, k: int) -> None:
    town = world(0, k=k)
    nothing = np.full((len(town.x), functions), ABSTAINS)
    for votes in (nothing, nothing + 1 + IDS[0]):
        hints = Hints(town.x[labels:], votes[labels:], votes[:labels], np.full(functions, 0.5))
        fitted = train(town, town.labels(labels), log=town.x[labels:], hints=hints)
        assert np.isfinite(probabilities(fitted.head, town.x)).all()
    empty = Hints(town.x[:0], nothing[:0], nothing[:labels], np.full(functions, NOWHERE))
    assert train(town, town.labels(labels), hints=empty).weak == 0
