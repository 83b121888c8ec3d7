"""Which unlabelled turns to ask about next: every way we know behind one registry, for measuring them side by side.

A strategy sees vectors and probabilities, never a label. Whatever it does, these hold of its answer: positions are
distinct, ties go to the smaller id, and the order of the pool's rows does not change it: a strategy is given the rows
in the order of their ids, so what it draws, it draws by id. No strategy holds an (n, n) or (n, k·d) array; the largest
square is that of the shortlist of `default`. For 100 of 100,000 turns (384-d, 150 intents, one busy core) the slowest,
badge, takes 11 s, and the process never more than 900 MB, the pool's 510 among them.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from service.learning import diversity, uncertainty
from service.learning.ranking import top
from service.learning.types import Floats1d, Floats2d, Floats3d, Ints1d

CHUNK = 4_096  # rows of a product
DIGITS = 6  # of a cosine: the same two rows multiply to a slightly different one at another place in a matrix
CLUSTERS = 500  # at most, of `typicality`, as in TypiClust
SAMPLE = 5_000  # rows that its clusters are found on
TYPICAL = 20  # neighbours
LOOKED_AT = 1_000  # rows of a cluster that may be its most typical


class Pool(NamedTuple):
    """What a strategy may look at: n unlabelled turns and m labelled ones. No label of an unlabelled turn is here."""

    ids: Ints1d  # (n,) distinct, in any order
    x: Floats2d  # (n, d) rows of unit length
    proba: Floats2d  # (n, k) calibrated probabilities
    known: Floats2d  # (m, d) vectors of the labelled turns, of unit length
    committee: Floats3d  # (c, n, k) probabilities of c heads fitted on resamples; c = 0 where nobody asked for one
    outside: Floats1d  # (n,) the gate's probability that no intent is meant; 0 without a gate


Strategy = Callable[[Pool, int, np.random.Generator], Ints1d]
"""(pool, n, rng) -> up to n distinct positions, best first; fewer when the pool has no more, or (`default`) when what
is left repeats what was picked. ValueError names the array that holds NaN or infinity."""


def _by(score: Callable[[Pool], Floats1d]) -> Strategy:
    return lambda pool, n, _rng: top(score(pool), n, pool.ids)


def default(pool: Pool, n: int, rng: np.random.Generator) -> Ints1d:
    """What the ranking job does where nothing but margin speaks (no reports, entities or repeats): the most undecided
    of what is in scope, and of these a batch in which no two ask the same."""
    scores = uncertainty.in_scope(uncertainty.margin(pool.proba), pool.outside)
    best = top(scores, diversity.SHORTLIST * n, pool.ids)
    return best[diversity.batch(pool.x[best], scores[best], pool.ids[best], n, rng)]


def random(pool: Pool, n: int, rng: np.random.Generator) -> Ints1d:
    return rng.permutation(len(pool.ids))[:n]


def density(pool: Pool) -> Floats1d:
    """Margin times mean cosine to the pool, where that is positive, (n,) in [0, 1]: undecided, and like many others."""
    similarity = np.round(pool.x @ pool.x.mean(axis=0), DIGITS)
    return np.asarray(uncertainty.margin(pool.proba) * np.maximum(similarity, 0.0))


def disagreement(pool: Pool) -> Floats1d:
    """Mean KL of the committee to its mean, (n,) in [0, 1]: graded, where votes of a few heads would mostly tie."""
    if not len(pool.committee):
        raise ValueError("committee is empty: this strategy needs the probabilities of at least one other head")
    return np.round(uncertainty.disagreement(pool.committee), DIGITS)


def core_set(pool: Pool, n: int, _rng: np.random.Generator) -> Ints1d:
    """Greedy k-center: always the turn farthest from the labelled ones and the picks; the most central before any."""
    distances = 1 - _nearest(pool.x, pool.known) if len(pool.known) else pool.x @ pool.x.mean(axis=0)
    picks: list[int] = []
    while len(picks) < n:
        picks.append(int(np.round(distances, DIGITS).argmax()))
        to_pick = np.maximum(1 - pool.x @ pool.x[picks[-1]], 0.0)
        distances = np.minimum(distances, to_pick) if len(picks) > 1 or len(pool.known) else to_pick
        distances[picks] = -1.0
    return np.array(picks)


def _nearest(x: Floats2d, known: Floats2d) -> Floats1d:
    """Cosine of each row to the nearest of m >= 1 known ones, (n,)."""
    return np.concatenate([(x[rows] @ known.T).max(axis=1) for rows in _chunks(len(x))])


def _chunks(n: int) -> Iterator[slice]:
    return (slice(start, start + CHUNK) for start in range(0, n, CHUNK))


def badge(pool: Pool, n: int, rng: np.random.Generator) -> Ints1d:
    """k-means++ on the gradients (p - e_c) ⊗ x that the champion's own answer c would cause, the largest first; what
    no distance is left for follows by size of its gradient.

    ‖g_a - g_b‖² = ‖g_a‖² + ‖g_b‖² - 2·(r_a·r_b)(x_a·x_b) with r = p - e_c: the outer products are never made.
    """
    residuals = _residuals(pool.proba)
    sizes = (residuals**2).sum(axis=1) * (pool.x**2).sum(axis=1)
    picks, distances = [int(np.round(sizes, DIGITS).argmax())], np.full(len(sizes), np.inf)
    while len(picks) < n:
        at = picks[-1]
        sums = sizes + sizes[at]
        squares = sums - 2 * (residuals @ residuals[at]) * (pool.x @ pool.x[at])
        # What is smaller is rounding: equal gradients have no distance.
        distances = np.minimum(distances, np.where(squares > 1e-6 * sums, squares, 0.0))
        distances[picks] = 0.0
        if not distances.any():
            break
        picks.append(int(rng.choice(len(distances), p=distances / distances.sum())))
    return _filled(np.array(picks), np.round(sizes, DIGITS), n)


def _residuals(proba: Floats2d) -> Floats2d:
    """p - e_c, (n, k)."""
    residuals = np.array(proba, dtype=np.float64)
    if residuals.shape[1]:
        residuals[np.arange(len(proba)), proba.argmax(axis=1)] -= 1.0
    return residuals


def _filled(picks: Ints1d, scores: Floats1d, n: int) -> Ints1d:
    """The picks, then the best of the others, n in all."""
    order = np.argsort(-scores, kind="stable")
    return np.concatenate([picks, order[~np.isin(order, picks)]])[:n]


def typicality(pool: Pool, n: int, rng: np.random.Generator) -> Ints1d:
    """After TypiClust: of m + n clusters (at most CLUSTERS) the most typical turn, 1 / mean distance to the TYPICAL
    nearest in its cluster. Clusters with fewer labelled turns and picks go first, of these the larger."""
    centres = _centres(np.concatenate([pool.known, pool.x]), min(len(pool.known) + n, CLUSTERS), rng)
    clusters = _assigned(pool.x, centres)
    sizes = np.bincount(clusters, minlength=len(centres))
    taken = np.bincount(_assigned(pool.known, centres), minlength=len(centres))
    places = np.empty(len(clusters), dtype=np.int64)
    for cluster in np.unique(clusters):
        members = np.flatnonzero(clusters == cluster)
        places[members[_typical_first(pool.x[members])]] = np.arange(len(members))
    return np.lexsort((clusters, -sizes[clusters], taken[clusters] + places))[:n]


def _centres(x: Floats2d, k: int, rng: np.random.Generator) -> Floats2d:
    """Up to k centres (≤ k, d), of clusters found on SAMPLE rows."""
    sample = x if len(x) <= SAMPLE else x[np.sort(rng.choice(len(x), SAMPLE, replace=False))]
    clusters = diversity.weighted_kmeans(sample, np.ones(len(sample)), k, rng)
    order = np.argsort(clusters, kind="stable")
    _, starts, sizes = np.unique(clusters[order], return_index=True, return_counts=True)
    return np.asarray(np.add.reduceat(sample[order], starts) / sizes[:, None])


def _assigned(x: Floats2d, centres: Floats2d) -> Ints1d:
    """The nearest centre of each row, (n,); of equally near ones the first."""
    halves = (centres**2).sum(axis=1) / 2
    nearest = [np.round(x[rows] @ centres.T - halves, DIGITS).argmax(axis=1) for rows in _chunks(len(x))]
    return np.concatenate([np.zeros(0, np.int64), *nearest])


def _typical_first(x: Floats2d) -> Ints1d:
    """The rows of one cluster, most typical first; those far from its centre, and not looked at, last."""
    central = np.argsort(-np.round(x @ x.mean(axis=0), DIGITS), kind="stable")
    looked_at = np.sort(central[:LOOKED_AT])
    order = np.argsort(-_typicalities(x[looked_at]), kind="stable")
    return np.concatenate([looked_at[order], central[LOOKED_AT:]])


def _typicalities(x: Floats2d) -> Floats1d:
    """Of each row among these, (n,) > 0; 0 of a lone one."""
    nearest = min(TYPICAL, len(x) - 1)
    if nearest < 1:
        return np.zeros(len(x))
    cosines = np.round(x @ x.T, DIGITS)
    np.fill_diagonal(cosines, -np.inf)  # no row is its own neighbour
    return diversity.typicality(np.sort(np.partition(cosines, -nearest, axis=1)[:, -nearest:], axis=1))


def _in_order(strategy: Strategy) -> Strategy:
    """What holds of every strategy: bad numbers are refused, no more is asked for than there is, rows come by id."""

    def ordered(pool: Pool, n: int, rng: np.random.Generator) -> Ints1d:
        _refuse_nan(pool)
        wanted = min(n, len(pool.ids))
        if wanted <= 0:
            return np.zeros(0, dtype=np.int64)
        order = np.argsort(pool.ids, kind="stable")
        return order[strategy(_by_id(pool, order), wanted, rng)].astype(np.int64)

    return ordered


def _refuse_nan(pool: Pool) -> None:
    for name, array in pool._asdict().items():
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds NaN or infinity")


def _by_id(pool: Pool, order: Ints1d) -> Pool:
    if np.array_equal(order, np.arange(len(order))):  # the usual case needs no copy
        return pool
    return Pool(
        pool.ids[order], pool.x[order], pool.proba[order], pool.known, pool.committee[:, order], pool.outside[order]
    )


NEEDS_COMMITTEE = frozenset({"committee"})
STRATEGIES: dict[str, Strategy] = {
    name: _in_order(strategy)
    for name, strategy in {
        "default": default,
        "random": random,
        "least_confidence": _by(lambda pool: uncertainty.least_confidence(pool.proba)),
        "margin": _by(lambda pool: uncertainty.margin(pool.proba)),
        "entropy": _by(lambda pool: uncertainty.entropy(pool.proba)),
        "expected_model_change": _by(lambda pool: uncertainty.expected_model_change(pool.proba, pool.x)),
        "density_weighted": _by(density),
        "committee": _by(disagreement),
        "core_set": core_set,
        "typicality": typicality,
        "badge": badge,
    }.items()
}
