"""Heads tried on labels that they did not see: what the log, weak examples, a map and each C are worth."""

import math
from typing import NamedTuple

import numpy as np
from scipy.special import log_softmax

from service.learning import calibration
from service.learning.types import Bools1d, Floats1d, Floats2d, Ints1d
from workers import heads
from workers.heads import TOLERANCE, Data, Draw, Prototypes
from workers.regression import Linear

CS = (3.0, 10.0, 30.0, 100.0)
FIRST_C = 30.0
C_LABELS = 3_000  # labels that C is searched on
FOLDS = 4
CHECKED = 3_000  # labels held out once, of however many: a fold costs as much as the head
FOLD_LOG = 6_000  # turns of the log that a fold's prototypes look at
CHECKED_FROM = 20  # labels below which nothing can be checked
DOUBTED_FROM = 50  # labels with an intent, below which the log is used unchecked, and weak examples while in doubt
DOUBT = 2.0  # standard errors by which weak examples may then seem to cost
CONFIDENCE = 0.7  # mean probability of the best intent before labels say better
ROUGH_TOLERANCE = 1e-4  # of a trial with many labels, whose accuracy is the same


class Tuning(NamedTuple):
    """What an earlier fit found out and a later one keeps."""

    c: float
    searched_at: int  # labels there were when C was searched; searched again when they have doubled


class Fold(NamedTuple):
    """Some labels held out, and what is made of the others."""

    held: Bools1d  # (n,) of the labels that are held out at all
    seen: Data
    prototypes: Prototypes


class Trial(NamedTuple):
    """Logits of the labels held out by heads that did not see them."""

    folds: list[Fold]
    linear: list[Linear]  # by fold
    scores: Floats2d  # (n, k)
    losses: (
        Floats1d  # (n,) log loss of each label with an intent, at the temperature that suits these scores best; else 0
    )


def members(group: Ints1d, rng: np.random.Generator) -> Ints1d:
    """(n,) fold of each label; groups are dealt out evenly, in random order."""
    groups, of_group = np.unique(group, return_inverse=True)
    dealt: Ints1d = rng.permutation(len(groups)) % FOLDS
    return dealt[of_group]


def hold_out(data: Data, member: Ints1d, rng: np.random.Generator) -> tuple[Data, list[Fold]]:
    """The labels that are held out, each once, and the folds: of many labels the first ones, which are enough to tell;
    none with too few labels to spare."""
    if np.count_nonzero(data.column >= 0) < CHECKED_FROM:
        return data, []
    log = some(data.log, FOLD_LOG, rng)
    count = min(FOLDS, math.ceil(FOLDS * CHECKED / len(member)))
    held = member[member < count]
    seen = [data.rows(member != fold)._replace(log=log) for fold in range(count)]
    return data.rows(member < count), [Fold(held == fold, rest, heads.draw(rest)) for fold, rest in enumerate(seen)]


def some(log: Floats2d, most: int, rng: np.random.Generator) -> Floats2d:
    return log if len(log) <= most else log[np.sort(rng.choice(len(log), most, replace=False))]


def tried(data: Data, folds: list[Fold], c: float, start: Trial | None = None) -> Trial | None:
    """`data`: the labels that are held out. `start`: a trial of the same folds, so that its heads saw no more."""
    if not folds:
        return None
    starts = [None] * len(folds) if start is None else start.linear
    return _of_folds(data, folds, [_of_fold(fold, c, near) for fold, near in zip(folds, starts, strict=True)])


def mapped_trial(data: Data, trial: Trial, draw: Draw, c: float, rng: np.random.Generator) -> Trial:
    linear = [heads.mapped(fold.seen, one, draw, c, rng) for fold, one in zip(trial.folds, trial.linear, strict=True)]
    return _of_folds(data, trial.folds, linear)


def _of_folds(data: Data, folds: list[Fold], linear: list[Linear]) -> Trial:
    scores = np.zeros((len(data.x), len(data.ids)))
    for fold, one in zip(folds, linear, strict=True):
        scores[fold.held] = one.of(data.x[fold.held])
    return Trial(folds, linear, scores, _losses(data, scores))


def _of_fold(fold: Fold, c: float, start: Linear | None) -> Linear:
    # Few labels are fitted as the head is: ended early, one C would look like another.
    tolerance = TOLERANCE if len(fold.seen.x) <= CHECKED else ROUGH_TOLERANCE
    return heads.regress(fold.seen, fold.prototypes, c, tolerance, start)


def _losses(data: Data, scores: Floats2d) -> Floats1d:
    """Of few labels log loss tells more than accuracy does."""
    inside = data.column >= 0
    columns, weights = data.column[inside], data.weight[inside]
    prior = calibration.prior_temperature(scores[inside], CONFIDENCE)
    best = calibration.temperature(scores[inside], columns, weights, prior)
    losses = np.zeros(len(scores))
    losses[inside] = -log_softmax(scores[inside] / best, axis=1)[np.arange(len(columns)), columns]
    return losses


def _loss(data: Data, trial: Trial) -> float:
    return float(np.average(trial.losses, weights=data.weight))


def pays(data: Data, drawn: Trial, named: Trial) -> bool:
    """Whether the log helps: it did on the public logs, and a few labels shall not gainsay that by chance. So it is
    left aside when it raises the loss of enough labels by more than a standard error."""
    if np.count_nonzero(data.column >= 0) < DOUBTED_FROM:
        return True
    mean, error = _gain(data, drawn, named)
    return mean > -error


def costs(data: Data, tried: Trial, trial: Trial) -> bool:
    """Whether weak examples are left aside: with enough labels unless these are told better with them, for what labels
    do not show to help may harm, and they are there to say it. With fewer, when they raise the loss by more than two
    standard errors. Few labels are of the functions' intents, so either may err: on CLINC150's validation part, with
    150 labels, functions that add .006 to the accuracy seemed to cost 1.7, and are lost."""
    n = np.count_nonzero(data.column >= 0)
    if not n:
        return False
    mean, error = _gain(data, tried, trial)
    return mean <= 0 if n >= DOUBTED_FROM else mean < -DOUBT * error


def _gain(data: Data, tried: Trial, trial: Trial) -> tuple[float, float]:
    """By how much the loss is lower in the first trial than in the second, and the standard error of that."""
    inside = data.column >= 0
    gains, weights = (trial.losses - tried.losses)[inside], data.weight[inside]
    mean = float(np.average(gains, weights=weights))
    spread = float(np.average((gains - mean) ** 2, weights=weights))
    return mean, float(np.sqrt(spread / len(gains)))


def accuracy(data: Data, trial: Trial | None) -> float | None:
    inside = data.column >= 0
    if trial is None or not inside.any():
        return None
    right = trial.scores[inside].argmax(axis=1) == data.column[inside]
    return float(np.average(right, weights=data.weight[inside]))


def tuned(data: Data, member: Ints1d, tuning: Tuning | None, rng: np.random.Generator) -> Tuning:
    """C as it was, or searched anew when the labels have doubled since."""
    known, n = tuning or Tuning(FIRST_C, 0), len(data.x)
    if n < 2 * known.searched_at:
        return known
    keep = np.zeros(n, np.bool_)
    keep[rng.permutation(n)[:C_LABELS]] = True
    some, folds = hold_out(data.rows(keep), member[keep], rng)
    trials = [(_loss(some, trial), c) for c in CS if (trial := tried(some, folds, c)) is not None]
    return Tuning(min(trials)[1], n) if trials else known


def gated(data: Data, folds: list[Fold]) -> Floats1d:
    """(n,) the gate's probabilities of the labels by gates that did not see them."""
    gate = np.zeros(len(data.x))
    for fold in folds:
        rows = fold.prototypes.rows
        gate[fold.held] = heads.fit_gate(fold.seen, rows).of(data.x[fold.held], rows)
    return gate
