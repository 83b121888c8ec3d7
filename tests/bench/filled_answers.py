"""Rankings, cards, messages, votes and labels, as a year's reviewers leave them."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from service.learning.head import NONE
from service.learning.ranking import Weights, recompute
from service.reviews.schemas import USES
from tests.bench.filled_log import BOT, Rows
from tests.bench.filled_plan import Card, Plan
from tests.bench.filled_world import BEGIN_DAYS, World

PEOPLE = ("Ada", "Bram", "Chloé", "Deniz", "Ewa", "Farid", "slack:U0GRACE", "slack:U0HUGO")
WRONG = (0.02, 0.03, 0.03, 0.04, 0.05, 0.06, 0.08, 0.25)  # share of each one's answers
OVERLAP = 5  # every fifth card to learn from is asked blind of two people
SHORTLIST = 200
ANSWERED = timedelta(hours=2)  # after a card was made


def rows(world: World, plan: Plan) -> Iterator[tuple[str, Rows]]:
    """Of each table."""
    rng = world.rng
    yield from _rankings(world, plan)
    yield "card", [_card(plan, card) for card in plan.cards]
    posted = [card for card in plan.cards if card.purpose != "audit"]
    yield "message", [_message(card) for card in posted]
    yield "post", [{"card_id": card.id, "message_id": f"m{card.id}", "shown": card.status} for card in posted]
    said = (vote for card in plan.cards for vote in _votes(world, plan, card, rng))
    votes = [{"id": n, **vote} for n, vote in enumerate(said, 1)]
    yield "vote", votes
    decided = {vote["card_id"]: vote["id"] for vote in reversed(votes)}
    labels = sorted(_labels(world, plan, decided), key=lambda row: row["at"])
    yield "label", [{"id": n, **label} for n, label in enumerate(labels, 1)]
    yield "contradiction", list(_contradictions(plan))


def is_blind(card: Card) -> bool:
    return card.purpose != "rank" or card.turn_id % OVERLAP == 0


def _card(plan: Plan, card: Card) -> dict[str, Any]:
    is_closed = card.status == "resolved"
    return {
        "id": card.id,
        "bot": BOT,
        "turn_id": card.turn_id,
        "purpose": card.purpose,
        "challenger": card.challenger,
        "ranking_id": _ranking_of(card) if card.purpose == "rank" else None,
        "is_blind": is_blind(card),
        "overlap": 2 if is_blind(card) and card.purpose != "flip" else 1,
        "policy": "majority",
        "priority": (card.turn_id % 97) / 97,
        "status": card.status,
        "is_settled": True,
        "created_at": card.made_at,
        "resolved_at": card.made_at + ANSWERED if is_closed else None,
    }


def _ranking_of(card: Card) -> int:
    """One a day."""
    return card.made_at.toordinal()


def _message(card: Card) -> dict[str, Any]:
    at = card.made_at
    times = {"first_at": at, "attempted_at": at, "redraw_at": at}
    return {
        "id": f"m{card.id}",
        "bot": BOT,
        "channel": "C0SHOP",
        "status": "posted",
        "ts": f"{card.turn_id}.1",
        **times,
    }


def _rankings(world: World, plan: Plan) -> Iterator[tuple[str, Rows]]:
    """Each with its picks, and with candidates that were not."""
    picked: dict[int, list[int]] = {}
    for card in plan.cards:
        if card.purpose == "rank":
            picked.setdefault(_ranking_of(card), []).append(card.turn_id)
    made = {_ranking_of(card): card.made_at for card in plan.cards}
    weights = Weights()._asdict()
    yield (
        "ranking",
        [
            {
                "id": one,
                "bot": BOT,
                "at": made[one],
                "n": 1,
                "seed": one,
                "strategy": "margin",
                "candidates": 150_000,
                "weights": weights,
            }
            for one in picked
        ],
    )
    yield "ranking_item", [item for one, turns in picked.items() for item in _items(world, plan, one, turns, weights)]


def _items(
    world: World, plan: Plan, ranking: int, picked: list[int], weights: dict[str, float]
) -> Iterator[dict[str, Any]]:
    others = world.rng.integers(plan.first, plan.first + world.turns, SHORTLIST).tolist()
    for position, turn_id in enumerate(dict.fromkeys([*picked, *others])):
        doubt = 1 - position / (2 * SHORTLIST)
        factors = {"uncertainty": doubt, "structure": 0.0, "structure_rank": 0.5, "pressure": 0.1, "impact": 0.7}
        yield {"ranking_id": ranking, "turn_id": turn_id, "position": position, "picked": turn_id in picked} | {
            "priority": recompute(factors, weights),
            "factors": factors,
        }


def _votes(world: World, plan: Plan, card: Card, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Those who were not sure of a card that waits for an adjudicator said so."""
    if card.status == "open":
        return
    count = 2 if is_blind(card) and card.purpose != "flip" else 1
    for place, person in enumerate(rng.choice(len(PEOPLE), count, replace=False).tolist()):
        meant = _answered(world, plan, card, float(rng.random()) < WRONG[person])
        answer = "unsure" if card.status == "adjudicate" else "none" if meant == NONE else "intent"
        yield {
            "bot": BOT,
            "card_id": card.id,
            "reviewer": PEOPLE[person],
            "answer": answer,
            "intent_id": meant if answer == "intent" else None,
            "surface": "slack" if PEOPLE[person].startswith("slack:") else "console",
            "click_id": f"{card.id}-{place}",
            "at": card.made_at + timedelta(minutes=30 + 60 * place, seconds=card.turn_id % 600),
        }


def _answered(world: World, plan: Plan, card: Card, is_wrong: bool) -> int:
    meant = int(plan.y[plan.place[card.turn_id]])
    return int(world.rivals[meant - 1]) if is_wrong and meant != NONE else meant


def _labels(world: World, plan: Plan, decided: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """By the first vote of each card that was answered; `decided`: its id, by card."""
    begun = world.until - timedelta(days=BEGIN_DAYS)
    for turn_id in range(1, plan.first):
        yield _label(plan, turn_id, "gold" if turn_id >= plan.gold else "train", "import", begun)
    answered = {card.turn_id: card for card in plan.cards if card.status == "resolved"}
    for card in answered.values():
        made = _label(plan, card.turn_id, USES[card.purpose], "vote", card.made_at + ANSWERED)
        yield made | {"card_id": card.id, "vote_id": decided[card.id]}
    for turn_id, of in plan.folds.items():
        card, is_equal = answered[of], turn_id % 5 > 0
        made = _label(plan, turn_id, "train", "fold" if is_equal else "weak", card.made_at + ANSWERED)
        yield made | {"card_id": card.id, "vote_id": decided[card.id], "weight": 1.0 if is_equal else 0.5}


def _label(plan: Plan, turn_id: int, use: str, origin: str, at: datetime) -> dict[str, Any]:
    meant = int(plan.y[plan.place[turn_id]])
    answer = {"answer": "none" if meant == NONE else "intent", "intent_id": None if meant == NONE else meant}
    given = {"origin": origin, "weight": 1.0, "card_id": "", "vote_id": None, "at": at}
    return {"bot": BOT, "turn_id": turn_id, "use": use, **answer, **given}


def _contradictions(plan: Plan) -> Iterator[dict[str, Any]]:
    """Between turns of intents that lie near each other."""
    ranked = [card for card in plan.cards if card.purpose == "rank" and card.status == "resolved"]
    by_meant = {int(plan.y[plan.place[card.turn_id]]): card for card in ranked}
    for meant, card in by_meant.items():
        other = by_meant.get(meant - 1)
        if meant % 3 == 0 and other is not None and meant > 1:
            low, high = sorted((card.turn_id, other.turn_id))
            yield {"low_turn": low, "high_turn": high, "bot": BOT, "card_id": card.id, "label_id": low} | {
                "at": card.made_at
            }
