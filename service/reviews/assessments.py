"""What a classifier makes of a turn, in SQL: its prediction, the marks that make it interesting, and whether it becomes
a candidate."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
import sqlalchemy as sa

from service import database, tables
from service.encoding import unpack
from service.learning.confidence import Whose
from service.learning.structure import surprise
from service.learning.types import Floats2d
from service.turns import tally
from service.turns.schemas import Entity, IntentScore
from service.turns.tally import MarkKey

TURN, CONTENT, VECTOR, LABEL = tables.turn, tables.turn_content, tables.vector, tables.label
PREDICTION, MARK, CANDIDATE, STRUCTURE = tables.prediction, tables.mark, tables.candidate, tables.structure

MarkKind = Literal[
    "boundary", "entity_structure", "entity_boundary", "unfamiliar", "disagreement", "reported", "audit", "flip"
]
# Another classifier may see these differently; the others are facts.
OF_CLASSIFIER = ("boundary", "entity_structure", "entity_boundary", "unfamiliar", "disagreement")
RARE = math.log(20)  # nats: one turn in twenty of its intent has that structure, or fewer
STRUCTURE_TURNS = 20  # turns of an intent from which on its structures say something


class Mark(NamedTuple):
    """Why a turn is interesting; `value` is how much, `rate` of an audit mark the chance it had."""

    kind: MarkKind
    value: float
    rate: float | None = None


class Assessment(NamedTuple):
    """One turn under one classifier. Intents are ids; `intent_id` None is out of scope."""

    intent_id: int | None
    best_id: int
    second_id: int | None
    p1: float
    p2: float
    out_of_scope: float
    uncertainty: float
    marks: tuple[Mark, ...] = ()
    ambiguity: float = 0.0  # of the entities' boundaries, in [0, 1]
    entity_signature: str | None = None  # as the tagger sees it; None: there is none, the platform's counts
    whose: Whose = "ours"  # `uncertainty` is
    confidence: float | None = None  # chance that the platform's intent is right; None: it named none that we know

    @property
    def candidate(self) -> bool:
        """Any mark but `audit` alone. A rare entity structure is seen only when the assessment is stored, and adds
        one."""
        return any(mark.kind != "audit" for mark in self.marks)


class Unassessed(NamedTuple):
    """A turn that a classifier has yet to see; shaped like a delivered one where `assess` looks."""

    id: int
    source: str
    external_id: str
    intents: tuple[IntentScore, ...]
    is_slot_fill: bool = False
    text: str = ""
    entities: tuple[Entity, ...] = ()


def store_assessments(
    connection: sa.Connection, bot: str, n: int, assessed: Mapping[int, Assessment], now: datetime
) -> None:
    """Store predictions of classifier n by turn id, with marks and candidates; a repeat changes nothing, unless it is
    by another uncertainty.

    A candidate that still waits gets the new uncertainty, and leaves the queue when no mark is left; one that was
    asked, folded or labelled is left alone. Whether a turn is in the audit slice is settled by its first assessment.
    """
    if not assessed:
        return
    turn_ids = sorted(assessed)
    seen = _ids(connection, sa.select(PREDICTION.c.turn_id).where(PREDICTION.c.turn_id.in_(turn_ids)))
    rows = [_prediction_row(bot, n, turn_id, assessed[turn_id]) for turn_id in turn_ids]
    new = _put_predictions(connection, rows)
    surprises = _surprises(connection, bot, n, assessed, new)
    waiting = _without(turn_ids, _settled(connection, turn_ids))
    marks = {turn_id: _marks(assessed[turn_id], surprises.get(turn_id, 0.0), turn_id in seen) for turn_id in turn_ids}
    _replace_marks(connection, bot, n, {turn_id: marks[turn_id] for turn_id in waiting}, now)
    _replace_candidates(connection, bot, n, {turn_id: assessed[turn_id] for turn_id in waiting}, surprises, now)


def _prediction_row(bot: str, n: int, turn_id: int, assessment: Assessment) -> dict[str, Any]:
    fields = assessment._asdict()
    for name in ("marks", "ambiguity", "entity_signature"):
        del fields[name]
    return {"bot": bot, "n": n, "turn_id": turn_id, **fields}


def _put_predictions(connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> set[int]:
    """The turns that their classifier had not seen. Of the others the uncertainty is replaced where it is not whose it
    should be."""
    c = PREDICTION.c
    new = {row.turn_id for row in database.insert_new(connection, PREDICTION, rows)}
    update = (
        sa.update(PREDICTION)
        .where(c.turn_id == sa.bindparam("of_turn"), c.n == sa.bindparam("by"), c.whose != sa.bindparam("w"))
        .values(whose=sa.bindparam("w"), confidence=sa.bindparam("c"), uncertainty=sa.bindparam("u"))
    )
    again = [
        {"of_turn": row["turn_id"], "by": row["n"], "w": row["whose"], "c": row["confidence"], "u": row["uncertainty"]}
        for row in rows
        if row["turn_id"] not in new
    ]
    if again:
        connection.execute(update, again)
    return new


def _ids(connection: sa.Connection, query: sa.Select[int]) -> set[int]:
    return set(connection.scalars(query))


def _without(turn_ids: Sequence[int], left_out: set[int]) -> list[int]:
    return [turn_id for turn_id in turn_ids if turn_id not in left_out]


def _settled(connection: sa.Connection, turn_ids: Sequence[int]) -> set[int]:
    """Turns that were asked, folded or labelled: what a classifier thinks of them changes no queue."""
    c = CANDIDATE.c
    asked = sa.select(c.turn_id).where(c.turn_id.in_(turn_ids), c.status != "open")
    labelled = sa.select(LABEL.c.turn_id).where(LABEL.c.turn_id.in_(turn_ids))
    return _ids(connection, asked) | _ids(connection, labelled)


# How often each entity structure occurs under an intent


def _surprises(
    connection: sa.Connection, bot: str, n: int, assessed: Mapping[int, Assessment], new: set[int]
) -> dict[int, float]:
    """Surprise of each turn's entity structure under its intent, nats; turns out of scope have none."""
    query = sa.select(TURN.c.id, TURN.c.entity_signature).where(TURN.c.id.in_(list(assessed)))
    intents = {turn_id: one.best_id for turn_id, one in assessed.items() if one.intent_id is not None}
    structures = {
        row.id: (intents[row.id], _signature(assessed[row.id], row.entity_signature))
        for row in connection.execute(query)
        if row.id in intents
    }
    _count(connection, bot, n, Counter(one for turn_id, one in structures.items() if turn_id in new))
    return _nats(structures, _counts(connection, bot, n, set(intents.values())))


def _signature(assessment: Assessment, of_platform: str) -> str:
    """What reviewers taught the tagger counts for more than what the platform says."""
    return of_platform if assessment.entity_signature is None else assessment.entity_signature


def _nats(structures: Mapping[int, tuple[int, str]], counts: Mapping[int, Mapping[str, int]]) -> dict[int, float]:
    """0 until an intent has enough turns: while everything is rare, nothing is."""
    found = np.array([counts[intent_id].get(text, 0) for intent_id, text in structures.values()], dtype=np.int64)
    totals = np.array([sum(counts[intent_id].values()) for intent_id, _ in structures.values()], dtype=np.int64)
    kinds = np.array([len(counts[intent_id]) for intent_id, _ in structures.values()], dtype=np.int64)
    nats = np.where(totals >= STRUCTURE_TURNS, surprise(found, totals, kinds), 0.0)
    return dict(zip(structures, nats.tolist(), strict=True))


def _count(connection: sa.Connection, bot: str, n: int, found: Mapping[tuple[int, str], int]) -> None:
    # In one order everywhere: two transactions that lock the same rows must not wait for each other.
    keys = [{"bot": bot, "n": n, "intent_id": intent_id, "signature": text} for intent_id, text in sorted(found)]
    database.insert_new(connection, STRUCTURE, [{**key, "turns": 0} for key in keys])
    c = STRUCTURE.c
    add = (
        sa.update(STRUCTURE)
        .where(c.bot == bot, c.n == n, c.intent_id == sa.bindparam("i"), c.signature == sa.bindparam("s"))
        .values(turns=c.turns + sa.bindparam("more"))
    )
    rows = [{"i": intent_id, "s": text, "more": found[intent_id, text]} for intent_id, text in sorted(found)]
    if rows:
        connection.execute(add, rows)


def _counts(connection: sa.Connection, bot: str, n: int, intents: set[int]) -> dict[int, dict[str, int]]:
    c = STRUCTURE.c
    query = sa.select(c.intent_id, c.signature, c.turns).where(c.bot == bot, c.n == n, c.intent_id.in_(intents))
    counts: dict[int, dict[str, int]] = {intent_id: {} for intent_id in intents}
    for row in connection.execute(query):
        counts[row.intent_id][row.signature] = row.turns
    return counts


# Marks and candidates


def _marks(assessment: Assessment, nats: float, is_seen: bool) -> list[Mark]:
    kept = [mark for mark in assessment.marks if not (is_seen and mark.kind == "audit")]
    return [*kept, Mark("entity_structure", nats)] if nats >= RARE else kept


def _replace_marks(
    connection: sa.Connection, bot: str, n: int, marks: Mapping[int, Sequence[Mark]], now: datetime
) -> None:
    old = sa.delete(MARK).where(MARK.c.turn_id.in_(list(marks)), MARK.c.kind.in_(OF_CLASSIFIER))
    gone = _marks_of(connection.execute(old.returning(MARK.c.turn_id, MARK.c.kind)))
    rows = [
        {"bot": bot, "turn_id": turn_id, **mark._asdict(), "n": n, "at": now}
        for turn_id, of_turn in marks.items()
        for mark in of_turn
    ]
    _add_marks(connection, bot, rows, gone)


def _add_marks(
    connection: sa.Connection, bot: str, rows: Sequence[Mapping[str, Any]], gone: Sequence[MarkKey] = ()
) -> None:
    """Those that are not there; counted together with what went before."""
    added = _marks_of(database.insert_new(connection, MARK, rows, MARK.c.turn_id, MARK.c.kind))
    tally.count_marks(connection, bot, added, gone)


def _marks_of(rows: Iterable[sa.Row[Any]]) -> list[MarkKey]:
    return [(row.turn_id, row.kind) for row in rows]


def _replace_candidates(
    connection: sa.Connection,
    bot: str,
    n: int,
    assessed: Mapping[int, Assessment],
    surprises: Mapping[int, float],
    now: datetime,
) -> None:
    query = sa.select(MARK.c.turn_id).where(MARK.c.turn_id.in_(list(assessed)), MARK.c.kind != "audit")
    marked = _ids(connection, query)
    gone = (CANDIDATE.c.turn_id.in_(_without(list(assessed), marked)), CANDIDATE.c.status == "open")
    connection.execute(sa.delete(CANDIDATE).where(*gone))
    rows = [
        {
            "turn_id": turn_id,
            "n": n,
            "uncertainty": one.uncertainty,
            # Wholly undecided boundaries count as much as a structure that is just rare.
            "structure": surprises.get(turn_id, 0.0) + RARE * one.ambiguity,
        }
        for turn_id, one in assessed.items()
        if turn_id in marked
    ]
    _put_candidates(connection, bot, rows, now)


def _put_candidates(connection: sa.Connection, bot: str, rows: Sequence[Mapping[str, Any]], now: datetime) -> None:
    c = CANDIDATE.c
    new = database.insert_new(connection, CANDIDATE, [{"bot": bot, "created_at": now, **row} for row in rows])
    known = {row["turn_id"] for row in rows} - {row.turn_id for row in new}
    update = (
        sa.update(CANDIDATE)
        .where(c.turn_id == sa.bindparam("of_turn"), c.status == "open")
        .values(n=sa.bindparam("by"), uncertainty=sa.bindparam("u"), structure=sa.bindparam("s"))
    )
    again = [
        {"of_turn": row["turn_id"], "by": row["n"], "u": row["uncertainty"], "s": row["structure"]}
        for row in rows
        if row["turn_id"] in known
    ]
    if again:
        connection.execute(update, again)


def unassessed(
    connection: sa.Connection,
    bot: str,
    n: int,
    encoder: str,
    *,
    whose: Whose,
    after: int,
    since: datetime | None,
    limit: int,
) -> tuple[list[Unassessed], Floats2d]:
    """Turns of the log that classifier n has not assessed by this uncertainty, by id, with their vectors: those said
    since then, and those that are waiting candidates."""
    c = TURN.c
    is_seen = sa.exists().where(PREDICTION.c.turn_id == c.id, PREDICTION.c.n == n, PREDICTION.c.whose == whose)
    is_waiting = sa.exists().where(CANDIDATE.c.turn_id == c.id, CANDIDATE.c.status == "open")
    query = (
        sa.select(c.id, c.source, c.external_id, c.bot_intent, c.bot_score, VECTOR.c.data, CONTENT.c.text)
        .add_columns(CONTENT.c.entities)
        .join(VECTOR, (VECTOR.c.turn_id == c.id) & (VECTOR.c.encoder == encoder))
        .join(CONTENT, CONTENT.c.turn_id == c.id)
        .where(c.bot == bot, c.id > after, c.is_slot_fill.is_(False), c.source.not_in(tables.NOT_SAID), ~is_seen)
        .order_by(c.id)
        .limit(limit)
    )
    if since is not None:
        query = query.where((c.at >= since) | is_waiting)
    rows = connection.execute(query).all()
    return [_unassessed(row) for row in rows], unpack([row.data for row in rows])


def _unassessed(row: sa.Row[Any]) -> Unassessed:
    intents = said(row.bot_intent, row.bot_score)
    entities = msgspec.convert(row.entities, tuple[Entity, ...])
    return Unassessed(row.id, row.source, row.external_id, intents, text=row.text, entities=entities)


def said(name: str, score: float | None) -> tuple[IntentScore, ...]:
    """The platform's best intent; nothing where it gave none, or no score."""
    return (IntentScore(name, score),) if name and score is not None else ()


class Believed(NamedTuple):
    """A reported turn: how much its reports are believed, and its uncertainty when they are."""

    q: float
    uncertainty: float
    rate: float | None = None  # the chance it had, where it was drawn to be asked about whatever its priority


def store_reported(
    connection: sa.Connection, bot: str, n: int, believed: Mapping[int, Believed], now: datetime
) -> None:
    """Mark turns as reported, by turn id, that classifier n has seen and nobody was asked about: candidates now."""
    asked = _settled(connection, list(believed))
    known = (PREDICTION.c.turn_id.in_(list(believed)), PREDICTION.c.n == n)
    predicted = dict(connection.execute(sa.select(PREDICTION.c.turn_id, PREDICTION.c.uncertainty).where(*known)).all())
    # The prediction was made from a vector before it was rounded: a report must not lower its turn by that little.
    raised = {
        turn_id: max(believed[turn_id].uncertainty, uncertainty)
        for turn_id, uncertainty in sorted(predicted.items())
        if turn_id not in asked
    }
    _mark_reported(connection, bot, n, {turn_id: believed[turn_id] for turn_id in raised}, now)
    rows = [
        {"bot": bot, "turn_id": turn_id, "n": n, "uncertainty": uncertainty, "created_at": now}
        for turn_id, uncertainty in raised.items()
    ]
    database.insert_new(connection, CANDIDATE, rows)
    _update_uncertainty(connection, n, raised)


def store_unfamiliar(connection: sa.Connection, bot: str, turn_ids: Sequence[int], now: datetime) -> list[int]:
    """Mark turns as unfamiliar that a classifier has seen and nobody was asked about: candidates of the highest
    uncertainty, for what they mean is a new intent, of which no classifier knows anything yet. Those turns, in the
    order given. The next classifier to see them thinks again."""
    seen = sa.select(PREDICTION.c.turn_id, sa.func.max(PREDICTION.c.n)).where(PREDICTION.c.turn_id.in_(turn_ids))
    newest = dict(connection.execute(seen.group_by(PREDICTION.c.turn_id)).all())
    asked = _settled(connection, turn_ids)
    waiting = [turn_id for turn_id in turn_ids if turn_id in newest and turn_id not in asked]
    rows = [{"bot": bot, "turn_id": turn_id, "n": newest[turn_id]} for turn_id in waiting]
    _add_marks(connection, bot, [{**row, "kind": "unfamiliar", "value": 1.0, "at": now} for row in rows])
    _put_candidates(connection, bot, [{**row, "uncertainty": 1.0, "structure": 0.0} for row in rows], now)
    return waiting


def _mark_reported(
    connection: sa.Connection, bot: str, n: int, believed: Mapping[int, Believed], now: datetime
) -> None:
    rows = [
        {"bot": bot, "turn_id": turn_id, "kind": "reported", "value": one.q, "rate": one.rate, "n": n, "at": now}
        for turn_id, one in believed.items()
    ]
    _add_marks(connection, bot, rows)
    update = sa.update(MARK).where(MARK.c.turn_id == sa.bindparam("of_turn"), MARK.c.kind == "reported")
    if rows:
        again = [{"of_turn": turn_id, "q": one.q} for turn_id, one in believed.items()]
        connection.execute(update.values(value=sa.bindparam("q")), again)


def _update_uncertainty(connection: sa.Connection, n: int, uncertainty: Mapping[int, float]) -> None:
    c = CANDIDATE.c
    update = sa.update(CANDIDATE).where(c.turn_id == sa.bindparam("of_turn"), c.status == "open", c.n == n)
    if uncertainty:
        rows = [{"of_turn": turn_id, "u": value} for turn_id, value in uncertainty.items()]
        connection.execute(update.values(uncertainty=sa.bindparam("u")), rows)


class ReportedTurn(NamedTuple):
    """What the log says of a reported turn."""

    bot_intent: str
    bot_score: float | None
    is_fallback: bool
    source: str
    external_id: str

    @property
    def intents(self) -> tuple[IntentScore, ...]:
        return said(self.bot_intent, self.bot_score)


def reported_turns(connection: sa.Connection, bot: str, turn_ids: Sequence[int]) -> dict[int, ReportedTurn]:
    """Those of the turns that can be asked about: of the log, and no slot fill."""
    c = TURN.c
    asked = (c.is_slot_fill.is_(False), c.source.not_in(tables.NOT_SAID))
    columns = [c[name] for name in ReportedTurn._fields]
    query = sa.select(c.id, *columns).where(c.bot == bot, c.id.in_(turn_ids), *asked)
    return {turn_id: ReportedTurn(*fields) for turn_id, *fields in connection.execute(query)}


def drawn_reported(connection: sa.Connection, bot: str) -> list[int]:
    """Waiting candidates whose reports were drawn for review, by id."""
    c = CANDIDATE.c
    query = sa.select(c.turn_id).join(MARK, MARK.c.turn_id == c.turn_id).where(c.bot == bot, c.status == "open")
    return list(
        connection.scalars(query.where(MARK.c.kind == "reported", MARK.c.rate.is_not(None)).order_by(c.turn_id))
    )


def marked_reported(connection: sa.Connection, bot: str) -> list[int]:
    """Waiting candidates with that mark, by id."""
    c = CANDIDATE.c
    marked = sa.select(c.turn_id).join(MARK, MARK.c.turn_id == c.turn_id)
    query = marked.where(c.bot == bot, c.status == "open", MARK.c.kind == "reported")
    return list(connection.scalars(query.order_by(c.turn_id)))


def drop_reported(connection: sa.Connection, bot: str, lapsed: Sequence[int]) -> None:
    """Undo the mark of waiting candidates that are reported no more: they are as uncertain as predicted, and
    leave the queue when nothing else marks them."""
    c = CANDIDATE.c
    drop = sa.delete(MARK).where(MARK.c.turn_id.in_(lapsed), MARK.c.kind == "reported")
    gone = _marks_of(connection.execute(drop.returning(MARK.c.turn_id, MARK.c.kind)))
    tally.count_marks(connection, bot, [], gone)
    plain = sa.select(PREDICTION.c.uncertainty).where(PREDICTION.c.turn_id == c.turn_id, PREDICTION.c.n == c.n)
    waiting = (c.turn_id.in_(lapsed), c.status == "open")
    connection.execute(sa.update(CANDIDATE).where(*waiting).values(uncertainty=plain.scalar_subquery()))
    is_marked = sa.exists().where(MARK.c.turn_id == c.turn_id, MARK.c.kind != "audit")
    connection.execute(sa.delete(CANDIDATE).where(*waiting, ~is_marked))
