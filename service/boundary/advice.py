"""What would help a weak intent most: one piece of advice, from what was measured of it.

SUPPORTED is for an encoder that does not tell the intent from others. Of 10, 40 and 77 intents of CLINC150 and
BANKING77 (train and validation rows) with 16 labels each on average, three of four chosen by margin as reviewers are
asked, none of 385 comes below it with the embedded encoder; with noise twice as long as its vectors .40 of 468 do, with
eight random directions of them .51 of 447. Half of the nearest labels, chance or not, is more than .14, .81 and .89 of
these have."""

from typing import NamedTuple

from service.boundary.schemas import Measure, Measured, Verdict, Weakness
from service.classifiers.metrics import Over
from service.learning.curve import more_labels
from service.learning.stopping import Estimate, wilson

FEW = 10  # labels below which nothing is known of an intent
CARDS = 5  # that two people answered, from which on their agreement says something
UNCLEAR = 0.6  # α below which people do not know the intent when they see it,
CLEAR = 0.667  # and from which on they do
CONTRADICTED = 0.05  # share of an intent's labels
SUPPORTED = 0.25  # share of a label's nearest others that have the same intent, beyond chance
MORE_REPORTS = 1.5  # times what is usual with the bot
BEHIND = 0.1  # of recall, below the bot's median intent


class Measures(NamedTuple):
    """Of one intent. Shares in [0, 1]; None where too little is known."""

    labels: int
    recall: Estimate | None
    recall_of: int  # answers or labels that it was measured on
    recall_over: Over  # which of the two
    alpha: float | None
    cards: int  # that two people answered, one of them with the intent
    contradicted: int  # labels that another one contradicts
    supported: float | None  # share of the labels' nearest others that have the same intent, beyond chance
    decided: int  # recent turns, for the intent
    reported: int  # of these
    proposals: int  # open ones, whose turns the champion takes for the intent
    goal: float  # recall below which an intent is weak
    usual_reports: float  # share of all recent turns

    @property
    def reports(self) -> Estimate | None:
        """Share of its turns that are reported."""
        if not self.decided:
            return None
        share = self.reported / self.decided
        return Estimate(share, *wilson(share, self.decided))

    @property
    def contradicted_share(self) -> float:
        return self.contradicted / self.labels if self.labels else 0.0


def weakness(of: Measures) -> Weakness | None:
    """None: the intent is not weak."""
    if of.labels < FEW or of.recall is None:
        return "few_labels"
    if of.recall.estimate < of.goal:
        return "recall"
    return "reports" if _is_reported(of) else None


def verdict(of: Measures) -> Verdict:
    """Of a weak intent. What is wrong with the intent itself comes before its labels, these before what reads them, and
    all of it before more labels: labels of an intent that nobody can tell are wasted."""
    if _is_unclear(of):
        return "merge_or_redefine"
    if _is_contradicted(of):
        return "fix_labels"
    if _is_unsupported(of) and _is_clear(of):
        return "other_encoder"
    if of.proposals:
        return "new_intent"
    return "not_data" if weakness(of) == "reports" else "label"


def labels_wanted(of: Measures) -> int:
    """How many more, about: until the recall is the goal, where errors fall as they usually do."""
    if of.labels < FEW or of.recall is None:
        return 2 * FEW - of.labels if of.labels < 2 * FEW else FEW
    return more_labels(of.labels, 1 - of.recall.estimate, max(1 - of.goal, 0.01))


def _is_unclear(of: Measures) -> bool:
    return of.alpha is not None and of.cards >= CARDS and of.alpha < UNCLEAR


def _is_clear(of: Measures) -> bool:
    return of.alpha is not None and of.cards >= CARDS and of.alpha >= CLEAR


def _is_contradicted(of: Measures) -> bool:
    return of.contradicted > 1 and of.contradicted_share >= CONTRADICTED


def _is_unsupported(of: Measures) -> bool:
    """Of few labels the nearest others cannot be of the same intent."""
    return of.supported is not None and of.labels >= FEW and of.supported < SUPPORTED


def _is_reported(of: Measures) -> bool:
    """More than is usual, for certain."""
    return of.reports is not None and of.reports.low > MORE_REPORTS * of.usual_reports


def measured(of: Measures) -> tuple[Measured, ...]:
    """Every number that the advice rests on, beside its bound."""
    recall = None if of.recall is None else of.recall.estimate
    reports = None if of.reports is None else of.reports.estimate
    known = of.cards >= CARDS
    return (
        _row("labels", of.labels, of.labels, FEW, of.labels < FEW),
        _row("recall", recall, of.recall_of, of.goal, recall is not None and recall < of.goal, of.recall),
        _row("agreement", of.alpha if known else None, of.cards, UNCLEAR, _is_unclear(of)),
        _row("contradicted", of.contradicted_share, of.labels, CONTRADICTED, _is_contradicted(of)),
        _row("neighbours", of.supported, of.labels, SUPPORTED, _is_unsupported(of)),
        _row("reports", reports, of.decided, MORE_REPORTS * of.usual_reports, _is_reported(of), of.reports),
        _row("proposals", of.proposals, of.proposals, 1, of.proposals > 0),
    )


def _row(
    what: Measure, value: float | None, n: int, bound: float, is_beyond: bool, interval: Estimate | None = None
) -> Measured:
    return Measured(what=what, value=value, n=n, bound=bound, is_beyond=is_beyond, interval=interval)
