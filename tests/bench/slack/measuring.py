"""One run, and what it counted."""

import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from service import database, tables
from service.jobs import Job, enqueue
from tests.bench.slack import faults
from tests.bench.slack.installation import BOT, Installation, installed
from tests.bench.slack.load import delivering
from tests.bench.slack.reviewers import Click, Group, cards_in, review
from tests.bench.slack.wire import Wire
from tests.support import slack as stand_in
from tests.support.slack import CHANNEL, Slack
from workers.progress import Progress

LONGEST_S = 900.0
SWEEP_EVERY_S = 3.0
SWEEP_LONGEST_S = 240.0
VOTE, POST, MESSAGE, CARD, INTENT = (
    table.c for table in (tables.vote, tables.post, tables.message, tables.card, tables.intent)
)


def measure(answers: int, keep: Path | None = None) -> dict[str, Any]:
    """`keep`: a folder of short path for the database and the logs, else a temporary one."""
    progress = Progress()
    with tempfile.TemporaryDirectory(prefix="fp-", dir="/tmp") as temporary, stand_in.running() as slack:
        folder = keep or Path(temporary)
        with installed(slack, folder, answers) as installation:
            progress.say(f"answering {answers} cards")
            return _run(slack, installation, progress)


def _run(slack: Slack, installation: Installation, progress: Progress) -> dict[str, Any]:
    wire = Wire(slack, installation.url)
    group = Group(slack, wire, installation.cards)
    faults.arm(slack)
    enqueue(installation.context.queue, Job.DISPATCH, BOT)
    begun = time.monotonic()
    with delivering(installation) as statuses:
        with faults.reconnecting(slack):
            review(group, begun + LONGEST_S)
        progress.say(f"{len(group.answered)} answered after {time.monotonic() - begun:.0f} s; sweeping")
        _sweep(installation)
    progress.say(f"swept after {time.monotonic() - begun:.0f} s; deliveries: {dict(Counter(statuses))}")
    progress.say(f"refused for being too many: {dict(slack.limited)}")
    wire.close()
    return _result(slack, installation, group)


def _sweep(installation: Installation) -> None:
    """Let the dispatcher go on until nothing is unknown, nothing out of date, or it is too late."""
    deadline = time.monotonic() + SWEEP_LONGEST_S
    while _unfinished(installation) and time.monotonic() < deadline:
        enqueue(installation.context.queue, Job.DISPATCH, BOT)
        time.sleep(SWEEP_EVERY_S)


def _unfinished(installation: Installation) -> int:
    """Cards on messages of unknown outcome, and those that are not shown as they are."""
    query = sa.select(sa.func.count()).select_from(tables.post).join(tables.card, CARD.id == POST.card_id)
    query = query.join(tables.message, MESSAGE.id == POST.message_id)
    with database.reading(installation.context.engine) as connection:
        return connection.scalar(query.where((MESSAGE.status == "sending") | (POST.shown != CARD.status))) or 0


def _result(slack: Slack, installation: Installation, group: Group) -> dict[str, Any]:
    votes = _votes(installation)
    meant = [vote for vote in votes if vote in group.clicks]
    visible = Counter(card for message in slack.messages[CHANNEL] for card in cards_in(message, answerable=False))
    waits_ms = np.array(group.wire.waits_s) * 1000
    return {
        "answers": len(group.answered),
        "requests": group.wire.requests,
        "repeated": group.wire.repeats,
        "votes": len(votes),
        "lost": len(group.answered - {vote.card for vote in meant}),
        "duplicates": len(votes) - len({vote.card for vote in votes}),
        "unacked": group.wire.unacked,
        "ack_p50_ms": round(float(np.quantile(waits_ms, 0.5)), 1),
        "ack_p99_ms": round(float(np.quantile(waits_ms, 0.99)), 1),
        "posts": slack.done["chat.postMessage"],
        "double_posts": sum(count > 1 for count in visible.values()),
        "rate_limited": sum(slack.limited.values()),
        "faults": faults.counted(slack),
    }


def _votes(installation: Installation) -> list[Click]:
    """From SQL, all of them."""
    query = sa.select(VOTE.card_id, VOTE.reviewer, INTENT.name).join(tables.intent, INTENT.id == VOTE.intent_id)
    with database.reading(installation.context.engine) as connection:
        total = connection.scalar(sa.select(sa.func.count()).select_from(tables.vote))
        found = [Click(card, who.removeprefix("slack:"), name) for card, who, name in connection.execute(query)]
    if total != len(found):
        raise AssertionError(f"{total} votes, of which {len(found)} name an intent: nobody meant the others")
    return found
