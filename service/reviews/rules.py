"""How votes become labels, and what follows from new labels."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from service import clock, database, tables
from service.bots.store import get_bot
from service.classifiers.rules import LOG_FROM, LOG_GROWTH
from service.classifiers.schemas import Manifest, decode_manifest
from service.context import Context
from service.events import outbox
from service.intents.store import intent_ids
from service.jobs import Job, enqueue
from service.reviews import labels, store
from service.reviews.listing import intent_names
from service.reviews.policies import is_enough, standing
from service.reviews.schemas import Card, StoredVote

RESOLVE_CHUNK = 10  # cards a transaction
LOG_ENOUGH = 10_000  # turns of the log from which on more of them teach a cold classifier nothing


class Resolved(NamedTuple):
    """One transaction's work: cards looked at, labels added, and whether a flip was among them."""

    cards: int
    labels: list[int]
    has_flip: bool


def resolve(connection: sa.Connection, bot: str, now: datetime, *, limit: int = RESOLVE_CHUNK) -> Resolved:
    """Votes to labels, for some of the cards whose votes the labels do not know yet. Repeating it changes nothing."""
    cards = store.lock_unsettled(connection, bot, limit)
    added = [label for card in cards for label in _resolve_card(connection, card, now)]
    store.set_settled(connection, [card.id for card in cards])
    return Resolved(len(cards), added, any(card.purpose == "flip" for card in cards))


def _resolve_card(connection: sa.Connection, card: Card, now: datetime) -> list[int]:
    votes = store.votes_of(connection, card.id)
    if not votes:
        return []
    decided = standing(card, votes).vote
    says = None if decided is None else _label_of(connection, card, decided)
    added = labels.settle(connection, card, says, votes[-1], now)
    if added and outbox.is_wanted(connection, card.bot, "label.resolved"):
        outbox.record(connection, card.bot, "label.resolved", _told(connection, card, added), now)
    if card.purpose == "rank":
        labels.set_candidates(connection, [card.turn_id], is_labelled=decided is not None)
    return added


def _told(connection: sa.Connection, card: Card, added: Sequence[int]) -> dict[str, Any]:
    """What the event says of the card's turn; `labels`: with those of the turns that were folded into it."""
    label, turn = tables.label, tables.turn
    query = sa.select(label, turn.c.source, turn.c.external_id).join(turn, turn.c.id == label.c.turn_id)
    row = connection.execute(query.where(label.c.id.in_(added), label.c.turn_id == card.turn_id)).one()
    names = intent_names(connection, card.bot)
    return {
        "turn": card.turn_id,
        "source": row.source,
        "turn_id": row.external_id,
        "card": card.id,
        "use": row.use,
        "answer": row.answer,
        "intent": None if row.intent_id is None else names.get(row.intent_id),
        "second": None if row.second_id is None else names.get(row.second_id),
        "labels": len(added),
    }


def _label_of(connection: sa.Connection, card: Card, decided: StoredVote) -> StoredVote | None:
    """What the label says; None while it is an intent that the bot does not have."""
    if decided.answer != "new":
        return decided
    intent_id = intent_ids(connection, card.bot).get(decided.proposed)
    return None if intent_id is None else msgspec.structs.replace(decided, answer="intent", intent_id=intent_id)


def resolve_votes(context: Context, bot: str) -> list[int]:
    """Resolve everything that waits, then ask for what follows from it: a gate, a training, new cards. The new
    labels' ids."""
    added: list[int] = []
    has_flip = False
    while True:
        with database.writing(context.engine) as connection:
            done = resolve(connection, bot, clock.now())
        added += done.labels
        has_flip |= done.has_flip
        if not done.cards:
            break
    for job in _follow_ups(context.engine, bot, has_flip=has_flip):
        enqueue(context.queue, job, bot)
    return added


def _follow_ups(engine: sa.Engine, bot: str, *, has_flip: bool) -> list[Job]:
    with database.reading(engine) as connection:
        found = get_bot(connection, bot)
        if found.archived_at is not None:
            return []
        asked = {
            Job.GATE: has_flip,
            Job.TRAIN: wants_training(connection, bot),
            Job.RANK: store.count_waiting(connection, bot) < found.low_water,
        }
    return [job for job, is_wanted in asked.items() if is_wanted]


def wants_training(connection: sa.Connection, bot: str) -> bool:
    """Enough labels came since the newest classifier was trained: forty, or a quarter of all when that is more;
    before the first classifier any will do."""
    total, newest = labels.count_since(connection, bot, 0), _newest(connection, bot)
    if newest is None:
        return total > 0
    new = labels.count_since(connection, bot, newest.last_label_id or 0)
    return is_enough(new, total, is_trying=_is_trying(connection, bot)) or _has_new_log(connection, bot, newest)


def _newest(connection: sa.Connection, bot: str) -> Manifest | None:
    """What the newest classifier was trained on; None before the first."""
    table = tables.classifier
    newest = sa.select(table.c.manifest).where(table.c.bot == bot).order_by(table.c.n.desc()).limit(1)
    row = connection.execute(newest).one_or_none()
    return None if row is None else decode_manifest(row.manifest)


def _has_new_log(connection: sa.Connection, bot: str, newest: Manifest) -> bool:
    """A cold classifier learns from the log alone: it is worth a new one each time the log has doubled."""
    if newest.phase != "cold" or newest.log_turns >= LOG_ENOUGH:
        return False
    turn, wanted = tables.turn.c, max(LOG_FROM, round(LOG_GROWTH * newest.log_turns))
    of_log = (turn.bot == bot, turn.source.not_in(tables.NOT_SAID), turn.is_slot_fill.is_(False))
    some = sa.select(turn.id).where(*of_log).limit(wanted).subquery()
    return connection.scalar(sa.select(sa.func.count()).select_from(some)) == wanted


def _is_trying(connection: sa.Connection, bot: str) -> bool:
    gate = tables.gate.c
    is_open = sa.exists().where(gate.bot == bot, gate.status == "open")
    return bool(connection.scalar(sa.select(is_open)))
