"""The log's rows, a chunk of turns at a time: as ingest and the jobs after it leave them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np

from service.learning.head import NONE, Head
from service.learning.types import Floats2d, Ints1d
from service.reviews.trace_learning import Decision, decisions
from tests.bench import filled_world
from tests.bench.filled_plan import BEFORE, PROMOTED, RATE, Plan
from tests.bench.filled_world import BEGIN_DAYS, NAMES, Said, World

Rows = list[dict[str, Any]]

BOT = "shop"
SOURCES = ("web", "web", "web", "web", "web", "web", "app", "app", "app", "phone")  # of ten conversations
IN_A_CONVERSATION = 3  # turns
NEAR = 20_000  # newest turns that the neighbour index holds, beside the labelled ones
OLD_ENCODER = "all-MiniLM-L6-v1@000000000000"  # of the other turns' vectors
KINDS = ("thumbs_down", "thumbs_down", "wrong_answer", "low_rating", "handoff", "rephrase")
INFERRED = ("handoff", "rephrase")
MARKS = {"unfamiliar": 0.05, "disagreement": 0.04, "entity_structure": 0.02, "entity_boundary": 0.01}
BOUNDARY = 0.85  # uncertainty from which on a turn lies on one
REPORTED, COMPLAINED, ILL = 0.02, 0.12, 5  # share of turns, and of those that mean the intent with this id
UNDERSTOOD = 0.8  # share of turns that the platform answers right; of every sixteenth it knows nothing


class Chunk(NamedTuple):
    ids: Sequence[int]
    at: Sequence[datetime]
    meant: Ints1d
    said: Sequence[Said]
    x: Floats2d
    is_slot_fill: Sequence[bool]


def rows(world: World, plan: Plan, heads: Mapping[int, Head], encoder: str, ids: range) -> Iterator[tuple[str, Rows]]:
    """Of each table."""
    rng = np.random.default_rng((filled_world.SEED, ids[0]))
    chunk = _chunk(world, plan, rng, ids)
    yield "turn", _turns(world, chunk, rng)
    yield "turn_content", _contents(chunk, rng)
    yield "vector", list(_vectors(world, plan, chunk, encoder))
    seen = dict(_seen(world, plan, chunk, heads))
    yield "prediction", [_prediction(turn_id, n, one) for turn_id, by_n in seen.items() for n, one in by_n.items()]
    yield from _replies(chunk)
    yield from _reports(chunk, rng)
    marks = list(_marks(plan, chunk, seen, rng))
    yield "mark", marks
    yield "candidate", list(_candidates(plan, chunk, seen, marks, rng))


def _chunk(world: World, plan: Plan, rng: np.random.Generator, ids: range) -> Chunk:
    meant = world.meant(rng, len(ids))
    x = world.vectors(rng, meant)
    known = [(at, plan.place[turn_id]) for at, turn_id in enumerate(ids) if turn_id in plan.place]
    places, known_rows = (list(column) for column in zip(*known, strict=True)) if known else ([], [])
    meant[places], x[places] = plan.y[known_rows], plan.x[known_rows]
    is_slot_fill = rng.random(len(ids)) < 0.05
    is_slot_fill[places] = False
    said = filled_world.said(rng, meant)
    return Chunk(ids, [plan.at(world, one) for one in ids], meant, said, x, is_slot_fill.tolist())


def _turns(world: World, chunk: Chunk, rng: np.random.Generator) -> Rows:
    luck, scores = rng.random(len(chunk.ids)).tolist(), rng.beta(6, 2, len(chunk.ids)).tolist()
    return [_turn(world, *one) for one in zip(*chunk[:4], chunk.is_slot_fill, luck, scores, strict=True)]


def _turn(
    world: World, id_: int, at: datetime, meant: int, said: Said, is_slot_fill: bool, luck: float, score: float
) -> dict[str, Any]:
    answered = meant if luck < UNDERSTOOD and meant != NONE else int(world.rivals[meant - 1])
    is_fallback = luck > 15 / 16
    conversation = id_ // IN_A_CONVERSATION
    return {
        "id": id_,
        "bot": BOT,
        "source": source_of(id_),
        "external_id": f"t-{id_}",
        "delivery_id": f"d-{id_ // 20}",
        "conversation_id": f"c-{conversation}",
        "at": at,
        "received_at": at + timedelta(seconds=2),
        "lang": "en",
        "channel": "chat",
        "bot_version": filled_world.version(at, world.until),
        "bot_intent": "" if is_fallback else NAMES[answered - 1],
        "bot_score": None if is_fallback else score,
        "is_fallback": is_fallback,
        "is_slot_fill": is_slot_fill,
        "text_key": sha256(said.text.encode()).digest()[:16],
        "entity_signature": "number" if said.entities else "",
    }


def source_of(turn_id: int) -> str:
    return SOURCES[turn_id // IN_A_CONVERSATION % len(SOURCES)]


def _contents(chunk: Chunk, rng: np.random.Generator) -> Rows:
    people = rng.integers(50_000, size=len(chunk.ids)).tolist()
    return [
        {"turn_id": id_, "text": said.text, "entities": said.entities, "person": f"{person:064x}"}
        for id_, said, person in zip(chunk.ids, chunk.said, people, strict=True)
    ]


def _vectors(world: World, plan: Plan, chunk: Chunk, encoder: str) -> Iterator[dict[str, Any]]:
    newest = plan.first + world.turns - NEAR
    for id_, data in zip(chunk.ids, chunk.x.astype("<f2"), strict=True):
        is_near = id_ >= newest or id_ in plan.place
        yield {"turn_id": id_, "encoder": encoder if is_near else OLD_ENCODER, "data": data.tobytes()}


def _seen(
    world: World, plan: Plan, chunk: Chunk, heads: Mapping[int, Head]
) -> Iterator[tuple[int, dict[int, Decision]]]:
    """What the classifiers make of each turn: the one in force when it came in, and the next where that was soon."""
    ends = [*PROMOTED[1:], BEGIN_DAYS]
    spans = {
        n: range(plan.first + world.place(start - BEFORE), plan.first + world.place(end))
        for n, (start, end) in enumerate(zip(PROMOTED, ends, strict=True), 1)
    }
    by_n = {
        n: decisions(heads[n], chunk.x) for n, of in spans.items() if of[0] <= chunk.ids[-1] and chunk.ids[0] <= of[-1]
    }
    for place, id_ in enumerate(chunk.ids):
        if not chunk.is_slot_fill[place]:
            yield id_, {n: made[place] for n, made in by_n.items() if id_ in spans[n]}


def _prediction(turn_id: int, n: int, seen: Decision) -> dict[str, Any]:
    return {
        "turn_id": turn_id,
        "n": n,
        "bot": BOT,
        "intent_id": seen.intent_id,
        "best_id": seen.best,
        "second_id": seen.second,
        "p1": seen.p1,
        "p2": seen.p2,
        "out_of_scope": seen.out_of_scope,
        "uncertainty": seen.uncertainty,
        "confidence": seen.p1,
    }


def _replies(chunk: Chunk) -> Iterator[tuple[str, Rows]]:
    """To every other turn."""
    answered = [one for one in zip(chunk.ids, chunk.at, strict=True) if has_reply(one[0])]
    yield (
        "reply",
        [
            {"id": id_, "bot": BOT, "source": source_of(id_), "external_id": f"a-{id_}", "turn_external_id": f"t-{id_}"}
            | {"conversation_id": f"c-{id_ // IN_A_CONVERSATION}", "at": at, "received_at": at}
            for id_, at in answered
        ],
    )
    yield "reply_content", [{"reply_id": id_, "text": f"Here is what I found, case {id_}."} for id_, _ in answered]


def has_reply(turn_id: int) -> bool:
    return turn_id % 2 == 0


def _reports(chunk: Chunk, rng: np.random.Generator) -> Iterator[tuple[str, Rows]]:
    """Of a turn, or where it has one of its reply; a comment with every fifth."""
    chances = np.where(chunk.meant == ILL, COMPLAINED, REPORTED)
    places = np.flatnonzero(rng.random(len(chunk.ids)) < chances).tolist()
    yield "report", [_report(chunk.ids[place], chunk.at[place], KINDS[place % len(KINDS)]) for place in places]
    yield (
        "report_content",
        [
            {
                "report_id": chunk.ids[place],
                "comment": "not what i asked" if place % 5 == 0 else "",
                "person": f"{place:064x}",
            }
            for place in places
        ],
    )


def _report(turn_id: int, at: datetime, kind: str) -> dict[str, Any]:
    of_reply = has_reply(turn_id) and turn_id % 3 == 0
    return {
        "id": turn_id,
        "bot": BOT,
        "source": source_of(turn_id),
        "external_id": f"p-{turn_id}",
        "conversation_id": f"c-{turn_id // IN_A_CONVERSATION}",
        "turn_external_id": "" if of_reply else f"t-{turn_id}",
        "reply_external_id": f"a-{turn_id}" if of_reply else "",
        "kind": kind,
        "is_explicit": kind not in INFERRED,
        "at": at,
        "received_at": at,
    }


def _marks(
    plan: Plan, chunk: Chunk, seen: Mapping[int, Mapping[int, Decision]], rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    audited = {card.turn_id for card in plan.cards if card.purpose == "audit"}
    draws = rng.random((len(chunk.ids), len(MARKS))).tolist()
    for id_, at, luck in zip(chunk.ids, chunk.at, draws, strict=True):
        made = seen.get(id_)
        if not made:
            continue
        n, doubt = min(made), made[min(made)].uncertainty
        found = {kind: draw for (kind, share), draw in zip(MARKS.items(), luck, strict=True) if draw < share}
        found |= {"boundary": doubt} if doubt > BOUNDARY else {}
        is_audited = id_ in audited or luck[0] > 1 - RATE
        for kind, value in (found | ({"audit": RATE / 2} if is_audited else {})).items():
            rate = RATE if kind == "audit" else None
            yield {"bot": BOT, "turn_id": id_, "kind": kind, "value": value, "rate": rate, "n": n, "at": at}


def _candidates(
    plan: Plan, chunk: Chunk, seen: Mapping[int, Mapping[int, Decision]], marks: Rows, rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    status = {
        card.turn_id: "labelled" if card.status == "resolved" else "carded"
        for card in plan.cards
        if card.purpose == "rank"
    }
    at = dict(zip(chunk.ids, chunk.at, strict=True))
    asked = {one for one in chunk.ids if one in status or one in plan.folds}
    for id_ in sorted(asked | {mark["turn_id"] for mark in marks if mark["kind"] != "audit"}):
        made = seen.get(id_) or {}
        n = max(made, default=None)
        yield {
            "turn_id": id_,
            "bot": BOT,
            "status": "folded" if id_ in plan.folds else status.get(id_, "open"),
            "folded_into": plan.folds.get(id_),
            "n": n,
            "uncertainty": made[n].uncertainty if n else 0.5,
            "structure": float(rng.random() < 0.2),
            "pressure": round(float(rng.exponential(0.1)), 3),
            "impact": round(float(rng.exponential(0.3)), 3),
            "measured_at": at[id_],
            "created_at": at[id_],
        }
