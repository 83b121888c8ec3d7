"""How far people who answer the same questions agree, and what is right where they do not."""

import numpy as np

from service.learning.types import Floats2d, Ints2d
from service.learning.weak import ABSTAINS, posterior

ROUNDS, TOLERANCE = 100, 1e-5  # of expectation maximisation
TINY = 1e-10  # no chance is 0: its logarithm is taken


def alpha(counts: Ints2d) -> float | None:
    """Krippendorff's α for nominal answers: 1 = all agree, 0 = no more than by chance, below that less; None where
    nothing can be compared, or everything that can is one and the same answer. Above .8 the answers can be relied on,
    below .667 not. `counts` (n, k): how many gave each of k answers to each of n questions; what only one person
    answered is left out.

    With m pairable answers, n_k of them k, α = 1 − D_o / D_e, D_o = Σ_u (m_u² − Σ_k n_uk²) / (m_u − 1) / m, and
    D_e = (m² − Σ_k n_k²) / (m (m − 1)) (Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability").

    >>> round(alpha(np.array([[2, 0], [2, 0], [0, 2], [1, 1]])), 3)
    0.533
    """
    pairable = counts[counts.sum(axis=1) > 1]
    answers = pairable.sum(axis=1)
    m = int(answers.sum())
    expected = m**2 - int((pairable.sum(axis=0) ** 2).sum())
    if not expected:
        return None
    observed = float(((answers**2 - (pairable**2).sum(axis=1)) / (answers - 1)).sum())
    return 1 - (m - 1) * observed / expected


def alpha_of(counts: Ints2d, k: int) -> float | None:
    """α of one answer against all others together: whether people know it when they see it."""
    return alpha(np.stack([counts[:, k], counts.sum(axis=1) - counts[:, k]], axis=1))


def one_coin(votes: Ints2d, k: int, prior: float) -> Floats2d:
    """(n, k) probability of each class after the votes (n, f) of f reviewers, ABSTAINS for none: Dawid and Skene (1979)
    with one skill a reviewer, by expectation maximisation from the majority. Each skill is learnt as if its reviewer
    had given `prior` more answers and been right as often as all are. k ≥ 1; every row has a vote.

    >>> votes = np.array([[0, 0, 1], [1, 1, 0], [0, 0, 0], [1, 1, 1], [0, -1, 1]])
    >>> one_coin(votes, 2, 1.0).round(2).tolist()[-1]
    [0.97, 0.03]
    """
    rows, reviewers = np.nonzero(votes != ABSTAINS)
    said, f = votes[rows, reviewers], votes.shape[1]
    given = np.bincount(reviewers, minlength=f)
    believed: Floats2d = np.zeros((len(votes), k))
    np.add.at(believed, (rows, said), 1.0)
    believed = np.asarray(believed / believed.sum(axis=1, keepdims=True))
    for _ in range(ROUNDS):
        right = np.bincount(reviewers, weights=believed[rows, said], minlength=f)
        skill = (right + prior * right.sum() / given.sum()) / (given + prior)
        frequency = np.broadcast_to(believed.mean(axis=0), believed.shape)
        before, believed = believed, posterior(votes, frequency.clip(TINY), skill.clip(TINY, 1 - TINY))
        if np.abs(believed - before).max() < TOLERANCE:
            break
    return believed
