"""Everything that is measured of a window beside its reference, and what of it is an alarm. From arrays alone.

Both samples are decided by one classifier, which is surer of turns that it learnt from. On CLINC150, one trained on a
log of 5,000 turns with 100, 400, 1,000 and 2,500 of them labelled takes 0, 2, 2 and 6 of 6 quiet windows beside that
log for alarms, and none of 16 beside turns that it never saw. So what it makes of the turns is compared where it learnt
from as much of the one sample as of the other; else of turns said after its training; else not at all.

The turns of one conversation go together, so that a sample holds one of
each: the tests take turns for drawn one by one."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import logit

from service.learning import domain, drift
from service.learning.domain import Domain, Turns
from service.learning.drift import Statistic
from service.learning.head import NONE, Head, decide, familiarity, out_of_scope, probabilities
from service.learning.types import Bools1d, Floats1d, Floats2d, Ints1d
from service.learning.uncertainty import margin

EDGE = 0.001  # no probability is nearer to 0 or 1
LEARNT = 0.05  # by which the shares of two samples that a classifier learnt from may differ
LATER = 500  # turns of a reference said after the training
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
    is_learnt: Bools1d  # (n,) the classifier was trained on them
    is_later: Bools1d  # (n,) said after its training


def decided(
    head: Head,
    x: Floats2d,
    *,
    is_fallback: Bools1d,
    is_reported: Bools1d,
    structures: Sequence[str],
    is_learnt: Bools1d,
    is_later: Bools1d,
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
        is_learnt=is_learnt,
        is_later=is_later,
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
    `structure` (one each), `embeddings` (AUC) and `novel`; `confidence` and `margin` only where they are comparable."""
    rows = comparable(reference, window)
    told = _told_apart(reference, window, rows, rng)
    named = [
        *_mix(reference, window),
        *(_scores(reference, window, rows) if rows else ()),
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


Rows = tuple[Ints1d, Ints1d]  # of the reference and of the window


def comparable(reference: Sample, window: Sample) -> Rows | None:
    """Turns that the classifier knows as well as each other; None: too few."""
    if abs(reference.is_learnt.mean() - window.is_learnt.mean()) <= LEARNT:
        return np.arange(len(reference.x)), np.arange(len(window.x))
    before, after = np.flatnonzero(reference.is_later), np.flatnonzero(window.is_later)
    return (before, after) if len(before) >= LATER and 2 * len(after) >= len(window.x) else None


def _told_apart(reference: Sample, window: Sample, rows: Rows | None, rng: np.random.Generator) -> Domain:
    """By the vectors alone where nothing else can be compared."""
    if rows is None:
        return domain.compare(_said(reference), _said(window), rng)
    before, after = rows
    told = domain.compare(_seen(reference, before), _seen(window, after), rng)
    return told._replace(likeliest=after[told.likeliest])


def _said(sample: Sample) -> Turns:
    return Turns(sample.x, sample.x[:, :0])


def _seen(sample: Sample, rows: Ints1d) -> Turns:
    sure = (logit(np.clip(p[rows], EDGE, 1 - EDGE)) for p in (sample.confidence, sample.out_of_scope))
    return Turns(sample.x[rows], np.column_stack([*sure, sample.familiarity[rows]]))


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
    subjects = sorted(before.keys() | after.keys())
    counts = [np.array([counted[one] for one in subjects], np.int64) for counted in (before, after)]
    found = drift.rates(counts[0], len(reference.decided), counts[1], len(window.decided))
    yield from ((name, *one) for one in zip(subjects, found, strict=True))


def _scores(reference: Sample, window: Sample, rows: Rows) -> Iterator[Named]:
    before, after = rows
    yield "confidence", None, drift.kolmogorov_smirnov(reference.confidence[before], window.confidence[after])
    yield "margin", None, drift.kolmogorov_smirnov(reference.margin[before], window.margin[after])


def _rates(reference: Sample, window: Sample) -> Iterator[Named]:
    for name, before, after in (
        ("out_of_scope", reference.decided == NONE, window.decided == NONE),
        ("fallback", reference.is_fallback, window.is_fallback),
        ("reports", reference.is_reported, window.is_reported),
    ):
        yield name, None, drift.rate(int(before.sum()), len(before), int(after.sum()), len(after))
