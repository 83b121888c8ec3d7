"""The gate job: a challenger takes the champion's place on blind answers, or does not.

One that brings an encoder of its own (workers/adapting.py) puts it in force in the same transaction. Before that the
encode process has to show that it holds those weights: a switch to an encoder that nobody can load would stop the
bot."""

import sqlalchemy as sa
import structlog

from service import clock, database, jobs
from service.access import audit
from service.classifiers import gates, rules, store
from service.classifiers.schemas import Gate, Outcome
from service.classifiers.store import Move
from service.context import Context
from service.encoding import Encoder, EncoderUnknown, insist
from service.jobs import Job

log = structlog.get_logger()


def decide(context: Context, encoder: Encoder, bot: str) -> str | None:
    """End the bot's open gate once no answer can change how: "promoted", "held" or "void"; None while it stays open.

    A repeat, or a second one at the same time, finds it closed. EncoderDown when the encode process is needed and does
    not answer."""
    if reason := _unloadable(context, encoder, bot):
        with database.writing(context.engine) as connection:
            gates.void(connection, bot, reason, clock.now())
        log.error("gate.void", bot=bot, reason=reason)
        return "void"
    with database.writing(context.engine) as connection:
        gate = gates.open_gate(connection, bot, lock=True)
        outcome = None if gate is None else _end(connection, bot, gate)
    if outcome == "promoted":
        jobs.enqueue(context.queue, Job.RESCORE, bot)
    return outcome


def _unloadable(context: Context, encoder: Encoder, bot: str) -> str:
    """Why the encoder that is about to be put in force cannot be; empty when none is, or when it is loaded."""
    with database.reading(context.engine) as connection:
        gate = gates.open_gate(connection, bot)
        if gate is None or rules.verdict(gates.tally(connection, bot, gate.challenger)) != "promote":
            return ""
        move, identity = _move(connection, bot, gate), store.manifest(connection, bot, gate.challenger).encoder
    try:
        if move is not None:
            insist(encoder, bot, move.after, identity)
    except EncoderUnknown as error:
        return error.detail
    return ""


def _move(connection: sa.Connection, bot: str, gate: Gate) -> Move | None:
    """How the bot's encoder changes if the challenger wins."""
    new, old = (store.manifest(connection, bot, n) for n in (gate.challenger, gate.champion))
    if new.adapted is None or new.encoder == old.encoder:
        return None
    return Move(new.adapted.before, new.adapted.folder)


def _end(connection: sa.Connection, bot: str, gate: Gate) -> str | None:
    counted = gates.tally(connection, bot, gate.challenger)
    ended = rules.verdict(counted)
    if ended is None:
        return None
    now, move = clock.now(), _move(connection, bot, gate)
    if ended == "promote" and not store.promote(connection, bot, gate.challenger, gate.champion, move):
        gates.void(connection, bot, "the champion or encoder it was compared with is not in force any more", now)
        return "void"
    if ended == "hold":
        store.set_status(connection, bot, gate.challenger, "held")
    outcome: Outcome = "promoted" if ended == "promote" else "held"
    gates.close(connection, bot, gate.challenger, outcome, rules.explain(ended, counted), now, counted)
    audit.record(
        connection, bot, f"classifier.{outcome}", now, audit.SYSTEM,
        n=gate.challenger, champion=gate.champion, wins=counted.wins, losses=counted.losses, neither=counted.neither,
    )  # fmt: skip
    log.info("gate.decided", bot=bot, n=gate.challenger, outcome=outcome, wins=counted.wins, losses=counted.losses)
    return outcome
