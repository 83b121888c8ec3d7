"""The ranking job: which candidates become cards.

Priority orders the pool; a shortlist of twenty batches is looked at closely; from it a batch is picked in which no two
cards ask the same, and where the bot has a tagger, some that together show it contexts of entities it doubts. What says
the same as a card is folded into it. The decision is written in one transaction, which first looks whether it is still
wanted: a twin of the job, or a repeat, finds the ranking done and changes nothing.
"""

import math
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa
import structlog

from service import clock, database
from service.bots.schemas import Bot
from service.bots.store import get_bot
from service.classifiers import store as classifiers
from service.context import Context
from service.encoding import NO_TURN, Encoder
from service.learning.diversity import BEST, DUPLICATE, SHORTLIST, batch, spread
from service.learning.folding import Key, folds, key
from service.learning.ranking import Factors, Weights, fitting, leaders, precedence, priority, take_apart, top
from service.learning.tagging import Span
from service.learning.types import Bools1d, Floats1d, Floats2d, Ints1d, Ints2d
from service.reports.rules import Evidence, evidence
from service.reviews import assessments, budget, candidates
from service.reviews.candidates import Pool, Predicted
from service.reviews.overlap import rank_terms, terms
from service.turns.store import texts_of
from workers import surroundings, tagging

log = structlog.get_logger()

STRATEGIES = {"ours": f"margin+{BEST}", "theirs": f"theirs+{BEST}", "disagreement": f"disagreement+{BEST}"}
REVIEWS_SHARE = 0.1  # of the room for cards: a bot with many reports still asks what it doubts most
REPEATS = 256  # neighbours of a pick that may fold into its card


class Shortlist(NamedTuple):
    """The candidates that are looked at closely, best first: m rows."""

    turn_ids: Ints1d  # (m,)
    priority: Floats1d  # (m,)
    parts: Sequence[dict[str, float]]  # (m,) what each priority is made of
    intent_ids: Ints1d  # (m,) the most probable
    x: Floats2d  # (m, d)
    neighbours: Ints2d  # (m, k)
    cosines: Floats2d  # (m, k)
    weights: Weights
    candidates: int  # how many there were to choose from


class Pair(NamedTuple):
    """A turn that repeats another, which has a card or gets one."""

    cosine: float
    turn_id: int
    card: int  # the turn of the card


class Plan(NamedTuple):
    """What a ranking wants to do: `picks` are rows of the shortlist, best first."""

    n: int
    seed: int  # id of the ranking before: a plan is void once there is another
    shortlist: Shortlist
    picks: Ints1d
    into: Mapping[int, int]  # turn → the turn whose card stands for it
    tagged: Mapping[int, Sequence[Span]]  # turn of a pick → the entities the tagger sees; empty without a tagger


def rank(context: Context, encoder: Encoder, bot: str) -> None:
    """Make the next cards where there is room for them: of the audit slice, and a batch by priority."""
    now = clock.now()
    add_audit_cards(context, bot, now)
    add_review_cards(context, bot, now)
    with database.reading(context.engine) as connection:
        record = get_bot(connection, bot)
        room = budget.rank_room(connection, record, now)
    if room and record.champion is not None:
        plan = _plan(context, encoder, record, record.champion, room)
        cards = _carry_out(context, plan, bot, now) if plan else 0
        log.info("candidates.ranked", bot=bot, cards=cards)


def add_audit_cards(context: Context, bot: str, now: datetime) -> None:
    """Cards for the audit slice: blind, and as many as its share of the budget allows."""
    with database.writing(context.engine) as connection:
        candidates.lock(connection, bot)
        record = get_bot(connection, bot)
        budget.set_audit_rate(connection, record, now)
        drawn = budget.audit_marked(connection, bot, budget.audit_room(connection, record, now))
        wants = terms(connection, record, now)._asdict()
        cards = [_card(bot, turn_id, "audit", 1 - draw, now, **wants) for turn_id, draw in drawn]
        candidates.add_cards(connection, cards)


def add_review_cards(context: Context, bot: str, now: datetime) -> None:
    """Cards for the reported turns that were drawn for review: blind, for what a kind of report is worth is learnt from
    them, and whatever their priority. Their answers train like any other's."""
    with database.writing(context.engine) as connection:
        candidates.lock(connection, bot)
        room = budget.rank_room(connection, get_bot(connection, bot), now)
        drawn = candidates.open_among(connection, bot, assessments.drawn_reported(connection, bot)) if room else set()
        most = math.ceil(room * REVIEWS_SHARE)
        cards = [_card(bot, turn_id, "rank", 1.0, now, is_blind=True) for turn_id in sorted(drawn)[:most]]
        candidates.set_carded(connection, candidates.add_cards(connection, cards))


def _card(bot: str, turn_id: int, purpose: str, score: float, now: datetime, **more: object) -> dict[str, Any]:
    return {
        "id": uuid.uuid4().hex,
        "bot": bot,
        "turn_id": turn_id,
        "purpose": purpose,
        "is_blind": purpose != "rank",
        "priority": score,
        "created_at": now,
        **more,
    }


def _plan(context: Context, encoder: Encoder, bot: Bot, n: int, room: int) -> Plan | None:
    """Read, order, pick, fold; nothing is written but what was measured. None when there is nobody to ask about."""
    with database.reading(context.engine) as connection:
        found = evidence(connection, bot.name)
        seed = candidates.last_ranking(connection, bot.name)
    surroundings.measure_new(context, encoder, bot.name, found)
    shortlist = _shortlist(context, encoder, bot, found)
    if shortlist is None:
        return None
    is_new, into = _set_repeats_aside(context, bot.name, n, shortlist)
    picks = _pick(shortlist, is_new, _about_entities(context, bot.name, shortlist, is_new, room), room, seed)
    into |= _folds(context, encoder, bot.name, shortlist, picks)
    return Plan(n, seed, shortlist, picks, into, _tagged(context, bot.name, shortlist, picks))


def _shortlist(context: Context, encoder: Encoder, bot: Bot, found: Evidence) -> Shortlist | None:
    """The best candidates by priority, their surroundings measured anew."""
    with database.reading(context.engine) as connection:
        pool = candidates.read_pool(connection, bot.name)
        best = _best(connection, pool, found, SHORTLIST * bot.batch_size)
        turn_ids, x = candidates.vectors_of(connection, best, encoder.identity(bot.name))
        if not len(turn_ids):
            return None
        around = surroundings.look(connection, encoder, bot.name, turn_ids, x, found)
    surroundings.save(context, around, clock.now())
    rows = np.searchsorted(pool.turn_ids, turn_ids)
    factors = _factors(pool)
    factors.pressure[rows], factors.impact[rows] = around.pressure, around.impact
    weights = fitting(Weights(), factors)
    scores = priority(factors, weights)[rows]
    order = top(scores, len(rows), precedence(_belief(found, turn_ids), turn_ids))
    predicted = [best[turn_id] for turn_id in turn_ids[order].tolist()]
    return Shortlist(
        turn_ids=turn_ids[order],
        priority=scores[order],
        parts=_parts(factors, rows[order], [one.out_of_scope for one in predicted]),
        intent_ids=np.array([one.intent_id for one in predicted]),
        x=x[order],
        neighbours=around.neighbours[order],
        cosines=around.cosines[order],
        weights=weights,
        candidates=len(pool.turn_ids),
    )


def _factors(pool: Pool) -> Factors:
    return Factors(pool.uncertainty, pool.structure, pool.pressure.copy(), pool.impact.copy())


def _parts(factors: Factors, rows: Ints1d, outside: Sequence[float]) -> list[dict[str, float]]:
    return [part | {"out_of_scope": one} for part, one in zip(take_apart(factors, rows), outside, strict=True)]


def _best(connection: sa.Connection, pool: Pool, found: Evidence, n: int) -> dict[int, Predicted]:
    """The n best candidates that are not forgotten, best first."""
    factors = _factors(pool)
    scores = priority(factors, fitting(Weights(), factors))
    looked_at = n
    while True:
        turn_ids = pool.turn_ids[_leading(pool, found, scores, looked_at)].tolist()
        predicted = candidates.predicted(connection, turn_ids)
        known = [turn_id for turn_id in turn_ids if turn_id in predicted][:n]
        if len(known) == n or looked_at >= len(scores):
            return {turn_id: predicted[turn_id] for turn_id in known}
        looked_at *= 2


def _leading(pool: Pool, found: Evidence, scores: Floats1d, n: int) -> Ints1d:
    """Rows of the n highest scores, best first."""
    rows = leaders(scores, n)
    turn_ids = pool.turn_ids[rows]
    return rows[top(scores[rows], n, precedence(_belief(found, turn_ids), turn_ids))]


def _belief(found: Evidence, turn_ids: Ints1d) -> Floats1d:
    """q of each turn; 0 where nobody complained."""
    belief = np.zeros(len(turn_ids))
    _, here, there = np.intersect1d(turn_ids, found.turn_ids, return_indices=True)
    belief[here] = found.belief[there]
    return belief


def _set_repeats_aside(context: Context, bot: str, n: int, shortlist: Shortlist) -> tuple[Bools1d, dict[int, int]]:
    """Which rows of the shortlist ask something new; and, of the others, turns whose waiting card serves them too."""
    near = np.where(shortlist.cosines >= DUPLICATE, shortlist.neighbours, NO_TURN)
    with database.reading(context.engine) as connection:
        asked = candidates.asked_among(connection, bot, n, near[near != NO_TURN].tolist())
        hits = np.nonzero(np.isin(near, list(asked.waiting)))
        pairs = map(Pair, shortlist.cosines[hits].tolist(), shortlist.turn_ids[hits[0]].tolist(), near[hits].tolist())
        into = _serving(connection, list(pairs))
    is_old = np.isin(near, list(asked.waiting | asked.answered)).any(axis=1)
    return np.logical_not(is_old), into


def _about_entities(context: Context, bot: str, shortlist: Shortlist, is_new: Bools1d, room: int) -> Ints1d:
    """Rows that are asked about for their entities, where the bot has a tagger: as much of the room as structure has of
    the priority."""
    weights, rows = shortlist.weights, np.flatnonzero(is_new)
    n = int(room * weights.structure / (weights.uncertainty + weights.structure))
    with database.reading(context.engine) as connection:
        model = classifiers.usable_tagger(connection, bot) if n else None
        if model is None:
            return rows[:0]
        turns = _turns(connection, shortlist, rows)
    return spread(shortlist.x, rows[tagging.covering(model.data, turns, n)], n)


def _turns(connection: sa.Connection, shortlist: Shortlist, rows: Ints1d) -> list[tuple[str, int]]:
    """Text and most probable intent of each; "" for a turn that was forgotten just now."""
    texts = texts_of(connection, shortlist.turn_ids[rows].tolist())
    ids = zip(shortlist.turn_ids[rows].tolist(), shortlist.intent_ids[rows].tolist(), strict=True)
    return [(texts.get(turn_id, ""), intent_id) for turn_id, intent_id in ids]


def _tagged(context: Context, bot: str, shortlist: Shortlist, picks: Ints1d) -> dict[int, list[Span]]:
    """Before the transaction: tagging a batch takes longer than a lock may."""
    with database.reading(context.engine) as connection:
        model = classifiers.usable_tagger(connection, bot)
        if model is None:
            return {}
        turns = _turns(connection, shortlist, picks)
    return dict(zip(shortlist.turn_ids[picks].tolist(), tagging.spans_of(model.data, turns), strict=True))


def _pick(shortlist: Shortlist, is_new: Bools1d, entities: Ints1d, room: int, seed: int) -> Ints1d:
    """Rows of the shortlist for the next cards, best first: those picked for their entities, and a batch that asks
    something else."""
    is_near = (shortlist.x @ shortlist.x[entities].T >= DUPLICATE).any(axis=1)
    rows = np.flatnonzero(is_new & ~is_near)  # in the order of priority and precedence: of equals the first row wins
    rng = np.random.default_rng(seed)
    picks = rows[batch(shortlist.x[rows], shortlist.priority[rows], rows, room - len(entities), rng)]
    return np.sort(np.concatenate([entities, picks]))


def _folds(context: Context, encoder: Encoder, bot: str, shortlist: Shortlist, picks: Ints1d) -> dict[int, int]:
    """Open candidates that a pick's answer serves → the pick."""
    turn_ids = shortlist.turn_ids[picks]
    neighbours, cosines = surroundings.others(encoder, bot, turn_ids, shortlist.x[picks], REPEATS)
    hits = np.nonzero(cosines >= DUPLICATE)
    with database.reading(context.engine) as connection:
        waiting = candidates.open_among(connection, bot, neighbours[hits].tolist()).difference(turn_ids.tolist())
        pairs = map(Pair, cosines[hits].tolist(), neighbours[hits].tolist(), turn_ids[hits[0]].tolist())
        return _serving(connection, [pair for pair in pairs if pair.turn_id in waiting])


def _serving(connection: sa.Connection, pairs: Sequence[Pair]) -> dict[int, int]:
    """Turn → the card's turn, where the answer to the card serves the turn; of several cards the nearest."""
    keys = _keys(connection, {turn_id for pair in pairs for turn_id in (pair.turn_id, pair.card)})
    found: dict[int, int] = {}
    for cosine, turn_id, card in sorted(pairs, reverse=True):
        if turn_id in keys and card in keys and folds(keys[card], keys[turn_id], cosine):
            found.setdefault(turn_id, card)
    return found


def _keys(connection: sa.Connection, turn_ids: set[int]) -> dict[int, Key]:
    return {turn_id: key(spoken) for turn_id, spoken in candidates.utterances(connection, turn_ids).items()}


def _carry_out(context: Context, plan: Plan, bot: str, now: datetime) -> int:
    """Write the ranking and its cards, if that is still wanted; how many cards."""
    with database.writing(context.engine) as connection:
        candidates.lock(connection, bot)
        record = get_bot(connection, bot)
        blind = terms(connection, record, now)
        if record.champion != plan.n or candidates.last_ranking(connection, bot) != plan.seed:
            return 0
        picks = plan.picks[: budget.rank_room(connection, record, now)]
        waiting = candidates.open_among(connection, bot, plan.shortlist.turn_ids[picks].tolist())
        picks = picks[np.isin(plan.shortlist.turn_ids[picks], list(waiting))]
        wanted = partial(rank_terms, context.keyring, record, blind=blind)
        made = _write(connection, plan, record, picks, wanted, now) if len(picks) else 0
        asked = candidates.asked_among(connection, bot, plan.n, plan.into.values()).waiting
        candidates.fold(connection, {turn_id: card for turn_id, card in plan.into.items() if card in asked})
        return made


def _write(
    connection: sa.Connection,
    plan: Plan,
    record: Bot,
    picks: Ints1d,
    wanted: Callable[[int], Mapping[str, object]],
    now: datetime,
) -> int:
    """`wanted`: what of a turn's card is settled when it is made."""
    shortlist, bot = plan.shortlist, record.name
    ranking_id = candidates.add_ranking(
        connection,
        bot,
        _items(shortlist, picks),
        at=now,
        n=plan.n,
        seed=plan.seed,
        strategy=STRATEGIES[record.uncertainty],
        candidates=shortlist.candidates,
        weights=shortlist.weights._asdict(),
    )
    chosen = zip(shortlist.turn_ids[picks].tolist(), shortlist.priority[picks].tolist(), strict=True)
    cards = [
        _card(
            bot, turn_id, "rank", score, now, ranking_id=ranking_id, tagged=plan.tagged.get(turn_id), **wanted(turn_id)
        )
        for turn_id, score in chosen
    ]
    carded = candidates.add_cards(connection, cards)
    candidates.set_carded(connection, carded)
    return len(carded)


def _items(shortlist: Shortlist, picks: Ints1d) -> list[dict[str, Any]]:
    """The shortlist as it is kept, in the order of priority."""
    picked = np.isin(np.arange(len(shortlist.turn_ids)), picks).tolist()
    rows = zip(shortlist.turn_ids.tolist(), picked, shortlist.priority.tolist(), shortlist.parts, strict=True)
    return [
        {"turn_id": turn_id, "position": position, "picked": is_picked, "priority": score, "factors": parts}
        for position, (turn_id, is_picked, score, parts) in enumerate(rows)
    ]
