"""Labels in SQL: append-only; the newest row of a turn and use counts, and an `undo` row takes the one before it
back.

No row is ever changed, so archiving, renaming or merging an intent loses nothing: what a label counts for is worked
out when it is read."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from service import tables
from service.intents.store import list_intents, merges
from service.reviews.schemas import USES, Card, LabelAnswer, Origin, Spans, StoredVote, TrainingLabel

LABEL, TURN, CANDIDATE = tables.label, tables.turn, tables.candidate
CHUNK = 500  # ids in one IN
NEAR_WEIGHT = 0.5  # of a turn that was folded for being alike, not equal
TEST_USES = ("audit", "gold")


class Newest(NamedTuple):
    """The label of a turn that counts."""

    turn_id: int
    answer: LabelAnswer
    origin: Origin
    card_id: str
    vote_id: int | None


def settle(
    connection: sa.Connection, card: Card, vote: StoredVote | None, last: StoredVote, now: datetime
) -> list[int]:
    """Make the card's turn and the turns folded into it say what `vote` says, or, when it is None, that the card has
    no answer since its `last` vote. The new labels' ids; a repeat adds none."""
    current = _newest(connection, card, LABEL.c.turn_id == card.turn_id, LABEL.c.card_id == card.id).get(card.turn_id)
    rows: list[dict[str, Any]] = []
    if vote is not None and (current is None or current.vote_id != vote.id):
        rows.append(_row(card, card.turn_id, vote.answer, vote, now))
    if vote is None and current is not None and current.answer != "undo" and current.origin == "vote":
        rows.append(_imported(connection, card, now) or _undo(card, card.turn_id, last, now))
    if rows and card.purpose == "rank":
        rows += _fold_rows(connection, card, vote, last, now)
    return (
        list(connection.scalars(LABEL.insert().returning(LABEL.c.id, sort_by_parameter_order=True), rows))
        if rows
        else []
    )


def _fold_rows(
    connection: sa.Connection, card: Card, vote: StoredVote | None, last: StoredVote, now: datetime
) -> list[dict[str, Any]]:
    """Labels for the folded turns: a fold follows its card until the turn has an answer of its own."""
    folded = sa.select(CANDIDATE.c.turn_id).where(CANDIDATE.c.folded_into == card.turn_id)
    known = _newest(connection, card, LABEL.c.turn_id.in_(folded))
    free = {
        turn_id: is_equal
        for turn_id, is_equal in _folds(connection, card)
        if (label := known.get(turn_id)) is None or label.card_id == card.id or label.answer == "undo"
    }
    if vote is not None and vote.answer in ("intent", "none"):
        return [_fold(card, turn_id, vote, now, is_equal=is_equal) for turn_id, is_equal in free.items()]
    return [_undo(card, turn_id, last, now) for turn_id in free if turn_id in known and known[turn_id].answer != "undo"]


def _folds(connection: sa.Connection, card: Card) -> list[tuple[int, bool]]:
    """Turns folded into the card's, and whether their text is equal to it."""
    stands_for = sa.select(TURN.c.text_key).where(TURN.c.id == card.turn_id).scalar_subquery()
    query = (
        sa.select(CANDIDATE.c.turn_id, TURN.c.text_key == stands_for)
        .join(TURN, TURN.c.id == CANDIDATE.c.turn_id)
        .where(CANDIDATE.c.bot == card.bot, CANDIDATE.c.folded_into == card.turn_id)
        .order_by(CANDIDATE.c.turn_id)
    )
    return [(turn_id, bool(is_equal)) for turn_id, is_equal in connection.execute(query)]


def _newest(connection: sa.Connection, card: Card, *where: sa.ColumnElement[bool]) -> dict[int, Newest]:
    ids = sa.select(sa.func.max(LABEL.c.id)).where(LABEL.c.use == USES[card.purpose], *where).group_by(LABEL.c.turn_id)
    query = sa.select(*(LABEL.c[name] for name in Newest._fields)).where(LABEL.c.id.in_(ids))
    return {row.turn_id: Newest(*row) for row in connection.execute(query)}


def _row(card: Card, turn_id: int, answer: str, vote: StoredVote, now: datetime) -> dict[str, Any]:
    return {
        "bot": card.bot,
        "turn_id": turn_id,
        "use": USES[card.purpose],
        "answer": answer,
        "intent_id": vote.intent_id,
        "second_id": vote.second_id,
        "spans": msgspec.to_builtins(vote.spans),
        "origin": "vote",
        "weight": 1.0,
        "card_id": card.id,
        "vote_id": vote.id,
        "at": now,
    }


def _fold(card: Card, turn_id: int, vote: StoredVote, now: datetime, *, is_equal: bool) -> dict[str, Any]:
    row = _row(card, turn_id, vote.answer, vote, now)
    return row | {"origin": "fold"} if is_equal else row | {"origin": "weak", "weight": NEAR_WEIGHT, "spans": None}


def _undo(card: Card, turn_id: int, by: StoredVote, now: datetime) -> dict[str, Any]:
    return _row(card, turn_id, "undo", by, now) | {"intent_id": None, "second_id": None, "spans": None}


def _imported(connection: sa.Connection, card: Card, now: datetime) -> dict[str, Any] | None:
    """The imported label of a card that came back, once more: an undo would leave the example without any."""
    if card.returned_after is None:
        return None
    where = (LABEL.c.turn_id == card.turn_id, LABEL.c.use == USES[card.purpose], LABEL.c.origin == "import")
    columns = (column for column in LABEL.c if column is not LABEL.c.id)
    query = sa.select(*columns).where(*where).order_by(LABEL.c.id.desc()).limit(1)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else {**row, "card_id": card.id, "at": now}


def training_labels(connection: sa.Connection, bot: str, *, up_to: int | None = None) -> list[TrainingLabel]:
    """What may train the bot's classifier, by turn: the newest label of each turn, and blind answers to flips once
    their gate is decided. Merges are followed; an archived intent's labels wait for its return; turns of the audit
    slice and the gold set never train. `up_to`: as it was when that label was the newest, intents and gates aside."""
    return list(_by_turn(connection, bot, trainable(bot, up_to)).values())


def given(connection: sa.Connection, bot: str, turn_ids: Sequence[int]) -> dict[int, TrainingLabel]:
    """Those that people gave to the turns themselves, by vote or import, of what may train."""
    found: dict[int, TrainingLabel] = {}
    by_people = (LABEL.c.use == "train", LABEL.c.origin.in_(("vote", "import")))
    for start in range(0, len(turn_ids), CHUNK):
        some = trainable(bot, among=turn_ids[start : start + CHUNK])
        found |= _by_turn(connection, bot, some.where(*by_people))
    return found


def _by_turn(connection: sa.Connection, bot: str, query: sa.Select[Any]) -> dict[int, TrainingLabel]:
    into = counts_for(connection, bot)
    by_turn: dict[int, TrainingLabel] = {}
    for row in connection.execute(query):
        intent_id = None if row.answer == "none" else into.get(row.intent_id)
        if row.answer == "none" or intent_id is not None:
            spans = msgspec.convert(row.spans, Spans)
            by_turn[row.turn_id] = TrainingLabel(row.id, row.turn_id, intent_id, row.weight, row.origin, spans)
    return by_turn


def test_answers(connection: sa.Connection, bot: str) -> dict[int, tuple[int | None, ...]]:
    """What is right, by turn of the audit slice and the gold set: one intent or either of two; None is `none`. The
    newest label counts; merges are followed, and archived intents left out."""
    into = counts_for(connection, bot)
    found: dict[int, tuple[int | None, ...]] = {}
    columns = (LABEL.c.turn_id, LABEL.c.answer, LABEL.c.intent_id, LABEL.c.second_id)
    for row in connection.execute(tested(bot).with_only_columns(*columns)):
        said = {"intent": (row.intent_id,), "two": (row.intent_id, row.second_id)}.get(row.answer, ())
        # Either of two that were merged since is one.
        live = tuple(dict.fromkeys(into[intent_id] for intent_id in said if intent_id in into))
        right: tuple[int | None, ...] = (None,) if row.answer == "none" else live
        if right:
            found[row.turn_id] = right
    return found


def label_counts(connection: sa.Connection, bot: str) -> dict[int | None, int]:
    """Turns that may train, by intent id (None: `none`); weak ones are not counted."""
    return dict(Counter(label.intent_id for label in training_labels(connection, bot) if label.origin != "weak"))


def trainable(bot: str, up_to: int | None = None, among: Sequence[int] | None = None) -> sa.Select[Any]:
    """The newest label of each turn and use that trains, oldest first; of all turns, or of those `among`."""
    gate = tables.gate
    card = tables.card
    is_decided = sa.exists().where(
        card.c.id == LABEL.c.card_id, gate.c.bot == bot, gate.c.challenger == card.c.challenger, gate.c.status != "open"
    )
    of_use = (LABEL.c.use == "train") | ((LABEL.c.use == "flip") & is_decided)
    # Asked for a bot's labels of some turns, SQLite walks all of the bot's.
    of_bot = LABEL.c.bot == bot if among is None else LABEL.c.turn_id.in_(among)
    newest = sa.select(sa.func.max(LABEL.c.id)).where(of_bot, of_use).group_by(LABEL.c.turn_id, LABEL.c.use)
    if up_to is not None:
        newest = newest.where(LABEL.c.id <= up_to)
    return (
        sa.select(LABEL)
        .where(LABEL.c.id.in_(newest), LABEL.c.answer.in_(("intent", "none")), ~_tests(LABEL.c.turn_id))
        .order_by(LABEL.c.id)
    )


def tested(bot: str) -> sa.Select[Any]:
    """The newest label of each turn of the audit slice and the gold set."""
    of_use = (LABEL.c.bot == bot, LABEL.c.use.in_(TEST_USES))
    newest = sa.select(sa.func.max(LABEL.c.id)).where(*of_use).group_by(LABEL.c.turn_id)
    return sa.select(LABEL).where(LABEL.c.id.in_(newest))


def _tests(turn_id: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    """The turn was drawn for the audit slice, or is in the gold set."""
    other = LABEL.alias()
    is_marked = sa.exists().where(tables.mark.c.turn_id == turn_id, tables.mark.c.kind == "audit")
    return is_marked | sa.exists().where(other.c.turn_id == turn_id, other.c.use.in_(TEST_USES))


def counts_for(connection: sa.Connection, bot: str) -> dict[int | None, int]:
    """Each intent's id → the id its labels count for; an archived intent is missing."""
    live = {intent.id for intent in list_intents(connection, bot)}
    return {intent_id: end for intent_id, end in merges(connection, bot).items() if end in live}


def count_since(connection: sa.Connection, bot: str, label_id: int) -> int:
    """Train labels people gave, by vote or import, after that one."""
    where = (LABEL.c.bot == bot, LABEL.c.use == "train", LABEL.c.id > label_id, LABEL.c.answer != "undo")
    given = LABEL.c.origin.in_(("vote", "import"))
    return connection.scalar(sa.select(sa.func.count()).select_from(LABEL).where(*where, given)) or 0


def set_candidates(connection: sa.Connection, turn_ids: Sequence[int], *, is_labelled: bool) -> None:
    """Carded candidates whose card was answered, or answered ones whose card is open again."""
    before, after = ("carded", "labelled") if is_labelled else ("labelled", "carded")
    where = (CANDIDATE.c.turn_id.in_(turn_ids), CANDIDATE.c.status == before)
    connection.execute(sa.update(CANDIDATE).where(*where).values(status=after))
