"""The gate job: a challenger takes the champion's place on blind answers, or does not."""

import sqlalchemy as sa
import structlog

from service import clock, database, jobs
from service.access import audit
from service.classifiers import gates, rules, store
from service.classifiers.schemas import Gate, Outcome
from service.context import Context
from service.jobs import Job

log = structlog.get_logger()


def decide(context: Context, bot: str) -> str | None:
    """End the bot's open gate once no answer can change how: "promoted", "held" or "void"; None while it stays open.

    A repeat, or a second one at the same time, finds it closed."""
    with database.writing(context.engine) as connection:
        gate = gates.open_gate(connection, bot, lock=True)
        outcome = None if gate is None else _end(connection, bot, gate)
    if outcome == "promoted":
        jobs.enqueue(context.queue, Job.RESCORE, bot)
    return outcome


def _end(connection: sa.Connection, bot: str, gate: Gate) -> str | None:
    counted = gates.tally(connection, bot, gate.challenger)
    ended = rules.verdict(counted)
    if ended is None:
        return None
    now = clock.now()
    if ended == "promote" and not store.promote(connection, bot, gate.challenger, gate.champion):
        gates.void(connection, bot, "the champion it was compared with is not in force any more", now)
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
