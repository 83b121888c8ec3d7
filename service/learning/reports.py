"""What a report is worth, and where reports gather.

A report is evidence, not a label: q is the chance that it is right, i.e. that the bot's answer was wrong. Belief in it
never lowers the priority of the turn it is about; `pressure` says why that holds for the reports around a turn.
"""

import numpy as np
from scipy import sparse

from service.learning.types import Bools1d, Floats1d, Floats2d, Ints1d
from service.learning.uncertainty import in_scope

PRIOR = {
    "correction": 0.9,  # the user took the trouble to name the right intent
    "wrong_answer": 0.7,
    "thumbs_down": 0.5,  # "wrong" and "I did not like it" look alike
    "fallback": 0.5,
    "rephrase": 0.5,
    "handoff": 0.4,
    "low_rating": 0.35,  # of the whole conversation, so of any of its turns
    "abandoned": 0.2,  # most people leave because they have what they came for
}
REVIEWED = 0.1  # of the reported turns are asked about whatever their priority: what q is learnt from
PSEUDO_REVIEWS = 10.0  # that the prior counts for
MOST = 3.0  # certain reports that one person is believed in the whole bot
HALF_LIFE_DAYS = 14.0
KERNEL_FLOOR = 0.6  # cosine from which on two turns share their reports
BASE_TURNS = 100.0  # the base rate starts from one report in a hundred turns
BASE_REPORTS = 1.0
PSEUDO_REPORTS = 1.0  # a neighbourhood starts from one report at the base rate
NOBODY = ""  # reports without a person share this one


def learnt(prior: float, right: int, reviewed: int) -> float:
    """q of a kind after that many reviews of reports drawn at random: the Beta posterior's mean, in (0, 1).

    >>> learnt(0.5, 0, 10), learnt(0.5, 10, 10), learnt(0.5, 0, 0)
    (0.25, 0.75, 0.5)
    """
    return (PSEUDO_REVIEWS * prior + right) / (PSEUDO_REVIEWS + reviewed)


def decay(q: Floats1d, age_days: Floats1d) -> Floats1d:
    """q halved for every 14 days of event time; a negative age (two systems' clocks) counts as none.

    >>> decay(np.array([0.8, 0.8, 0.8]), np.array([0.0, 14.0, -1.0])).tolist()
    [0.8, 0.4, 0.8]
    """
    return np.asarray(q * 0.5 ** (np.maximum(age_days, 0.0) / HALF_LIFE_DAYS))


def by_person(turns: Ints1d, persons: Ints1d, q: Floats1d, shape: tuple[int, int]) -> sparse.csr_array:
    """q of the strongest report of each person (column) on each turn (row); the arguments (r,) have a row per report.

    >>> by_person(np.array([0, 0, 1]), np.array([0, 0, 1]), np.array([0.5, 0.7, 0.2]), (2, 2)).toarray().tolist()
    [[0.7, 0.0], [0.0, 0.2]]
    """
    strongest_first = np.argsort(-q, kind="stable")
    cells = turns[strongest_first] * shape[1] + persons[strongest_first]
    taken, first = np.unique(cells, return_index=True)
    return sparse.csr_array((q[strongest_first][first], np.divmod(taken, max(shape[1], 1))), shape=shape)


def ration(q: sparse.csr_array, is_named: Bools1d) -> sparse.csr_array:
    """q (m, u) scaled so that no named person (column) says more than MOST in the whole bot: who reports a few turns is
    believed, who reports everything is not. Reports without a person are many people's, and left alone.

    Another report on a turn, or a higher q, never lowers what is left of *that* turn's: q/(q + rest) grows with q.

    >>> ration(sparse.csr_array([[0.5, 4.0], [0.5, 2.0]]), np.array([True, True])).toarray().tolist()
    [[0.5, 2.0], [0.5, 1.0]]
    """
    said = np.asarray(q.sum(axis=0), dtype=np.float64)
    scale = np.where(is_named & (said > MOST), MOST / np.maximum(said, MOST), 1.0)
    return sparse.csr_array(q @ sparse.diags_array(scale))


def combine(q: sparse.csr_array) -> Floats1d:
    """1 - Π(1 - q_i) over the persons (columns) who reported a turn (row), (m,) in [0, 1].

    >>> combine(sparse.csr_array([[0.5, 0.5], [0.0, 0.3]])).round(2).tolist()
    [0.75, 0.3]
    """
    entries = q.tocoo()
    doubt = np.ones(q.shape[0])
    np.multiply.at(doubt, entries.coords[0], 1 - entries.data)
    return np.asarray(1 - doubt)


def believe(proba: Floats2d, answered: Ints1d, q: Floats1d) -> Floats2d:
    """p̃ = (1 - q)·p + q·p₋ŷ, (n, k): the probabilities once the reports on each turn are believed with chance q.

    proba (n, k); answered (n,): column of ŷ, what the bot answered, -1 when that is no column; q (n,) in [0, 1]. p₋ŷ is
    p without ŷ, renormalised; uniform over the others when p(ŷ) = 1. Where ŷ is the only intent nobody takes its mass:
    the row sums to 1 - q.

    >>> believe(np.array([[0.8, 0.1, 0.1]]), np.array([0]), np.array([0.5])).round(2).tolist()
    [[0.4, 0.3, 0.3]]
    """
    return np.asarray((1 - q)[:, None] * proba + q[:, None] * without(proba, answered))


def without(proba: Floats2d, answered: Ints1d) -> Floats2d:
    """p₋ŷ, (n, k); the arguments as of `believe`.

    >>> without(np.array([[0.5, 0.4, 0.1], [1.0, 0.0, 0.0]]), np.array([0, 0])).tolist()
    [[0.0, 0.8, 0.2], [0.0, 0.5, 0.5]]
    """
    others = np.arange(proba.shape[1]) != answered[:, None]
    kept = np.where(others, proba, 0.0)
    kept = np.where(kept.sum(axis=1, keepdims=True) > 0, kept, others)
    mass = kept.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(kept, mass, out=np.zeros(proba.shape), where=mass > 0))


def reported_uncertainty(
    undecided: Floats1d, proba: Floats2d, answered: Ints1d, q: Floats1d, outside: Floats1d
) -> Floats1d:
    """max(u, 1 - p̃(c)) · (1 - (1 - q)·g), (n,) in [0, 1]; c = argmax p: the expected error of whom the owner doubts
    once reports are believed, of a turn that is in scope. u is `undecided` (n,), at least 1 - p(c), and p `proba`
    (n, k), as confidence.py gives them; g is `outside` (n,), the gate's probability; it counts as far as nobody
    complained that the bot had no answer.

    Never falls as q grows. Where ŷ is c, p̃(c) falls with q; where it is not, 1 - p̃(c) <= 1 - p(c) <= u.

    >>> proba, answered = np.array([[0.8, 0.2], [0.8, 0.2]]), np.array([0, 1])
    >>> undecided, q, outside = np.array([0.4, 0.4]), np.array([0.75, 0.75]), np.zeros(2)
    >>> reported_uncertainty(undecided, proba, answered, q, outside).round(2).tolist()
    [0.8, 0.4]
    """
    if proba.shape[1]:
        chosen = proba.argmax(axis=1)[:, None]
        believed = np.take_along_axis(believe(proba, answered, q), chosen, axis=1)[:, 0]
        undecided = np.clip(np.maximum(undecided, 1 - believed), 0.0, 1.0)
    return in_scope(undecided, (1 - q) * outside)


def kernel(cosines: Floats2d) -> Floats2d:
    """How much a turn at that cosine counts as being *here*, any shape: 1 at the turn itself, 0 from cosine .6 on.

    >>> kernel(np.array([1.0, 0.8, 0.5])).round(2).tolist()
    [1.0, 0.5, 0.0]
    """
    return np.asarray(np.clip((cosines - KERNEL_FLOOR) / (1 - KERNEL_FLOOR), 0.0, 1.0))


def base_rate(q: sparse.csr_array, turns: int) -> float:
    """Reports per turn of the whole bot, smoothed, > 0; a person adds at most 1, as to a neighbourhood.

    q (m, u): of each person on each reported turn, as `by_person` makes it.

    >>> round(base_rate(sparse.csr_array([[0.5, 0.7], [0.8, 0.0]]), 100), 4)
    0.0135
    """
    return float((np.minimum(q.sum(axis=0), 1.0).sum() + BASE_REPORTS) / (turns + BASE_TURNS))


def pressure(near: sparse.csr_array, q: sparse.csr_array, exposure: Floats1d, base: float) -> Floats1d:
    """e(x), (n,) >= 0: by how much the report rate around each turn exceeds the base rate, as a multiple of it.

    near (n, m): kernel between each turn and each reported turn, 1 to itself; q (m, u): as `by_person` makes it;
    exposure (n,): the kernel summed over all turns around, itself included, at most the bot's turns; base: `base_rate`.

    A person adds R_u = min(1, Σ kernel·q). With R = Σ R_u reports where E = exposure·base are expected, and one report
    at the base rate as prior, e = max(0, (R + 1)/(E + 1) - 1).

    One more report on x, or a higher q, never lowers e(x): what its person says around x is part of what it says in the
    whole bot, so by concavity of the cap R grows by at least as much as the count B behind the base rate; and since
    R <= B and exposure <= turns, the fraction grows. A person at the ration (MOST >= 1) adds 1 to B whatever more it
    says, and its share around x grows by what it says on x.

    >>> near, q = sparse.csr_array([[1.0], [0.0]]), sparse.csr_array([[0.7]])
    >>> pressure(near, q, np.array([1.0, 1.0]), 0.01).round(3).tolist()
    [0.683, 0.0]
    """
    found = near @ q
    found.data = np.minimum(found.data, 1.0)
    reports = np.asarray(found.sum(axis=1), dtype=np.float64)
    return np.asarray(np.maximum((reports + PSEUDO_REPORTS) / (exposure * base + PSEUDO_REPORTS) - 1, 0.0))
