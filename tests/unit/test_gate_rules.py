"""When to train, and how a gate ends."""

import math
from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest

from service.classifiers.rules import (
    Duel,
    Inputs,
    Tally,
    difference,
    explain_veto,
    hopeless,
    unfit,
    verdict,
    vetoes,
    wants_adapting,
    wants_training,
)
from service.classifiers.schemas import Gate, Manifest

AT = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wins", "losses", "neither", "waiting", "ends"),
    [
        (21, 19, 0, 0, "promote"),
        (20, 20, 0, 0, "hold"),
        (20, 19, 1, 0, "hold"),  # led by one
        (2, 0, 38, 0, "promote"),
        (12, 10, 1, 0, "hold"),  # 23 answered: two are not enough
        (13, 9, 1, 0, "promote"),
        (12, 10, 2, 0, "promote"),  # 24 answered
        (4, 0, 0, 0, "promote"),
        (0, 0, 40, 0, "hold"),
        (0, 0, 0, 40, None),
        (20, 0, 0, 20, None),  # twenty losses could still come
        (21, 0, 0, 19, "promote"),  # and now they could not change it
        (0, 19, 1, 20, "hold"),  # 20 more wins would lead by one
        (0, 18, 2, 20, None),
        (10, 8, 0, 4, None),
    ],
)
def test_verdicts(wins: int, losses: int, neither: int, waiting: int, ends: str | None) -> None:
    assert verdict(Tally(wins, losses, neither, waiting)) == ends


@pytest.mark.parametrize("flips", [4, 23, 24, 40])
def test_an_early_end_is_the_end_it_would_have_come_to(flips: int) -> None:
    for wins in range(flips + 1):
        for losses in range(flips + 1 - wins):
            early = verdict(Tally(wins, losses, 0, flips - wins - losses))
            rest = flips - wins - losses
            ends = {verdict(Tally(wins + more, losses + rest - more, 0, 0)) for more in range(rest + 1)}
            assert early is None or ends == {early}


@pytest.mark.parametrize(
    ("compared", "disagreed", "why"),
    [(0, 0, "no recent turn"), (900, 0, "nothing to gain"), (900, 3, "too few to win by 4"), (900, 4, "")],
)
def test_a_challenger_that_cannot_win_is_not_asked_about(compared: int, disagreed: int, why: str) -> None:
    found = hopeless(compared, disagreed)
    assert found == "" if not why else why in found


@pytest.mark.parametrize(
    ("duels", "vetoed"),
    [
        ({}, []),
        ({"a": Duel(0, 4)}, []),  # one chance in 16
        ({"a": Duel(0, 5)}, ["a"]),  # one in 32
        ({"a": Duel(5, 0)}, []),  # better is no reason
        ({"a": Duel(0, 5), "b": Duel(1, 0)}, []),  # one in 32 is more than .025
        ({"a": Duel(0, 5), "b": Duel(0, 0)}, ["a"]),  # nobody differed on b
        ({"a": Duel(0, 6), "b": Duel(1, 0)}, ["a"]),  # one in 64
        ({"a": Duel(0, 5), "b": Duel(0, 9)}, ["b", "a"]),  # Holm: after b, a stands alone
        ({"a": Duel(10, 20)}, ["a"]),  # .0494
        ({"a": Duel(10, 19)}, []),  # .0680
    ],
)
def test_what_the_test_labels_veto(duels: dict[str, Duel], vetoed: list[str]) -> None:
    assert vetoes(duels) == vetoed


def test_equal_challengers_are_rarely_vetoed() -> None:
    rng = np.random.default_rng(0)
    losses = rng.binomial(12, 0.5, (2_000, 30))
    vetoed = sum(bool(vetoes({str(at): Duel(12 - n, n) for at, n in enumerate(row)})) for row in losses.tolist())
    assert vetoed / 2_000 < 0.05


def test_a_veto_names_its_intents() -> None:
    duels = {"refund": Duel(1, 9), "cancel_order": Duel(0, 0)}
    assert explain_veto(duels, ["refund"]).endswith("refund (1 wins, 9 losses)")


def gate(**counts: int) -> Gate:
    return Gate(challenger=2, champion=1, status="held", opened_at=AT, **counts)


def test_the_difference_is_the_flips_lead_scaled_to_all_turns() -> None:
    found = difference(gate(compared=1000, disagreed=100, wins=30, losses=10))
    assert found is not None
    assert found.estimate == pytest.approx(0.05)
    assert 0.02 < found.low < found.estimate < found.high < 0.08


def test_three_wins_in_three_are_not_certain() -> None:
    found = difference(gate(compared=10, disagreed=5, wins=3))
    assert found is not None
    assert (found.estimate, found.high) == (0.5, 0.5)
    assert found.low == pytest.approx(0.5 * (0.6 - 1.96 * math.sqrt(0.64 / 5)))


def test_no_answer_says_nothing() -> None:
    assert difference(gate(compared=10, disagreed=5)) is None


KNOWN = Manifest(
    encoder="e@1", dimensions=2, intents={"refund": 1}, labels=40, last_label_id=90, log_turns=1000, phase="warm"
)
SAME = Inputs("e@1", {"refund": 1}, 40, 90, 1000)


@pytest.mark.parametrize(
    ("newest", "inputs", "is_trying", "wants"),
    [
        (None, SAME, False, True),
        (None, SAME._replace(intents={}), False, False),
        (KNOWN, SAME, False, False),
        (KNOWN, SAME._replace(last_label_id=91), False, True),
        (KNOWN, SAME._replace(log_turns=1999), False, False),
        (KNOWN, SAME._replace(log_turns=2000), False, True),
        (KNOWN, SAME._replace(encoder="e@2"), False, True),
        (KNOWN, SAME._replace(intents={"refund": 1, "cancel": 2}), False, True),
        (KNOWN, SAME._replace(last_label_id=150, labels=59), True, False),
        (KNOWN, SAME._replace(last_label_id=150, labels=60), True, True),
        (KNOWN, SAME._replace(log_turns=9000), True, False),
        (KNOWN, SAME._replace(encoder="e@2"), True, True),
    ],
)
def test_when_to_train(newest: Manifest | None, inputs: Inputs, is_trying: bool, wants: bool) -> None:
    assert wants_training(newest, inputs, trying=newest if is_trying else None) is wants


def test_a_trial_of_more_labels_is_not_voided_for_as_many() -> None:
    adapted = msgspec.structs.replace(KNOWN, encoder="shop@2", labels=80)
    grown = SAME._replace(last_label_id=150, labels=80)
    assert not wants_training(KNOWN, grown, trying=adapted)
    assert wants_training(KNOWN, grown._replace(labels=120), trying=adapted)


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ({}, "turns of 0 intents are labelled"),
        ({1: 500, None: 300}, "turns of 1 intents are labelled"),
        ({1: 100, 2: 99, None: 300}, "199 turns are labelled with an intent"),
        ({1: 100, 2: 100}, ""),
    ],
)
def test_what_an_encoder_can_be_tuned_on(labels: dict[int | None, int], says: str) -> None:
    assert unfit(labels).startswith(says)
    assert bool(unfit(labels)) is bool(says)


@pytest.mark.parametrize(
    ("labels", "at_last", "wants"), [(299, 0, False), (300, 0, True), (524, 300, False), (525, 300, True)]
)
def test_when_adapting_may_pay(labels: int, at_last: int, wants: bool) -> None:
    assert wants_adapting(labels, at_last) is wants
