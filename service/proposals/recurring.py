"""Whether a cluster is a proposal that its owner knows already.

It is when it has mostly the same turns, or says the same: the middles of the two, seen from the log's center, point the
same way. A busy bot's log of next week shares no turn with this week's, and of a large cluster only the turns nearest
to its middle are kept; after a change of encoder there are only the turns to go by. Of CLINC150's intents .91, .99 and
1.0 are known again by 15, 25 and 50 other texts of theirs; of 22,350 pairs of different ones 2, 3 and 5 are taken for
each other.
"""

from collections.abc import Sequence
from typing import NamedTuple

from service.encoding import unit, unpack
from service.learning.types import Floats1d, Floats2d
from service.proposals.schemas import NewProposal

SAME = 0.5  # of a cluster's turns in one proposal
ALIKE = 0.85  # cosine of the two middles


class Known(NamedTuple):
    """A proposal that has not lapsed."""

    id: int
    turn_ids: frozenset[int]
    middle: bytes | None  # None where it was found with another encoder


def known_as(new: NewProposal, known: Sequence[Known], center: Floats1d) -> int | None:
    """The proposal that the new one is again; `center` is that of the log, as its encoder sees it now."""
    shared = {one.id: len(one.turn_ids.intersection(new.turn_ids)) for one in known}
    most = max(shared, key=lambda proposal_id: (shared[proposal_id], -proposal_id), default=None)
    if most is not None and shared[most] >= SAME * len(new.turn_ids):
        return most
    return _alike(new.middle, {one.id: one.middle for one in known if one.middle}, center)


def _alike(middle: bytes, known: dict[int, bytes], center: Floats1d) -> int | None:
    if not known:
        return None
    cosines = _seen([*known.values()], center) @ _seen([middle], center)[0]
    return [*known][int(cosines.argmax())] if cosines.max() >= ALIKE else None


def _seen(middles: Sequence[bytes], center: Floats1d) -> Floats2d:
    return unit(unpack(middles) - center)
