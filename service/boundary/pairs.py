"""A pair of intents: what lies between them, who said what, and how many labels would settle it."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

import numpy as np
import sqlalchemy as sa

from service.access import audit
from service.bots.store import get_bot, live_bot
from service.boundary import rules
from service.boundary.labelled import count_labels, newest_labels
from service.boundary.recent import Ids, ids
from service.boundary.rules import Found
from service.boundary.schemas import Contradicting, NearLabel, Pair, PairView, Settlement, Waiting
from service.classifiers import store as classifiers
from service.errors import BadInput, IntentNotFound
from service.keyring import Keyring
from service.learning import curve
from service.learning.curve import SETTLED
from service.proposals.schemas import Queued
from service.reviews import candidates
from service.reviews.listing import asked_blind
from service.reviews.overlap import rank_terms, terms
from service.reviews.schemas import TrainingLabel
from service.turns.store import texts_of

SHOWN = 10  # candidates, shown and sent to review at once; labels of each side
EACH = 100  # newest labels of either side that the curve is fitted to
COMPARED = 5  # cards from which on people's disagreement says something


def pair_view(connection: sa.Connection, bot: str, one: int, other: int) -> PairView:
    """BotNotFound; IntentNotFound also of one that is archived; BadInput where the two are one."""
    return pair_of(connection, bot, rules.look(connection, bot), one, other)


def pair_of(connection: sa.Connection, bot: str, found: Found, one: int, other: int) -> PairView:
    """The same, given what is known of all pairs."""
    of = _checked(found, bot, one, other)
    pair = found.pair(of)
    settlement, near = _labels(connection, bot, pair, found)
    return PairView(
        pair=pair,
        settlement=settlement,
        waiting=tuple(waiting(connection, bot, found, of)),
        near=near,
        contradictions=_contradictions(connection, found, of),
    )


def _checked(found: Found, bot: str, one: int, other: int) -> Ids:
    for intent_id in (one, other):
        if intent_id not in found.names:
            raise IntentNotFound(bot, intent_id)
    if one == other:
        raise BadInput("a boundary lies between two intents", path="b", hint="name two different ones")
    return ids(one, other)


def settled_below(pair: Pair) -> float:
    """Error from which on the pair is settled: where people split on a card, one of them is wrong, and no classifier
    can be seen to do better than their labels."""
    return max(SETTLED, pair.split / pair.compared / 2 if pair.compared >= COMPARED else 0.0)


def waiting(connection: sa.Connection, bot: str, found: Found, of: Ids) -> list[Waiting]:
    """Of the recent turns, those that may be asked about."""
    between = sorted(found.between.get(of, ()), key=lambda turn: (turn.p1 - turn.p2, turn.turn_id))
    is_open = candidates.open_among(connection, bot, [turn.turn_id for turn in between])
    shown = [turn for turn in between if turn.turn_id in is_open][:SHOWN]
    texts = texts_of(connection, [turn.turn_id for turn in shown])
    return [
        Waiting(turn_id=t.turn_id, text=texts[t.turn_id], best=found.names[t.best_id], p1=t.p1, p2=t.p2)
        for t in shown
        if t.turn_id in texts
    ]


def _labels(connection: sa.Connection, bot: str, pair: Pair, found: Found) -> tuple[Settlement, tuple[NearLabel, ...]]:
    of, bound = (pair.a.id, pair.b.id), settled_below(pair)
    labels = count_labels(connection, bot, of)
    n = get_bot(connection, bot).champion
    if n is None:
        return Settlement(answer="unknown", labels=labels, bound=bound), ()
    given = {label.turn_id: label.intent_id for label in newest_labels(connection, bot, of, EACH)}
    turn_ids, x = candidates.vectors_of(connection, given, classifiers.manifest(connection, bot, n).encoder)
    is_first = np.array([given[turn_id] == of[0] for turn_id in turn_ids.tolist()], np.bool_)
    settlement = Settlement(bound=bound, **curve.settling(x, is_first, labels, bound)._asdict())
    if not 0 < is_first.sum() < len(is_first):
        return settlement, ()
    sides = curve.left_out(x, is_first) * np.where(is_first, 1, -1)
    return settlement, tuple(_near(connection, turn_ids.tolist(), sides.tolist(), is_first.tolist(), of, found))


def _near(
    connection: sa.Connection,
    turn_ids: Sequence[int],
    sides: Sequence[float],
    is_first: Sequence[bool],
    of: Ids,
    found: Found,
) -> list[NearLabel]:
    """SHOWN of either side, without those nobody may be told of."""
    by_nearness = sorted(zip(turn_ids, sides, is_first, strict=True), key=lambda one: (abs(one[1]), one[0]))
    shown = [one for first in (True, False) for one in [x for x in by_nearness if x[2] == first][:SHOWN]]
    ids_shown = [turn_id for turn_id, _, _ in shown]
    hidden, texts = asked_blind(connection, ids_shown), texts_of(connection, ids_shown)
    return [
        NearLabel(turn_id=turn_id, text=texts[turn_id], intent=found.names[of[not first]], side=round(side, 4))
        for turn_id, side, first in sorted(shown, key=lambda one: (abs(one[1]), one[0]))
        if turn_id in texts and turn_id not in hidden
    ]


def _contradictions(
    connection: sa.Connection, found: Found, of: Ids
) -> tuple[tuple[Contradicting, Contradicting], ...]:
    pairs = list(found.contradictions.get(of, ()))[:SHOWN]
    turn_ids = [label.turn_id for pair in pairs for label in pair]
    hidden, texts = asked_blind(connection, turn_ids), texts_of(connection, turn_ids)

    def shown(label: TrainingLabel) -> Contradicting:
        return Contradicting(label.turn_id, texts[label.turn_id], found.names[label.intent_id or 0])

    return tuple(
        (shown(one), shown(other)) for one, other in pairs if {one.turn_id, other.turn_id} <= texts.keys() - hidden
    )


def review(
    connection: sa.Connection, keyring: Keyring, bot: str, one: int, other: int, now: datetime, *, who: str
) -> Queued:
    """Ask reviewers about the most undecided candidates between the two, before all others. A repeat asks about the
    next ones. Raises what `pair_view` does."""
    record = live_bot(connection, bot)
    candidates.lock(connection, bot)
    found = rules.look(connection, bot)
    of = _checked(found, bot, one, other)
    asked = [turn.turn_id for turn in waiting(connection, bot, found, of)]
    wanted = partial(rank_terms, keyring, record, blind=terms(connection, record, now))
    queued = candidates.ask(connection, bot, asked, wanted, now)
    if queued:
        audit.record(connection, bot, "boundary.review", now, who, intents=list(of), turns=len(queued))
    return Queued(tuple(queued))
