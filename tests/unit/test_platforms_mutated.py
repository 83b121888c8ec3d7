"""Whatever a platform's delivery is changed into, its adapter answers, and knows a repeat of what it has read."""

import json
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.mutations import with_one_change, with_some_changes
from tests.support.parsed import RECEIVED
from tests.support.platforms import deliveries, names, understood


def bodies(name: str) -> list[Any]:
    return [json.loads(body) for body in deliveries(name)]


@pytest.mark.parametrize("name", names())
def test_golden_deliveries_are_understood(name: str) -> None:
    assert any(understood(name, body).facts for body in deliveries(name))


@pytest.mark.parametrize("name", names())
def test_a_delivery_with_one_odd_value_is_answered(name: str) -> None:
    for body in bodies(name):
        for changed in with_one_change(body):
            understood(name, changed)


@pytest.mark.parametrize("name", names())
@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_delivery_with_several_changes_is_answered_and_its_repeat_is_known(name: str, seed: int) -> None:
    random = Random(seed)
    body = with_some_changes(random.choice(bodies(name)), random)
    first = understood(name, body)
    again = understood(name, body, delivery_id="d-2", received_at=RECEIVED + timedelta(days=3))
    assert [fact.external_id for fact in again.facts] == [fact.external_id for fact in first.facts]
    assert again.rejected == first.rejected


@pytest.mark.parametrize("name", names())
@settings(deadline=None)
@given(seed=st.integers(0, 2**32), noise=st.binary(max_size=9))
def test_a_damaged_delivery_is_answered(name: str, seed: int, noise: bytes) -> None:
    random = Random(seed)
    whole = random.choice(deliveries(name))
    start = random.randrange(len(whole))
    understood(name, whole[:start] + noise + whole[start + random.randrange(9) :])
