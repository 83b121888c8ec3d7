"""What may become of a delivery: odd values, lost and renamed fields, items that stand twice or elsewhere."""

import copy
from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

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
