"""Everything that is measured of a window beside its reference, and what of it is an alarm. From arrays alone.

Both samples are decided by one classifier. The turns of one conversation go together, so that a sample holds one of
each: the tests take turns for drawn one by one."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import logit

from service.learning import domain, drift
from service.learning.drift import Statistic
from service.learning.head import NONE, Head, decide, familiarity, out_of_scope, probabilities
from service.learning.types import Bools1d, Floats1d, Floats2d, Ints1d
from service.learning.uncertainty import margin

EDGE = 0.001  # no probability is nearer to 0 or 1
LEVEL = 0.001  # p, after Holm's correction over all statistics of a window
# Effects that an alarm needs besides, where small ones are no news.
THRESHOLDS: Mapping[str, float] = {"psi": 0.05, "jensen_shannon": 0.02, "embeddings": 0.02}


class Sample(NamedTuple):
    """n turns of a window, one of each conversation, as one classifier decides them."""

    x: Floats2d  # (n, d)
    decided: Ints1d  # (n,) intent ids, NONE for out of scope
    confidence: Floats1d  # (n,) largest probability
    margin: Floats1d  # (n,) 1 minus the distance of the two largest
    out_of_scope: Floats1d  # (n,) the gate's probability
    familiarity: Floats1d  # (n,) cosine with the nearest prototype
    is_fallback: Bools1d  # (n,) as the platform said
    is_reported: Bools1d  # (n,)
    structures: Sequence[str]  # n entity signatures


def decided(
    head: Head, x: Floats2d, *, is_fallback: Bools1d, is_reported: Bools1d, structures: Sequence[str]
) -> Sample:
    """The sample of n vectors as the head decides them."""
    proba = probabilities(head, x)
    return Sample(
        x=x,
        decided=decide(head, x),
        confidence=proba.max(axis=1),
        margin=margin(proba),
        out_of_scope=out_of_scope(head, x),
        familiarity=familiarity(head, x),
        is_fallback=is_fallback,
        is_reported=is_reported,
        structures=structures,
    )


class Finding(NamedTuple):
    """A statistic by name; `p` is Holm's. `subject`: the intent's id or the entity signature it is about."""

    name: str
    subject: int | str | None
    statistic: Statistic
    p: float
    is_alarm: bool


class Findings(NamedTuple):
    found: list[Finding]
    likeliest: Ints1d  # rows of the window that differ most from the reference, the farthest first


def measure(reference: Sample, window: Sample, rng: np.random.Generator) -> Findings:
    """`psi`, `jensen_shannon`, `intent` (one each), `confidence`, `margin`, `out_of_scope`, `fallback`, `reports`,
    `structure` (one each), `embeddings` (AUC) and `novel`."""
    told = domain.compare(_seen(reference), _seen(window), rng)
    named = [
        *_mix(reference, window),
        *_scores(reference, window),
        *_rates(reference, window),
        *_each(
            "structure",
            Counter(filter(None, reference.structures)),
            Counter(filter(None, window.structures)),
            reference,
            window,
        ),
        ("embeddings", None, told.auc),
        ("novel", None, told.novel),
    ]
    return Findings(judge(named), told.likeliest)


Named = tuple[str, int | str | None, Statistic]


def judge(named: Sequence[Named]) -> list[Finding]:
    """Holm over all of them; an alarm is p < LEVEL and, where one is set, an effect over its threshold.

    >>> found = judge([("psi", None, Statistic(0.2, 0.14, 1e-9)), ("margin", None, Statistic(0.1, 0.04, 0.0006))])
    >>> [(one.name, one.p, one.is_alarm) for one in found]
    [('psi', 2e-09, True), ('margin', 0.0006, True)]
    """
    corrected = drift.holm(np.array([statistic.p for _, _, statistic in named])).tolist()
    return [
        Finding(name, subject, statistic, p, p < LEVEL and statistic.effect > THRESHOLDS.get(name, -np.inf))
        for (name, subject, statistic), p in zip(named, corrected, strict=True)
    ]


def _seen(sample: Sample) -> domain.Turns:
    sure = (logit(np.clip(p, EDGE, 1 - EDGE)) for p in (sample.confidence, sample.out_of_scope))
    return domain.Turns(sample.x, np.column_stack([*sure, sample.familiarity]))


def _mix(reference: Sample, window: Sample) -> Iterator[Named]:
    before, after = (Counter(sample.decided.tolist()) for sample in (reference, window))
    ids = sorted(before.keys() | after.keys())
    counts = [np.array([counted[intent_id] for intent_id in ids]) for counted in (before, after)]
    yield "psi", None, drift.psi(*counts)
    yield "jensen_shannon", None, drift.jensen_shannon(*counts)
    del before[NONE], after[NONE]  # a rate of its own
    yield from _each("intent", before, after, reference, window)


def _each(name: str, before: Counter[Any], after: Counter[Any], reference: Sample, window: Sample) -> Iterator[Named]:
    """One statistic for each class: its share of all turns."""
    n, m = len(reference.decided), len(window.decided)
    for subject in sorted(before.keys() | after.keys()):
        yield name, subject, drift.rate(before[subject], n, after[subject], m)


def _scores(reference: Sample, window: Sample) -> Iterator[Named]:
    yield "confidence", None, drift.kolmogorov_smirnov(reference.confidence, window.confidence)
    yield "margin", None, drift.kolmogorov_smirnov(reference.margin, window.margin)


def _rates(reference: Sample, window: Sample) -> Iterator[Named]:
    for name, before, after in (
        ("out_of_scope", reference.decided == NONE, window.decided == NONE),
        ("fallback", reference.is_fallback, window.is_fallback),
        ("reports", reference.is_reported, window.is_reported),
    ):
        yield name, None, drift.rate(int(before.sum()), len(before), int(after.sum()), len(after))
