"""Labelling functions' votes made into labels: how often each function is right, and what they say together.

A function has one number, how often it is right: labels are few, and it mostly says one intent. Measured on CLINC150's
train part before the first label (three draws of ten functions, `fencepost bench weak`; 527 to 867 of 15,000 texts have
a vote): of these the majority names .662, .637, .649 right, the posterior here .664, .637, .653, for functions seldom
meet; Dawid and Skene's model with a whole confusion matrix for each function .10, .11, .08, for it invents classes that
fit. What it is for is to know the functions: their accuracy is off by .07, .09, .14 on average, the prior alone by
.16, .19, .23, and functions that are always wrong fall silent.
"""

import numpy as np

from service.learning.types import Floats1d, Floats2d, Ints1d, Ints2d

ABSTAINS = -1  # instead of a class's column
TRUST = np.array([2.0, 1.0])  # right and wrong votes that a function begins with
UNLABELLED, MOST_UNLABELLED = 0.1, 4.0  # labels that an unlabelled vote counts for, and all of a function's together
ROUNDS = 10


def tally(votes: Ints2d, truth: Ints1d, weight: Floats1d) -> tuple[Floats1d, Floats1d]:
    """Of each function (f,): its right votes, and all of them. votes (n, f) and truth (n,) are columns of classes;
    a truth below zero is none of them, so every vote on it is wrong. weight (n,) is what a vote on each turn counts.

    >>> right, said = tally(np.array([[0, 1], [-1, 1], [2, 0]]), np.array([0, 1, -1]), np.array([1.0, 0.5, 1.0]))
    >>> right.tolist(), said.tolist()
    ([1.0, 0.5], [2.0, 2.5])
    """
    is_vote = votes != ABSTAINS
    return weight @ (is_vote & (votes == truth[:, None])), weight @ is_vote


def accuracy(votes: Ints2d, prior: Floats2d, right: Floats1d, said: Floats1d) -> Floats1d:
    """(f,) share of each function's votes that are right, in (0, 1): the mean of a Beta posterior over the labelled
    turns and, by expectation maximisation, over unlabelled ones (m, f), for which the other functions speak and
    somebody who knows no function: prior (m, k), > 0.

    >>> prior = np.array([[0.8, 0.1, 0.1]] * 100)
    >>> accuracy(np.array([[0, 1]] * 100), prior, np.zeros(2), np.zeros(2)).round(2).tolist()
    [0.85, 0.29]
    """
    heard = np.minimum(UNLABELLED * (votes != ABSTAINS).sum(axis=0), MOST_UNLABELLED)
    found = (TRUST[0] + right) / (TRUST.sum() + said)
    for _ in range(ROUNDS):
        agreed = heard * _agreement(votes, posterior(votes, prior, found))
        found = (TRUST[0] + right + agreed) / (TRUST.sum() + said + heard)
    return np.asarray(found)


def _agreement(votes: Ints2d, believed: Floats2d) -> Floats1d:
    """(f,) the believed share of right votes; 0 without a vote."""
    rows, functions = np.nonzero(votes != ABSTAINS)
    f = votes.shape[1]
    right = np.bincount(functions, weights=believed[rows, votes[rows, functions]], minlength=f)
    return np.asarray(right / np.maximum(np.bincount(functions, minlength=f), 1))


def posterior(votes: Ints2d, prior: Floats2d, accuracies: Floats1d) -> Floats2d:
    """(m, k) probability of each class after the votes (m, f) on turns whose classes were as probable as prior (m, k)
    says; rows sum to 1. Where all classes were alike, a function that is right with chance a gives its class a, if it
    is alone, and the others the rest in equal parts.

    >>> votes = np.array([[0, 0], [0, 1], [-1, -1]])
    >>> posterior(votes, np.full((3, 4), 0.25), np.array([0.7, 0.5])).round(2).tolist()
    [[0.87, 0.04, 0.04, 0.04], [0.58, 0.25, 0.08, 0.08], [0.25, 0.25, 0.25, 0.25]]
    """
    evidence = np.log(prior)
    rows, functions = np.nonzero(votes != ABSTAINS)
    chance, others = accuracies[functions], max(prior.shape[1] - 1, 1)
    np.add.at(evidence, (rows, votes[rows, functions]), np.log(chance * others) - np.log1p(-chance))
    odds = np.exp(evidence - evidence.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def winners(votes: Ints2d, k: int, accuracies: Floats1d) -> tuple[Ints1d, Floats1d]:
    """(m,) the class that the votes alone make most probable, of k, and its probability; 0 without a vote."""
    believed = posterior(votes, np.full((len(votes), k), 1 / k), accuracies)
    spoke = (votes != ABSTAINS).any(axis=1)
    return believed.argmax(axis=1), np.where(spoke, believed.max(axis=1), 0.0)


def coverage(votes: Ints2d) -> Floats1d:
    """(f,) share of the turns (m, f) that each function votes on."""
    return np.asarray((votes != ABSTAINS).sum(axis=0) / max(len(votes), 1))


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
