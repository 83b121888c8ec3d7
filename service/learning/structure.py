"""Entity structure: which entities a turn holds, in what order, under which intent; and how unusual that is."""

from collections.abc import Iterable

import numpy as np

from service.learning.types import Floats1d, Ints1d


def entity_signature(spans: Iterable[tuple[int, str]]) -> str:
    """Types of the entities in the order they stand in the text, from (start, type); "" when there are none.

    >>> entity_signature([(30, "date"), (5, "city"), (13, "city")])
    'city>city>date'
    """
    return ">".join(kind for _, kind in sorted(spans))


def signature(intent: str, entities: str) -> str:
    """A turn's structure: its intent with its entity signature. A missing usual entity makes a structure too.

    >>> signature("book_flight", "city>city>date")
    'book_flight: city>city>date'
    >>> signature("book_flight", "")
    'book_flight: -'
    """
    return f"{intent}: {entities or '-'}"


def surprise(counts: Ints1d, totals: Ints1d, kinds: Ints1d, *, smoothing: float = 1.0) -> Floats1d:
    """-ln of the smoothed share of a structure under its intent, in nats, >= 0; higher = rarer.

    counts (n,): turns of that structure; totals (n,): turns of its intent; kinds (n,): structures seen under that
    intent. One more structure, not seen yet, keeps a share of its own.

    >>> surprise(np.array([0, 3]), np.array([3, 3]), np.array([1, 1])).round(2).tolist()
    [1.61, 0.22]
    """
    share = (counts + smoothing) / (totals + smoothing * (kinds + 1))
    return np.asarray(-np.log(share))
