"""What changed for a turn and its neighbours: how the champion from before it was learnt decides them, and today's."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from service import tables
from service.classifiers import store
from service.classifiers.schemas import Classifier
from service.encoding import NO_TURN, Encoder, unpack
from service.errors import ClassifierNotFound, EncoderDown
from service.intents.store import merges
from service.learning.types import Floats2d
from service.reviews.listing import Names, asked_blind
from service.reviews.trace_learning import Decision, Versions, decisions
from service.reviews.trace_steps import Event, Step, given
from service.reviews.trace_training import Lesson, learnt

TURN, CONTENT, VECTOR = tables.turn, tables.turn_content, tables.vector
NEIGHBOURS = 10
ASKED = 100  # neighbours looked at: many say the same words


class Pair(NamedTuple):
    """The champion before the turn was learnt and today's; `why` the one before it is that."""

    before: Classifier | None
    now: Classifier
    why: str


class Near(NamedTuple):
    turn_id: int
    cosine: float
    text: str
    vector: bytes


def champions(connection: sa.Connection, bot: str, since: Versions, known: Sequence[Lesson]) -> Pair | None:
    """None before the first champion. Where no classifier in force has learnt the turn, the one before is the one that
    today's replaced."""
    now = store.champion(connection, bot)
    if now is None:
        return None
    into = merges(connection, bot)
    forced = (one for one in since.told if one.status in ("champion", "retired") and learnt(one, known, into))
    first = next(forced, None)
    replaced = now.manifest.replaced if first is None else first.manifest.replaced
    why = "today's replaced it" if first is None else f"it was in force when classifier {first.n} learnt the turn"
    return Pair(_loaded(connection, bot, replaced), now, why)


def _loaded(connection: sa.Connection, bot: str, n: int | None) -> Classifier | None:
    try:
        return None if n is None else store.load(connection, bot, n)
    except (ClassifierNotFound, store.ClassifierDamaged):
        return None


def nearest(encoder: Encoder, bot: str, identity: str, vector: bytes) -> tuple[list[int], list[float]]:
    """Turns and their cosines, nearest first; EncoderDown, also when the bot's encoder is another."""
    if encoder.identity(bot) != identity:
        raise EncoderDown("the bot's encoder is another than the champion's")
    ids, cosines = encoder.neighbours(bot, unpack([vector]), ASKED)
    found = ids[0] != NO_TURN
    return ids[0][found].tolist(), cosines[0][found].tolist()


def shown(
    connection: sa.Connection, turn: sa.Row[Any], encoder: str, near: tuple[Sequence[int], Sequence[float]]
) -> list[Near]:
    """The nearest that say something else than the turn and each other, and that nobody is asked about blind."""
    # Asked for a bot's turns among some ids, SQLite walks all of the bot's; so the bot is looked at afterwards.
    query = (
        sa.select(TURN.c.id, TURN.c.bot, TURN.c.text_key, CONTENT.c.text, VECTOR.c.data)
        .join(CONTENT, CONTENT.c.turn_id == TURN.c.id)
        .join(VECTOR, (VECTOR.c.turn_id == TURN.c.id) & (VECTOR.c.encoder == encoder))
        .where(TURN.c.id.in_(near[0]))
    )
    rows = {row.id: row for row in connection.execute(query) if row.bot == turn.bot}
    secret = asked_blind(connection, list(rows))
    said, found = {turn.text_key}, []
    for turn_id, cosine in zip(*near, strict=True):
        row = rows.get(turn_id)
        if row is not None and turn_id not in secret and row.text_key not in said:
            said.add(row.text_key)
            found.append(Near(turn_id, cosine, row.text, row.data))
    return found[:NEIGHBOURS]


def changes(pair: Pair, turn: sa.Row[Any], own: bytes, near: Sequence[Near], names: Names, missing: str) -> Step:
    """`own`: the turn's vector for today's champion."""
    everything = [Near(turn.id, 1.0, turn.text, own), *near]
    x = unpack([one.vector for one in everything])
    sides = (_decided(pair.before, pair.now, x), decisions(pair.now.head, x))
    rows = zip(everything, *sides, strict=True)
    events = tuple(_changed(pair, *row, names, is_own=row[0].turn_id == turn.id) for row in rows)
    return Step(step="changes", events=events, missing="; ".join(filter(None, (missing, _unlike(pair)))))


def _decided(before: Classifier | None, now: Classifier, x: Floats2d) -> Sequence[Decision | None]:
    if before is None or before.encoder != now.encoder or not len(before.head.intent_ids):
        return [None] * len(x)
    return decisions(before.head, x)


def _unlike(pair: Pair) -> str:
    if pair.before is None:
        return "there was no champion before"
    return "" if pair.before.encoder == pair.now.encoder else "the champion before read another encoder's vectors"


def _changed(pair: Pair, near: Near, before: Decision | None, now: Decision, names: Names, *, is_own: bool) -> Event:
    sides = {"before": before, "now": now}
    said: Mapping[str, str] = {side: _intent(one, names) for side, one in sides.items() if one}
    is_changed = before is not None and before.intent_id != now.intent_id
    verb = "changed" if is_changed else "the same" if before else "now"
    return Event(
        what="the turn itself" if is_own else f"“{near.text}”",
        names={"change": verb} | given(**said),
        numbers={"cosine": round(near.cosine, 4)} | {f"p1_{side}": one.p1 for side, one in sides.items() if one},
        origin=f"computed now by {' and '.join(f'classifier {one.n}' for one in (pair.before, pair.now) if one)}",
        turn=None if is_own else near.turn_id,
        classifier=pair.now.n,
    )


def _intent(one: Decision, names: Names) -> str:
    return "out of scope" if one.intent_id is None else names.get(one.intent_id, f"intent {one.intent_id}")
