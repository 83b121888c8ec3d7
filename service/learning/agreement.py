"""How far people who answer the same questions agree."""

import numpy as np

from service.learning.types import Ints2d


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
