"""A batch of turns that do not ask the same thing. x is (n, d), rows of unit length; results are positions into it.

Everything is deterministic: randomness comes from the rng that is passed in, and ties go to the smaller id.
"""

import heapq
from collections.abc import Callable

import numpy as np

from service.learning.ranking import top
from service.learning.types import Floats1d, Floats2d, Ints1d

# Mean area under the curve from 150 to 1,500 labels (one of each intent first, batches of 100, logistic regression,
# three seeds, on CLINC150's validation part and on a fifth of BANKING77's train part): margin alone .837 and .838. From
# the 1,000 most undecided, facility location .869 and .863; k-means and the turn nearest its middle .869 and .863. From
# the 2,000, with squared scores for weights, .879 and .866. Uncertainty herding, which counts what is labelled as
# covered, .877 and .869 with all of the pool to cover, at many times the arithmetic; .870 and .866 with the 2,000.
# One seed, CLINC150: k-means and the best of each cluster .852, BADGE .832, A-optimal design .858 to .870.
BEST = "kmeans"
SHORTLIST = 20  # batches that are looked at closely
DUPLICATE = 0.95  # cosine from which on two turns say the same
DIGITS = 6  # of a distance: the same rows multiply to a slightly different one at another place in a matrix
ITERATIONS = 25  # of k-means; a shortlist of a few hundred settles in about ten

Diversifier = Callable[[Floats2d, Floats1d, Ints1d, int, np.random.Generator], Ints1d]


def batch(
    x: Floats2d, scores: Floats1d, ids: Ints1d, n: int, rng: np.random.Generator, *, diversifier: str = BEST
) -> Ints1d:
    """Up to n positions, best score first, no two of them duplicates; fewer when everything left is a duplicate.

    Of duplicates the best stands for all. From these the diversifier picks; what it leaves open is filled by score.
    scores (n,) >= 0, higher = ask first.
    """
    distinct = spread(x, top(scores, len(ids), ids), len(ids))
    of_distinct = DIVERSIFIERS[diversifier](x[distinct], scores[distinct], ids[distinct], n, rng)
    left = np.ones(len(distinct), dtype=np.bool_)
    left[of_distinct] = False
    picks = np.concatenate([distinct[of_distinct], distinct[left]])[:n]
    return picks[top(scores[picks], len(picks), ids[picks])]


def spread(x: Floats2d, order: Ints1d, n: int, *, radius: float = DUPLICATE) -> Ints1d:
    """The first n of `order` that have no duplicate (cosine >= radius) among those before them.

    >>> spread(np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), np.array([1, 0, 2]), 2).tolist()
    [1, 2]
    """
    kept: list[int] = []
    is_near = x @ x.T >= radius
    is_duplicate = np.zeros(len(x), dtype=np.bool_)
    for position in order.tolist():
        if len(kept) == n:
            break
        if not is_duplicate[position]:
            kept.append(position)
            is_duplicate |= is_near[position]
    return np.array(kept, dtype=np.int64)


def kmeans_batch(x: Floats2d, scores: Floats1d, ids: Ints1d, n: int, rng: np.random.Generator) -> Ints1d:
    """The turn nearest the middle of each of n clusters. Squared scores are the weights, so that clusters are small
    where much is worth asking; ties go to the smaller id."""
    weights = scores**2
    clusters = weighted_kmeans(x, weights, n, rng)
    middles = _means(x, weights, clusters, np.zeros((clusters.max(initial=0) + 1, x.shape[1])))
    distances = np.round(((x - middles[clusters]) ** 2).sum(axis=1), DIGITS)
    central = np.lexsort((ids, distances))
    _, first = np.unique(clusters[central], return_index=True)
    return central[np.sort(first)]


def weighted_kmeans(x: Floats2d, weights: Floats1d, k: int, rng: np.random.Generator) -> Ints1d:
    """Cluster of each row, (n,) in 0…k-1, some perhaps empty; weights (n,) >= 0 pull the centres."""
    if len(x) <= k:
        return np.arange(len(x))
    centres = x[_seeds(x, weights, k, rng)]
    clusters = _nearest(x, centres)
    for _ in range(ITERATIONS):
        centres = _means(x, weights, clusters, centres)
        moved = _nearest(x, centres)
        if np.array_equal(moved, clusters):
            break
        clusters = moved
    return clusters


def _seeds(x: Floats2d, weights: Floats1d, k: int, rng: np.random.Generator) -> Ints1d:
    """Greedy k-means++: of a few turns drawn by weight times squared distance to the nearest seed before, the one that
    leaves least of it; fewer seeds when none is left. (Arthur and Vassilvitskii 2007; as scikit-learn does it.)"""
    seeds, tries = [int(weights.argmax())], 2 + int(np.log(max(k, 1)))
    distances = _squares(x, x[seeds])[:, 0]
    while len(seeds) < k and (mass := weights * distances).sum() > 0:
        drawn = rng.choice(len(x), tries, p=mass / mass.sum())
        closer = np.minimum(distances[:, None], _squares(x, x[drawn]))
        best = int((weights @ closer).argmin())
        seeds.append(int(drawn[best]))
        distances = closer[:, best]
    return np.array(seeds)


def _nearest(x: Floats2d, centres: Floats2d) -> Ints1d:
    return np.asarray(_squares(x, centres).argmin(axis=1))


def _squares(x: Floats2d, centres: Floats2d) -> Floats2d:
    """Squared distances (n, k)."""
    cross = x @ centres.T
    return np.asarray(np.maximum((x**2).sum(axis=1)[:, None] - 2 * cross + (centres**2).sum(axis=1), 0.0))


def _means(x: Floats2d, weights: Floats1d, clusters: Ints1d, centres: Floats2d) -> Floats2d:
    """Weighted mean of each cluster; one without weight keeps its centre."""
    member = (clusters[:, None] == np.arange(len(centres))) * weights[:, None]
    mass = member.sum(axis=0)[:, None]
    return np.where(mass > 0, (member.T @ x) / np.where(mass > 0, mass, 1.0), centres)


def facility_location(x: Floats2d, scores: Floats1d, ids: Ints1d, n: int, _rng: np.random.Generator) -> Ints1d:
    """Greedy: each pick adds most to Σ_j score_j · max over picks of max(cosine, 0): it stands for most of the rest.

    At least 1 - 1/e of the best possible sum. Of equal gains the higher score wins, then the smaller id.
    """
    similar = np.maximum(x @ x.T, 0.0)
    covered = np.zeros(len(x))
    picks: list[int] = []
    # A gain only shrinks: what leads after being worked out anew is the best, whatever the others have become.
    gains = zip((-(similar @ scores)).tolist(), (-scores).tolist(), ids.tolist(), range(len(x)), strict=True)
    queue = sorted(gains)
    while queue and len(picks) < n:
        _, score, one, position = heapq.heappop(queue)
        gain = float(np.maximum(similar[position] - covered, 0.0) @ scores)
        entry = (-gain, score, one, position)
        if queue and entry > queue[0]:
            heapq.heappush(queue, entry)
            continue
        picks.append(position)
        covered = np.maximum(covered, similar[position])
    return np.array(picks, dtype=np.int64)


def k_center(x: Floats2d, scores: Floats1d, ids: Ints1d, n: int, _rng: np.random.Generator) -> Ints1d:
    """Greedy core-set: from the best score on, always the turn farthest from those picked; ties by score, then id."""
    picks = top(scores, 1, ids).tolist()
    distances = np.full(len(x), np.inf)
    while 0 < len(picks) < min(n, len(x)):
        distances = np.minimum(distances, _squares(x, x[picks[-1:]])[:, 0])
        distances[picks] = -1.0
        picks.append(int(np.lexsort((ids, -scores, -distances))[0]))
    return np.array(picks, dtype=np.int64)


def typicality(cosines: Floats2d) -> Floats1d:
    """1 / mean distance to the k nearest, (n,) > 0. cosines (n, k): to those, without the turn itself.

    >>> typicality(np.array([[0.5, 0.5], [0.875, 0.875]])).round(2).tolist()
    [1.0, 2.0]
    """
    distances = np.sqrt(np.maximum(2 - 2 * cosines, 0.0)).mean(axis=1)
    return np.asarray(1 / np.maximum(distances, 1e-6))


DIVERSIFIERS: dict[str, Diversifier] = {
    "kmeans": kmeans_batch,
    "facility_location": facility_location,
    "k_center": k_center,
}
