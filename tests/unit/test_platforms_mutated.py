"""Whatever a platform's delivery is changed into, its adapter answers, and answers the same when it is sent again."""

import copy
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.platforms import NOW, deliveries, names, read

ODD = (
    [None, True, False, 0, -1, 2**31, 10**290, 1e308, float("nan"), float("inf")]
    + ["", " ", "0", "-1", "x" * 301, "y" * 4001, "a\0b", "so \ud83d sad", "\udfff too deep", "🙈", "/", "yesterday"]
    + ["0001-01-01T00:00:00+14:00", "<p>", "&#99999999;", [], {}, [[]], [{}], {"id": 1}, {"": None}, {"\ud800": [1]}]
)


class Spot(NamedTuple):
    """A value's container and its place there."""

    inside: Any
    at: Any


def spots(value: Any) -> Iterator[Spot]:
    for at, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield Spot(value, at)
        if isinstance(inner, dict | list):
            yield from spots(inner)


@st.composite
def mutated(draw: st.DrawFn, name: str) -> Any:
    """One delivery with a few of its values removed, replaced, repeated or exchanged."""
    whole = [copy.deepcopy(draw(st.sampled_from(deliveries(name))))]
    for _ in range(draw(st.integers(1, 3))):
        spot = draw(st.sampled_from(list(spots(whole))))
        others = [other.inside[other.at] for other in spots(whole)]
        MUTATIONS[draw(st.sampled_from(sorted(MUTATIONS)))](draw, spot, others)
        if not whole:
            return None
    return whole[0]


def _remove(draw: st.DrawFn, spot: Spot, others: list[Any]) -> None:
    del spot.inside[spot.at]


def _replace(draw: st.DrawFn, spot: Spot, others: list[Any]) -> None:
    spot.inside[spot.at] = copy.deepcopy(draw(st.sampled_from(ODD)))


def _exchange(draw: st.DrawFn, spot: Spot, others: list[Any]) -> None:
    spot.inside[spot.at] = copy.deepcopy(draw(st.sampled_from(others)))


def _repeat(draw: st.DrawFn, spot: Spot, others: list[Any]) -> None:
    twin = copy.deepcopy(spot.inside[spot.at])
    spot.inside[spot.at] = [twin, spot.inside[spot.at]]


def _repeat_item(draw: st.DrawFn, spot: Spot, others: list[Any]) -> None:
    if isinstance(spot.inside, list):
        spot.inside.insert(spot.at, copy.deepcopy(spot.inside[spot.at]))


def _add(draw: st.DrawFn, spot: Spot, others: list[Any]) -> None:
    if isinstance(spot.inside, dict):
        spot.inside[draw(st.sampled_from(["", "\ud800", "id", "text", "type", "x" * 500]))] = draw(st.sampled_from(ODD))


MUTATIONS = {function.__name__: function for function in (_remove, _replace, _exchange, _repeat, _repeat_item, _add)}


@pytest.mark.parametrize("name", names())
def test_a_golden_delivery_is_understood(name: str) -> None:
    assert any(read(name, body).facts for body in deliveries(name))


@pytest.mark.parametrize("name", names())
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_mutated_delivery_is_answered_and_its_repeat_is_known(name: str, data: st.DataObject) -> None:
    body = data.draw(mutated(name))
    first = read(name, body)
    again = read(name, body, delivery_id="d-2", received_at=NOW + timedelta(days=3))
    assert [fact.external_id for fact in again.facts] == [fact.external_id for fact in first.facts]
    assert again.rejected == first.rejected


@pytest.mark.parametrize("name", names())
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_damaged_bytes_are_answered(name: str, data: st.DataObject) -> None:
    whole = json.dumps(data.draw(st.sampled_from(deliveries(name))), ensure_ascii=False).encode()
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 9)))
    read(name, whole[:start] + data.draw(st.binary(max_size=9)) + whole[end:])
