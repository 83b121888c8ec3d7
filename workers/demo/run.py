"""`fencepost demo`: the whole loop on one machine, from a signed webhook to a better classifier, and what it was worth.

The stack runs as an operator runs it; the log arrives as a platform posts it; a simulated reviewer answers over HTTP.
Only measuring looks into the database. Every fifth conversation is held out: it is never posted, and only the two
accuracies see it."""

import time
from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa

from service import database
from service.access.keys import create_key
from service.bots.store import NATIVE, add_secret, create_bot
from service.clock import now
from service.context import Context, opened
from service.intents.rules import import_intents
from service.intents.schemas import ParsedIntent
from service.settings import Settings
from service.tables import card, label, mark
from service.turns.logs import Conversation
from service.turns.parsing import Adapter
from service.turns.sending import opened_sender
from workers.demo import measure, replayed, reviewing
from workers.demo.client import Client
from workers.demo.result import Result
from workers.demo.reviewer import Habits, Reviewer
from workers.progress import Progress

BOT = "demo"
CONTROL_RUNS = 20
REVIEWER = "Robin (simulated)"
BATCH = 25
LABELS = (120, 800)  # at least, at most
SHARE = 0.12


class Log(NamedTuple):
    """A log, and the intents its owner would begin with."""

    conversations: Sequence[Conversation]
    intents: Sequence[ParsedIntent]

    @property
    def posted(self) -> list[Conversation]:
        return [found for found in self.conversations if not found.is_held_out]

    @property
    def turns(self) -> int:
        """User turns that are posted."""
        return sum(len(found.user_turns) for found in self.posted)

    @property
    def has_truth(self) -> bool:
        return any(turn.intent for found in self.conversations for turn in found.user_turns)


def run(settings: Settings, log: Log, parse: Adapter, progress: Progress, *, seed: int = 0) -> Result:
    """Drive an installation that runs in `settings.folder`, to the end. The log holds its truth."""
    began = time.monotonic()
    with opened(settings) as context:
        posted = arrive(context, log, parse, progress)
        begin(context, log, progress)
        cold = measure.champion_n(context, BOT)
        review(context, log, progress, seed)
        measured = measure.measure(context, BOT, log.conversations, cold, progress, runs=CONTROL_RUNS, habits=Habits())
        arrived = replayed.count(context.engine, BOT, NATIVE, posted)
        counted = _count(context)
    return Result(
        turns=log.turns,
        **arrived._asdict(),
        **counted._asdict(),
        **measured._asdict(),
        folder=str(settings.folder),
        seconds=round(time.monotonic() - began, 1),
    )


def arrive(context: Context, log: Log, parse: Adapter, progress: Progress) -> set[replayed.Key]:
    """Make the bot, post the log, wait until it is stored; the keys of what was posted."""
    with database.writing(context.engine) as connection:
        create_bot(connection, BOT, now(), batch_size=BATCH, low_water=BATCH // 2, weekly_budget=_votes(log))
        secret = add_secret(connection, context.keyring, BOT, NATIVE, now())
    with (
        opened_sender(context.settings.base_url, BOT, NATIVE, secret) as sender,
        progress.step("posting", log.turns) as done,
    ):
        keys = replayed.post(sender, log.posted, lambda fact: replayed.key(fact, context.keyring, BOT), parse, done)
    reviewing.wait_until_ingested(context, BOT, progress)
    return keys


def begin(context: Context, log: Log, progress: Progress) -> None:
    """Import the intents; wait for the cold classifier and the first cards."""
    import_intents(context, BOT, log.intents, now(), who="demo")
    reviewing.wait_for_champion(context, BOT, progress)


def _votes(log: Log) -> int:
    with_truth = sum(bool(turn.intent) for found in log.posted for turn in found.user_turns)
    least, most = LABELS
    return min(most, max(least, round(SHARE * with_truth)))


def review(context: Context, log: Log, progress: Progress, seed: int) -> None:
    """Let the simulated reviewer work through the budget, and through what the last challenger's gate wants to know."""
    with database.writing(context.engine) as connection:
        key = create_key(connection, name=REVIEWER, role="reviewer", bot=BOT, now=now())
    truth = measure.truth_by_turn(context, BOT, log.posted)
    person = Reviewer(truth, seed, Habits())
    client = Client(context.settings.base_url, BOT, key)
    reviewing.work(context, BOT, client, person, _votes(log), progress)
    reviewing.settle(context, BOT, client, person, progress)


class Counted(NamedTuple):
    """Fields of the result."""

    marks: dict[str, int]
    cards: int
    labels: int


def _count(context: Context) -> Counted:
    with database.reading(context.engine) as connection:
        kinds = sa.select(mark.c.kind, sa.func.count().label("n")).where(mark.c.bot == BOT).group_by(mark.c.kind)
        marks = {row.kind: row.n for row in connection.execute(kinds)}
        cards = connection.scalar(sa.select(sa.func.count()).select_from(card).where(card.c.bot == BOT))
        voted = (label.c.bot == BOT) & (label.c.origin == "vote")
        labels = connection.scalar(sa.select(sa.func.count(label.c.turn_id.distinct())).where(voted))
    return Counted(marks, cards or 0, labels or 0)
