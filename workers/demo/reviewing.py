"""The reviewer at work: asks for cards, answers them, and waits while the workers have something to do."""

import time
from collections.abc import Callable
from contextlib import suppress

import sqlalchemy as sa

from service import database, jobs
from service.context import Context
from service.errors import Conflict, Unavailable
from service.jobs import Job
from service.streams import Streams
from service.tables import bot as bots
from service.tables import gate
from workers.demo.client import Client
from workers.demo.reviewer import Reviewer
from workers.progress import Progress

AT_ONCE = 10  # cards
PAUSE_S = 0.1
PATIENCE_S = 300.0
TAKEN_UP_S = 0.3
QUIET_S = 1.0  # no job for this long, and no card: there is nothing left to ask


def wait(what: str, holds: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Until it holds; Unavailable, naming what was waited for, when it takes too long."""
    deadline = time.monotonic() + patience_s
    while not holds():
        if time.monotonic() > deadline:
            raise Unavailable(f"{what} took over {patience_s:.0f} s", hint="see the logs in the folder")
        time.sleep(PAUSE_S)


def wait_until_ingested(context: Context, bot: str, progress: Progress) -> None:
    streams = Streams(context.redis, context.keyring, context.settings.stream_bound)
    total = left = streams.depth(bot)
    with progress.step("redacting, embedding, storing", total) as done:
        deadline = time.monotonic() + PATIENCE_S
        while left:
            if time.monotonic() > deadline:
                raise Unavailable(f"{left} of {total} facts still wait", hint="see the log of ingest in the folder")
            time.sleep(PAUSE_S)
            before, left = left, streams.depth(bot)
            done(before - left)


def wait_for_champion(context: Context, bot: str, progress: Progress) -> None:
    """Until the first classifier is in force and has looked at the log."""

    def has_champion() -> bool:
        with database.reading(context.engine) as connection:
            return connection.scalar(sa.select(bots.c.champion).where(bots.c.name == bot)) is not None

    with progress.step("cold classifier, marks, cards", 1) as done:
        wait("the first classifier", has_champion)
        wait("scoring the log", lambda: is_idle(context))
        done(1)


def is_idle(context: Context) -> bool:
    """No job waits or runs, for a while: one that is just being taken up is in neither list."""
    queue = context.queue
    deadline = time.monotonic() + TAKEN_UP_S
    while not queue.count and not queue.started_job_registry.count:
        if time.monotonic() > deadline:
            return True
        time.sleep(PAUSE_S / 2)
    return False


def work(context: Context, bot: str, client: Client, person: Reviewer, votes: int, progress: Progress) -> None:
    """Answer cards until the votes are spent, or nothing is left to ask."""
    with progress.step("reviewing", votes) as done:
        left = votes
        while left and (answered := _answer_some(context, bot, client, person, left)):
            left -= answered
            done(answered)
            # People take seconds for a card: what their answers set off is done before the next one.
            wait("the work that answers set off", lambda: is_idle(context))


def _answer_some(context: Context, bot: str, client: Client, person: Reviewer, most: int) -> int:
    """How many cards were answered; 0 when none came although the workers were asked and came to rest."""
    deadline = time.monotonic() + QUIET_S
    while not (cards := client.next_cards(min(most, AT_ONCE))):
        if is_idle(context):
            if time.monotonic() > deadline:
                return 0
            jobs.enqueue(context.queue, Job.RANK, bot)
        else:
            deadline = time.monotonic() + QUIET_S
        time.sleep(PAUSE_S)
    for found in cards:
        with suppress(Conflict):
            client.vote(found.id, person.answer(found))
    return len(cards)


def settle(context: Context, bot: str, client: Client, person: Reviewer, progress: Progress) -> None:
    """Train on the last votes too, and answer what the gate asks, until it has decided."""
    with progress.step("last training and its gate", 1) as done:
        wait("resolving the last votes", lambda: is_idle(context))
        jobs.enqueue(context.queue, Job.TRAIN, bot)
        wait("the last training", lambda: is_idle(context))
        while has_open_gate(context, bot) and _answer_some(context, bot, client, person, AT_ONCE):
            wait("the gate", lambda: is_idle(context))
        done(1)


def has_open_gate(context: Context, bot: str) -> bool:
    with database.reading(context.engine) as connection:
        return bool(connection.scalar(sa.select(sa.func.count()).where(gate.c.bot == bot, gate.c.status == "open")))
