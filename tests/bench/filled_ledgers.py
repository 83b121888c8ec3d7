"""What jobs and owners leave: classifiers with their gates, proposals, drift windows with alerts, the audit log."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import sqlalchemy as sa

from service import tables
from service.access import audit
from service.classifiers import store
from service.classifiers.schemas import Manifest
from service.encoding import pack
from service.learning.head import Head
from service.windows import alerts, ledger
from service.windows.schemas import Found, Measured
from tests.bench.filled_log import BOT, Rows
from tests.bench.filled_plan import FLIPS, PROMOTED, TRIED, Plan
from tests.bench.filled_world import BEGIN_DAYS, DIMENSIONS, NAMES, VERSION_DAYS, World
from workers import trainer
from workers.held_out import Tuning
from workers.progress import Progress

C = 30.0  # what a search finds
LOG = 5_000  # turns that a training looks at
SPAN = timedelta(days=7)
WINDOWS = 75  # days with one, the newest
ALARMS = (range(3), range(20, 24), range(41, 44))  # days ago
CHANGES = 3_000  # of the audit log
PROPOSALS, GROWING, MEMBERS = 40, 6, 30
DAILY = ("psi", "jensen_shannon", "embeddings", "novel", "out_of_scope", "fallback", "reports", "confidence", "margin")


def days() -> dict[int, float]:
    """Day of the log on which each classifier was made."""
    return dict(enumerate((*PROMOTED, TRIED), 1))


def classifiers(
    connection: sa.Connection, world: World, plan: Plan, labels: Rows, encoder: str, progress: Progress
) -> dict[int, Head]:
    """Store them, each trained with the labels there were; the last is on trial against the one before."""
    heads = {}
    with progress.step("training", len(days())) as advance:
        for n, day in days().items():
            made_at = _instant(world, day)
            there = [
                row for row in labels if row["at"] <= made_at and row["use"] == "train" and row["origin"] != "weak"
            ]
            heads[n] = _fit(world, plan, there)
            status = {len(PROMOTED): "champion", len(PROMOTED) + 1: "challenger"}.get(n, "retired")
            store.save(connection, BOT, heads[n], _manifest(there, encoder, n), status, made_at)  # type: ignore[arg-type]
            advance(1)
    connection.execute(sa.update(tables.bot).where(tables.bot.c.name == BOT).values(champion=len(PROMOTED)))
    return heads


def _instant(world: World, day: float) -> datetime:
    return world.until - timedelta(days=BEGIN_DAYS - day)


def _fit(world: World, plan: Plan, labels: Rows) -> Head:
    rows = [plan.place[label["turn_id"]] for label in labels]
    known = trainer.Labels(plan.x[rows], plan.y[rows], np.ones(len(rows)), np.arange(len(rows)))
    ids, tuning = np.arange(1, len(NAMES) + 1), Tuning(C, len(rows))
    return trainer.fit(ids, world.said_names, known, plan.x[:LOG], seed=1, tuning=tuning).head


def _manifest(labels: Rows, encoder: str, n: int) -> Manifest:
    ids = {name: id_ for id_, name in enumerate(NAMES, 1)}
    origins = [label["origin"] for label in labels]
    return Manifest(
        encoder=encoder,
        dimensions=DIMENSIONS,
        intents=ids,
        names=ids,
        labels=len(labels),
        labels_by_origin={origin: origins.count(origin) for origin in sorted(set(origins))},
        first_label_id=labels[0]["id"],
        last_label_id=labels[-1]["id"],
        phase="steady",
        c=C,
        replaced=None if n == 1 else n - 1,
        accuracy=0.8 + n / 60,
    )


def rows(world: World, plan: Plan) -> Iterator[tuple[str, Rows]]:
    """Of each table."""
    yield "gate", [_gate(world, n, day) for n, day in days().items() if n > 1]
    yield (
        "flip",
        [
            {"bot": BOT, "challenger": card.challenger, "turn_id": card.turn_id, **_sides(world, plan, card.turn_id)}
            for card in plan.cards
            if card.purpose == "flip"
        ],
    )
    yield from _proposals(world, plan)
    yield "audit_log", list(_changes(world))


def _gate(world: World, n: int, day: float) -> dict[str, Any]:
    is_open = n == len(days())
    return {
        "bot": BOT,
        "challenger": n,
        "champion": n - 1,
        "status": "open" if is_open else "promoted",
        "compared": 2_000,
        "disagreed": 160,
        "wins": 6 if is_open else 24,
        "losses": 2 if is_open else 10,
        "neither": 2 if is_open else FLIPS - 34,
        "opened_at": _instant(world, day - 1),
        "decided_at": None if is_open else _instant(world, day),
        "reason": "" if is_open else "24 wins, 10 losses",
    }


def _sides(world: World, plan: Plan, turn_id: int) -> dict[str, int]:
    meant = max(int(plan.y[plan.place[turn_id]]), 1)
    return {"champion_intent_id": int(world.rivals[meant - 1]), "challenger_intent_id": meant}


def _proposals(world: World, plan: Plan) -> Iterator[tuple[str, Rows]]:
    statuses = ["open" if n > PROPOSALS // 2 else "lapsed" for n in range(1, PROPOSALS + 1)]
    end = plan.first + world.turns
    yield (
        "proposal",
        [
            {
                "id": n,
                "bot": BOT,
                "n": len(PROMOTED),
                "at": world.until,
                "status": status,
                "turns": 60 - n,
                "tightness": 0.8,
            }
            | {"phrases": ["gift wrap", "wrapping paper"], "middle": pack(world.centers[n]), "encoder": ""}
            | {"before": 0.002 if n > PROPOSALS - GROWING else None, "now": 0.01 if n > PROPOSALS - GROWING else None}
            for n, status in enumerate(statuses, 1)
        ],
    )
    yield (
        "proposal_turn",
        [
            {"proposal_id": n, "turn_id": end - 1 - n * MEMBERS - place, "position": place}
            for n in range(1, PROPOSALS + 1)
            for place in range(MEMBERS)
        ],
    )


def _changes(world: World) -> Iterator[dict[str, Any]]:
    """Somebody signed in, mostly."""
    for n, day in days().items():
        if n <= len(PROMOTED):
            yield _change(_instant(world, day), audit.SYSTEM, "classifier.promoted", {"n": n})
    for place in range(CHANGES):
        day = BEGIN_DAYS * place / CHANGES
        action = "boundary.review" if place % 9 == 0 else "session.open"
        details = {"intents": [1, 2], "turns": 10} if place % 9 == 0 else {"role": "reviewer"}
        yield _change(_instant(world, day), f"Reviewer {place % 8}", action, details)


def _change(at: datetime, who: str, action: str, details: Mapping[str, Any]) -> dict[str, Any]:
    return {"bot": BOT, "at": at, "who": who, "action": action, "details": details}


def windows(connection: sa.Connection, world: World, plan: Plan) -> None:
    """A day's each, and what they made of the bot's alerts."""
    for ago in range(WINDOWS, -1, -1):
        measured = _window(world, plan, ago)
        ledger.keep(connection, BOT, measured, world.until)
        alerts.follow(connection, BOT, measured, world.until - timedelta(days=ago - 1) if ago else world.until)


def _window(world: World, plan: Plan, ago: int) -> Measured:
    day = (world.until - timedelta(days=ago)).date()
    is_alarm = any(ago in span for span in ALARMS)
    shift, noise = (0.2 if is_alarm else 0.0), world.rng.normal(0, 0.01, len(DAILY)).tolist()
    p = 1e-6 if is_alarm else 0.4
    daily = [
        Found(name, None, 0.1 + shift + by, 0.1, p, p, is_alarm and place < 4)
        for place, (name, by) in enumerate(zip(DAILY, noise, strict=True))
    ]
    each = [Found("intent", one, 0.01, 0.01, 0.5, 1.0, False) for one in range(1, len(NAMES) + 1)]
    each.append(Found("structure", "number", 0.3, 0.3, 0.5, 1.0, False))
    newest = plan.first + world.place(BEGIN_DAYS - ago) - 1
    return Measured(
        day=day,
        n=len(PROMOTED),
        since=day - SPAN,
        reference_since=day - 5 * SPAN,
        turns=1_000,
        reference_turns=5_000,
        is_alarm=is_alarm,
        findings=(*daily, *each),
        likeliest=tuple(range(newest - 20, newest)),
        versions={f"2026.{1 + (BEGIN_DAYS - ago) // VERSION_DAYS}": day}
        if (BEGIN_DAYS - ago) % VERSION_DAYS == 0
        else {},
    )
