"""Every intent in a few numbers, and one of them closely: what it means, what it was called, what it is taken for."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import msgspec
import sqlalchemy as sa

from service import tables
from service.bots.store import get_bot
from service.boundary.advice import CARDS, Measures
from service.boundary.kept import kept
from service.boundary.recent import NEWEST
from service.boundary.schemas import IntentAdvice, Side
from service.classifiers.metrics import Over
from service.errors import IntentNotFound
from service.intents.schemas import Intent
from service.intents.store import list_intents, merges
from service.kept import Kept
from service.learning.stopping import Estimate
from service.reviews import labels
from service.reviews.labels import trainable
from service.reviews.listing import asked_blind
from service.turns.store import texts_of

LABEL, NAME, PREDICTION = tables.label, tables.intent_name, tables.prediction
EXAMPLES = 20  # newest ones shown
RIVALS = 5
TURNS = 10  # shown
LOOKED_AT = 40  # turns, of which some may not be shown

_labels = Kept[Mapping[int, int]](64)


class IntentRow(msgspec.Struct, frozen=True, kw_only=True):
    """An intent in numbers; None where too little is known. What is measured may be a minute old."""

    id: int
    name: str
    description: str
    archived_at: datetime | None
    merged_into: Side | None
    labels: int = 0  # turns that people labelled with it, by vote or import, and that may train
    share: float | None = None  # of the newest turns, those that the champion takes for it
    recall: Estimate | None = None
    recall_of: int = 0  # answers to turns that test, or labels
    recall_over: Over = "labels"  # which of the two
    alpha: float | None = None  # how far reviewers agree on it
    cards: int = 0  # that two of them answered, one with this intent
    reports: Estimate | None = None  # share of the turns taken for it that are reported


class Example(msgspec.Struct, frozen=True):
    turn: int
    text: str


class Rival(msgspec.Struct, frozen=True):
    """An intent that shares turns with it: the two likeliest of `turns`, and the mean of the second's probability."""

    intent: Side
    turns: int
    shared: float


class IntentDetail(msgspec.Struct, frozen=True, kw_only=True):
    row: IntentRow
    former_names: tuple[str, ...]  # logs may still use them
    merged: tuple[Side, ...]  # intents whose labels count for it
    examples: tuple[Example, ...]  # imported, the newest first
    rivals: tuple[Rival, ...]  # the nearest first
    turns: tuple[Example, ...]  # that the champion took for it, the newest first
    advice: IntentAdvice | None  # None: it is not weak


def rows(connection: sa.Connection, bot: str, *, archived: bool = False) -> list[IntentRow]:
    """By name. BotNotFound."""
    measures, seen = kept(connection, bot).measures, _seen(connection, bot)
    every = list_intents(connection, bot, archived=True)
    names, labels = {one.id: one.name for one in every}, label_counts(connection, bot)
    shown = [one for one in every if archived or one.archived_at is None]
    found = [_row(one, names, labels.get(one.id, 0), measures.get(one.id), seen) for one in shown]
    return sorted(found, key=lambda one: (one.archived_at is not None, one.name.casefold()))


def _row(one: Intent, names: Mapping[int, str], labels: int, of: Measures | None, seen: int) -> IntentRow:
    row = IntentRow(
        id=one.id,
        name=one.name,
        description=one.description,
        archived_at=one.archived_at,
        merged_into=None if one.merged_into is None else Side(one.merged_into, names[one.merged_into]),
        labels=labels,
    )
    if of is None:
        return row
    return msgspec.structs.replace(
        row,
        share=of.decided / seen if seen else None,
        recall=of.recall,
        recall_of=of.recall_of,
        recall_over=of.recall_over,
        alpha=of.alpha if of.cards >= CARDS else None,
        cards=of.cards,
        reports=of.reports,
    )


def label_counts(connection: sa.Connection, bot: str) -> Mapping[int, int]:
    """Turns that people labelled, by the intent that the labels count for."""
    newest = connection.scalar(sa.select(sa.func.max(LABEL.c.id)).where(LABEL.c.bot == bot))
    into = labels.counts_for(connection, bot)
    version = (newest, hash(tuple(into.items())))
    return _labels.get(connection.engine, bot, version, lambda: _count(connection, bot, into))


def _count(connection: sa.Connection, bot: str, into: Mapping[int | None, int]) -> Mapping[int, int]:
    given = (
        trainable(bot).where(LABEL.c.use == "train", LABEL.c.origin.in_(("vote", "import"))).order_by(None).subquery()
    )
    query = sa.select(given.c.intent_id, sa.func.count()).where(given.c.answer == "intent").group_by(given.c.intent_id)
    found = Counter[int]()
    for intent_id, n in connection.execute(query):
        if intent_id in into:
            found[into[intent_id]] += n
    return found


def _newest(bot: str, n: int | None) -> sa.Subquery:
    """The newest turns that classifier n decided."""
    c = PREDICTION.c
    columns = (c.turn_id, c.intent_id, c.best_id, c.second_id, c.p2)
    decided = sa.select(*columns).where(c.bot == bot, c.n == n).order_by(c.turn_id.desc()).limit(NEWEST)
    return decided.subquery()


def _seen(connection: sa.Connection, bot: str) -> int:
    newest = _newest(bot, get_bot(connection, bot).champion)
    return connection.scalar(sa.select(sa.func.count()).select_from(newest)) or 0


def detail(connection: sa.Connection, bot: str, intent_id: int) -> IntentDetail:
    """BotNotFound, IntentNotFound."""
    found = {one.id: one for one in rows(connection, bot, archived=True)}
    if intent_id not in found:
        raise IntentNotFound(bot, intent_id)
    into, n = merges(connection, bot), get_bot(connection, bot).champion
    own = [one for one, end in into.items() if end == intent_id]
    advised = {one.id: one for one in kept(connection, bot).advice.intents}
    return IntentDetail(
        row=found[intent_id],
        former_names=_former_names(connection, bot, intent_id, found[intent_id].name),
        merged=tuple(Side(one, found[one].name) for one in own if one != intent_id),
        examples=_examples(connection, bot, own),
        rivals=_rivals(connection, bot, n, own, found),
        turns=_turns(connection, bot, n, own),
        advice=advised.get(intent_id),
    )


def _former_names(connection: sa.Connection, bot: str, intent_id: int, name: str) -> tuple[str, ...]:
    query = sa.select(NAME.c.name).where(NAME.c.bot == bot, NAME.c.intent_id == intent_id, NAME.c.name != name)
    return tuple(connection.scalars(query.order_by(NAME.c.name)))


def _examples(connection: sa.Connection, bot: str, own: Collection[int]) -> tuple[Example, ...]:
    c = LABEL.c
    given = (c.bot == bot, c.use == "train", c.intent_id.in_(own), c.origin == "import")
    return _told(
        connection,
        connection.scalars(sa.select(c.turn_id).where(*given).order_by(c.id.desc()).limit(LOOKED_AT)).all(),
        EXAMPLES,
    )


def _turns(connection: sa.Connection, bot: str, n: int | None, own: Collection[int]) -> tuple[Example, ...]:
    c = _newest(bot, n).c
    taken = sa.select(c.turn_id).where(c.intent_id.in_(own)).order_by(c.turn_id.desc()).limit(LOOKED_AT)
    return _told(connection, connection.scalars(taken).all(), TURNS)


def _told(connection: sa.Connection, turn_ids: Sequence[int], most: int) -> tuple[Example, ...]:
    """None of those that somebody is asked about blind, and none that is forgotten."""
    texts, secret = texts_of(connection, turn_ids), asked_blind(connection, turn_ids)
    told = (Example(one, texts[one]) for one in dict.fromkeys(turn_ids) if one in texts and one not in secret)
    return tuple(told)[:most]


def _rivals(
    connection: sa.Connection, bot: str, n: int | None, own: Collection[int], names: Mapping[int, IntentRow]
) -> tuple[Rival, ...]:
    c, counts_for = _newest(bot, n).c, labels.counts_for(connection, bot)
    either = c.best_id.in_(own) | c.second_id.in_(own)
    query = sa.select(c.best_id, c.second_id, sa.func.count(), sa.func.sum(c.p2)).where(either)
    turns, shared = Counter[int](), defaultdict[int, float](float)
    for best, second, count, sum_of in connection.execute(query.group_by(c.best_id, c.second_id)):
        other = counts_for.get(second if best in own else best)
        if other is not None and other not in own:
            turns[other] += count
            shared[other] += sum_of
    nearest = sorted(turns, key=lambda one: (-shared[one], one))[:RIVALS]
    seen = max(_seen(connection, bot), 1)
    return tuple(Rival(Side(one, names[one].name), turns[one], shared[one] / seen) for one in nearest)
