"""The advice on a weak intent: one row for each verdict, and its borders."""

from typing import Any

import pytest

from service.boundary.advice import Measures, labels_wanted, measured, verdict, weakness
from service.learning.stopping import Estimate

LOW, HIGH = Estimate(0.6, 0.5, 0.7), Estimate(0.9, 0.8, 0.95)


def measures(**known: Any) -> Measures:
    """An intent with forty labels, known to be right, but for what is said."""
    of = Measures(
        labels=40,
        recall=HIGH,
        recall_of=40,
        recall_over="labels",
        alpha=0.9,
        cards=20,
        contradicted=0,
        supported=0.9,
        decided=1000,
        reported=20,
        proposals=0,
        goal=0.8,
        usual_reports=0.02,
    )
    return of._replace(**known)


@pytest.mark.parametrize(
    ("known", "found"),
    [
        ({}, None),
        ({"labels": 9}, "few_labels"),
        ({"labels": 10}, None),
        ({"recall": None}, "few_labels"),
        ({"recall": Estimate(0.8, 0.7, 0.9)}, None),
        ({"recall": Estimate(0.799, 0.7, 0.9)}, "recall"),
        ({"reported": 35}, None),  # 3.5 % of 1,000, but for certain no more than 2.5
        ({"reported": 60}, "reports"),
        ({"decided": 0, "reported": 0}, None),
    ],
)
def test_what_makes_an_intent_weak(known: dict[str, Any], found: str | None) -> None:
    assert weakness(measures(**known)) == found


@pytest.mark.parametrize(
    ("known", "found"),
    [
        ({"recall": LOW}, "label"),
        ({"labels": 3, "recall": None}, "label"),
        ({"recall": LOW, "alpha": 0.59}, "merge_or_redefine"),
        ({"recall": LOW, "alpha": 0.6}, "label"),
        ({"recall": LOW, "alpha": 0.1, "cards": 4}, "label"),
        ({"recall": LOW, "contradicted": 2}, "fix_labels"),
        ({"recall": LOW, "contradicted": 1, "labels": 10}, "label"),  # one may be a slip
        ({"recall": LOW, "contradicted": 2, "labels": 41}, "label"),
        ({"recall": LOW, "supported": 0.24}, "other_encoder"),
        ({"recall": LOW, "supported": 0.25}, "label"),
        ({"recall": LOW, "supported": 0.24, "alpha": 0.66}, "label"),  # do people agree?
        ({"recall": LOW, "supported": 0.24, "alpha": None, "cards": 0}, "label"),
        ({"labels": 9, "recall": LOW, "supported": 0.1}, "label"),  # of so few labels none can have five like it
        ({"recall": LOW, "proposals": 1}, "new_intent"),
        ({"reported": 60}, "not_data"),
        ({"reported": 60, "proposals": 1}, "new_intent"),
        ({"reported": 60, "recall": LOW}, "label"),
        # what comes first counts
        ({"recall": LOW, "alpha": 0.5, "contradicted": 9, "supported": 0.1, "proposals": 2}, "merge_or_redefine"),
        ({"recall": LOW, "contradicted": 9, "supported": 0.1, "proposals": 2}, "fix_labels"),
        ({"recall": LOW, "supported": 0.1, "proposals": 2}, "other_encoder"),
    ],
)
def test_one_piece_of_advice(known: dict[str, Any], found: str) -> None:
    of = measures(**known)
    assert weakness(of)
    assert verdict(of) == found


@pytest.mark.parametrize(
    ("known", "more"),
    [
        ({"labels": 3, "recall": None}, 17),
        ({"labels": 9}, 11),
        ({"labels": 40, "recall": LOW}, 87),  # half the errors take 2^(1/.6) times the labels
        ({"labels": 40, "recall": Estimate(0.79, 0.7, 0.9)}, 10),
        ({"labels": 400, "recall": Estimate(0.1, 0.0, 0.2)}, 500),
    ],
)
def test_how_many_more_labels(known: dict[str, Any], more: int) -> None:
    assert labels_wanted(measures(**known)) == more


def test_each_number_stands_beside_its_bound() -> None:
    of = measures(recall=LOW, alpha=0.5, contradicted=4, reported=60, proposals=2)
    assert [(one.what, one.value, one.n, one.bound, one.is_beyond) for one in measured(of)] == [
        ("labels", 40, 40, 10, False),
        ("recall", 0.6, 40, 0.8, True),
        ("agreement", 0.5, 20, 0.6, True),
        ("contradicted", 0.1, 40, 0.05, True),
        ("neighbours", 0.9, 40, 0.25, False),
        ("reports", 0.06, 1000, 0.03, True),
        ("proposals", 2, 2, 1, True),
    ]
    assert measured(measures(cards=4))[2].value is None
