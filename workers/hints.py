"""Weak examples: what labelling functions say about the log, as far as it may draw prototypes.

A function that looks at the nearest label must not see one that is held out: its vote would give the label away. So
votes are counted anew for the labels that may be seen.

These examples have nothing to do with labels of the origin `weak`, which are turns folded into a card for being alike;
they are remade at each fit and never stored. They draw prototypes and are no rows of the regression: measured on
CLINC150's validation part before the first label, as rows they bring the intents they are about from .69 to .86 and
take .032 from all, for these intents take in their neighbours; as prototypes .69 to .80, and .006 more for all.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from service.encoding import unit
from service.learning import weak
from service.learning.types import Bools1d, Floats1d, Floats2d, Ints1d, Ints2d
from service.learning.weak import ABSTAINS
from workers.distinct import shared

SHARE = 0.3  # of a label, that a weak example of full confidence counts for
LEAST = 0.4  # confidence
LOOKED_AT = 5_000  # turns with a vote that say how right the functions are
CHUNK = 1_000  # turns whose cosines are looked at together
NOWHERE = np.inf  # least cosine of a function that looks at no neighbour


class Hints(NamedTuple):
    """What f functions say about m unlabelled turns and n labelled ones, as intent ids or ABSTAINS."""

    x: Floats2d  # (m, d)
    votes: Ints2d  # (m, f)
    on_labels: Ints2d  # (n, f)
    least_cosine: Floats1d  # (f,) of a function that votes the nearest label's intent; NOWHERE of the others

    def labels(self, keep: Bools1d) -> "Hints":
        return self._replace(on_labels=self.on_labels[keep])


class Known(NamedTuple):
    """Labels that may be seen; `column` is the intent's place among the bot's, -1 for none."""

    x: Floats2d  # (n, d)
    column: Ints1d  # (n,)
    group: Ints1d  # (n,) labels of one group came of one card, and say once how right a function is

    def rows(self, keep: Bools1d) -> "Known":
        return Known(self.x[keep], self.column[keep], self.group[keep])


class Examples(NamedTuple):
    x: Floats2d  # (m, d)
    column: Ints1d  # (m,)
    weight: Floats1d  # (m,)


Guess = Callable[[Floats2d], Floats2d]  # (m, d) -> (m, k), > 0: what a turn means to somebody who knows no function


class Judged(NamedTuple):
    """What became known of each of f functions."""

    coverage: Floats1d  # share of the turns it votes on
    conflict: Floats1d  # share of its votes that another function contradicts
    accuracy: Floats1d  # share of its votes that are believed to be right
    labels: Ints1d  # labelled turns it votes on


def no_examples(d: int) -> Examples:
    return Examples(np.zeros((0, d), np.float32), np.zeros(0, np.int64), np.zeros(0))


def in_columns(hints: Hints, intent_ids: Ints1d) -> Hints:
    """The same with columns for intent ids; a vote for another intent is none."""
    return hints._replace(votes=_columns(hints.votes, intent_ids), on_labels=_columns(hints.on_labels, intent_ids))


def _columns(votes: Ints2d, intent_ids: Ints1d) -> Ints2d:
    return np.where(np.isin(votes, intent_ids), np.searchsorted(intent_ids, votes), ABSTAINS)


def heed(hints: Hints, known: Known, guess: Guess, k: int) -> tuple[Examples, Judged]:
    """Weak examples of k intents and what is known of the functions, `hints` being in columns, `known` all of its
    labels or those that may be seen. `guess` helps to tell which functions are right, and no more: examples that it
    had a say in would teach the head what it thinks already."""
    votes, on_labels = _with_neighbours(hints, known)
    right, said = weak.tally(on_labels, known.column, shared(known.group))
    spoke = np.flatnonzero((votes != ABSTAINS).any(axis=1))
    some = spoke[:LOOKED_AT]
    accuracy = weak.accuracy(votes[some], guess(hints.x[some]), right, said)
    column, confidence = weak.winners(votes[spoke], k, accuracy)
    sure = confidence >= LEAST
    examples = Examples(hints.x[spoke[sure]], column[sure], SHARE * confidence[sure])
    return examples, Judged(weak.coverage(votes), weak.conflict(votes), accuracy, (on_labels != ABSTAINS).sum(axis=0))


def _with_neighbours(hints: Hints, known: Known) -> tuple[Ints2d, Ints2d]:
    """The votes, those of the nearest label among them."""
    votes, on_labels = hints.votes.copy(), hints.on_labels.copy()
    looking = np.flatnonzero(hints.least_cosine < NOWHERE)
    if not len(looking) or not len(known.x):
        return votes, on_labels
    nobody = np.full(len(hints.x), -1)
    for into, (nearest, cosine) in (
        (votes, _nearest(hints.x, nobody, known)),
        (on_labels, _nearest(known.x, known.group, known)),
    ):
        near = cosine[:, None] >= hints.least_cosine[looking]
        into[:, looking] = np.where(near, known.column[nearest][:, None], ABSTAINS)
    return votes, on_labels


def _nearest(x: Floats2d, group: Ints1d, known: Known) -> tuple[Ints1d, Floats1d]:
    """Of each turn (n,) the nearest label of another group, and its cosine."""
    labels, place, cosine = unit(known.x), np.zeros(len(x), np.int64), np.zeros(len(x))
    for start in range(0, len(x), CHUNK):
        rows = slice(start, start + CHUNK)
        cosines = unit(x[rows]) @ labels.T
        cosines[group[rows, None] == known.group] = -1.0
        place[rows] = cosines.argmax(axis=1)
        cosine[rows] = cosines.max(axis=1)
    return place, cosine
