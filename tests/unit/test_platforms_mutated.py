"""Whatever a platform's delivery is changed into, its adapter answers, and knows what it has read when it comes again."""

import copy
import json
from collections.abc import Iterator
from datetime import timedelta
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.platforms import NOW, deliveries, names, read

ODD: list[Any] = [
    *(None, True, 0, -1, 10**290, float("nan"), float("inf"), [], {}, [{}], {"id": 1}, {"\ud800": [1]}),
    *("", " ", "x" * 301, "y" * 4001, "a\0b", "so \ud83d sad", "\udfff too deep", "🙈", "&#99999999;", "yesterday"),
    "0001-01-01T00:00:00+14:00",
]
HALF = "\ud800"  # of a surrogate pair


class Spot(NamedTuple):
    """A value's container and its place there."""

    inside: Any
    at: Any


def spots(value: Any) -> Iterator[Spot]:
    """Those of all the values within, each before what it contains."""
    for at, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield Spot(value, at)
        if isinstance(inner, dict | list):
            yield from spots(inner)


def with_one_change(body: Any) -> Iterator[Any]:
    """The delivery with each of its values in turn replaced by each odd one, removed, or renamed."""
    whole = copy.deepcopy([body])
    for inside, at in list(spots(whole)):
        before = inside[at]
        for odd in ODD:
            inside[at] = odd
            yield whole[0]
        inside[at] = before
        if isinstance(inside, dict):
            inside[HALF] = inside.pop(at)
            yield whole[0]
            del inside[HALF]
            yield whole[0]
            inside[at] = before


def with_some_changes(body: Any, random: Random) -> Any:
    whole = copy.deepcopy([body])
    for _ in range(random.randint(2, 5)):
        inside, at = random.choice(list(spots(whole)))
        other = random.choice(list(spots(whole)))
        match random.randrange(4):
            case 0:
                inside[at] = copy.deepcopy(other.inside[other.at])
            case 1:
                inside[at] = [copy.deepcopy(inside[at]), inside[at]]
            case 2 if isinstance(inside, list):
                inside.insert(at, copy.deepcopy(inside[at]))
            case _:
                inside[at] = copy.deepcopy(random.choice(ODD))
    return whole[0]


@pytest.mark.parametrize("name", names())
def test_golden_deliveries_are_understood(name: str) -> None:
    assert any(read(name, body).facts for body in deliveries(name))


@pytest.mark.parametrize("name", names())
def test_a_delivery_with_one_odd_value_is_answered(name: str) -> None:
    for body in deliveries(name):
        for changed in with_one_change(body):
            read(name, changed)


@pytest.mark.parametrize("name", names())
@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_delivery_with_several_changes_is_answered_and_its_repeat_is_known(name: str, seed: int) -> None:
    random = Random(seed)
    body = with_some_changes(random.choice(deliveries(name)), random)
    first = read(name, body)
    again = read(name, body, delivery_id="d-2", received_at=NOW + timedelta(days=3))
    assert [fact.external_id for fact in again.facts] == [fact.external_id for fact in first.facts]
    assert again.rejected == first.rejected


@pytest.mark.parametrize("name", names())
@settings(deadline=None)
@given(seed=st.integers(0, 2**32), noise=st.binary(max_size=9))
def test_a_damaged_delivery_is_answered(name: str, seed: int, noise: bytes) -> None:
    random = Random(seed)
    whole = json.dumps(random.choice(deliveries(name)), ensure_ascii=False).encode()
    start = random.randrange(len(whole))
    read(name, whole[:start] + noise + whole[start + random.randrange(9) :])
