"""Gates in SQL: the flips a challenger is tried on, their cards, and how it ended. A bot has one open gate at most."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple

import msgspec
import sqlalchemy as sa

from service import tables
from service.bots.store import get_bot
from service.classifiers import store
from service.classifiers.rules import Tally, difference
from service.classifiers.schemas import Gate, Manifest, Outcome, Trial
from service.events import outbox
from service.intents.store import merges
from service.reviews.overlap import terms
from service.reviews.store import has_text

GATE, FLIP, CARD, LABEL = tables.gate, tables.flip, tables.card, tables.label
Result = Literal["win", "loss", "neither", "waiting", "gone"]
UNDECIDED = ("open", "adjudicate")  # cards that may still be answered


class Flip(NamedTuple):
    """A turn on which the two disagree; None stands for out of scope."""

    turn_id: int
    champion: int | None
    challenger: int | None


def _gate(row: sa.RowMapping) -> Gate:
    return msgspec.convert({name: row[name] for name in Gate.__struct_fields__}, Gate)


def open_gate(connection: sa.Connection, bot: str, *, lock: bool = False) -> Gate | None:
    """`lock`: whoever else wants to end it waits, and then finds it closed."""
    query = sa.select(GATE).where(GATE.c.bot == bot, GATE.c.status == "open").order_by(GATE.c.challenger.desc())
    row = connection.execute(query.with_for_update() if lock else query).mappings().first()
    return None if row is None else _gate(row)


def on_trial(connection: sa.Connection, bot: str) -> Manifest | None:
    """Of the challenger whose gate is open; None when none is."""
    gate = open_gate(connection, bot)
    return None if gate is None else store.manifest(connection, bot, gate.challenger)


def gates(connection: sa.Connection, bot: str) -> dict[int, Gate]:
    """By challenger."""
    rows = connection.execute(sa.select(GATE).where(GATE.c.bot == bot)).mappings()
    return {row["challenger"]: _gate(row) for row in rows}


def trial(connection: sa.Connection, bot: str, gate: Gate) -> Trial:
    """An open gate with the answers so far."""
    if gate.status != "open":
        return Trial(gate=gate, difference=difference(gate), waiting=0)
    so_far = tally(connection, bot, gate.challenger)
    counted = msgspec.structs.replace(gate, wins=so_far.wins, losses=so_far.losses, neither=so_far.neither)
    return Trial(gate=counted, difference=difference(counted), waiting=count_waiting(connection, bot, gate.challenger))


def count_waiting(connection: sa.Connection, bot: str, challenger: int) -> int:
    where = (CARD.c.bot == bot, CARD.c.purpose == "flip", CARD.c.challenger == challenger, CARD.c.status == "open")
    return connection.scalar(sa.select(sa.func.count()).select_from(CARD).where(*where, has_text())) or 0


def asked_to_train(connection: sa.Connection, bot: str) -> set[int]:
    """Turns of cards that were made for training. Nearly all show what classifiers make of the turn: who has seen that
    does not answer blind."""
    where = (CARD.c.bot == bot, CARD.c.purpose == "rank", CARD.c.status != "withdrawn")
    return set(connection.scalars(sa.select(CARD.c.turn_id).where(*where)))


def add(connection: sa.Connection, bot: str, gate: Gate, flips: Sequence[Flip]) -> None:
    """Write the gate, and a blind card for each flip unless the gate is already decided."""
    connection.execute(GATE.insert(), {"bot": bot, **msgspec.structs.asdict(gate)})
    if gate.status != "open":
        tell_held(connection, bot, gate, gate.reason, Tally(0, 0, 0, 0), gate.opened_at)
        return
    connection.execute(FLIP.insert(), [_flip_row(bot, gate, flip) for flip in flips])
    # In the order drawn: whatever part is answered before the gate ends is a part drawn at random, and the same again.
    places = range(len(flips), 0, -1)
    wants = terms(connection, get_bot(connection, bot), gate.opened_at)._asdict()
    cards = [_card_row(bot, gate, *pair) | wants for pair in zip(flips, places, strict=True)]
    connection.execute(CARD.insert(), cards)


def _flip_row(bot: str, gate: Gate, flip: Flip) -> dict[str, object]:
    return {
        "bot": bot,
        "challenger": gate.challenger,
        "turn_id": flip.turn_id,
        "champion_intent_id": flip.champion,
        "challenger_intent_id": flip.challenger,
    }


def _card_row(bot: str, gate: Gate, flip: Flip, priority: int) -> dict[str, object]:
    return {
        "id": uuid.uuid4().hex,
        "bot": bot,
        "turn_id": flip.turn_id,
        "purpose": "flip",
        "challenger": gate.challenger,
        "is_blind": True,
        "priority": float(priority),
        "created_at": gate.opened_at,
    }


def tally(connection: sa.Connection, bot: str, challenger: int) -> Tally:
    """What the reviewers said so far. An unsure vote and an answer that is neither's count for neither; a card that was
    withdrawn, or whose turn was forgotten unanswered, does not count. Merges are followed on both sides."""
    into = merges(connection, bot)
    found = [_result(row, into) for row in connection.execute(_answers(bot, challenger))]
    return Tally(*(found.count(kind) for kind in ("win", "loss", "neither", "waiting")))


class Judged(NamedTuple):
    """A flip as the reviewers see it; intent ids, None for out of scope."""

    turn_id: int
    champion: int | None
    challenger: int | None
    result: Result
    right: tuple[int | None, ...]  # what they said; empty: nothing


def judged(connection: sa.Connection, bot: str, challenger: int) -> list[Judged]:
    """Of every flip, by turn."""
    into = merges(connection, bot)
    rows = connection.execute(_answers(bot, challenger).order_by(FLIP.c.turn_id))
    return [
        Judged(row.turn_id, row.champion_intent_id, row.challenger_intent_id, _result(row, into), _right(row, into))
        for row in rows
    ]


def won_and_lost(connection: sa.Connection, bot: str, challenger: int) -> tuple[list[int], list[int]]:
    """Turns on which the reviewers found the challenger right and the champion wrong, and the other way round."""
    into = merges(connection, bot)
    results = {row.turn_id: _result(row, into) for row in connection.execute(_answers(bot, challenger))}
    won, lost = (sorted(turn for turn, found in results.items() if found == kind) for kind in ("win", "loss"))
    return won, lost


def flips_of(connection: sa.Connection, bot: str, challenger: int, turn_ids: Sequence[int]) -> list[Flip]:
    query = sa.select(FLIP.c.turn_id, FLIP.c.champion_intent_id, FLIP.c.challenger_intent_id)
    where = (FLIP.c.bot == bot, FLIP.c.challenger == challenger, FLIP.c.turn_id.in_(turn_ids))
    return [Flip(*row) for row in connection.execute(query.where(*where).order_by(FLIP.c.turn_id))]


def _answers(bot: str, challenger: int) -> sa.Select[tuple[object, ...]]:
    """A row per flip: its card, and the newest label that came of it."""
    newest = (
        sa.select(sa.func.max(LABEL.c.id))
        .where(LABEL.c.turn_id == FLIP.c.turn_id, LABEL.c.use == "flip", LABEL.c.card_id == CARD.c.id)
        .correlate(FLIP, CARD)
        .scalar_subquery()
    )
    answer = (LABEL.c.answer, LABEL.c.intent_id, LABEL.c.second_id)
    here = (CARD.c.turn_id == FLIP.c.turn_id) & (CARD.c.purpose == "flip") & (CARD.c.challenger == FLIP.c.challenger)
    return (
        sa.select(FLIP, CARD.c.status, CARD.c.is_settled, has_text().label("has_text"), *answer)
        .join(CARD, here & (CARD.c.bot == FLIP.c.bot))
        .outerjoin(LABEL, LABEL.c.id == newest)
        .where(FLIP.c.bot == bot, FLIP.c.challenger == challenger)
    )


def _right(row: sa.Row[tuple[object, ...]], into: dict[int, int]) -> tuple[int | None, ...]:
    said = {"intent": (row.intent_id,), "none": (None,), "two": (row.intent_id, row.second_id)}
    return tuple(into.get(one) for one in said.get(row.answer, ()))


def _result(row: sa.Row[tuple[object, ...]], into: dict[int, int]) -> Result:
    # A vote that no label knows yet is an answer on its way; where people disagree, so is the weighing of theirs.
    if row.status == "withdrawn" or (row.status == "open" and not row.has_text):
        return "gone"
    if row.status == "open" or not row.is_settled:
        return "waiting"
    right = _right(row, into)
    if row.status != "resolved" or not right:
        return "neither"
    champion = into.get(row.champion_intent_id) in right
    challenger = into.get(row.challenger_intent_id) in right
    if champion == challenger:
        return "neither"
    return "win" if challenger else "loss"


def close(
    connection: sa.Connection, bot: str, challenger: int, outcome: Outcome, reason: str, now: datetime, counted: Tally
) -> bool:
    """End an open gate and withdraw what is left of its cards; False, and nothing changed, when it was not open."""
    values = {"status": outcome, "reason": reason, "decided_at": now}
    counts = {"wins": counted.wins, "losses": counted.losses, "neither": counted.neither}
    is_open = (GATE.c.bot == bot, GATE.c.challenger == challenger, GATE.c.status == "open")
    if connection.execute(sa.update(GATE).where(*is_open).values(**values, **counts)).rowcount != 1:
        return False
    left = (CARD.c.bot == bot, CARD.c.purpose == "flip", CARD.c.challenger == challenger)
    withdraw = sa.update(CARD).where(*left, CARD.c.status.in_(UNDECIDED))
    connection.execute(withdraw.values(status="withdrawn", resolved_at=now))
    return True


def tell_held(connection: sa.Connection, bot: str, gate: Gate, reason: str, counted: Tally, now: datetime) -> None:
    """The event `classifier.held`."""
    counts = {"wins": counted.wins, "losses": counted.losses, "neither": counted.neither}
    told = {"classifier": gate.challenger, "champion": gate.champion, "reason": reason, **counts}
    outbox.record(connection, bot, "classifier.held", told, now)


def hold(connection: sa.Connection, bot: str, gate: Gate, reason: str, counted: Tally, now: datetime) -> None:
    """End an open gate, which is locked, and hold its challenger."""
    if close(connection, bot, gate.challenger, "held", reason, now, counted):
        store.set_status(connection, bot, gate.challenger, "held")
        tell_held(connection, bot, gate, reason, counted, now)


def void(connection: sa.Connection, bot: str, reason: str, now: datetime) -> Gate | None:
    """End the open gate without a result, its challenger held; that gate, None when none was open."""
    gate = open_gate(connection, bot, lock=True)
    if gate is None:
        return None
    counted = tally(connection, bot, gate.challenger)
    if close(connection, bot, gate.challenger, "void", reason, now, counted):
        store.set_status(connection, bot, gate.challenger, "held")
        tell_held(connection, bot, gate, reason, counted, now)
    return gate
