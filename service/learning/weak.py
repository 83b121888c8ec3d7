"""Labelling functions' votes made into labels: how often each function is right, and what they say together.

FIGURES
"""

import numpy as np

from service.learning.types import Floats1d, Floats2d, Ints1d, Ints2d

ABSTAINS = -1  # instead of a class's column
TRUST = np.array([2.0, 1.0])  # right and wrong votes that a function begins with
UNLABELLED = 0.1  # labels that a vote beside another one on an unlabelled turn counts for
ROUNDS = 20


def tally(votes: Ints2d, truth: Ints1d) -> tuple[Ints1d, Ints1d]:
    """Of each function (f,): its right votes, and all of them. votes (n, f) and truth (n,) are columns of classes;
    a truth below zero is none of them, so every vote on it is wrong.

    >>> right, said = tally(np.array([[0, 1], [-1, 1], [2, 0]]), np.array([0, 1, -1]))
    >>> right.tolist(), said.tolist()
    ([1, 1], [2, 3])
    """
    is_vote = votes != ABSTAINS
    return (is_vote & (votes == truth[:, None])).sum(axis=0), is_vote.sum(axis=0)


def accuracy(votes: Ints2d, k: int, right: Ints1d, said: Ints1d) -> Floats1d:
    """(f,) share of each function's votes that are right, in (0, 1): the mean of a Beta posterior over the labelled
    turns and, by expectation maximisation, over the unlabelled ones (m, f) on which it is not alone. k classes.

    >>> agreed = np.array([[0, 0, 1]] * 50)
    >>> accuracy(agreed, 3, np.zeros(3, int), np.zeros(3, int)).round(2).tolist()
    [0.87, 0.87, 0.25]
    """
    together = votes[(votes != ABSTAINS).sum(axis=1) > 1]
    heard = UNLABELLED * (together != ABSTAINS).sum(axis=0)
    found = (TRUST[0] + right) / (TRUST.sum() + said)
    for _ in range(ROUNDS):
        agreed = UNLABELLED * _agreement(together, posterior(together, k, found))
        found = (TRUST[0] + right + agreed) / (TRUST.sum() + said + heard)
    return np.asarray(found)


def _agreement(votes: Ints2d, believed: Floats2d) -> Floats1d:
    """(f,) the believed number of right votes."""
    rows, functions = np.nonzero(votes != ABSTAINS)
    return np.bincount(functions, weights=believed[rows, votes[rows, functions]], minlength=votes.shape[1])


def posterior(votes: Ints2d, k: int, accuracies: Floats1d) -> Floats2d:
    """(m, k) probability of each class after the votes (m, f) on a turn; rows sum to 1. Alone, a function that is right
    with chance a gives its class a, and the others the rest in equal parts; without a vote all are alike.

    >>> posterior(np.array([[0, 0], [0, 1], [-1, -1]]), 4, np.array([0.7, 0.5])).round(2).tolist()
    [[0.87, 0.04, 0.04, 0.04], [0.58, 0.25, 0.08, 0.08], [0.25, 0.25, 0.25, 0.25]]
    """
    evidence = np.zeros((len(votes), k))
    rows, functions = np.nonzero(votes != ABSTAINS)
    chance = accuracies[functions]
    np.add.at(evidence, (rows, votes[rows, functions]), np.log(chance * max(k - 1, 1)) - np.log1p(-chance))
    odds = np.exp(evidence - evidence.max(axis=1, keepdims=True, initial=0.0))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def winners(votes: Ints2d, k: int, accuracies: Floats1d) -> tuple[Ints1d, Floats1d]:
    """(m,) the most probable class of each turn and its probability; 0 without a vote."""
    believed = posterior(votes, k, accuracies)
    spoke = (votes != ABSTAINS).any(axis=1)
    return believed.argmax(axis=1), np.where(spoke, believed.max(axis=1), 0.0)


def coverage(votes: Ints2d) -> Floats1d:
    """(f,) share of the turns (m, f) that each function votes on."""
    return (votes != ABSTAINS).sum(axis=0) / max(len(votes), 1)


def conflict(votes: Ints2d) -> Floats1d:
    """(f,) share of each function's votes that another function contradicts.

    >>> conflict(np.array([[0, 1, -1], [0, 0, -1], [-1, -1, 2]])).tolist()
    [0.5, 0.5, 0.0]
    """
    is_vote = votes != ABSTAINS
    most = np.where(is_vote, votes, -1).max(axis=1, keepdims=True, initial=ABSTAINS)
    least = np.where(is_vote, votes, np.iinfo(np.int64).max).min(axis=1, keepdims=True, initial=np.iinfo(np.int64).max)
    contradicted = is_vote & ((most != votes) | (least != votes))
    return np.asarray(contradicted.sum(axis=0) / np.maximum(is_vote.sum(axis=0), 1))
