"""The gate job: a challenger takes the champion's place on blind answers, or does not. The audit slice and the gold set
can keep it from that, never help it there."""

from typing import NamedTuple

import numpy as np
import sqlalchemy as sa
import structlog

from service import clock, database, jobs
from service.access import audit
from service.classifiers import gates, rules, store
from service.classifiers.rules import Duel
from service.classifiers.schemas import Classifier, Gate, Outcome
from service.context import Context
from service.intents.store import list_intents, merges
from service.jobs import Job
from service.learning.head import NONE
from service.learning.head import decide as decide_intents
from service.reviews.candidates import vectors_of
from service.reviews.labels import test_answers

log = structlog.get_logger()


class _Heard(NamedTuple):
    """What the test labels say of a challenger; `veto` is the reason to hold it, or empty."""

    challenger: int
    veto: str


def decide(context: Context, bot: str) -> str | None:
    """End the bot's open gate once no answer can change how: "promoted", "held" or "void"; None while it stays open.

    A repeat, or a second one at the same time, finds it closed."""
    with database.reading(context.engine) as connection:
        gate = gates.open_gate(connection, bot)
        heard = None if gate is None else _hear(connection, bot, gate)
    with database.writing(context.engine) as connection:
        gate = gates.open_gate(connection, bot, lock=True)
        outcome = None if gate is None else _end(connection, bot, gate, heard)
    if outcome == "promoted":
        jobs.enqueue(context.queue, Job.RESCORE, bot)
    return outcome


def _hear(connection: sa.Connection, bot: str, gate: Gate) -> _Heard | None:
    """Asked before the lock is taken, for it takes longer than a lock may; None when there is no winner to hold."""
    if rules.verdict(gates.tally(connection, bot, gate.challenger)) != "promote":
        return None
    found = duels(connection, bot, *(store.load(connection, bot, n) for n in (gate.champion, gate.challenger)))
    worse = rules.vetoes(found)
    return _Heard(gate.challenger, rules.explain_veto(found, worse) if worse else "")


def duels(connection: sa.Connection, bot: str, champion: Classifier, challenger: Classifier) -> dict[str, Duel]:
    """By intent, the labelled turns of the audit slice and the gold set that have a vector both can read."""
    if champion.encoder != challenger.encoder:
        return {}
    answers, into = test_answers(connection, bot), merges(connection, bot)
    turn_ids, x = vectors_of(connection, answers, champion.encoder)
    if not len(turn_ids):
        return {}
    names: dict[int | None, str] = {intent.id: intent.name for intent in list_intents(connection, bot)}
    decided = np.column_stack([decide_intents(one.head, x) for one in (champion, challenger)]).tolist()
    counts: dict[str, list[int]] = {}
    for turn_id, said in zip(turn_ids.tolist(), decided, strict=True):
        right = answers[turn_id]
        before, after = ((None if one == NONE else into.get(one)) in right for one in said)
        of_intent = counts.setdefault(names.get(right[0], "none"), [0, 0])
        of_intent[0] += after and not before
        of_intent[1] += before and not after
    return {intent: Duel(*of_intent) for intent, of_intent in counts.items()}


def _end(connection: sa.Connection, bot: str, gate: Gate, heard: _Heard | None) -> str | None:
    counted = gates.tally(connection, bot, gate.challenger)
    ended = rules.verdict(counted)
    if ended is None:
        return None
    now, reason = clock.now(), rules.explain(ended, counted)
    if ended == "promote":
        if heard is None or heard.challenger != gate.challenger:
            return None  # the last answer came just now, and its own job is on its way
        if heard.veto:
            ended, reason = "hold", f"{reason}, but {heard.veto}"
    if ended == "promote" and not store.promote(connection, bot, gate.challenger, gate.champion):
        gates.void(connection, bot, "the champion it was compared with is not in force any more", now)
        return "void"
    if ended == "hold":
        store.set_status(connection, bot, gate.challenger, "held")
    outcome: Outcome = "promoted" if ended == "promote" else "held"
    gates.close(connection, bot, gate.challenger, outcome, reason, now, counted)
    audit.record(
        connection, bot, f"classifier.{outcome}", now, audit.SYSTEM,
        n=gate.challenger, champion=gate.champion, wins=counted.wins, losses=counted.losses, neither=counted.neither,
    )  # fmt: skip
    log.info("gate.decided", bot=bot, n=gate.challenger, outcome=outcome, wins=counted.wins, losses=counted.losses)
    return outcome
