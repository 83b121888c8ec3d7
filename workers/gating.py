"""The gate job: a challenger takes the champion's place on blind answers, or does not. The audit slice and the gold set
can keep it from that, never help it there.

One that brings an encoder of its own (workers/adapting.py) puts it in force in the same transaction. Before that the
encode process has to show that it holds those weights: a switch to an encoder that nobody can load would stop the
bot."""

from typing import NamedTuple

import numpy as np
import sqlalchemy as sa
import structlog

from service import clock, database, jobs
from service.access import audit
from service.classifiers import gates, rules, store
from service.classifiers.history import promoted
from service.classifiers.rules import Duel
from service.classifiers.schemas import Classifier, Gate, Outcome
from service.classifiers.store import Move
from service.context import Context
from service.encoding import Encoder, EncoderUnknown, insist
from service.events import outbox
from service.intents.store import list_intents, merges
from service.jobs import Job
from service.learning.head import NONE
from service.learning.head import decide as decide_intents
from service.reviews.candidates import vectors_of
from service.reviews.labels import test_answers

log = structlog.get_logger()


class _Winner(NamedTuple):
    """A challenger whose blind answers are won, as it was looked at before the lock."""

    challenger: int
    encoder: str  # identity
    move: Move | None  # how the bot's encoder changes with it
    veto: str  # what the test labels say against it; empty: nothing


def decide(context: Context, encoder: Encoder, bot: str) -> str | None:
    """End the bot's open gate once no answer can change how: "promoted", "held" or "void"; None while it stays open.

    A repeat, or a second one at the same time, finds it closed. EncoderDown when the encode process is needed and does
    not answer."""
    with database.reading(context.engine) as connection:
        gate = gates.open_gate(connection, bot)
        winner = None if gate is None else _winner(connection, bot, gate)
    if winner and (reason := _unloadable(encoder, bot, winner)):
        with database.writing(context.engine) as connection:
            gates.void(connection, bot, reason, clock.now())
        log.error("gate.void", bot=bot, reason=reason)
        return "void"
    with database.writing(context.engine) as connection:
        gate = gates.open_gate(connection, bot, lock=True)
        outcome = None if gate is None else _end(connection, bot, gate, winner)
    if outcome == "promoted":
        jobs.enqueue(context.queue, Job.RESCORE, bot)
        jobs.enqueue(context.queue, Job.PROPOSE, bot)
    return outcome


def _unloadable(encoder: Encoder, bot: str, winner: _Winner) -> str:
    """Why the encoder that is about to be put in force cannot be; empty when none is, or when it is loaded."""
    try:
        if winner.move is not None:
            insist(encoder, bot, winner.move.after, winner.encoder)
    except EncoderUnknown as error:
        return error.detail
    return ""


def _move(connection: sa.Connection, bot: str, gate: Gate) -> Move | None:
    """How the bot's encoder changes if the challenger wins."""
    new, old = (store.manifest(connection, bot, n) for n in (gate.challenger, gate.champion))
    if new.adapted is None or new.encoder == old.encoder:
        return None
    return Move(new.adapted.before, new.adapted.folder)


def _winner(connection: sa.Connection, bot: str, gate: Gate) -> _Winner | None:
    """Looked at before the lock is taken, for it takes longer than a lock may; None when nobody has won, or while the
    winner's encoder has not seen every turn that tests."""
    if rules.verdict(gates.tally(connection, bot, gate.challenger)) != "promote":
        return None
    champion, challenger = (store.load(connection, bot, n) for n in (gate.champion, gate.challenger))
    found = duels(connection, bot, champion, challenger)
    if found is None:
        log.info("gate.waits", bot=bot, n=gate.challenger)  # the job REEMBED makes what is missing
        return None
    worse = rules.vetoes(found)
    veto = rules.explain_veto(found, worse) if worse else ""
    return _Winner(gate.challenger, challenger.encoder, _move(connection, bot, gate), veto)


def duels(connection: sa.Connection, bot: str, champion: Classifier, challenger: Classifier) -> dict[str, Duel] | None:
    """By intent, the labelled turns of the audit slice and the gold set; None while some that the champion has a vector
    of lack one for the challenger."""
    answers, into = test_answers(connection, bot), merges(connection, bot)
    (before_ids, before_x), (after_ids, after_x) = (
        vectors_of(connection, answers, one.encoder) for one in (champion, challenger)
    )
    turn_ids, before_rows, after_rows = np.intersect1d(before_ids, after_ids, return_indices=True)
    if len(turn_ids) < len(before_ids):
        return None
    if not len(turn_ids):
        return {}
    names: dict[int | None, str] = {intent.id: intent.name for intent in list_intents(connection, bot)}
    seen = ((champion, before_x[before_rows]), (challenger, after_x[after_rows]))
    decided = np.column_stack([decide_intents(one.head, x) for one, x in seen]).tolist()
    counts: dict[str, list[int]] = {}
    for turn_id, said in zip(turn_ids.tolist(), decided, strict=True):
        right = answers[turn_id]
        before, after = ((None if one == NONE else into.get(one)) in right for one in said)
        of_intent = counts.setdefault(names.get(right[0], "none"), [0, 0])
        of_intent[0] += after and not before
        of_intent[1] += before and not after
    return {intent: Duel(*of_intent) for intent, of_intent in counts.items()}


def _end(connection: sa.Connection, bot: str, gate: Gate, winner: _Winner | None) -> str | None:
    counted = gates.tally(connection, bot, gate.challenger)
    ended = rules.verdict(counted)
    if ended is None:
        return None
    now, move, reason = clock.now(), None, rules.explain(ended, counted)
    if ended == "promote":
        if winner is None or winner.challenger != gate.challenger:
            return None  # the last answer came just now, or it cannot be tested yet: the next job ends it
        move = winner.move
        if winner.veto:
            ended, reason = "hold", f"{reason}, but {winner.veto}"
    if ended == "promote" and not store.promote(connection, bot, gate.challenger, gate.champion, move):
        gates.void(connection, bot, "the champion or encoder it was compared with is not in force any more", now)
        return "void"
    if ended == "hold":
        store.set_status(connection, bot, gate.challenger, "held")
    outcome: Outcome = "promoted" if ended == "promote" else "held"
    gates.close(connection, bot, gate.challenger, outcome, reason, now, counted)
    audit.record(
        connection, bot, f"classifier.{outcome}", now, audit.SYSTEM,
        n=gate.challenger, champion=gate.champion, wins=counted.wins, losses=counted.losses, neither=counted.neither,
    )  # fmt: skip
    if outcome == "promoted":
        told = promoted(gate.challenger, gate.champion, "gate")
        outbox.record(connection, bot, "classifier.promoted", told, now)
    else:
        gates.tell_held(connection, bot, gate, reason, counted, now)
    log.info("gate.decided", bot=bot, n=gate.challenger, outcome=outcome, wins=counted.wins, losses=counted.losses)
    return outcome
