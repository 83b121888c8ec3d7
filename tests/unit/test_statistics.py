"""Everything measured of a window beside its reference, and what of it is an alarm."""

import doctest

import numpy as np
import pytest

from service.learning import domain
from service.learning.drift import Statistic
from service.learning.head import NONE, Head
from service.windows import statistics
from service.windows.statistics import Finding, Sample, decided, judge, measure

D, INTENTS = 12, 3
FLAGS = ("is_fallback", "is_reported", "is_learnt", "is_later")


def head() -> Head:
    axes = np.eye(INTENTS, D, dtype=np.float32)
    return Head(
        intent_ids=np.arange(1, INTENTS + 1),
        weights=6 * axes,
        bias=np.zeros(INTENTS, np.float32),
        temperature=1.0,
        center=np.zeros(D, np.float32),
        prototypes=axes,
        gate_weights=20 * np.eye(D, dtype=np.float32)[D - 1],
        gate_familiarity=0.0,
        gate_bias=-10.0,
        threshold=0.5,
    )


def sample(*counts: int, seed: int = 0, scopeless: int = 0, flags: int = 0, structures: int = 0) -> Sample:
    """So many turns of each intent; of the first ones so many are out of scope, fallbacks and reported, structured."""
    y = np.repeat(np.arange(INTENTS), counts)
    x = np.eye(D)[y] + np.random.default_rng((3, seed)).normal(scale=0.2, size=(len(y), D))
    x[:scopeless, D - 1] += 2.0
    flagged = np.arange(len(y)) < flags
    shapes = ["city>date" if row < structures else "" for row in range(len(y))]
    never = np.zeros(len(y), np.bool_)
    return decided(
        head(), x, is_fallback=flagged, is_reported=flagged, structures=shapes, is_learnt=never, is_later=never
    )


def found(reference: Sample, window: Sample) -> dict[tuple[str, int | str | None], Finding]:
    findings = measure(reference, window, np.random.default_rng(0))
    return {(one.name, one.subject): one for one in findings.found}


def test_a_sample_is_what_the_head_makes_of_the_vectors() -> None:
    one = sample(3, 2, 1, scopeless=1)
    assert one.decided.tolist() == [NONE, 1, 1, 2, 2, 3]
    assert one.out_of_scope[0] > 0.5 > one.out_of_scope[1:].max()
    assert one.confidence.shape == one.margin.shape == one.familiarity.shape == (6,)
    assert (one.margin <= 1).all() and (one.confidence >= 1 / INTENTS).all()


def test_every_statistic_is_there_once_with_the_share_it_measures() -> None:
    one = found(sample(200, 200, 100, flags=25), sample(60, 20, 20, seed=1, scopeless=10, flags=20, structures=15))
    assert sorted(one, key=str) == sorted(
        [
            ("psi", None), ("jensen_shannon", None), ("intent", 1), ("intent", 2), ("intent", 3), ("confidence", None),
            ("margin", None), ("out_of_scope", None), ("fallback", None), ("reports", None), ("structure", "city>date"),
            ("embeddings", None), ("novel", None),
        ],
        key=str,
    )  # fmt: skip
    shares = {key: (finding.statistic.by_chance, finding.statistic.value) for key, finding in one.items()}
    assert shares["intent", 1] == pytest.approx((0.4, 0.5), abs=0.01)
    assert shares["intent", 2] == pytest.approx((0.4, 0.2), abs=0.01)
    assert shares["out_of_scope", None] == (0.004, 0.1)  # two turns have so much of the gate's direction by chance
    assert shares["fallback", None] == shares["reports", None] == (0.05, 0.2)
    assert shares["structure", "city>date"] == (0.0, 0.15)
    alarms = {key for key, finding in one.items() if finding.is_alarm}
    assert {("out_of_scope", None), ("fallback", None), ("reports", None), ("structure", "city>date")} <= alarms
    assert ("confidence", None) not in alarms


def test_quiet_windows_are_no_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain, "PERMUTATIONS", 50)
    alarms = [
        key
        for seed in range(20)
        for key, one in found(sample(160, 120, 120, seed=seed), sample(40, 30, 30, seed=100 + seed)).items()
        if one.is_alarm
    ]
    assert len(alarms) <= 1


def test_a_shift_of_every_turn_is_an_alarm_of_the_vectors_alone() -> None:
    window = sample(80, 60, 60, seed=1)
    x = window.x.copy()
    x[:, 5] += 0.5  # a direction that the head does not look at
    rest = {name: value for name, value in window._asdict().items() if name in ("structures", *FLAGS)}
    moved = decided(head(), x, **rest)
    alarms = {key for key, one in found(sample(320, 240, 240), moved).items() if one.is_alarm}
    assert ("embeddings", None) in alarms
    assert not {key for key in alarms if key[0] in ("psi", "intent", "out_of_scope", "structure")}


def learnt(one: Sample, share: float, later: int = 0) -> Sample:
    """So much of it the classifier learnt from, and is surer of; of the others so many were said afterwards."""
    rows = np.random.default_rng(5).permutation(len(one.x))
    is_learnt = rows < share * len(rows)
    surer = np.where(is_learnt, 0.999, one.confidence)
    is_later = rows >= len(rows) - later
    return one._replace(is_learnt=is_learnt, is_later=is_later, confidence=surer, margin=1 - surer)


@pytest.mark.parametrize(
    ("reference", "window", "later", "is_compared"),
    [
        (0.5, 0.0, 0, False),  # just trained, on half of what is compared with
        (0.5, 0.0, 499, False),  # and too little was said since
        (0.5, 0.0, 500, True),
        (0.05, 0.0, 0, True),  # hardly anything
        (0.5, 0.5, 0, True),  # a day long past
    ],
)
def test_what_a_classifier_learnt_from_is_no_drift(
    reference: float, window: float, later: int, is_compared: bool
) -> None:
    before, now = sample(400, 300, 300), sample(80, 60, 60, seed=1)
    one = found(learnt(before, reference, later), learnt(now, window, 200 if later else 0))
    assert (("confidence", None) in one, ("margin", None) in one) == (is_compared, is_compared)
    assert not [key for key, finding in one.items() if finding.is_alarm]


def test_of_turns_said_after_the_training_the_farthest_are_told() -> None:
    window = sample(80, 60, 60, seed=1)
    now = learnt(window, 0.0, later=120)
    far = np.flatnonzero(now.is_later)[-30:]
    now.x[far, 7] += 3
    told = measure(learnt(sample(400, 300, 300), 0.4, later=600), now, np.random.default_rng(0)).likeliest
    assert len(told) > 5 and set(told.tolist()) <= set(far.tolist())


@pytest.mark.parametrize(
    ("name", "effect", "is_alarm"),
    [
        ("psi", 0.051, True),
        ("psi", 0.049, False),
        ("jensen_shannon", 0.021, True),
        ("jensen_shannon", 0.019, False),
        ("embeddings", 0.021, True),
        ("embeddings", 0.019, False),
        ("novel", 0.001, True),
        ("intent", -0.2, True),
    ],
)
def test_an_alarm_needs_an_effect_where_small_ones_are_no_news(name: str, effect: float, is_alarm: bool) -> None:
    (one,) = judge([(name, None, Statistic(0.3 + effect, 0.3, 1e-9))])
    assert one.is_alarm is is_alarm


def test_an_alarm_is_corrected_for_how_many_were_looked_at() -> None:
    rest = [("intent", place, Statistic(0.1, 0.1, 0.5)) for place in range(9)]
    for p, is_alarm in ((1.1e-4, False), (0.9e-4, True)):
        first, *others = judge([("novel", None, Statistic(0.5, 0.2, p)), *rest])
        assert (first.is_alarm, any(one.is_alarm for one in others)) == (is_alarm, False)


def test_examples() -> None:
    assert doctest.testmod(statistics).failed == 0
